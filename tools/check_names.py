"""Vocabulary: a module or class is named for its idea, in the words of the field.

Words that could name anything (`utils`, `manager`, `handler`) name nothing. A stream is
never called a job, a pipeline or a flow, and a price book goes by no other name.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tools.house import PACKAGE, Fault, Module

EMPTY_WORDS = frozenset(
    {"common", "handler", "helper", "helpers", "manager", "misc", "processor", "util", "utils"}
)
STREAM_WORDS = frozenset({"flow", "job", "pipeline"})
#: Words that say nothing at the end of a class name.
EMPTY_ENDINGS = frozenset({"data", "info"})

#: Phrases with another word of ours; spelled apart here so that this file may be checked too.
PHRASES = {" ".join(("price", "plan")): "price book", " ".join(("rate", "card")): "price book"}

#: Where the phrases are looked for.
TEXT_FILES = ("src/**/*.py", "docs/**/*.md", "news.d/*.md", "README.md", "CONTRIBUTING.md")

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def names(module: Module) -> Iterator[Fault]:
    if not module.path.is_relative_to(PACKAGE):
        return
    for part in module.path.relative_to(PACKAGE).parts:
        for word in set(_words(PurePosixPath(part).stem)) & (EMPTY_WORDS | STREAM_WORDS):
            yield module.fault("name", module.tree, f"module name says {word!r}: name the idea")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            yield from _class_faults(module, node)


def _class_faults(module: Module, node: ast.ClassDef) -> Iterator[Fault]:
    words = _words(node.name)
    for word in sorted(set(words) & (EMPTY_WORDS | STREAM_WORDS)):
        yield module.fault("name", node, f"class {node.name} says {word!r}: name the idea")
    if words[-1:] and words[-1] in EMPTY_ENDINGS:
        yield module.fault("name", node, f"class {node.name} ends in {words[-1]!r}: name the idea")


def phrases(root: Path) -> Iterator[Fault]:
    for pattern in TEXT_FILES:
        for file in sorted(root.glob(pattern)):
            path = PurePosixPath(file.relative_to(root).as_posix())
            for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
                for phrase in PHRASES:
                    if phrase in line.lower():
                        message = f"{phrase!r}: the word here is {PHRASES[phrase]!r}"
                        yield Fault(law="phrase", path=path, line=number, message=message)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


MODULE_LAWS = (names,)
TREE_LAWS = (phrases,)
