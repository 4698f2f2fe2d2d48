"""From an expression to a column, the same as computing each record: values and errors.

Theory of operation. Each part of an expression becomes a ``Vector``, from the inside out:

1. What names no field is computed once.
2. An operation that is exact on columns is done on columns. It tells the records that it is
   *unsure* of: those with an error, and those whose numbers may not fit.
3. Anything else is computed once for each distinct combination of its operands, where there are
   few. Texts that repeat are looked at in their dictionary.
4. In the end, the records of which the result is unsure are computed by the evaluator of single
   records, each distinct one once. Its values and its errors are the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from meterhouse.core.expression import Expression, ExpressionError
from meterhouse.core.expression.evaluation import part_value
from meterhouse.core.expression.syntax import (
    Binary,
    Call,
    Conditional,
    Field,
    Items,
    Negation,
    Not,
    Operator,
    Part,
    parts,
)
from meterhouse.core.expression.value import Value
from meterhouse.core.instant import Instant
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Coded, Column, ColumnKind
from meterhouse.streams.expression_columns.choice import chosen, coalesced
from meterhouse.streams.expression_columns.conversion import as_text, as_truth
from meterhouse.streams.expression_columns.date_functions import DATE_FUNCTIONS, minutes
from meterhouse.streams.expression_columns.distinct import applied
from meterhouse.streams.expression_columns.joining import joined
from meterhouse.streams.expression_columns.number_functions import NUMBER_FUNCTIONS, minus_sign
from meterhouse.streams.expression_columns.operators import computed, equal, ordered
from meterhouse.streams.expression_columns.rows import by_rows
from meterhouse.streams.expression_columns.text_functions import TEXT_FUNCTIONS
from meterhouse.streams.expression_columns.unsure import Mask, within
from meterhouse.streams.expression_columns.vector import (
    LOST,
    NULL,
    Shape,
    Vector,
    of_column,
    of_value,
    to_column,
)
from meterhouse.streams.field import record_texts

#: Computes vectors; ``None``: ask for each distinct combination of values.
Kernel = Callable[[Sequence[Vector]], Vector | None]

_FUNCTIONS: dict[str, Kernel] = {**TEXT_FUNCTIONS, **NUMBER_FUNCTIONS, **DATE_FUNCTIONS}
_ORDERS = frozenset({Operator.LESS, Operator.AT_MOST, Operator.GREATER, Operator.AT_LEAST})
_TEXTS = frozenset({Shape.TEXT, Shape.STAMP})


@dataclass(frozen=True, slots=True)
class Computed:
    """A column, and the records that cannot be computed: positions ascend, values are null."""

    column: Column
    faults: Sequence[tuple[int, ExpressionError]]


class BatchEvaluation:
    """Computes expressions for the records of a batch. ``now`` is the clock of the run."""

    def __init__(self, batch: UsageBatch, *, now: Instant) -> None:
        self._batch = batch
        self._now = now
        self._columns: dict[str, Column] = {}
        self._vectors: dict[str, Vector] = {}

    def compute(self, expression: Expression) -> Computed:
        """Compute an expression for each record."""
        length = len(self._batch)
        root = expression.root
        if isinstance(root, Field):
            return Computed(self.column(root.path), ())
        column, unsure = to_column(self._vector(root), length)
        if unsure is None or not unsure.any():
            return Computed(column, ())
        if len(unsure) == 1:
            unsure = unsure.new_from_index(0, length)
        made, faults = by_rows(expression, self, unsure.arg_true(), column)
        return Computed(made, faults)

    @property
    def now(self) -> Instant:
        """The clock of the run."""
        return self._now

    def column(self, path: str) -> Column:
        """Return a field; the whole record where the path is empty."""
        if path not in self._columns:
            self._columns[path] = self._read(path)
        return self._columns[path]

    def _read(self, path: str) -> Column:
        if not path:
            return Column(ColumnKind.JSON, record_texts(self._batch))
        return self._batch.column(path)

    # ------------------------------------------------------------ parts

    def _vector(self, part: Part) -> Vector:
        if isinstance(part, Field):
            if part.path not in self._vectors:
                self._vectors[part.path] = of_column(self.column(part.path))
            return self._vectors[part.path]
        if not any(isinstance(inner, Field) for inner in parts(part)):
            return self._constant(part)
        match part:
            case Negation():
                operand = self._vector(part.operand)
                return self._done(part, [operand], lambda vectors: minus_sign(vectors[0]))
            case Not():
                truth = as_truth(self._vector(part.operand))
                return truth if truth.data is None else replace(truth, data=~truth.data)
            case Conditional():
                return self._conditional(part)
            case Call():
                return self._call(part)
            case Items():
                operands = [self._vector(item) for item in part.items]
                return self._done(part, operands, lambda _: None)
            case _:
                assert isinstance(part, Binary)
                return self._binary(part)

    def _constant(self, part: Part) -> Vector:
        try:
            return of_value(part_value(part, {}, now=self._now))
        except ExpressionError:
            return LOST

    def _conditional(self, part: Conditional) -> Vector:
        condition = as_truth(self._vector(part.condition))
        if condition.data is None:
            return LOST
        if condition.constant:
            held = self._vector(part.then if condition.data[0] else part.otherwise)
            return held.with_unsure(condition.unsure)
        then, otherwise = self._vector(part.then), self._vector(part.otherwise)
        return chosen(condition.data, then, otherwise).with_unsure(condition.unsure)

    def _call(self, part: Call) -> Vector:
        if part.function == "coalesce":
            found = NULL
            for argument in reversed(part.arguments):
                found = coalesced(self._vector(argument), found, len(self._batch))
            return found
        operands = [self._vector(argument) for argument in part.arguments]
        return self._done(part, operands, _FUNCTIONS.get(part.function, lambda _: None))

    def _binary(self, part: Binary) -> Vector:
        operator = part.operator
        if operator in (Operator.AND, Operator.OR):
            return self._logical(part)
        if operator in (Operator.IN, Operator.NOT_IN) and isinstance(part.right, Items):
            return self._listed(part, part.right)
        if operator is Operator.ADD:
            return self._sum(part)
        operands = [self._vector(part.left), self._vector(part.right)]
        return self._done(part, operands, lambda vectors: _between(operator, *vectors))

    def _logical(self, part: Binary) -> Vector:
        """The right side matters only where the left one does not decide."""
        left, right = (as_truth(self._vector(side)) for side in (part.left, part.right))
        if left.data is None:
            return LOST
        both = part.operator is Operator.AND
        open_ = left.data if both else ~left.data
        if right.data is None:
            if left.constant:
                return LOST if open_[0] else left
            return left.with_unsure(open_)
        values = left.data & right.data if both else left.data | right.data
        made = Vector(Shape.BOOLEAN, values, constant=left.constant and right.constant)
        return made.with_unsure(left.unsure, within(right.unsure, open_))

    def _listed(self, part: Binary, items: Items) -> Vector:
        """Whether a value equals one of those that are written out."""
        found: Vector | None = None
        for item in items.items:
            # In a list, a date is the text that records show.
            value = self._vector(item)
            value = (as_text(value) or LOST) if value.shape is Shape.MOMENT else value
            same = self._done(
                Binary(Operator.EQUAL, part.left, item, part.at),
                [self._vector(part.left), value],
                lambda vectors: equal(*vectors),
            )
            found = same if found is None else _or(found, same)
        if found is None or found.data is None:
            return LOST
        return found if part.operator is Operator.IN else replace(found, data=~found.data)

    def _sum(self, part: Binary) -> Vector:
        """Add from left to right; from the first text on, texts are joined, all at once."""
        chain: list[Binary] = []
        left: Part = part
        while isinstance(left, Binary) and left.operator is Operator.ADD:
            chain.append(left)
            left = left.left
        total = self._vector(left)
        pieces: list[Vector] = []
        for link in reversed(chain):
            right = self._vector(link.right)
            texts = self._pieces(pieces, total, right)
            if texts is not None:
                pieces = texts
                continue
            total = self._done(link, [self._joined(pieces, total), right], _added)
            pieces = []
        return self._joined(pieces, total)

    def _pieces(self, pieces: list[Vector], total: Vector, right: Vector) -> list[Vector] | None:
        """Return what is to be joined to a text, or ``None`` where this is no text."""
        if not pieces and total.shape not in _TEXTS and right.shape not in _TEXTS:
            return None
        texts = [as_text(vector) for vector in ([] if pieces else [total]) + [right]]
        known = [text for text in texts if text is not None and text.shape is Shape.TEXT]
        return [*pieces, *known] if len(known) == len(texts) else None

    def _joined(self, pieces: list[Vector], total: Vector) -> Vector:
        return joined(pieces, len(self._batch)) if pieces else total

    # ------------------------------------------------------------ operations

    def _done(self, part: Part, operands: Sequence[Vector], kernel: Kernel) -> Vector:
        """Do an operation that looks at all its operands."""
        if any(operand.shape is Shape.LOST for operand in operands):
            return LOST
        masks = [operand.unsure for operand in operands]
        operands = [replace(operand, unsure=None) for operand in operands]
        changing = [place for place, operand in enumerate(operands) if not operand.constant]
        if len(changing) == 1 and isinstance(operands[changing[0]].data, Coded):
            made = self._in_dictionary(part, operands, kernel)
        else:
            made = kernel(operands)
            if made is None:
                made = self._distinct(part, operands, len(self._batch))
            elif not changing:
                made = replace(made, constant=True)
        return made.with_unsure(*masks)

    def _distinct(self, part: Part, operands: Sequence[Vector], length: int) -> Vector:
        bare = _with_fields(part, len(operands))

        def compute(values: Sequence[Value]) -> Value:
            record = {str(place): value for place, value in enumerate(values)}
            return part_value(bare, record, now=self._now)

        if isinstance(part, Call):
            operands = minutes(part.function, operands)
        return applied(compute, operands, length)

    def _in_dictionary(self, part: Part, operands: Sequence[Vector], kernel: Kernel) -> Vector:
        """Do it for the texts of a dictionary, and once for a missing one."""
        place = next(p for p, operand in enumerate(operands) if not operand.constant)
        coded: Coded = operands[place].data
        texts, codes = coded.texts, coded.codes
        if codes.null_count():
            codes = codes.fill_null(len(texts))
            texts = pl.concat([texts, pl.Series([None], dtype=pl.String)], rechunk=True)
        inner = [*operands]
        inner[place] = Vector(Shape.TEXT, texts)
        made = kernel(inner)
        if made is None:
            made = self._distinct(part, inner, len(texts))
        return _gathered(made, codes)


def _with_fields(part: Part, count: int) -> Part:
    """Return an operation whose operands are fields named by their places."""
    fields = tuple(Field(str(place), part.at) for place in range(count))
    match part:
        case Negation():
            return Negation(fields[0], part.at)
        case Call():
            return Call(part.function, fields, part.at)
        case Items():
            return Items(fields, part.at)
        case _:
            assert isinstance(part, Binary)
            return Binary(part.operator, fields[0], fields[1], part.at)


def _between(operator: Operator, left: Vector, right: Vector) -> Vector | None:
    if operator in _ORDERS:
        return ordered(operator, left, right)
    if operator is Operator.EQUAL:
        return equal(left, right)
    if operator is Operator.UNEQUAL:
        same = equal(left, right)
        return same if same is None or same.data is None else replace(same, data=~same.data)
    if operator in (Operator.IN, Operator.NOT_IN):
        return None
    return computed(operator, left, right)


def _added(vectors: Sequence[Vector]) -> Vector | None:
    if any(vector.shape in _TEXTS or vector.shape is Shape.JSON for vector in vectors):
        return None
    return computed(Operator.ADD, *vectors)


def _or(left: Vector, right: Vector) -> Vector:
    if left.data is None or right.data is None:
        return LOST
    made = Vector(Shape.BOOLEAN, left.data | right.data, constant=left.constant and right.constant)
    return made.with_unsure(left.unsure, right.unsure)


def _gathered(made: Vector, codes: pl.Series) -> Vector:
    """Return what was computed for a dictionary, for the records that have its codes."""
    unsure: Mask = None
    if made.unsure is not None:
        unsure = made.unsure if len(made.unsure) == 1 else made.unsure.gather(codes)
    if made.data is None or made.constant:
        return replace(made, unsure=unsure)
    if made.shape is Shape.TEXT and isinstance(made.data, pl.Series):
        return Vector(Shape.TEXT, _recoded(made.data, codes), unsure)
    return Vector(made.shape, made.data.gather(codes), unsure)


def _recoded(texts: pl.Series, codes: pl.Series) -> Coded:
    if not texts.null_count():
        return Coded(codes, texts)
    present = texts.is_not_null()
    places = (present.cum_sum() - 1).cast(pl.UInt32).set(~present, None)
    # Polars fails on an empty chunk among others, which dropping nulls may leave.
    return Coded(places.gather(codes), texts.drop_nulls().rechunk())
