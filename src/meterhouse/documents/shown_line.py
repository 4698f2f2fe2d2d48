"""What people are shown of a line: the columns that all documents share.

Which part of a charge is its component, its service and so on. A price book that has no such
fields gives the SKU and the name instead. Nothing is added up here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from meterhouse.core.charge import Charge, ChargeKind, ChargePart
from meterhouse.core.invoice import Invoice, InvoiceLine
from meterhouse.core.json_text import canonical_text
from meterhouse.core.money import Rounding, amount_text, rounded, rounded_ratio
from meterhouse.core.quantity import EXACT, ZERO, fraction_digits, number_text
from meterhouse.core.told_fields import told_fields

#: Digits of a unit cost that is worked out: it is shown, never billed.
_UNIT_COST_DIGITS = 9
#: A line of a million tiers is no line for people: what is shown of the calculation ends here.
_PARTS_MAX = 40
_BY_HAND = "by-hand"
_COMMITMENT = "commitment"
#: Units of which people say queries.
_QUERIES = frozenset({"request", "requests", "query", "queries"})
#: Parts that are an amount and nothing else, and others whose names are not for people.
_AMOUNTS = {"minimum": "minimum", "flat": "flat amount"}
_LABELS = {"all": "", "rated anew": "with late usage", "rated before": "billed before"}
#: Before the labels of steps of late usage.
_ANEW = "rated anew: "
#: Fields that say component, service and app.
_OWN = ("component", "service", "app", "app_id", "app_name")
#: Ids whose names are in a field of their own.
_NAMED = ("app", "channel")
#: Parts that say nothing more, alone, than their line does.
_SAID_BY_LINE = frozenset({"all", "included", "rated anew", "rated before", "billed before"})
#: Parts whose price is of packages, not of units.
_PACKAGES = re.compile(r"[\d,.]+ packages? of ")


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line and what its columns say; what it does not have is empty."""

    line: InvoiceLine
    component: str
    service: str
    app: str
    app_id: str
    preset: str
    brand: str
    channel: str
    model: str
    token_type: str
    contact_channel: str = ""

    @property
    def user(self) -> str:
        """Service or app: its name, and its id where that is another; else the channel."""
        if not self.app and not self.app_id:
            return self.channel
        if self.app_id and self.app_id != self.app:
            return f"{self.app} ({self.app_id})" if self.app else self.app_id
        return self.app

    def of(self, *shown: str) -> str:
        """Return the fields that have no column of their own, but for those shown elsewhere."""
        fields = named_fields(self.line)
        left = {name: text for name, text in fields.items() if name not in (*_OWN, *shown)}
        said = ((name, field_text(left, name)) for name in sorted(left))
        return ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in said if text)

    def told(self, *shown: str) -> str:
        """Return these fields for people: names in the place of ids, nothing that stands twice."""
        twice = ("channel", "channel_name") if self.user and self.user == self.channel else ()
        left = told_fields(named_fields(self.line), null="null")
        said = (
            (name.removesuffix("_name").replace("_", " "), field_text(left, name))
            for name in sorted(left)
            if name not in (*_OWN, *shown, *twice)
        )
        return ", ".join(f"{name} {text}" for name, text in said if text)

    @property
    def part(self) -> str:
        """The service; of late usage also the invoice that it corrects."""
        line = self.line
        late = line.charge.kind is ChargeKind.ADJUSTMENT and line.corrects
        return f"{self.service} (late usage, corrects {line.corrects})" if late else self.service

    @property
    def quantity(self) -> Decimal | None:
        """What is charged, in the unit of the price; fees and true-ups count nothing."""
        charge = self.line.charge
        counts = charge.kind in (ChargeKind.USAGE, ChargeKind.ADJUSTMENT)
        return charge.billable if counts and charge.model != _BY_HAND else None

    @property
    def metered_unit(self) -> str:
        """The meter's unit; that of the price where the same number of it is charged."""
        charge = self.line.charge
        same = charge.unit if charge.quantity == charge.billable else ""
        return charge.metered_unit or same

    @property
    def is_converted(self) -> bool:
        """Whether another number was metered than is charged."""
        return self.quantity not in (None, self.line.charge.quantity)

    @property
    def list_price(self) -> Decimal | None:
        """The price of a unit, where one holds for all that is charged."""
        return None if self.quantity is None else self.line.charge.list_price

    @property
    def model_name(self) -> str:
        """How the price is made, for people."""
        model = self.line.charge.model
        return "" if model in (_BY_HAND, _COMMITMENT, "flat") else model.replace("_", " ")

    @property
    def sku(self) -> str:
        """The code of the price; lines that no price is for have none."""
        return "" if self.line.charge.model in (_BY_HAND, _COMMITMENT) else self.line.charge.sku

    @property
    def is_tokens(self) -> bool:
        """Whether this is usage of a language model, told by the kind of token or by the unit."""
        return bool(self.token_type) or self.line.charge.unit in ("token", "tokens")


def shown_lines(invoice: Invoice) -> list[ShownLine]:
    """Return the lines of an invoice as people see them."""
    return [_shown(line) for line in invoice.lines]


def quantity_title(lines: Iterable[ShownLine]) -> str:
    """Return the heading of quantities: ``Queries`` where nothing else is counted."""
    units = {one.line.charge.unit for one in lines if one.quantity is not None}
    return "Queries" if units and units <= _QUERIES else "Quantity"


def is_queries(unit: str) -> bool:
    """Whether people say queries of a unit."""
    return unit in _QUERIES


def _own_name(line: InvoiceLine) -> str:
    """What a line is called that names no component: its SKU, where a price has one."""
    names = {_BY_HAND: "Adjustment by hand", _COMMITMENT: "Minimum commitment"}
    return names.get(line.charge.model, line.charge.sku)


def _shown(line: InvoiceLine) -> ShownLine:
    return shown_as(line, named_fields(line))


def named_fields(line: InvoiceLine) -> Mapping[str, str]:
    """Return the fields of a line, and beside ids the names that its usage has for them.

    Lines are told apart by ids, so that what is called otherwise stays one line. It then has all
    of its names.
    """
    found = dict(line.charge.fields)
    for id in _NAMED:
        name = f"{id}_name"
        if id in found and name not in found:
            names = {field_text(source.fields, name) for source in line.charge.sources} - {""}
            if names:
                found[name] = canonical_text(" / ".join(sorted(names)))
    return found


def shown_as(line: InvoiceLine, fields: Mapping[str, str]) -> ShownLine:
    """Return what is shown of a line whose usage has these fields.

    Where an id and a name are fields of their own, the id is what is called like the field.
    """
    named = field_text(fields, "app_name")
    app, app_id = field_text(fields, "app"), field_text(fields, "app_id")
    channel = _name_and_id(fields, "channel")
    return ShownLine(
        line=line,
        component=field_text(fields, "component") or _own_name(line),
        service=field_text(fields, "service") or line.charge.name,
        app=named or app,
        app_id=app_id or (app if named else ""),
        preset=field_text(fields, "preset"),
        brand=field_text(fields, "brand_name") or field_text(fields, "brand"),
        channel=channel,
        model=field_text(fields, "model"),
        token_type=field_text(fields, "token_type"),
        contact_channel=field_text(fields, "contact_channel_name")
        or field_text(fields, "contact_channel")
        or (channel if app else ""),
    )


def _name_and_id(fields: Mapping[str, str], name: str) -> str:
    """Return a name with the id behind it, where these are two."""
    id, named = field_text(fields, name), field_text(fields, f"{name}_name")
    return f"{named} ({id})" if named and id and named != id else named or id


def field_text(fields: Mapping[str, str], name: str) -> str:
    """Return the value of a field for people; it is kept as canonical JSON.

    >>> field_text({"app": '"mi-movistar"', "level": "5"}, "app")
    'mi-movistar'
    """
    value = fields.get(name, "")
    if value == "null":
        return ""
    if len(value) > 1 and "\\" not in value and value[0] == value[-1] == '"':
        return value[1:-1]
    if value.startswith('"'):
        try:
            return str(json.loads(value))
        except ValueError:
            return value
    return value


def fields_text(fields: Mapping[str, str]) -> str:
    """Return fields for people, in the order of their names: ``app mi-movistar, level 5``."""
    told = told_fields(fields, null="null")
    return ", ".join(
        f"{name.removesuffix('_name').replace('_', ' ')} {field_text(told, name)}"
        for name in sorted(told)
    )


def unit_cost(shown: ShownLine) -> Decimal | None:
    """What one unit came to, all in all; nothing for what has no quantity."""
    return cost_of_one(shown.line.net, shown.quantity)


def cost_of_one(amount: Decimal, quantity: Decimal | None) -> Decimal | None:
    """Return an amount by a quantity, as people are shown it.

    >>> cost_of_one(Decimal("150.00"), Decimal(12345))
    Decimal('0.012150668')
    """
    if not quantity:
        return None
    return rounded_ratio(amount, quantity, _UNIT_COST_DIGITS, Rounding.HALF_UP).normalize(EXACT)


def parts_text(line: InvoiceLine, digits: int) -> str:
    """Say how a line was calculated: its tiers, cells and fees, one after the other."""
    parts = line.charge.parts
    if not parts or (len(parts) == 1 and not parts[0].flat and parts[0].label in _SAID_BY_LINE):
        return ""
    shown = [_part_text(line.charge, part, digits) for part in parts[:_PARTS_MAX]]
    if len(parts) > _PARTS_MAX:
        shown.append(f"and {len(parts) - _PARTS_MAX} more")
    return "; ".join(shown)


def _part_text(charge: Charge, part: ChargePart, digits: int) -> str:
    if part.label.startswith(_ANEW):
        step = replace(part, label=part.label.removeprefix(_ANEW))
        return f"with late usage, {_part_text(charge, step, digits)}"
    amount = grouped_digits(amount_text(_brief(part.amount), digits))
    if part.label == "charged already":
        return (
            f"less {grouped_digits(amount_text(part.amount.copy_negate(), digits))} charged already"
        )
    if part.label in _AMOUNTS:
        return f"{_AMOUNTS[part.label]} {amount}"
    label = _LABELS.get(part.label, part.label)
    named = f"{label}: " if label else ""
    flat = f" plus {grouped_digits(amount_text(part.flat, digits))}" if part.flat else ""
    quantity = grouped_digits(number_text(_brief(part.quantity)))
    if part.unit_price is None:
        added = flat if label.endswith(" %") else ""
        return f"{named}{quantity}{added} = {amount}" if part.quantity else f"{named}{amount}"
    price = grouped_digits(number_text(part.unit_price))
    if _PACKAGES.match(label):
        return f"{label} at {price} = {amount}"
    return f"{named}{quantity} at {price}{per_text(charge)}{flat} = {amount}"


def _brief(number: Decimal) -> Decimal:
    """Return a number as people read it: a quotient has digits without end."""
    if fraction_digits(number) <= _UNIT_COST_DIGITS:
        return number
    return rounded(number, _UNIT_COST_DIGITS, Rounding.HALF_UP).normalize(EXACT)


def per_text(charge: Charge) -> str:
    """Say how many units a price is for; nothing where it is for one."""
    return "" if charge.per == 1 else f" per {grouped_digits(number_text(charge.per))}"


def grouped_digits(text: str) -> str:
    """Write a number with its thousands apart.

    >>> grouped_digits("-12345.50"), grouped_digits("0.0021"), grouped_digits("-0.50")
    ('-12,345.50', '0.0021', '-0.50')
    """
    whole, point, fraction = text.partition(".")
    return f"{int(whole):,}{point}{fraction}" if abs(int(whole)) > 999 else text


def total(amounts: list[Decimal]) -> Decimal:
    """Add exactly."""
    added = ZERO
    for amount in amounts:
        added = EXACT.add(added, amount)
    return added
