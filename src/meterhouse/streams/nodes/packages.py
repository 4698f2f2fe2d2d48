"""Node types that other packages bring, by the entry point group ``meterhouse.nodes``.

An entry point is named as its type with a dot for the slash (``transforms.double``) and names a
``NodeType`` that carries its schema. It is imported when a stream has a node of that type, or when
all types are listed: what is not used slows and breaks nothing.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from meterhouse.core.problem import MeterhouseError
from meterhouse.core.reading import shown
from meterhouse.streams.nodes.description import NodeDescription, read_description, type_id
from meterhouse.streams.nodes.node import NodeType

GROUP = "meterhouse.nodes"
_NAME = re.compile(r"(readers|transforms|writers)/[a-z][a-z0-9_]*")


class NodePackageBroken(MeterhouseError):
    """A package offers a node type that cannot be used."""

    code = "node_package_broken"


def packaged_type(name: str) -> NodeDescription | None:
    """Return a type that a package brings. Raises ``NodePackageBroken``."""
    points = [point for point in _entry_points(tuple(sys.path)) if point.name == type_id(name)]
    if len(points) > 1:
        raise _clash(points)
    return _loaded(points[0]) if points else None


def packaged_types(*, taken: frozenset[str]) -> list[NodeDescription]:
    """Return all types that packages bring. ``taken`` are names that they may not have.

    Raises ``NodePackageBroken``.
    """
    points = _entry_points(tuple(sys.path))
    names = Counter(point.name for point in points)
    for point in points:
        if point.name in {type_id(name) for name in taken}:
            message = f"{_shown(point)}, which is a type of Meterhouse itself"
            raise NodePackageBroken(message, hint=f"rename it there, or remove {_package(point)}")
        if names[point.name] > 1:
            raise _clash([other for other in points if other.name == point.name])
    return sorted((_loaded(point) for point in points), key=lambda found: found.type.name)


@lru_cache(maxsize=4)
def _entry_points(_path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Return what is installed where Python looks for modules; looking takes a while."""
    return tuple(entry_points(group=GROUP))


def _loaded(point: EntryPoint) -> NodeDescription:
    hint = f"mend or remove {_package(point)}"
    try:
        type_ = point.load()
    except Exception as error:  # It is foreign code: whatever it raises, it is named.
        message = f"{_shown(point)}, which cannot be imported: {type(error).__name__}: {error}"
        raise NodePackageBroken(message, hint=hint) from error
    if not isinstance(type_, NodeType):
        kind = type(type_).__name__
        raise NodePackageBroken(f"{_shown(point)}, which is a {kind}, no NodeType", hint=hint)
    if not _NAME.fullmatch(type_.name) or type_id(type_.name) != point.name:
        message = f"{_shown(point)}, whose type is named {shown(type_.name)}"
        hint = "name a type readers/x, transforms/x or writers/x, and its entry point as the type"
        raise NodePackageBroken(message, hint=f"{hint}, with a dot for the slash")
    found, problems = read_description(type_, type_.schema, package=_package(point))
    if found is None:
        message = f"{_shown(point)}, whose schema is wrong: {'; '.join(map(str, problems))}"
        raise NodePackageBroken(message, hint=hint)
    return found


def _clash(points: list[EntryPoint]) -> NodePackageBroken:
    packages = " and ".join(sorted(map(_package, points)))
    message = f"the node type {points[0].name} is offered by {packages}"
    return NodePackageBroken(message, hint="remove one of them")


def _shown(point: EntryPoint) -> str:
    return f"the package {_package(point)} offers the node type {point.name} ({point.value})"


def _package(point: EntryPoint) -> str:
    return "(unknown)" if point.dist is None else f"{point.dist.name} {point.dist.version}"
