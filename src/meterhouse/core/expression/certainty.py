"""Which expressions give a value for every record, whatever it holds.

Most can fail: ``a + 1`` where ``a`` is a word. Whoever sets records aside for which an expression
fails keeps them whole, and whoever knows that none will be set aside need not read them whole.
"""

from __future__ import annotations

from meterhouse.core.expression.syntax import (
    Binary,
    Expression,
    Field,
    Items,
    Literal,
    Not,
    Operator,
    Part,
)

_EQUALITY = (Operator.EQUAL, Operator.UNEQUAL)
_MEMBERSHIP = (Operator.IN, Operator.NOT_IN)
_LOGIC = (Operator.AND, Operator.OR)


def never_fails(expression: Expression) -> bool:
    """Whether an expression gives a value for every record.

    >>> from meterhouse.core.expression import parse_expression
    >>> texts = ['plan', 'plan == "trial" or n in [1, 2]', 'n + 1', 'plan or n > 1']
    >>> [never_fails(parse_expression(text)) for text in texts]
    [True, True, False, False]
    """
    return _certain(expression.root)


def always_decides(expression: Expression) -> bool:
    """Whether an expression is true or false for every record.

    >>> from meterhouse.core.expression import parse_expression
    >>> [always_decides(parse_expression(text)) for text in ['not (n == 5)', 'n', 'n > 5']]
    [True, False, False]
    """
    return _decides(expression.root)


def _certain(part: Part) -> bool:
    match part:
        case Literal() | Field():
            return True
        case Items():
            return all(map(_certain, part.items))
        case _:
            return _decides(part)


def _decides(part: Part) -> bool:
    match part:
        case Not():
            return _decides(part.operand)
        case Binary() if part.operator in _LOGIC:
            return _decides(part.left) and _decides(part.right)
        case Binary() if part.operator in _EQUALITY:
            return _certain(part.left) and _certain(part.right)
        case Binary() if part.operator in _MEMBERSHIP:
            return isinstance(part.right, Items) and _certain(part.left) and _certain(part.right)
    return False
