"""Sizes: a function has at most 70 lines without its docstring, a module at most 600.

There is no list of old sinners: a function that grows past the limit is split.
"""

import ast
from collections.abc import Iterator

from tools.house import Fault, Module

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 600


def sizes(module: Module) -> Iterator[Fault]:
    lines = len(module.text.splitlines())
    if lines > MODULE_LINES_MAX:
        message = f"module of {lines} lines, at most {MODULE_LINES_MAX}: split it by idea"
        yield module.fault("size", module.tree, message)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = _length(node)
            if length > FUNCTION_LINES_MAX:
                message = f"{node.name}() has {length} lines, at most {FUNCTION_LINES_MAX}"
                yield module.fault("size", node, message)


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


MODULE_LAWS = (sizes,)
