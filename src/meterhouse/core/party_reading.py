"""Issuers and customers as bodies of the API: reading them, every problem at once; writing them.

How invoices are numbered is decided here too: what a format may hold, and what it makes of a date
and a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from meterhouse.core.country import is_country
from meterhouse.core.json_text import JsonValue
from meterhouse.core.party import Address, Customer, Issuer, Party
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.core.revision import revision_of

ID_CHARS_MAX = 60
TEXT_CHARS_MAX = 200
USERS_MAX = 100_000
PAYMENT_DAYS_MAX = 3650
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_PLACE = re.compile(r"\{([^{}]*)\}")
_NUMBER = re.compile(r"number(?::([1-9]|1[0-2]))?", re.ASCII)
_FILE_NAME = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
#: What the names of files may say of an invoice.
FILE_NAME_PLACES = ("issuer", "customer", "country", "country3", "period", "number")
_PARTY = ("name", "address", "taxId", "legalId", "email")
_ADDRESS = ("country", "street", "city", "postcode", "region")
ISSUER_FIELDS = (
    *("id", *_PARTY, "numberFormat", "series", "creditNoteFormat", "paymentDays"),
    "fileName",
)
CUSTOMER_FIELDS = (
    *("id", *_PARTY, "issuer", "priceBook", "users", "reference", "language", "customFields"),
    *("from", "to"),
)
READ_ONLY = ("revision",)
#: Before the name of a series, that of its credit notes: they count by themselves.
CREDIT_NOTES = "credit-notes:"


@dataclass(frozen=True, slots=True)
class Numbered:
    """A number of a series, as it stands on a document."""

    series: str
    sequence: int
    number: str


def read_issuer(body: JsonValue) -> Issuer:
    """Read an issuer. Raises ``DefinitionError`` listing every problem."""
    reading = Reading(body, known=ISSUER_FIELDS, read_only=READ_ONLY, what="issuer")
    id, party = _id(reading), _party(reading)
    defaults = Issuer("", party)
    number_format = _format(reading, "numberFormat", defaults.number_format)
    note_format = _format(reading, "creditNoteFormat", defaults.credit_note_format)
    series = reading.text("series", chars_max=ID_CHARS_MAX) or defaults.series
    _check_series(reading, series, (number_format, note_format))
    if number_format == note_format:
        hint = "put something before it, such as CN-"
        reading.fail("creditNoteFormat", f"is {shown(note_format)}, as numberFormat is", hint)
    days = _whole(reading, "paymentDays", default=defaults.payment_days)
    file_name = _file_name(reading)
    _refuse(reading, "issuer")
    return Issuer(id, party, number_format, series, note_format, days, file_name)


def read_customer(body: JsonValue) -> Customer:
    """Read a customer. Raises ``DefinitionError`` listing every problem."""
    reading = Reading(body, known=CUSTOMER_FIELDS, read_only=READ_ONLY, what="customer")
    id, party = _id(reading), _party(reading)
    issuer = reading.text("issuer", required=True, chars_max=ID_CHARS_MAX) or ""
    book = reading.text("priceBook", required=True, chars_max=TEXT_CHARS_MAX) or ""
    users = _users(reading)
    reference = reading.text("reference", chars_max=TEXT_CHARS_MAX) or ""
    language = reading.text("language", chars_max=ID_CHARS_MAX) or "en"
    if not _LANGUAGE.fullmatch(language):
        reading.fail("language", f"is {shown(language)}", "use a code such as en or es")
    custom = reading.json_object("customFields")
    begin, end = _day(reading, "from"), _day(reading, "to")
    if begin is not None and end is not None and end <= begin:
        reading.fail("to", f"is {end}, not after from", "give the day after the last one")
    _refuse(reading, "customer")
    return Customer(id, party, issuer, book, users, reference, language, custom, begin, end)


def issuer_body(issuer: Issuer) -> dict[str, Any]:
    """Return the API's object of an issuer: what is read gives the same issuer again."""
    return {
        "id": issuer.id,
        **_party_body(issuer.party),
        "numberFormat": issuer.number_format,
        "series": issuer.series,
        "creditNoteFormat": issuer.credit_note_format,
        "paymentDays": issuer.payment_days,
    } | ({"fileName": issuer.file_name} if issuer.file_name else {})


def customer_body(customer: Customer) -> dict[str, Any]:
    """Return the API's object of a customer: what is read gives the same customer again."""
    return {
        "id": customer.id,
        **_party_body(customer.party),
        "issuer": customer.issuer,
        "priceBook": customer.price_book,
        "users": list(customer.users),
        "reference": customer.reference,
        "language": customer.language,
        "customFields": dict(customer.custom_fields),
        "from": None if customer.begin is None else customer.begin.isoformat(),
        "to": None if customer.end is None else customer.end.isoformat(),
    }


def shown_body(body: dict[str, Any]) -> dict[str, Any]:
    """Return an object with its revision."""
    return body | {"revision": revision_of(body)}


def merged(body: dict[str, Any], patch: JsonValue, *, what: str) -> dict[str, Any]:
    """Return what a merge patch (RFC 7396) makes of a body. The id stays.

    Raises ``DefinitionError``.
    """
    if not isinstance(patch, dict):
        fault = Problem("", f"is {shown(patch)}, not a JSON object", "write it between { and }")
        raise DefinitionError([fault], what="The merge patch")
    if patch.get("id", body["id"]) != body["id"]:
        hint = f"create another {what}"
        fault = Problem("id", f"is {body['id']!r}, and stays so", hint)
        raise DefinitionError([fault], what="The merge patch")
    return _patched(body, {name: value for name, value in patch.items() if name not in READ_ONLY})


def _patched(body: Any, patch: JsonValue) -> Any:
    if not isinstance(patch, dict):
        return patch
    made = dict(body) if isinstance(body, dict) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = _patched(made.get(name), value)
    return made


def series_of(issuer: Issuer, *, customer: str, issue_date: date, credit_note: bool) -> str:
    """Return the name of the series that a document is numbered in."""
    places = {"year": f"{issue_date.year:04}", "customer": customer}
    name = _PLACE.sub(lambda place: places[place[1]], issuer.series)
    return f"{CREDIT_NOTES}{name}" if credit_note else name


def number_of(
    issuer: Issuer, sequence: int, *, customer: str, issue_date: date, credit_note: bool
) -> str:
    """Return a number of a series as it is written.

    >>> liceo = Issuer("liceo", Party("Liceo", Address("ES")), "L-{year}{month}-{number:4}")
    >>> number_of(liceo, 7, customer="es", issue_date=date(2026, 11, 2), credit_note=False)
    'L-202611-0007'
    """
    places = {
        "year": f"{issue_date.year:04}",
        "month": f"{issue_date.month:02}",
        "customer": customer,
    }

    def written(place: re.Match[str]) -> str:
        number = _NUMBER.fullmatch(place[1])
        return f"{sequence:0{number[1] or 1}}" if number else places[place[1]]

    format = issuer.credit_note_format if credit_note else issuer.number_format
    return _PLACE.sub(written, format)


def _refuse(reading: Reading, what: str) -> None:
    if reading.problems:
        raise DefinitionError(reading.problems, what=f"The {what}")


def _id(reading: Reading) -> str:
    id = reading.text("id", required=True, chars_max=ID_CHARS_MAX) or ""
    if id and not _ID.fullmatch(id):
        hint = "use letters, digits and - _ . between them"
        reading.fail("id", f"is {shown(id)}", hint)
    return id


def _party(reading: Reading) -> Party:
    name = reading.text("name", required=True, chars_max=TEXT_CHARS_MAX) or ""
    texts = [reading.text(field, chars_max=TEXT_CHARS_MAX) or "" for field in _PARTY[2:]]
    if texts[2] and "@" not in texts[2]:
        reading.fail("email", f"is {shown(texts[2])}", "use an address such as ann@example.com")
    if reading.body.get("address") is None:
        reading.fail("address", "is missing", 'give at least {"country": "ES"}')
        return Party(name, Address(""), *texts)
    inner = Reading(reading.body["address"], known=_ADDRESS, what="address")
    country, *rest = [inner.text(field, chars_max=TEXT_CHARS_MAX) or "" for field in _ADDRESS]
    if not is_country(country):
        hint = "use two capital letters of ISO 3166-1, such as ES"
        inner.fail("country", missing_or_shown(country or None), hint)
    for problem in inner.problems:
        placed = problem.at("address")
        reading.fail(placed.place, placed.message, placed.hint)
    return Party(name, Address(country, *rest), *texts)


def _party_body(party: Party) -> dict[str, Any]:
    address = {name: getattr(party.address, name) for name in _ADDRESS}
    return {
        "name": party.name,
        "address": {name: text for name, text in address.items() if text},
        "taxId": party.tax_id,
        "legalId": party.legal_id,
        "email": party.email,
    }


def _users(reading: Reading) -> tuple[str, ...]:
    users = reading.json_list("users", items_max=USERS_MAX)
    for place, user in enumerate(users):
        if not isinstance(user, str) or not user:
            reading.fail(f"users[{place}]", f"is {shown(user)}", "use a user id of meters")
    known = [user for user in users if isinstance(user, str)]
    if twice := next((user for user in dict.fromkeys(known) if known.count(user) > 1), None):
        reading.fail("users", f"has {shown(twice)} twice", "name each user once")
    return tuple(known)


def _whole(reading: Reading, name: str, *, default: int) -> int:
    value = reading.body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= PAYMENT_DAYS_MAX:
        hint = f"use a whole number from 0 to {PAYMENT_DAYS_MAX}"
        reading.fail(name, f"is {shown(value)}", hint)
        return default
    return value


def _day(reading: Reading, name: str) -> date | None:
    value = reading.body.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    reading.fail(name, f"is {shown(value)}, not a day", "write it such as 2026-10-01")
    return None


def _format(reading: Reading, name: str, default: str) -> str:
    text = reading.text(name, chars_max=ID_CHARS_MAX) or default
    places = _PLACE.findall(text)
    numbers = [place for place in places if _NUMBER.fullmatch(place)]
    unknown = [place for place in places if place not in (*numbers, "year", "month", "customer")]
    hint = "places are {year}, {month}, {customer} and {number:6}, with its width of 1 to 12"
    if len(numbers) != 1:
        reading.fail(name, f"is {shown(text)}, which has {{number}} {len(numbers)} times", hint)
    for place in unknown:
        reading.fail(name, f"has the place {shown('{' + place + '}')}", hint)
    if any(bracket in _PLACE.sub("", text) for bracket in "{}"):
        reading.fail(name, f"is {shown(text)}, whose braces do not match", hint)
    return text


def _file_name(reading: Reading) -> str:
    text = reading.text("fileName", chars_max=ID_CHARS_MAX) or ""
    places = _PLACE.findall(text)
    hint = f"places are {', '.join(f'{{{name}}}' for name in FILE_NAME_PLACES)}"
    if text and "number" not in places:
        message = f"is {shown(text)}, without {{number}}"
        reading.fail("fileName", message, "files of two invoices would have one name: add it")
    for place in places:
        if place not in FILE_NAME_PLACES:
            reading.fail("fileName", f"has the place {shown('{' + place + '}')}", hint)
    if not _FILE_NAME.fullmatch(_PLACE.sub("", text)):
        message = f"is {shown(text)}"
        reading.fail("fileName", message, "use letters, digits, - and _ around its places")
    return text


def _check_series(reading: Reading, series: str, formats: tuple[str, ...]) -> None:
    hint = "places of a series are {year} and {customer}"
    places = _PLACE.findall(series)
    for place in places:
        if place not in ("year", "customer"):
            reading.fail("series", f"has the place {shown('{' + place + '}')}", hint)
        elif any(place not in _PLACE.findall(format) for format in formats):
            message = f"begins anew with each {place}, which the numbers do not show"
            remedy = f"write {{{place}}} in numberFormat and creditNoteFormat too"
            reading.fail("series", message, remedy)
    if any(bracket in _PLACE.sub("", series) for bracket in "{}"):
        reading.fail("series", f"is {shown(series)}, whose braces do not match", hint)
