"""Types of Avro schemas as values: read from JSON with everything that is wrong, names resolved.

A named type that is used again is put in its place; one that contains itself is refused, as its
values may nest without end. Unions hold no unions. Attributes that Avro does not know say nothing
of a type and are left to the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import Problem
from meterhouse.core.reading import missing_or_shown, shown

#: Types that have no parts.
PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_NAMED = ("record", "enum", "fixed")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_FULL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
_DEPTH_MAX = 20
_INT_BITS = {"int": 31, "long": 63}
_NAME_HINT = "letters, digits and _, no digit first"


@dataclass(frozen=True, slots=True)
class TypeField:
    """A field of a record."""

    name: str
    type: AvroType
    aliases: tuple[str, ...] = ()
    has_default: bool = False
    default: JsonValue = None


@dataclass(frozen=True, slots=True)
class AvroType:
    """A type. What it has depends on its ``kind``, which is a primitive or one of those below.

    ``record`` (fields), ``enum`` (symbols and the default symbol), ``fixed`` (size), ``array`` and
    ``map`` (items), ``union`` (branches). ``logical`` is what marks a type, such as datetime.
    """

    kind: str
    logical: str | None = None
    name: str = ""
    aliases: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    symbol_default: str | None = None
    size: int = 0
    precision: int | None = None
    scale: int | None = None
    items: AvroType | None = None
    fields: tuple[TypeField, ...] = ()
    branches: tuple[AvroType, ...] = ()

    @property
    def short_name(self) -> str:
        """The name without its namespace: that is what types are told apart by."""
        return self.name.rpartition(".")[2]

    @property
    def nullable(self) -> bool:
        """Whether a value may be null."""
        return self.kind == "null" or any(branch.kind == "null" for branch in self.branches)

    @property
    def bare(self) -> AvroType:
        """The type without null: of a union of null and one more, that one."""
        others = [branch for branch in self.branches if branch.kind != "null"]
        return others[0] if self.kind == "union" and len(others) == 1 else self

    def __str__(self) -> str:
        if self.kind == "union":
            return " or ".join(map(str, self.branches))
        if self.kind in ("array", "map"):
            return f"{self.kind} of {self.items}"
        said = f"{self.kind} {self.short_name}" if self.name else self.kind
        return f"{said} ({self.logical})" if self.logical else said

    def parts(self) -> Iterator[AvroType]:
        """Yield the type and every type within it."""
        yield self
        inner = [*self.branches, *(part.type for part in self.fields)]
        if self.items is not None:
            inner.append(self.items)
        for part in inner:
            yield from part.parts()


#: Stands for a type that cannot be read; nothing more is said of it.
UNREADABLE = AvroType("unreadable")


@dataclass(slots=True)
class TypeReading:
    """Reads types of one schema, and collects what is wrong with them."""

    problems: list[Problem] = field(default_factory=list)
    _named: dict[str, AvroType | None] = field(default_factory=dict)

    def read(
        self, document: JsonValue, place: str, *, namespace: str = "", depth: int = 0
    ) -> AvroType:
        """Read a type."""
        if depth > _DEPTH_MAX:
            return self._fail(place, f"nests deeper than {_DEPTH_MAX} types", "flatten it")
        if isinstance(document, str):
            return self._by_name(document, place, namespace)
        if isinstance(document, list):
            return self._union(document, place, namespace=namespace, depth=depth)
        if not isinstance(document, Mapping):
            hint = 'write a name such as "string", a list of types, or an object'
            return self._fail(place, missing_or_shown(document), hint)
        return self._object(document, place, namespace=namespace, depth=depth)

    def _fail(self, place: str, message: str, hint: str = "") -> AvroType:
        self.problems.append(Problem(place, message, hint))
        return UNREADABLE

    def _by_name(self, name: str, place: str, namespace: str) -> AvroType:
        if name in PRIMITIVES:
            return AvroType(name)
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        for known in (full, name):
            if known in self._named:
                found = self._named[known]
                if found is not None:
                    return found
                hint = "write what it refers to as an id of its own"
                return self._fail(place, f"is {shown(name)}, a type that contains itself", hint)
        hint = f"use one of {', '.join(PRIMITIVES)}, or a type that is named before"
        return self._fail(place, f"is {shown(name)}, which is no type", hint)

    def _union(
        self, branches: list[JsonValue], place: str, *, namespace: str, depth: int
    ) -> AvroType:
        if not branches:
            return self._fail(place, "is a union of nothing", "name its types")
        read = tuple(
            self.read(branch, f"{place}[{number}]", namespace=namespace, depth=depth + 1)
            for number, branch in enumerate(branches)
        )
        if any(branch.kind == "union" for branch in read):
            return self._fail(place, "is a union within a union", "put all types into one list")
        marks = [(branch.kind, branch.name) for branch in read if branch is not UNREADABLE]
        if len(set(marks)) < len(marks):
            return self._fail(place, "has a type twice", "leave one out")
        return AvroType("union", branches=read)

    def _object(
        self, document: Mapping[str, JsonValue], place: str, *, namespace: str, depth: int
    ) -> AvroType:
        kind = document.get("type")
        if kind in _NAMED:
            return self._own_name(document, place, namespace=namespace, depth=depth)
        if kind in ("array", "map"):
            part = "items" if kind == "array" else "values"
            at = f"{place}.{part}"
            items = self.read(document.get(part), at, namespace=namespace, depth=depth + 1)
            return AvroType(kind, items=items)
        read = self.read(kind, f"{place}.type", namespace=namespace, depth=depth + 1)
        logical = document.get("logicalType")
        if not isinstance(logical, str) or read.kind not in PRIMITIVES:
            return read
        precision, scale = document.get("precision"), document.get("scale")
        return AvroType(read.kind, logical, precision=_whole(precision), scale=_whole(scale))

    def _own_name(
        self, document: Mapping[str, JsonValue], place: str, *, namespace: str, depth: int
    ) -> AvroType:
        name, given = document.get("name"), document.get("namespace", namespace)
        if not isinstance(name, str) or not _FULL_NAME.fullmatch(name):
            self._fail(f"{place}.name", missing_or_shown(name), _NAME_HINT)
            name = ""
        if not isinstance(given, str) or (given and not _FULL_NAME.fullmatch(given)):
            self._fail(f"{place}.namespace", f"is {shown(given)}", "names with dots between")
            given = ""
        full = name if "." in name or not given else f"{given}.{name}"
        inner = full.rpartition(".")[0]
        if full in self._named:
            return self._fail(f"{place}.name", f"is {shown(name)} twice", "use the name alone")
        self._named[full] = None
        kind, aliases = str(document["type"]), self._aliases(document, place)
        if kind == "record":
            fields = self._fields(document.get("fields"), place, namespace=inner, depth=depth)
            read = AvroType(kind, name=full, aliases=aliases, fields=fields)
        elif kind == "enum":
            symbols, default = self._symbols(document, place)
            read = AvroType(
                kind, name=full, aliases=aliases, symbols=symbols, symbol_default=default
            )
        else:
            read = self._fixed(document, place, AvroType(kind, name=full, aliases=aliases))
        self._named[full] = read
        return read

    def _fixed(self, document: Mapping[str, JsonValue], place: str, named: AvroType) -> AvroType:
        size, logical = _whole(document.get("size")), document.get("logicalType")
        if size is None or size < 1:
            said = missing_or_shown(document.get("size"))
            return self._fail(f"{place}.size", said, "a number of bytes")
        return AvroType(
            "fixed",
            logical if isinstance(logical, str) else None,
            name=named.name,
            aliases=named.aliases,
            size=size,
            precision=_whole(document.get("precision")),
            scale=_whole(document.get("scale")),
        )

    def _symbols(
        self, document: Mapping[str, JsonValue], place: str
    ) -> tuple[tuple[str, ...], str | None]:
        symbols, default = document.get("symbols"), document.get("default")
        fit = isinstance(symbols, list) and all(
            isinstance(symbol, str) and _NAME.fullmatch(symbol) for symbol in symbols
        )
        if not fit or not symbols:
            self._fail(f"{place}.symbols", missing_or_shown(symbols), f"a list of {_NAME_HINT}")
            return (), None
        if len(set(symbols)) < len(symbols):
            self._fail(f"{place}.symbols", "has a symbol twice", "leave one out")
        if default is not None and default not in symbols:
            hint = f"use one of {', '.join(symbols)}"
            self._fail(f"{place}.default", f"is {shown(default)}", hint)
            default = None
        return tuple(symbols), default

    def _aliases(self, document: Mapping[str, JsonValue], place: str) -> tuple[str, ...]:
        given = document.get("aliases", [])
        if not isinstance(given, list) or not all(
            isinstance(alias, str) and _FULL_NAME.fullmatch(alias) for alias in given
        ):
            self._fail(f"{place}.aliases", f"is {shown(given)}", f"a list of {_NAME_HINT}")
            return ()
        return tuple(given)

    def _fields(
        self, given: JsonValue, place: str, *, namespace: str, depth: int
    ) -> tuple[TypeField, ...]:
        if not isinstance(given, list) or not given:
            said = missing_or_shown(given) if not isinstance(given, list) else "is empty"
            self._fail(f"{place}.fields" if place else "fields", said, "a list of fields")
            return ()
        read: list[TypeField] = []
        for number, one in enumerate(given):
            at = f"{place}.fields[{number}]" if place else f"fields[{number}]"
            made = self._field(one, at, namespace=namespace, depth=depth)
            if made is not None:
                read.append(made)
        names = [name for made in read for name in (made.name, *made.aliases)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            at = f"{place}.fields" if place else "fields"
            self._fail(at, f"has {shown(name)} twice", "fields and aliases have one name each")
        return tuple(read)

    def _field(self, one: JsonValue, place: str, *, namespace: str, depth: int) -> TypeField | None:
        if not isinstance(one, Mapping):
            self._fail(place, f"is {shown(one)}", "write a field between { and }")
            return None
        name = one.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self._fail(f"{place}.name", missing_or_shown(name), _NAME_HINT)
            return None
        at = f"{place}({name})"
        type_ = self.read(one.get("type"), f"{at}.type", namespace=namespace, depth=depth + 1)
        aliases = self._aliases(one, at)
        if "default" in one and not default_fits(type_, one["default"]):
            first = "the first of its types" if type_.kind == "union" else "its type"
            self._fail(f"{at}.default", f"is {shown(one['default'])}", f"it must be of {first}")
        return TypeField(name, type_, aliases, "default" in one, one.get("default"))


def default_fits(type_: AvroType, value: JsonValue) -> bool:
    """Whether a value is a default for a type; for a union, it is one of the first branch.

    >>> default_fits(AvroType("int"), 5), default_fits(AvroType("int"), None)
    (True, False)
    """
    kind = type_.kind
    if kind in ("unreadable", "null"):
        return kind == "unreadable" or value is None
    if kind == "union":
        return default_fits(type_.branches[0], value)
    if kind in _INT_BITS:
        return _fits_bits(value, _INT_BITS[kind])
    if kind in ("float", "double"):
        return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("array", "map"):
        assert type_.items is not None, "a list has items"
        values = _items(value, kind)
        return values is not None and all(default_fits(type_.items, item) for item in values)
    if kind == "record":
        return isinstance(value, Mapping) and all(
            default_fits(part.type, value[part.name]) if part.name in value else part.has_default
            for part in type_.fields
        )
    if not isinstance(value, str):
        return False
    if kind == "enum":
        return value in type_.symbols
    return kind == "string" or _is_bytes(value, type_)


def _fits_bits(value: JsonValue, bits: int) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and -(1 << bits) <= value < 1 << bits


def _items(value: JsonValue, kind: str) -> list[JsonValue] | None:
    if kind == "array":
        return value if isinstance(value, list) else None
    return list(value.values()) if isinstance(value, Mapping) else None


def _is_bytes(value: str, type_: AvroType) -> bool:
    """Whether a text stands for bytes: each character is one."""
    size = type_.size if type_.kind == "fixed" else len(value)
    return len(value) == size and all(ord(character) < 256 for character in value)


def _whole(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
