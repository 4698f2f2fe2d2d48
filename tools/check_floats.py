"""Exact numbers: no float is made in core, engine or rating.

A quantity that passes through a binary float is no longer the number that was written.
Looking at a value (`isinstance(value, float)`, to refuse it) is fine; making one is not.
"""

import ast
from collections.abc import Iterator

from tools.house import Fault, Module

ROOMS = frozenset({"core", "engine", "rating"})


def floats(module: Module) -> Iterator[Fault]:
    if module.room not in ROOMS:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield module.fault("float", node, f"{node.value!r} is a float: use Decimal or int")
        elif isinstance(node, ast.Call) and _is_float(node.func):
            yield module.fault("float", node, "float() loses digits: use Decimal")


def _is_float(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "float"


MODULE_LAWS = (floats,)
