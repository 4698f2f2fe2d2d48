"""Makes the numbers of a script exact: what is written with a point, and what ``/`` gives.

In Python, ``0.1`` is a double and so is ``1 / 3``. A script means the decimals. So each such
literal becomes a ``Decimal`` of its text, and each ``/`` a call that divides whole numbers as
decimals. Lines stay where they are. f-strings and patterns are left alone.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

#: The functions of the prelude that stand for literals, for ``/`` and for the right side of ``/=``.
_LITERAL, _QUOTIENT, _DIVISOR = "_decimal", "_quotient", "_divisor"
_LEFT_ALONE = (ast.JoinedStr, ast.MatchValue, ast.MatchMapping)

#: Line from 0, byte of the line, how many bytes are replaced, by what. At one place, what is
#: further out comes first.
_Edit = tuple[int, int, int, bytes]


def exact_source(source: str) -> str:
    """Return a script with exact numbers; one that does not parse as it is.

    >>> exact_source("push({'v': payload['v'] * 0.1})")
    "push({'v': payload['v'] * _decimal('0.1')})"
    >>> exact_source("a = b / c")
    'a = _quotient(b , c)'
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    try:
        tree = ast.parse(source)
        slashes = _slashes(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return source
    lines = [line.encode() for line in io.StringIO(source)]
    for line, start, length, text in sorted(_edits(tree, lines, slashes), key=_from_the_end):
        whole = lines[line]
        lines[line] = whole[:start] + text + whole[start + length :]
    return b"".join(lines).decode()


def _from_the_end(edit: _Edit) -> tuple[int, int, int]:
    """Order edits so that none moves the place of another."""
    line, start, length, text = edit
    return -line, -start, 1 if text == b")" else -length


def _slashes(source: str) -> list[tuple[int, int]]:
    """Return the lines and columns of all ``/``, in order."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token.start for token in tokens if token.string == "/"]


def _edits(tree: ast.AST, lines: list[bytes], slashes: list[tuple[int, int]]) -> Iterator[_Edit]:
    places = [
        (line - 1, len(lines[line - 1].decode()[:column].encode())) for line, column in slashes
    ]
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _LEFT_ALONE):
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Constant) and type(node.value) is float:
            yield from _literal(node, lines)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            slash = _between(node, places)
            yield _start(node, _QUOTIENT)
            yield (*slash, 1, b",")
            yield _end(node)
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div):
            yield _start(node.value, _DIVISOR)
            yield _end(node.value)


def _literal(node: ast.Constant, lines: list[bytes]) -> Iterator[_Edit]:
    line, start, end = node.lineno - 1, node.col_offset, node.end_col_offset
    assert end is not None
    text = lines[line][start:end].replace(b"_", b"")
    yield line, start, end - start, b"%s('%s')" % (_LITERAL.encode(), text)


def _between(node: ast.BinOp, places: list[tuple[int, int]]) -> tuple[int, int]:
    """Return where the ``/`` of a division is: nothing else between its sides is one."""
    assert node.left.end_lineno is not None
    assert node.left.end_col_offset is not None
    after = (node.left.end_lineno - 1, node.left.end_col_offset)
    return next(place for place in places if place >= after)


def _start(node: ast.expr, function: str) -> _Edit:
    return node.lineno - 1, node.col_offset, 0, f"{function}(".encode()


def _end(node: ast.expr) -> _Edit:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return node.end_lineno - 1, node.end_col_offset, 0, b")"
