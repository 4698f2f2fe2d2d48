"""Whether a version of a schema may follow another: it must read old files, and mean the same.

Stricter than Avro's own resolution, which drops removed fields and rounds numbers in silence.
"""

from __future__ import annotations

from meterhouse.core.problem import Problem
from meterhouse.core.reading import shown
from meterhouse.datasets.avro_type import AvroType, TypeField
from meterhouse.datasets.schema import DatasetSchema

#: What a number may become without losing a digit.
_WIDER = {"int": ("long", "double"), "float": ("double",)}


def evolution_problems(old: DatasetSchema, new: DatasetSchema) -> list[Problem]:
    """Return everything that keeps ``new`` from following ``old``.

    Another major version may do anything, but for being a dataset of another name.
    """
    if new.name != old.name:
        return [Problem("name", f"is {shown(new.name)}, not {shown(old.name)}", "name it so")]
    if new.major != old.major:
        return []
    found: list[Problem] = []
    _compare_fields(old.type, new.type, "", found)
    _compare_keys(old, new, found)
    return found


def publishing_problems(schema: DatasetSchema) -> list[Problem]:
    """Return what keeps a schema from being published at all: enums without a default.

    Later versions of one may have more symbols, and who reads with this one must get something.
    """
    enums = {part.name: part for part in schema.type.parts() if part.kind == "enum"}
    hint = f'give it a "default", such as "{_OTHER}", for symbols that later versions add'
    return [
        Problem(f"enum {part.short_name}", "has no default", hint)
        for part in enums.values()
        if part.symbol_default is None
    ]


_OTHER = "other"


def _compare_keys(old: DatasetSchema, new: DatasetSchema, found: list[Problem]) -> None:
    renamed = {alias: field.name for field in new.fields for alias in field.aliases}
    for number in sorted({*old.keys, *new.keys}):
        before = tuple(renamed.get(name, name) for name in old.keys.get(number, ()))
        after = new.keys.get(number, ())
        if set(before) != set(after):
            hint = "rows are told apart by it: a new major version may change it"
            said = f"is {_listed(after)}, and was {_listed(before)}"
            found.append(Problem(f"key {number}", said, hint))
    before, after = old.partition, new.partition
    if before is not None:
        before = renamed.get(before, before)
    if before != after:
        hint = "files are kept by it: a new major version may change it"
        said = f"is {after or 'none'}, and was {before or 'none'}"
        found.append(Problem("partition", said, hint))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


def _compare_fields(old: AvroType, new: AvroType, place: str, found: list[Problem]) -> None:
    by_name = {field.name: field for field in new.fields}
    by_alias = {alias: field for field in new.fields for alias in field.aliases}
    taken: dict[str, str] = {}
    for before in old.fields:
        after = by_name.get(before.name) or by_alias.get(before.name)
        at = _at(place, before.name)
        if after is None:
            hint = "keep it, or name it among the aliases of what it is called now"
            found.append(Problem(at, "is removed", hint))
        elif after.name in taken:
            hint = "one field takes the values of one"
            found.append(Problem(at, f"becomes {after.name}, as {taken[after.name]} does", hint))
        else:
            taken[after.name] = before.name
            _compare_defaults(before, after, at, found)
            _compare(before.type, after.type, at, found)
    for added in new.fields:
        if added.name not in taken and not added.has_default:
            said = "is added without a default"
            found.append(Problem(_at(place, added.name), said, _ADDED_HINT))


_ADDED_HINT = 'old files do not have it: write "type": ["null", ...], "default": null'


def _compare_defaults(
    before: TypeField, after: TypeField, place: str, found: list[Problem]
) -> None:
    if before.has_default and not after.has_default:
        hint = "rows that are written without it relied on that: keep it"
        found.append(Problem(place, "has lost its default", hint))


def _compare(old: AvroType, new: AvroType, place: str, found: list[Problem]) -> None:
    if old.kind == "union" or new.kind == "union":
        _compare_unions(old, new, place, found)
        return
    message = _mismatch(old, new)
    if message:
        hint = "old files could not be read, or would mean something else: keep the type"
        found.append(Problem(place, message, hint))
        return
    if old.kind == "record":
        _compare_fields(old, new, place, found)
    elif old.kind in ("array", "map"):
        assert old.items is not None and new.items is not None, "a list has items"
        _compare(old.items, new.items, f"{place}[]", found)
    elif old.kind == "enum":
        _compare_enums(old, new, place, found)


def _mismatch(old: AvroType, new: AvroType) -> str:
    """Return what is wrong between two types that are no unions, their parts aside."""
    if old.kind != new.kind:
        fits = new.kind in _WIDER.get(old.kind, ()) and old.logical is None is new.logical
        return "" if fits else f"is {new}, and was {old}"
    if old.name and not _same_name(old, new):
        return f"is {new}, and was {old}, which is none of its aliases"
    if old.kind == "fixed" and old.size != new.size:
        return f"has {new.size} bytes, and had {old.size}"
    before, after = ((one.logical, one.precision, one.scale) for one in (old, new))
    return "" if before == after else f"is {new}, and was {old}, marked otherwise"


def _same_name(old: AvroType, new: AvroType) -> bool:
    return old.short_name == new.short_name or bool({old.name, old.short_name} & set(new.aliases))


def _compare_enums(old: AvroType, new: AvroType, place: str, found: list[Problem]) -> None:
    gone = [symbol for symbol in old.symbols if symbol not in new.symbols]
    if gone:
        said = f"has lost the symbols {', '.join(gone)}"
        found.append(Problem(place, said, "old files have them: keep them"))
    if old.symbol_default != new.symbol_default and old.symbol_default is not None:
        said = f"has the default {new.symbol_default or 'none'}, and had {old.symbol_default}"
        found.append(Problem(place, said, "symbols that nobody knows became that: keep it"))


def _compare_unions(old: AvroType, new: AvroType, place: str, found: list[Problem]) -> None:
    if old == new:
        return
    before = old.branches or (old,)
    after = new.branches or (new,)
    for branch in before:
        target = _target(branch, after)
        if target is None:
            said = f"may be {branch} in old files, and now is {new}"
            found.append(Problem(place, said, "keep that type among those it may have"))
        else:
            _compare(branch, target, place, found)


def _target(branch: AvroType, after: tuple[AvroType, ...]) -> AvroType | None:
    """Return the type that values of a branch become: the same one, or the first that is wider.

    Where a reader would take another one first, there is none: it would read something else.
    """
    first = next((one for one in after if _reads(branch, one)), None)
    return first if first is None or not _mismatch(branch, first) else None


def _reads(old: AvroType, new: AvroType) -> bool:
    """Whether readers take a type for another by its kind and name alone, as Avro does."""
    if old.kind == new.kind:
        return not old.name or _same_name(old, new)
    return new.kind in _AVRO_READS.get(old.kind, ())


_AVRO_READS = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
