"""From text to parts: precedence, placeholders, and how many arguments a function takes.

From loose to tight: ``? :``; ``or``; ``and``; ``not``; comparisons and ``in`` (not chained);
``+ -``; ``* / %``; ``-x``. Everything that can be said about an expression without a record is
said here.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache

from meterhouse.core.expression.fault import ExpressionError
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
from meterhouse.core.expression.tokens import Token, TokenKind, tokens

#: So deep may parts lie in parts; a sum of n terms is n - 1 deep.
NESTING_MAX = 100
#: The record itself, in front of a path: ``payload.a`` is the field ``a``.
RECORD = "payload"

_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_WORDS = frozenset({*_CONSTANTS, "and", "or", "not", "in"})
_OPERATORS = {operator.value: operator for operator in Operator}
_TERNARY, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _UNARY = range(8)
_STRENGTHS = {
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in", "not in"), _COMPARE),
    **dict.fromkeys("+-", _SUM),
    **dict.fromkeys("*/%", _PRODUCT),
    "and": _AND,
    "or": _OR,
    "?": _TERNARY,
}
_START = "a field, a value, a function or ("


@lru_cache(maxsize=1024)
def parse_expression(text: str) -> Expression:
    """Read an expression. Raises ``ExpressionError``.

    >>> parse_expression("round(100 * @{payload.a} / total)").fields
    ('a', 'total')
    """
    return Expression(text, _Parser(text).whole())


class _Parser:
    """Reads one text; every method reads one part and returns it with its depth."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._place = 0
        self._open = 0

    def whole(self) -> Part:
        if self._next.kind is TokenKind.END:
            raise self._error("The expression is empty", self._next, hint=f"write {_START}")
        part, _ = self._part(_TERNARY)
        if self._next.kind is not TokenKind.END:
            raise self._unexpected("an operator or the end")
        return part

    # ------------------------------------------------------------ tokens

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._next
        self._place += 1
        return token

    def _is(self, *written: str) -> bool:
        token = self._next
        return token.kind in (TokenKind.MARK, TokenKind.NAME) and token.value in written

    def _expect(self, mark: str, *, instead: str = "") -> None:
        if not self._is(mark):
            raise self._unexpected(instead or mark)
        self._take()

    def _error(self, what: str, token: Token, *, hint: str = "") -> ExpressionError:
        return ExpressionError(what, text=self._text, at=token.at, hint=hint)

    def _unexpected(self, expected: str) -> ExpressionError:
        token = self._next
        hint = "operators, functions and how fields are written: docs/expressions.md"
        return self._error(f"Expected {expected}, found {token.written}", token, hint=hint)

    def _deeper(self, token: Token, *depths: int) -> int:
        depth = 1 + max(depths, default=0)
        if max(depth, self._open) > NESTING_MAX:
            hint = "join fewer parts, or compute some in a field of their own"
            raise self._error(f"This nests deeper than {NESTING_MAX} levels", token, hint=hint)
        return depth

    # ------------------------------------------------------------ parts

    def _part(self, strength: int) -> tuple[Part, int]:
        """Read a part and all operators behind it that bind at least so tightly."""
        self._open += 1
        self._deeper(self._next)
        left, depth = self._prefixed()
        compared = False
        while (mark := self._operator()) is not None and _STRENGTHS[mark] >= strength:
            token = self._take()
            if _STRENGTHS[mark] == _COMPARE and compared:
                hint = "join comparisons by and, or write parentheses"
                raise self._error("Comparisons cannot be chained", token, hint=hint)
            compared = compared or _STRENGTHS[mark] == _COMPARE
            left, depth = self._joined(mark, token, left, depth)
        self._open -= 1
        return left, depth

    def _operator(self) -> str | None:
        token = self._next
        if token.kind not in (TokenKind.MARK, TokenKind.NAME):
            return None
        if token.value == "not":
            after = self._tokens[self._place + 1]
            return "not in" if (after.kind, after.value) == (TokenKind.NAME, "in") else None
        return token.value if token.value in _STRENGTHS else None

    def _joined(self, mark: str, token: Token, left: Part, depth: int) -> tuple[Part, int]:
        if mark == "?":
            then, then_depth = self._part(_TERNARY)
            self._expect(":", instead=": and the value where the condition does not hold")
            otherwise, last_depth = self._part(_TERNARY)
            depth = self._deeper(token, depth, then_depth, last_depth)
            return Conditional(left, then, otherwise, token.at), depth
        if mark == "not in":
            self._take()
        right, right_depth = self._part(_STRENGTHS[mark] + 1)
        depth = self._deeper(token, depth, right_depth)
        return Binary(_OPERATORS[mark], left, right, token.at), depth

    def _prefixed(self) -> tuple[Part, int]:
        token = self._next
        if self._is("not"):
            self._take()
            operand, depth = self._part(_NOT)
            return Not(operand, token.at), self._deeper(token, depth)
        if self._is("-"):
            self._take()
            operand, depth = self._part(_UNARY)
            return Negation(operand, token.at), self._deeper(token, depth)
        return self._primary()

    def _primary(self) -> tuple[Part, int]:
        token = self._take()
        match token.kind:
            case TokenKind.NUMBER:
                return Literal(Decimal(token.value), token.at), 1
            case TokenKind.TEXT:
                return Literal(token.value, token.at), 1
            case TokenKind.PLACEHOLDER:
                return Field(token.value, token.at), 1
            case TokenKind.NAME if token.value in _CONSTANTS:
                return Literal(_CONSTANTS[token.value], token.at), 1
            case TokenKind.NAME if token.value not in _WORDS:
                return self._call(token) if self._is("(") else (_bare(token), 1)
            case TokenKind.MARK if token.value == "(":
                part, depth = self._part(_TERNARY)
                self._expect(")", instead="an operator or )")
                return part, depth
            case TokenKind.MARK if token.value == "[":
                items, depth = self._list("]")
                return Items(items, token.at), self._deeper(token, depth)
            case _:
                self._place -= 1
                raise self._unexpected(_START)

    def _list(self, closing: str) -> tuple[tuple[Part, ...], int]:
        """Read parts between commas, up to a closing mark."""
        items: list[Part] = []
        deepest = 0
        while not self._is(closing):
            if items:
                self._expect(",", instead=f"an operator, a comma or {closing}")
            item, depth = self._part(_TERNARY)
            items.append(item)
            deepest = max(deepest, depth)
        self._take()
        return tuple(items), deepest

    def _call(self, name: Token) -> tuple[Part, int]:
        function = FUNCTIONS.get(name.value)
        if function is None:
            raise self._error(f"There is no function {name.value}", name, hint=_meant(name.value))
        self._take()
        arguments, depth = self._list(")")
        depth = self._deeper(name, depth)
        if not function.takes(len(arguments)):
            count = f"{len(arguments)} argument{'' if len(arguments) == 1 else 's'}"
            hint = f"write {function.signature}"
            raise self._error(f"{function.name} cannot take {count}", name, hint=hint)
        if function.name in ("if", "case"):
            depth = self._deeper(name, depth - 2 + len(arguments) // 2)
            return _decided(arguments, name.at), depth
        return Call(function.name, arguments, name.at), depth


def _decided(arguments: Sequence[Part], at: int) -> Part:
    """Conditions and values one after another, and what is left where none holds."""
    if len(arguments) < 2:
        return arguments[0] if arguments else Literal(None, at)
    condition, then, *more = arguments
    return Conditional(condition, then, _decided(more, at), at)


def _bare(token: Token) -> Field:
    if token.value == RECORD:
        return Field("", token.at)
    return Field(token.value.removeprefix(f"{RECORD}."), token.at)


def _meant(name: str) -> str:
    lower = {known.lower(): known for known in FUNCTIONS}
    near = get_close_matches(name.lower(), lower, n=1)
    if near:
        return f"did you mean {FUNCTIONS[lower[near[0]]].signature}?"
    return f"functions are {', '.join(FUNCTIONS)}"
