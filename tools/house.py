"""The house laws as ordinary code: run every check and print `file:line: message`.

A law is a function in a `tools/check_*.py` module. A law of one module takes a `Module`
and yields `Fault`s; a law of the whole tree takes its root. A law that may have
exceptions is switched off for one line by a comment that gives a reason:

    started = time.monotonic()  # house: allow clock (a time-out, not a time of day)

Run it as `make check` or `python -m tools.house`.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = PurePosixPath("src/meterhouse")

#: Folders whose Python modules are held to the laws of one module.
FOLDERS = ("src", "tools")

#: Laws that a comment may switch off for a line; the others have no exceptions.
ALLOWABLE = frozenset({"clock", "float", "column", "name"})

_ALLOW = re.compile(r"#\s*house: allow (?P<law>\w+) \((?P<reason>[^)]{8,})\)")


@dataclass(frozen=True, slots=True)
class Fault:
    """One breach of one law."""

    law: str
    path: PurePosixPath
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message} [{self.law}]"


@dataclass(frozen=True, slots=True)
class Module:
    """A parsed Python module and where it stands, relative to the root."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, path: str, text: str) -> "Module":
        """Parse `text` as the module at `path`."""
        return cls(path=PurePosixPath(path), text=text, tree=ast.parse(text, filename=path))

    @property
    def room(self) -> str | None:
        """The room (`core`, `store`, `bootstrap` …), or None outside the package."""
        if not self.path.is_relative_to(PACKAGE):
            return None
        return PurePosixPath(self.path.relative_to(PACKAGE).parts[0]).stem

    def fault(self, law: str, node: ast.AST, message: str) -> Fault:
        """Return a fault at the line of `node`."""
        return Fault(law=law, path=self.path, line=getattr(node, "lineno", 1), message=message)

    def imports(self) -> dict[str, str]:
        """Map each imported local name to the dotted name that it stands for."""
        names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    local = alias.asname or alias.name.split(".")[0]
                    names[local] = alias.name if alias.asname else local
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return names


ModuleLaw = Callable[[Module], Iterable[Fault]]
TreeLaw = Callable[[Path], Iterable[Fault]]


def dotted_name(node: ast.expr, names: dict[str, str]) -> str | None:
    """Return the full dotted name of `a.b.c`, resolving imports, or None if it is no such name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return None
    return ".".join([names[node.id], *reversed(parts)])


def modules(root: Path) -> Iterator[Module]:
    """Parse every module that the laws hold for."""
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*.py")):
            yield Module.parse(file.relative_to(root).as_posix(), file.read_text("utf-8"))


def judge(module: Module, laws: Iterable[ModuleLaw]) -> list[Fault]:
    """Return the faults of one module, without those that a comment allows."""
    lines = module.text.splitlines()
    return [
        fault
        for law in laws
        for fault in law(module)
        if not _is_allowed(fault, lines[fault.line - 1] if fault.line <= len(lines) else "")
    ]


def _is_allowed(fault: Fault, line: str) -> bool:
    found = _ALLOW.search(line)
    return found is not None and fault.law in ALLOWABLE and found["law"] == fault.law


def run(
    root: Path, *, module_laws: Iterable[ModuleLaw], tree_laws: Iterable[TreeLaw]
) -> list[Fault]:
    """Return every fault in the tree at `root`, in the order of the files."""
    laws = list(module_laws)
    faults = [fault for module in modules(root) for fault in judge(module, laws)]
    faults += [fault for law in tree_laws for fault in law(root)]
    return sorted(faults, key=lambda fault: (str(fault.path), fault.line, fault.law))


def main() -> int:
    """Hold the tree to every law; 1 if it breaks one."""
    # Imported here, because the checks import this module.
    from tools import check_clock, check_floats, check_names, check_rooms, check_sizes

    checks = (check_clock, check_floats, check_names, check_rooms, check_sizes)
    faults = run(
        ROOT,
        module_laws=[law for check in checks for law in getattr(check, "MODULE_LAWS", ())],
        tree_laws=[law for check in checks for law in getattr(check, "TREE_LAWS", ())],
    )
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"house laws: {len(faults)} faults" if faults else "house laws: kept")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
