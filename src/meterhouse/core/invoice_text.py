"""Invoices as canonical JSON: what is stored when one is issued, and what all files are made from.

One line, keys in a fixed order, every key always there, but for those that came later: they are
there where they say something, so that what was issued before keeps its text. Amounts are texts
with all digits of the currency, quantities and prices texts with the digits that they need, dates
and instants ISO 8601.
Equal invoices have equal texts, and a text is read back without loss. What a number means,
and how an invoice adds up, is not decided here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import date
from enum import Enum
from typing import Any

from meterhouse.core.charge import (
    BillingPeriod,
    Charge,
    ChargeKind,
    ChargePart,
    Reduction,
    Source,
    Unpriced,
)
from meterhouse.core.instant import Instant, instant_text, parse_instant, to_datetime
from meterhouse.core.invoice import (
    BookUsed,
    Check,
    CheckOutcome,
    CreditUse,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    InvoiceStatus,
    SourceFile,
    TaxTotal,
    Totals,
    Window,
)
from meterhouse.core.json_text import has_half_pair, parse_json
from meterhouse.core.money import amount_text
from meterhouse.core.party import Address, Party
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.quantity import number_from_text, number_text
from meterhouse.core.reading import missing_or_shown

#: The first member of every text. Another meaning of a member would be another schema.
SCHEMA = "meterhouse.invoice/1"

_HALF_PAIR = re.compile("[\ud800-\udfff]")


def invoice_text(invoice: Invoice) -> str:
    """Write an invoice as canonical JSON. The same invoice always gives the same text."""
    members = {"schema": SCHEMA, **_INVOICE.write(invoice, invoice.currency_digits)}
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    if not has_half_pair(text):
        return text
    # Half a character can be named in JSON, but not be encoded as UTF-8.
    return _HALF_PAIR.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def read_invoice(text: str | bytes) -> Invoice:
    """Read the canonical JSON of an invoice; the other way round of ``invoice_text``.

    Raises ``MeterhouseError`` (code ``invoice_unreadable``), which names the place.
    """
    try:
        members = parse_json(text)
    except ValueError as error:
        raise _unreadable("", f"is not JSON: {error}") from error
    if not isinstance(members, Mapping) or members.get("schema") != SCHEMA:
        given = members.get("schema") if isinstance(members, Mapping) else members
        raise _unreadable("schema", f"{missing_or_shown(given)}; this program reads {SCHEMA}")
    invoice: Invoice = _INVOICE.read(
        {name: value for name, value in members.items() if name != "schema"}, ""
    )
    return invoice


def _unreadable(place: str, fault: str) -> MeterhouseError:
    return MeterhouseError(
        f"An invoice cannot be read: {f'{place} ' if place else 'the text '}{fault}",
        hint="Use the JSON of an invoice as this program wrote it.",
        code="invoice_unreadable",
    )


@dataclass(frozen=True, slots=True)
class _Form:
    """How values of a kind are written (value, digits of the currency) and read (value, place)."""

    write: Callable[[Any, int], Any]
    read: Callable[[Any, str], Any]


def _read_with(convert: Callable[[str], Any], what: str) -> Callable[[Any, str], Any]:
    """Make a reader of texts; ``convert`` returns ``None`` for what it cannot read."""

    def read(value: Any, place: str) -> Any:
        made = convert(value) if isinstance(value, str) else None
        if made is None:
            raise _unreadable(place, f"{missing_or_shown(value)}, not {what}")
        return made

    return read


def _read_as(kind: type, what: str) -> Callable[[Any, str], Any]:
    def read(value: Any, place: str) -> Any:
        if type(value) is not kind:
            raise _unreadable(place, f"{missing_or_shown(value)}, not {what}")
        return value

    return read


def _date_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _instant_written(instant: Instant, _: int) -> str:
    if instant % 1000:  # finer than the milliseconds that records show
        return f"{to_datetime(instant).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
    return instant_text(instant)


_TEXT = _Form(lambda value, _: value, _read_as(str, "a text"))
_WHOLE = _Form(lambda value, _: value, _read_as(int, "a whole number"))
_BOOLEAN = _Form(lambda value, _: value, _read_as(bool, "true or false"))
_DATE = _Form(lambda value, _: value.isoformat(), _read_with(_date_of, "a date such as 2026-10-31"))
_INSTANT = _Form(_instant_written, _read_with(parse_instant, "an instant of ISO 8601"))
_NUMBER = _Form(
    lambda value, _: number_text(value), _read_with(number_from_text, "a number as text")
)
_AMOUNT = _Form(amount_text, _NUMBER.read)


def _choice(kind: type[Enum]) -> _Form:
    members = {member.value: member for member in kind}
    read = _read_with(members.get, f"one of {', '.join(members)}")
    return _Form(lambda value, _: value.value, read)


def _optional(form: _Form) -> _Form:
    write, read = form.write, form.read
    return _Form(
        lambda value, digits: None if value is None else write(value, digits),
        lambda value, place: None if value is None else read(value, place),
    )


def _several(form: _Form) -> _Form:
    write, read = form.write, form.read

    def read_all(value: Any, place: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _unreadable(place, f"{missing_or_shown(value)}, not a list")
        return tuple(read(item, f"{place}[{at}]") for at, item in enumerate(value))

    return _Form(lambda values, digits: [write(value, digits) for value in values], read_all)


def _texts_by_name() -> _Form:
    # Sorted: mappings are equal whatever their order, and so must be their texts.
    def read(value: Any, place: str) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise _unreadable(place, f"{missing_or_shown(value)}, not an object")
        return {name: _TEXT.read(text, f"{place}.{name}") for name, text in value.items()}

    return _Form(lambda value, _: dict(sorted(value.items())), read)


def _read_members(value: Any, place: str, known: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _unreadable(place, f"{missing_or_shown(value)}, not an object")
    for name in value:
        if name not in known:
            raise _unreadable(_inside(place, name), "is not known here")
    return value


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _wire_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def _members(kind: type, forms: Mapping[str, _Form], *, later: Collection[str] = ()) -> _Form:
    """Make the form of a dataclass: its fields by name, in the order in which they are written.

    Fields that came ``later`` are written where they are not empty.
    """
    wire = {_wire_name(name): (name, form) for name, form in forms.items()}
    optional = {
        field.name
        for field in fields(kind)
        if field.default is not MISSING or field.default_factory is not MISSING
    }
    assert set(forms) == {field.name for field in fields(kind)}, kind

    def write(value: Any, digits: int) -> dict[str, Any]:
        return {
            key: form.write(getattr(value, name), digits)
            for key, (name, form) in wire.items()
            if name not in later or getattr(value, name)
        }

    def read(value: Any, place: str) -> Any:
        members = _read_members(value, place, wire)
        made = {}
        for key, (name, form) in wire.items():
            if key in members:
                made[name] = form.read(members[key], _inside(place, key))
            elif name not in optional:
                raise _unreadable(_inside(place, key), "is missing")
        return kind(**made)

    return _Form(write, read)


@dataclass(frozen=True, slots=True)
class _Corrected:
    number: str
    issue_date: date


@dataclass(frozen=True, slots=True)
class _Exception:
    code: str
    text: str


def _pair(kind: type, forms: Mapping[str, _Form]) -> _Form:
    """Make the form of a pair, whose places have names in the text."""
    form = _members(kind, forms)

    def read(value: Any, place: str) -> tuple[Any, ...]:
        made = form.read(value, place)
        return tuple(getattr(made, name) for name in forms)

    return _Form(lambda value, digits: form.write(kind(*value), digits), read)


_ADDRESS = _members(
    Address,
    {"street": _TEXT, "city": _TEXT, "postcode": _TEXT, "region": _TEXT, "country": _TEXT},
)
_PARTY = _members(
    Party,
    {"name": _TEXT, "address": _ADDRESS, "tax_id": _TEXT, "legal_id": _TEXT, "email": _TEXT},
)
_PERIOD = _members(BillingPeriod, {"start": _INSTANT, "end": _INSTANT, "timezone": _TEXT})
_PART = _members(
    ChargePart,
    {
        "label": _TEXT,
        "quantity": _NUMBER,
        "unit_price": _optional(_NUMBER),
        "flat": _AMOUNT,
        "amount": _AMOUNT,
    },
)
_REDUCTION = _members(Reduction, {"name": _TEXT, "kind": _TEXT, "amount": _AMOUNT})
_SOURCE = _members(Source, {"record_id": _TEXT, "quantity": _NUMBER, "fields": _texts_by_name()})
_CHARGE = _members(
    Charge,
    {
        "sku": _TEXT,
        "kind": _choice(ChargeKind),
        "name": _TEXT,
        "model": _TEXT,
        "unit": _TEXT,
        "metered_unit": _TEXT,
        "fields": _texts_by_name(),
        "quantity": _NUMBER,
        "billable": _NUMBER,
        "per": _NUMBER,
        "list_price": _optional(_NUMBER),
        "parts": _several(_PART),
        "exact": _AMOUNT,
        "gross": _AMOUNT,
        "reductions": _several(_REDUCTION),
        "net": _AMOUNT,
        "tax": _optional(_TEXT),
        "period": _PERIOD,
        "sources": _several(_SOURCE),
    },
)
_LINE = _members(
    InvoiceLine,
    {
        "id": _TEXT,
        "charge": _CHARGE,
        "shares": _several(_REDUCTION),
        "net": _AMOUNT,
        "tax_category": _TEXT,
        "tax_rate": _NUMBER,
        "book": _TEXT,
        "corrects": _optional(_TEXT),
        "author": _TEXT,
        "reason": _TEXT,
    },
)
_TAX = _members(
    TaxTotal,
    {
        "category": _TEXT,
        "rate": _NUMBER,
        "name": _TEXT,
        "reason": _TEXT,
        "base": _AMOUNT,
        "amount": _AMOUNT,
    },
)
_CREDIT = _members(CreditUse, {"grant": _TEXT, "name": _TEXT, "amount": _AMOUNT, "paid": _BOOLEAN})
_UNPRICED = _members(
    Unpriced,
    {
        "fields": _texts_by_name(),
        "quantity": _NUMBER,
        "reason": _TEXT,
        "skus": _several(_TEXT),
        "records": _several(_TEXT),
    },
)
_TOTALS = _members(
    Totals,
    {
        "lines": _AMOUNT,
        "credits_before_tax": _AMOUNT,
        "net": _AMOUNT,
        "tax": _AMOUNT,
        "total": _AMOUNT,
        "prepaid": _AMOUNT,
        "payable": _AMOUNT,
    },
)
_CHECK = _members(
    Check,
    {
        "code": _TEXT,
        "text": _TEXT,
        "outcome": _choice(CheckOutcome),
        "author": _TEXT,
        "reason": _TEXT,
    },
)
_SOURCE_FILE = _members(
    SourceFile,
    {
        "name": _TEXT,
        "dataset": _TEXT,
        "version": _TEXT,
        "rows": _optional(_WHOLE),
        "sha256": _TEXT,
    },
)
_INVOICE = _members(
    Invoice,
    {
        "id": _TEXT,
        "kind": _choice(InvoiceKind),
        "status": _choice(InvoiceStatus),
        "number": _optional(_TEXT),
        "issue_date": _optional(_DATE),
        "due_date": _optional(_DATE),
        "corrects": _optional(_pair(_Corrected, {"number": _TEXT, "issue_date": _DATE})),
        "customer": _TEXT,
        "reference": _TEXT,
        "language": _TEXT,
        "seller": _PARTY,
        "buyer": _PARTY,
        "period": _PERIOD,
        "currency": _TEXT,
        "currency_digits": _WHOLE,
        "invoicing_model": _TEXT,
        "lines": _several(_LINE),
        "credits": _several(_CREDIT),
        "taxes": _several(_TAX),
        "totals": _TOTALS,
        "requests": _optional(_NUMBER),
        "books": _several(_members(BookUsed, {"id": _TEXT, "version": _TEXT, "hash": _TEXT})),
        "unpriced": _several(_UNPRICED),
        "windows": _several(
            _members(
                Window,
                {"start": _DATE, "fields": _texts_by_name(), "quantity": _NUMBER, "unit": _TEXT},
                later=("unit",),
            )
        ),
        "exceptions": _several(_pair(_Exception, {"code": _TEXT, "text": _TEXT})),
        "metadata": _texts_by_name(),
        "checks": _several(_CHECK),
        "sources": _several(_SOURCE_FILE),
        "file_name": _TEXT,
    },
    later=("checks", "sources", "file_name"),
)
