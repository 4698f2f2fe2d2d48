"""Computing a part once for each distinct combination of its operands.

What columns cannot do, the evaluator of single records does, for the few values that there are:
texts that repeat, truth values, whole numbers that lie close together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import prod

import polars as pl

from meterhouse.core.expression.fault import ExpressionError
from meterhouse.core.expression.value import Kind, Moment, Value, kind_of, to_json
from meterhouse.core.json_text import canonical_text, parse_json
from meterhouse.core.quantity import EXACT
from meterhouse.engine.column import Coded, timestamp_texts
from meterhouse.streams.expression_columns.digits import LIMIT, Digits
from meterhouse.streams.expression_columns.vector import LOST, NULL, Shape, Vector

#: So many values are always few; beyond that, a quarter of the records.
FEW = 4_096
_SHARE = 4
#: So many combinations are computed, whether they occur or not.
_PRODUCT_MAX = 65_536
_SAMPLE = 8_192


@dataclass(frozen=True, slots=True)
class Factor:
    """The distinct values of a vector, and which of them each record has (no nulls)."""

    values: Sequence[Value]
    codes: pl.Series


def few(length: int) -> int:
    """Return how many distinct values are few among so many records."""
    return max(FEW, length // _SHARE)


def applied(
    compute: Callable[[Sequence[Value]], Value], operands: Sequence[Vector], length: int
) -> Vector:
    """Compute a function of vectors that looks at all of them; ``LOST`` if they repeat too little.

    ``compute`` raises ``ExpressionError`` for what cannot be computed.
    """
    factors = []
    for operand in operands:
        factor = _factor(operand, length)
        if factor is None:
            return LOST
        factors.append(factor)
    combined = _combined(factors, length)
    if combined is None:
        return LOST
    choices, codes = combined
    results: list[Value] = []
    failed: list[bool] = []
    for choice in choices:
        try:
            results.append(compute(choice))
            failed.append(False)
        except ExpressionError:
            results.append(None)
            failed.append(True)
    return _results(results, failed, codes).with_unsure(*(operand.unsure for operand in operands))


# ---------------------------------------------------------------- operands


def _factor(operand: Vector, length: int) -> Factor | None:
    if operand.shape is Shape.LOST:
        return None
    if operand.data is None:
        return Factor([None], pl.repeat(0, length, dtype=pl.UInt32, eager=True))
    match operand.data:
        case Coded():
            tidy = tidied(operand.data)
            found = (tidy.texts.to_list(), tidy.codes)
        case Digits():
            found = _close_numbers(operand.data) or _repeated(operand, length)
        case _ if operand.shape is Shape.BOOLEAN:
            found = ([False, True], operand.data.cast(pl.UInt32))
        case _:
            found = _repeated(operand, length)
    if found is None or len(found[0]) > few(length):
        return None
    values, codes = found
    codes = codes.cast(pl.UInt32)
    if codes.null_count():
        values, codes = [*values, None], codes.fill_null(len(values))
    if operand.constant and length != 1:
        codes = codes.new_from_index(0, length)
    return Factor(values, codes)


def tidied(coded: Coded) -> Coded:
    """Return coded texts so that no text stands twice in their dictionary."""
    texts = coded.texts
    if texts.n_unique() == len(texts):
        return coded
    known = texts.unique(maintain_order=True)
    return Coded(_places(texts, known).gather(coded.codes), known)


def _places(values: pl.Series, known: pl.Series) -> pl.Series:
    """Return where each value stands among known ones; nulls stay null."""
    places = pl.int_range(len(known), dtype=pl.UInt32, eager=True)
    table = pl.DataFrame({"value": known, "place": places})
    wanted = values.alias("value").to_frame()
    return wanted.join(table, on="value", how="left", maintain_order="left")["place"]


def _close_numbers(numbers: Digits) -> tuple[list[Value], pl.Series] | None:
    low, high = numbers.units.min(), numbers.units.max()
    if not isinstance(low, int) or not isinstance(high, int) or high - low >= FEW:
        return None
    codes = numbers.units - pl.Series([low], dtype=numbers.units.dtype)
    return [_decimal(units, numbers.scale) for units in range(low, high + 1)], codes


def _decimal(units: int, scale: int) -> Decimal:
    return EXACT.scaleb(Decimal(units), Decimal(-scale))


def _repeated(operand: Vector, length: int) -> tuple[list[Value], pl.Series] | None:
    """Look for values that repeat; a few records tell whether it is worth looking at all."""
    series = operand.data.units if isinstance(operand.data, Digits) else operand.data
    head = series.head(_SAMPLE)
    if length > _SAMPLE and head.n_unique() > _SAMPLE // 2 > few(length) // 64:
        return None
    known = series.drop_nulls().unique(maintain_order=True)
    if len(known) > few(length):
        return None
    return _values(operand, known), _places(series, known)


def _values(operand: Vector, known: pl.Series) -> list[Value]:
    match operand.shape:
        case Shape.NUMBER:
            return [_decimal(units, operand.data.scale) for units in known]
        case Shape.MOMENT:
            return [Moment(micros) for micros in known]
        case Shape.STAMP:
            return timestamp_texts(known).to_list()
        case Shape.JSON:
            return [parse_json(text) for text in known]
        case _:
            return known.to_list()


def _combined(
    factors: Sequence[Factor], length: int
) -> tuple[list[Sequence[Value]], pl.Series] | None:
    """Return combinations of values, and which of them each record has."""
    sizes = [len(factor.values) for factor in factors]
    total = prod(sizes)
    if total >= 2**63:
        return None
    codes = factors[0].codes.cast(pl.Int64 if total >= 2**32 else pl.UInt32)
    for factor, size in zip(factors[1:], sizes[1:], strict=True):
        codes = codes * pl.Series([size], dtype=codes.dtype) + factor.codes.cast(codes.dtype)
    if total <= min(_PRODUCT_MAX, few(length)):
        numbers = list(range(total))
    else:
        known = codes.unique().sort()
        if len(known) > few(length):
            return None
        numbers, codes = known.to_list(), known.search_sorted(codes)
    return [_choice(number, factors) for number in numbers], codes


def _choice(number: int, factors: Sequence[Factor]) -> list[Value]:
    choice = []
    for factor in reversed(factors):
        number, place = divmod(number, len(factor.values))
        choice.append(factor.values[place])
    return choice[::-1]


# ---------------------------------------------------------------- results


def _results(results: list[Value], failed: list[bool], codes: pl.Series) -> Vector:
    wrong = pl.Series(failed, dtype=pl.Boolean)
    kinds = {kind_of(result) for result in results} - {Kind.NULL}
    if not kinds:
        made = NULL
    elif kinds == {Kind.TEXT}:
        return _texts(results, codes).with_unsure(_gathered(wrong, codes))
    elif kinds == {Kind.NUMBER}:
        numbers, large = _numbers(results)
        made, wrong = Vector(Shape.NUMBER, numbers.gather(codes)), wrong | large
    elif kinds == {Kind.BOOLEAN}:
        made = Vector(Shape.BOOLEAN, pl.Series(results, dtype=pl.Boolean).gather(codes))
    elif kinds == {Kind.DATE}:
        micros = [r.instant if isinstance(r, Moment) else None for r in results]
        made = Vector(Shape.MOMENT, pl.Series(micros, dtype=pl.Int64).gather(codes))
    elif Kind.DATE in kinds:
        return LOST  # A date and its text are told apart, and JSON cannot do that.
    else:
        written = [None if r is None else canonical_text(to_json(r)) for r in results]
        made = Vector(Shape.JSON, pl.Series(written, dtype=pl.String).gather(codes))
    return made.with_unsure(_gathered(wrong, codes))


def _gathered(wrong: pl.Series, codes: pl.Series) -> pl.Series | None:
    return wrong.gather(codes) if wrong.any() else None


def _texts(results: Sequence[Value], codes: pl.Series) -> Vector:
    known = {text: place for place, text in enumerate(dict.fromkeys(results)) if text is not None}
    places = {text: place for place, text in enumerate(known)}
    recoded = pl.Series([places.get(text) for text in results], dtype=pl.UInt32)
    return Vector(Shape.TEXT, Coded(recoded.gather(codes), pl.Series(list(known), dtype=pl.String)))


def _numbers(results: Sequence[Value]) -> tuple[Digits, pl.Series]:
    """Return numbers with one scale; what has too many digits is told beside them."""
    made = [
        None if result is None else Digits.of_number(Decimal(result))
        for result in results
        if result is None or isinstance(result, int | Decimal)
    ]
    scale = max((one.scale for one in made if one is not None), default=0)
    units: list[int | None] = []
    for one in made:
        raised = None if one is None else one.units[0] * 10 ** (scale - one.scale)
        units.append(raised if raised is not None and abs(raised) <= LIMIT else None)
    large = [u is None and r is not None for u, r in zip(units, results, strict=True)]
    limit = max((abs(unit) for unit in units if unit is not None), default=0)
    kind = pl.Int64 if limit < 2**63 else pl.Int128
    return Digits(pl.Series(units, dtype=kind), scale, limit), pl.Series(large, dtype=pl.Boolean)
