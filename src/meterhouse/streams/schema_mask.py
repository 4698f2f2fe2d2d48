"""Which records of a columnar batch surely keep a JSON Schema, told column by column.

Only for the common kind of schema: flat properties with types, enumerations, bounds, lengths and
plain patterns. Where this says yes, ``SchemaCheck`` says yes and leaves the same values; where it
does not, nothing is said, and the record goes through ``SchemaCheck``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from meterhouse.core.json_text import JsonValue, canonical_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import QUANTITY, Column, ColumnKind, number_texts, timestamp_texts
from meterhouse.streams.json_schema import Conversion, conversion_of
from meterhouse.streams.mask import uniform
from meterhouse.streams.number_column import at_most, less_than

_ANNOTATIONS = frozenset(
    "title description default examples $comment deprecated readOnly writeOnly".split()
)
_TOP = _ANNOTATIONS | frozenset("$schema $id id $defs definitions type properties required".split())
_WHOLE = r"^-?[0-9]{1,18}$"
_DECIMAL = r"^-?[0-9]{1,20}(?:\.[0-9]{1,18})?$"
#: Patterns that every regular expression engine reads alike: literals, groups without options,
#: classes of plain characters, anchors, quantifiers, and escaped punctuation.
_PLAIN = re.compile(
    r"(?:[A-Za-z0-9 _\-:/@#,;=!%&~\"'<>^$.|*+?]"
    r"|\((?!\?)|\)|\(\?:|\{[0-9]+(?:,[0-9]*)?\}|\\[.\-/*+?()|\[\]{}^$]"
    r"|\[\^?[A-Za-z0-9 _:/@#,;=!%~\"'<>.*+?]+(?:-[A-Za-z0-9]+)*[A-Za-z0-9 _:/@.]*\])*",
)

#: A check of the values of a column: Boolean, whatever where there is no value.
_Check = Callable[[Column], pl.Series]


@dataclass(frozen=True, slots=True)
class _Property:
    """What is asked of one field. ``checks`` is ``None`` where it is not of the common kind."""

    conversion: Conversion | None
    checks: tuple[_Check, ...] | None

    def converted(self, column: Column) -> Column:
        """Return the column with its values converted; null where one cannot be, for sure."""
        if self.conversion is None:
            return column
        if self.conversion.to_number and column.kind is ColumnKind.TEXT:
            return _numbers(column.values, whole=self.conversion.to_number == "integer")
        if self.conversion.to_text and column.kind is ColumnKind.NUMBER:
            return Column(ColumnKind.TEXT, number_texts(column.values))
        return column

    def holds(self, column: Column) -> pl.Series:
        """Tell for each value whether it surely is as asked; true where there is none."""
        absent = ~column.is_present()
        if self.checks is None:
            return absent
        held = uniform(len(column), value=True)
        for check in self.checks:
            held &= check(column).fill_null(value=False)
        return held | absent


@dataclass(frozen=True, slots=True)
class SchemaMask:
    """A schema of the common kind."""

    properties: Mapping[str, _Property]
    required: tuple[str, ...]

    def apply(self, batch: UsageBatch) -> tuple[pl.Series, dict[str, Column]]:
        """Return which records surely keep the schema, and the columns that were converted."""
        columns = batch.columns()
        sure = uniform(len(batch), value=True)
        converted: dict[str, Column] = {}
        for name, asked in self.properties.items():
            if (column := columns.get(name)) is None:
                continue
            new = asked.converted(column)
            if new is not column:
                converted[name] = new
                sure &= new.values.is_not_null() | ~column.is_present()
            sure &= asked.holds(new)
        for name in self.required:
            column = columns.get(name)
            if column is None:
                return uniform(len(batch), value=False), converted
            sure &= column.is_present()
        return sure, converted


def schema_mask(schema: Mapping[str, JsonValue]) -> SchemaMask | None:
    """Return the mask of a schema, ``None`` where the schema as a whole is of another kind."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not set(schema) <= _TOP or schema.get("type", "object") != "object":
        return None
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return None
    asked = {name: _property(inner) for name, inner in properties.items()}
    return SchemaMask(asked, tuple(required))


def _property(schema: JsonValue) -> _Property:
    if schema is True:
        return _Property(None, ())
    if not isinstance(schema, Mapping):
        return _Property(None, None)
    conversion = conversion_of(schema)
    checks: list[_Check] = []
    for keyword, value in schema.items():
        if keyword in _ANNOTATIONS:
            continue
        maker = _MAKERS.get(keyword)
        check = maker(value) if maker is not None else None
        if check is None:
            return _Property(conversion, None)
        checks.append(check)
    return _Property(conversion, tuple(checks))


def _numbers(texts: pl.Series, *, whole: bool) -> Column:
    is_whole = texts.str.contains(_WHOLE)
    if whole or is_whole.all():
        return Column(ColumnKind.NUMBER, _kept(texts, is_whole).cast(pl.Int64))
    is_number = texts.str.contains(_DECIMAL)
    return Column(ColumnKind.NUMBER, _kept(texts, is_number).cast(QUANTITY))


def _kept(texts: pl.Series, mask: pl.Series) -> pl.Series:
    return texts.zip_with(mask.fill_null(value=False), pl.Series([None], dtype=pl.String))


# ---------------------------------------------------------------- keywords


def _type(names: JsonValue) -> _Check | None:
    known = {names} if isinstance(names, str) else set(names)
    kinds = {_KINDS[name] for name in known if name in _KINDS}
    whole_only = "integer" in known and "number" not in known

    def check(column: Column) -> pl.Series:
        kind = ColumnKind.TEXT if column.kind is ColumnKind.TIMESTAMP else column.kind
        if kind not in kinds:
            return uniform(len(column), value=False)
        if kind is ColumnKind.NUMBER and whole_only and isinstance(column.values.dtype, pl.Decimal):
            return ~number_texts(column.values).str.contains(".", literal=True)
        return column.is_present()

    return check


_KINDS = {
    "string": ColumnKind.TEXT,
    "number": ColumnKind.NUMBER,
    "integer": ColumnKind.NUMBER,
    "boolean": ColumnKind.BOOLEAN,
}


def _enum(values: JsonValue) -> _Check | None:
    allowed = pl.Series([canonical_text(value) for value in values], dtype=pl.String)
    return lambda column: column.canonical().is_in(allowed.implode())


def _const(value: JsonValue) -> _Check | None:
    return _enum([value])


def _pattern(pattern: JsonValue) -> _Check | None:
    if not isinstance(pattern, str) or _PLAIN.fullmatch(pattern) is None:
        return None
    return _of_text(lambda texts: texts.str.contains(pattern))


def _length(compare: Callable[[pl.Series, int], pl.Series]) -> Callable[[JsonValue], _Check | None]:
    def maker(limit: JsonValue) -> _Check | None:
        if isinstance(limit, bool) or not isinstance(limit, int):
            return None
        return _of_text(lambda texts: compare(texts.str.len_chars().cast(pl.Int64), limit))

    return maker


def _bound(
    compare: Callable[[pl.Series, Decimal], pl.Series],
) -> Callable[[JsonValue], _Check | None]:
    def maker(limit: JsonValue) -> _Check | None:
        if isinstance(limit, bool) or not isinstance(limit, int | Decimal):
            return None
        return _of_number(lambda numbers: compare(numbers, Decimal(limit)))

    return maker


def _of_text(check: Callable[[pl.Series], pl.Series]) -> _Check:
    """A keyword that asks something of texts, and nothing of other values."""

    def checked(column: Column) -> pl.Series:
        match column.kind:
            case ColumnKind.TEXT:
                return check(column.values)
            case ColumnKind.TIMESTAMP:
                return check(timestamp_texts(column.values))
            case ColumnKind.JSON:
                return uniform(len(column), value=False)
            case _:
                return column.is_present()

    return checked


def _of_number(check: Callable[[pl.Series], pl.Series]) -> _Check:
    """A keyword that asks something of numbers, and nothing of other values."""

    def checked(column: Column) -> pl.Series:
        match column.kind:
            case ColumnKind.NUMBER:
                return check(column.values)
            case ColumnKind.JSON:
                return uniform(len(column), value=False)
            case _:
                return column.is_present()

    return checked


_MAKERS: dict[str, Callable[[JsonValue], _Check | None]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "minLength": _length(lambda lengths, limit: lengths >= limit),
    "maxLength": _length(lambda lengths, limit: lengths <= limit),
    "minimum": _bound(lambda numbers, limit: ~less_than(numbers, limit)),
    "maximum": _bound(at_most),
    "exclusiveMinimum": _bound(lambda numbers, limit: ~at_most(numbers, limit)),
    "exclusiveMaximum": _bound(less_than),
}
