"""What people are shown of a line: the columns that all documents share.

Which part of a charge is its component, its service and so on. A price book that has no such
fields gives the SKU and the name instead. Nothing is added up here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from meterhouse.core.charge import ChargePart
from meterhouse.core.invoice import Invoice, InvoiceLine
from meterhouse.core.money import Rounding, amount_text, rounded_ratio
from meterhouse.core.quantity import EXACT, ZERO, number_text

#: Digits of a unit cost that is worked out: it is shown, never billed.
_UNIT_COST_DIGITS = 9
#: A line of a million tiers is no line for people: what is shown of the calculation ends here.
_PARTS_MAX = 40


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

    @property
    def user(self) -> str:
        """Service or app: its name, and its id where that is another."""
        if self.app_id and self.app_id != self.app:
            return f"{self.app} ({self.app_id})" if self.app else self.app_id
        return self.app

    @property
    def is_tokens(self) -> bool:
        """Whether this is usage of a language model, told by the kind of token or by the unit."""
        return bool(self.token_type) or self.line.charge.unit in ("token", "tokens")


def shown_lines(invoice: Invoice) -> list[ShownLine]:
    """Return the lines of an invoice as people see them."""
    return [_shown(line) for line in invoice.lines]


def _shown(line: InvoiceLine) -> ShownLine:
    fields = line.charge.fields
    return ShownLine(
        line=line,
        component=field_text(fields, "component") or line.charge.sku,
        service=field_text(fields, "service") or line.charge.name,
        app=field_text(fields, "app"),
        app_id=field_text(fields, "app_id"),
        preset=field_text(fields, "preset"),
        brand=field_text(fields, "brand"),
        channel=field_text(fields, "channel"),
        model=field_text(fields, "model"),
        token_type=field_text(fields, "token_type"),
    )


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
    return ", ".join(f"{name} {field_text(fields, name)}" for name in sorted(fields))


def unit_cost(line: InvoiceLine) -> Decimal | None:
    """What one unit came to, all in all; nothing for what has no quantity."""
    return cost_of_one(line.net, line.charge.quantity)


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
    if len(parts) < 2 and not (parts and parts[0].flat):
        return ""
    shown = [_part_text(part, digits) for part in parts[:_PARTS_MAX]]
    if len(parts) > _PARTS_MAX:
        shown.append(f"and {len(parts) - _PARTS_MAX} more")
    return "; ".join(shown)


def _part_text(part: ChargePart, digits: int) -> str:
    price = "" if part.unit_price is None else f" × {number_text(part.unit_price)}"
    flat = f" + {number_text(part.flat)}" if part.flat and part.unit_price is not None else ""
    amount = amount_text(part.amount, digits)
    label = f"{part.label}: " if part.label else ""
    return f"{label}{number_text(part.quantity)}{price}{flat} = {amount}"


def total(amounts: list[Decimal]) -> Decimal:
    """Add exactly."""
    added = ZERO
    for amount in amounts:
        added = EXACT.add(added, amount)
    return added
