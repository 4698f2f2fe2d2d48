"""Computing an expression for one record: the evaluator that is slow and obvious.

A result is a JSON value. Anything that goes wrong is an ``ExpressionError`` that names the place
in the expression; no value is ever guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from meterhouse.core.expression import arithmetic, texts, value
from meterhouse.core.expression.fault import ExpressionError, Unfit
from meterhouse.core.expression.syntax import (
    Binary,
    Call,
    Conditional,
    Expression,
    Field,
    Items,
    Literal,
    Negation,
    Not,
    Operator,
    Part,
)
from meterhouse.core.expression.table import FUNCTIONS
from meterhouse.core.expression.value import Kind, Moment, Value
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue, field_value

_ARITHMETIC: dict[Operator, Callable[[Decimal, Decimal], Decimal]] = {
    Operator.ADD: arithmetic.add,
    Operator.SUBTRACT: arithmetic.subtract,
    Operator.MULTIPLY: arithmetic.multiply,
    Operator.DIVIDE: arithmetic.divide,
    Operator.REMAINDER: arithmetic.remainder,
}
_ORDER: dict[Operator, Callable[[int], bool]] = {
    Operator.LESS: lambda sign: sign < 0,
    Operator.AT_MOST: lambda sign: sign <= 0,
    Operator.GREATER: lambda sign: sign > 0,
    Operator.AT_LEAST: lambda sign: sign >= 0,
}


def evaluate(expression: Expression, record: Mapping[str, JsonValue], *, now: Instant) -> JsonValue:
    """Compute an expression for a record. Raises ``ExpressionError``.

    >>> from meterhouse.core.expression.parser import parse_expression
    >>> evaluate(parse_expression("round(100 * a / b)"), {"a": 2, "b": 3}, now=0)
    Decimal('67')
    """
    return value.to_json(_Evaluation(expression.text, record, now).value(expression.root))


def part_value(part: Part, record: Mapping[str, Value], *, now: Instant) -> Value:
    """Compute a part of an expression; fields may be dates. Raises ``ExpressionError``.

    >>> from meterhouse.core.expression.parser import parse_expression
    >>> part_value(parse_expression("a * 2").root, {"a": 2}, now=0)
    Decimal('4')
    """
    return _Evaluation("", record, now).value(part)


@dataclass(frozen=True, slots=True)
class _Evaluation:
    text: str
    record: Mapping[str, JsonValue]
    now: Instant

    def value(self, part: Part) -> Value:
        match part:
            case Literal():
                return part.value
            case Field():
                return field_value(self.record, part.path) if part.path else dict(self.record)
            case Binary():
                return self._binary(part)
            case Call():
                return self._call(part)
            case Conditional():
                holds = self._fitted(part.condition, Kind.BOOLEAN)
                return self.value(part.then if holds else part.otherwise)
            case Negation():
                return self._fitted(part.operand, Kind.NUMBER).copy_negate() or Decimal(0)
            case Not():
                return not self._fitted(part.operand, Kind.BOOLEAN)
            case _:
                assert isinstance(part, Items)
                return [value.to_json(self.value(item)) for item in part.items]

    def _error(self, unfit: Unfit, at: int) -> ExpressionError:
        return ExpressionError(unfit.what, text=self.text, at=at, hint=unfit.hint)

    def _fitted(self, part: Part, kind: Kind) -> Any:
        """Compute a part and take it for a value of a kind; what is wrong is wrong there."""
        return self._as(self.value(part), kind, part.at)

    def _as(self, found: Value, kind: Kind, at: int) -> Any:
        try:
            return value.fitted(found, kind)
        except Unfit as unfit:
            raise self._error(unfit, at) from None

    def _binary(self, part: Binary) -> Value:
        operator = part.operator
        if operator in (Operator.AND, Operator.OR):
            first = self._fitted(part.left, Kind.BOOLEAN)
            decided = first is (operator is Operator.OR)
            return first if decided else self._fitted(part.right, Kind.BOOLEAN)
        left, right = self.value(part.left), self.value(part.right)
        if operator in _ARITHMETIC:
            return self._computed(part, left, right)
        try:
            return _tested(operator, left, right)
        except Unfit as unfit:
            raise self._error(unfit, part.at) from None

    def _computed(self, part: Binary, left: Value, right: Value) -> Value:
        joins = isinstance(left, str) or isinstance(right, str)
        kind = Kind.TEXT if part.operator is Operator.ADD and joins else Kind.NUMBER
        left, right = self._as(left, kind, part.left.at), self._as(right, kind, part.right.at)
        try:
            if kind is Kind.TEXT:
                return texts.joined(left, right)
            return _ARITHMETIC[part.operator](left, right)
        except Unfit as unfit:
            raise self._error(unfit, part.at) from None

    def _call(self, part: Call) -> Value:
        if part.function == "coalesce":
            found = (self.value(argument) for argument in part.arguments)
            return next((item for item in found if item is not None), None)
        if part.function == "now":
            return Moment(self.now)
        function = FUNCTIONS[part.function]
        arguments = [
            self._fitted(argument, function.parameter(place).kind)
            for place, argument in enumerate(part.arguments)
        ]
        assert function.compute is not None
        try:
            return function.compute(*arguments)
        except Unfit as unfit:
            raise self._error(unfit, part.at) from None


def _tested(operator: Operator, left: Value, right: Value) -> bool:
    match operator:
        case Operator.EQUAL:
            return value.equal(left, right)
        case Operator.UNEQUAL:
            return not value.equal(left, right)
        case Operator.IN | Operator.NOT_IN:
            items: Any = value.fitted(right, Kind.LIST)
            return any(value.equal(left, item) for item in items) is (operator is Operator.IN)
    return _ORDER[operator](value.compared(left, right))
