"""Rooms: each has a README, core stands on the standard library, only engine names columns.

The directions of imports between rooms are import-linter's part (pyproject.toml).
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tools.house import PACKAGE, Fault, Module, dotted_name

README_LINES_MAX = 60


def readmes(root: Path) -> Iterator[Fault]:
    for init in sorted((root / PACKAGE).glob("*/__init__.py")):
        readme = init.with_name("README.md")
        path = PurePosixPath(readme.relative_to(root).as_posix())
        if not readme.exists():
            message = "missing: say what the room owns, does not own, and what always holds"
            yield Fault(law="readme", path=path, line=1, message=message)
        elif (lines := len(readme.read_text("utf-8").splitlines())) > README_LINES_MAX:
            message = f"{lines} lines, at most {README_LINES_MAX}: move the rest to docs/"
            yield Fault(law="readme", path=path, line=1, message=message)


def core_is_standard(module: Module) -> Iterator[Fault]:
    if module.room != "core":
        return
    for node in ast.walk(module.tree):
        for name in _imported(node):
            package = name.split(".")[0]
            if package not in sys.stdlib_module_names and not name.startswith("meterhouse.core"):
                message = f"core imports {name}: only the standard library and core itself"
                yield module.fault("core", node, message)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.module == "meterhouse":
            return [f"meterhouse.{alias.name}" for alias in node.names]
        return [node.module or "."]
    return []


def columns_by_literal(module: Module) -> Iterator[Fault]:
    """Refuse `pl.col(variable)`: `*` and `^…$` as a field name would select other columns."""
    if module.room is None or module.room == "engine":
        return
    names = module.imports()
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or dotted_name(node.func, names) != "polars.col":
            continue
        if not all(_is_plain(argument) for argument in node.args):
            message = "pl.col() of a computed name: compile field names to positions in engine"
            yield module.fault("column", node, message)


def _is_plain(node: ast.expr) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    return node.value != "*" and not node.value.startswith("^")


MODULE_LAWS = (core_is_standard, columns_by_literal)
TREE_LAWS = (readmes,)
