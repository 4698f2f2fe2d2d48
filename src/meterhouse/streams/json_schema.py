"""Checking a record against a JSON Schema, with the lossless conversions of ``validate``.

Text that is a number becomes one where the schema names exactly one numeric type and no text, and
a number becomes text where it names text and no numeric type. Nothing else is converted. The
schema itself is checked, and what it refers to, by jsonschema-rs; nothing is fetched for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice

import jsonschema_rs

from meterhouse.core.json_text import JsonValue, Record, canonical_text, json_text, parse_json
from meterhouse.core.quantity import number_from_text, number_text

_NUMERIC = frozenset({"number", "integer"})
#: A whole number of more digits stays a ``Decimal``.
_INT_DIGITS_MAX = 40
#: A pattern that goes back and forth more often than this on one text counts as failed.
_BACKTRACKS_MAX = 100_000
#: So many rules that a record breaks are told.
_FAULTS_MAX = 10


class SchemaError(ValueError):
    """What is given as a JSON Schema is none."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What the schema names: types of a value, and conversions of what lies in it."""

    types: frozenset[str] = frozenset()
    properties: Mapping[str, Conversion] = field(default_factory=dict)
    items: Conversion | None = None

    @property
    def to_number(self) -> str | None:
        """The numeric type that text is converted to, if any."""
        numeric = self.types & _NUMERIC
        return next(iter(numeric)) if len(numeric) == 1 and "string" not in self.types else None

    @property
    def to_text(self) -> bool:
        """Whether numbers are converted to text."""
        return "string" in self.types and not self.types & _NUMERIC

    def converted(self, value: JsonValue) -> JsonValue:
        """Return a value converted; the same object where there is nothing to convert."""
        match value:
            case str() if self.to_number:
                return _number_of(value, whole=self.to_number == "integer")
            case bool() | None:
                return value
            case int() | Decimal() if self.to_text:
                return number_text(value)
            case dict() if self.properties:
                return self._converted_members(value)
            case list() if self.items is not None:
                items = [self.items.converted(item) for item in value]
                same = all(new is old for new, old in zip(items, value, strict=True))
                return value if same else items
        return value

    def _converted_members(self, record: Record) -> Record:
        changed: Record = {}
        for name, conversion in self.properties.items():
            if (old := record.get(name)) is not None:
                new = conversion.converted(old)
                if new is not old:
                    changed[name] = new
        return record | changed if changed else record


def conversion_of(schema: JsonValue) -> Conversion | None:
    """Return what a schema converts, ``None`` where that is nothing."""
    if not isinstance(schema, Mapping):
        return None
    given = schema.get("type")
    types = frozenset(given if isinstance(given, list) else () if given is None else (given,))
    members = schema.get("properties")
    members = members.items() if isinstance(members, Mapping) else ()
    inner = {name: conversion_of(member) for name, member in members}
    properties = {name: member for name, member in inner.items() if member is not None}
    conversion = Conversion(types, properties, conversion_of(schema.get("items")))
    useful = conversion.to_number or conversion.to_text or properties or conversion.items
    return conversion if useful else None


def _number_of(text: str, *, whole: bool) -> JsonValue:
    number = number_from_text(text)
    if number is None:
        return text
    if number.adjusted() < _INT_DIGITS_MAX and number == number.to_integral_value():
        return int(number)
    return text if whole and not _is_whole(number) else number


def _is_whole(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= 0


class SchemaCheck:
    """A JSON Schema, compiled once."""

    def __init__(self, schema: Mapping[str, JsonValue]) -> None:
        try:
            self._validator = jsonschema_rs.validator_for(
                json_text(schema),
                offline=True,
                pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKS_MAX),
            )
        except (ValueError, TypeError, jsonschema_rs.ValidationError) as error:
            raise SchemaError(_with_place(error)) from error
        self._conversion = conversion_of(schema)
        # Draft 4 tells 5.0 from 5; here they are one number, however it is held.
        self._normalizes = "draft-04" in str(schema.get("$schema"))

    def check(self, record: Record) -> tuple[Record, str | None]:
        """Return the record as it may leave, and ``None`` or the rules that it breaks."""
        present = {name: value for name, value in record.items() if value is not None}
        subject: Record = present if len(present) < len(record) else record
        if self._conversion is not None:
            subject = self._conversion.converted(subject)
        try:
            self._validator.validate(_normal(subject) if self._normalizes else subject)
        except jsonschema_rs.ValidationError:
            return record, self._detail(subject)
        except UnicodeEncodeError:
            return record, "a text holds half of a surrogate pair, which is no character"
        return (record if subject is present else subject), None

    def _detail(self, subject: Record) -> str:
        """Name fields, values and rules, in words that do not depend on how these are held."""
        faults = islice(self._validator.iter_errors(_normal(subject)), _FAULTS_MAX + 1)
        said = list(dict.fromkeys(map(_said, faults)))
        assert said, "a record breaks a schema in one form and keeps it in another"
        if len(said) > _FAULTS_MAX:
            said[_FAULTS_MAX:] = ["and more"]
        return "; ".join(said)


def _said(error: jsonschema_rs.ValidationError) -> str:
    place = ".".join(str(part) for part in error.instance_path) or "record"
    rules = [part for part in error.schema_path if isinstance(part, str)]
    return f"{place}: {_shortened(error.message)} (rule {rules[-1] if rules else 'schema'})"


def _with_place(error: Exception) -> str:
    """Say what is wrong with a schema, and where in it."""
    said = str(error).partition("\n")[0]
    if not isinstance(error, jsonschema_rs.ValidationError) or not error.instance_path:
        return said
    return f"{'.'.join(map(str, error.instance_path))}: {said}"


def _normal(record: Record) -> Record:
    return parse_json(canonical_text(record))


def _shortened(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:297]}..."
