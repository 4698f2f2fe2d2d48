"""Comparing a field with the value of a rule, as columns: the operators of ``transforms/split``.

The value of a rule is text in the document. Numbers compare as numbers where both sides are
numbers, texts as texts, and anything else is only equal to its JSON text. An absent field is
unequal to everything and neither below nor above anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

import polars as pl

from meterhouse.core.json_text import JsonValue, canonical_text, parse_json
from meterhouse.core.quantity import number_from_text
from meterhouse.engine.column import QUANTITY, Column, ColumnKind, timestamp_texts
from meterhouse.streams.mask import uniform
from meterhouse.streams.number_column import at_most, equals, less_than


class Operator(Enum):
    """How a field is compared. ``LIST_`` operators compare how many items a list has."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    LIST_LT = "list_lt"
    LIST_EQ = "list_eq"
    LIST_GT = "list_gt"
    REGEX = "regex"


#: Other spellings of the operators.
SPELLINGS: dict[str, Operator] = {
    **{operator.value: operator for operator in Operator},
    "neq": Operator.NE,
    "lte": Operator.LE,
    "gte": Operator.GE,
    "listlt": Operator.LIST_LT,
    "listeq": Operator.LIST_EQ,
    "listgt": Operator.LIST_GT,
    "list_lesser": Operator.LIST_LT,
    "list_equal": Operator.LIST_EQ,
    "list_greater": Operator.LIST_GT,
    "regexp": Operator.REGEX,
}
_LENGTHS = {
    Operator.LIST_LT: Operator.LT,
    Operator.LIST_EQ: Operator.EQ,
    Operator.LIST_GT: Operator.GT,
}
_ORDERS = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})


#: Numerals that every reader takes for the same number.
_PLAIN_NUMERAL = r"^-?[0-9]{1,20}(?:\.[0-9]{1,18})?$"


@dataclass(frozen=True, slots=True)
class Comparison:
    """An operator and the value that fields are compared with."""

    operator: Operator
    value: str

    @property
    def number(self) -> Decimal | None:
        """The value as a number, where it is one."""
        return number_from_text(self.value)

    def mask(self, column: Column) -> pl.Series:
        """Tell for each value of a column whether it holds (Boolean, no nulls)."""
        if self.operator is Operator.NE:
            return ~Comparison(Operator.EQ, self.value).mask(column)
        return self._mask(column).fill_null(value=False)

    def _mask(self, column: Column) -> pl.Series:
        values = column.values
        match column.kind:
            case ColumnKind.JSON:
                return self._mixed_mask(values)
            case _ if self.operator in _LENGTHS:
                return uniform(len(values), value=False)
            case ColumnKind.NUMBER:
                return self._number_mask(values)
            case ColumnKind.BOOLEAN:
                return self._text_mask(values.cast(pl.String), ordered=False)
            case ColumnKind.TIMESTAMP:
                return self._text_mask(timestamp_texts(values))
            case ColumnKind.TEXT:
                return self._text_mask(values)

    def _number_mask(self, values: pl.Series) -> pl.Series:
        if self.operator is Operator.REGEX:
            return Column(ColumnKind.NUMBER, values).canonical().str.contains(self.value)
        number = self.number
        return (
            uniform(len(values), value=False)
            if number is None
            else _NUMBER_MASKS[self.operator](values, number)
        )

    def _text_mask(self, texts: pl.Series, *, ordered: bool = True) -> pl.Series:
        if self.operator is Operator.REGEX:
            return texts.str.contains(self.value)
        if self.operator is Operator.EQ:
            return texts == self.value
        if not ordered:
            return uniform(len(texts), value=False)
        if self.number is None:
            return _TEXT_MASKS[self.operator](texts, self.value)
        return self._numeral_mask(texts)

    def _numeral_mask(self, texts: pl.Series) -> pl.Series:
        """Order texts against a number: only those that are numerals, as numbers."""
        assert self.number is not None
        plain = texts.str.contains(_PLAIN_NUMERAL).fill_null(value=False)
        numbers = texts.zip_with(plain, pl.Series([None], dtype=pl.String)).cast(QUANTITY)
        held = _NUMBER_MASKS[self.operator](numbers, self.number).fill_null(value=False)
        if plain.all():
            return held
        odd = texts.filter(~plain & texts.is_not_null()).unique()
        read = [(text, number_from_text(text)) for text in odd]
        holding = [text for text, number in read if number is not None and self._holds(number)]
        return held | texts.is_in(holding)

    def _holds(self, number: Decimal) -> bool:
        """Whether a single number holds; how many items a list has is one, too."""
        bound = self.number
        if bound is None:
            return False
        match _LENGTHS.get(self.operator, self.operator):
            case Operator.EQ:
                return number == bound
            case Operator.LT:
                return number < bound
            case Operator.LE:
                return number <= bound
            case Operator.GT:
                return number > bound
            case _:
                return number >= bound

    def _mixed_mask(self, texts: pl.Series) -> pl.Series:
        """Values of several types: each distinct one is looked at for itself."""
        distinct = texts.drop_nulls().unique()
        return texts.is_in([text for text in distinct if self._holds_value(parse_json(text))])

    def _holds_value(self, value: JsonValue) -> bool:
        if self.operator in _LENGTHS:
            return isinstance(value, list) and self._holds(Decimal(len(value)))
        if isinstance(value, Decimal | int) and not isinstance(value, bool):
            if self.operator is not Operator.REGEX:
                return self._holds(Decimal(value))
        elif isinstance(value, str):
            return bool(self._text_mask(pl.Series([value], dtype=pl.String))[0])
        elif self.operator in _ORDERS:
            return False
        text = pl.Series([canonical_text(value)], dtype=pl.String)
        return bool(self._text_mask(text, ordered=False)[0])


_NUMBER_MASKS: dict[Operator, Callable[[pl.Series, Decimal], pl.Series]] = {
    Operator.EQ: equals,
    Operator.LT: less_than,
    Operator.LE: at_most,
    Operator.GT: lambda values, number: ~at_most(values, number),
    Operator.GE: lambda values, number: ~less_than(values, number),
}
_TEXT_MASKS: dict[Operator, Callable[[pl.Series, str], pl.Series]] = {
    Operator.LT: lambda texts, bound: texts < bound,
    Operator.LE: lambda texts, bound: texts <= bound,
    Operator.GT: lambda texts, bound: texts > bound,
    Operator.GE: lambda texts, bound: texts >= bound,
}
