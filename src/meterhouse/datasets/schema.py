"""Schemas of datasets: Avro records with attributes that say what a field is for.

``x-fp-version`` is the version, ``x-fp-unique-constraint`` marks the fields of the key (those with
one number are one key together), ``x-fp-partition-key`` the day, ``x-fp-reference`` names a field
of another dataset, ``x-fp-data-protection`` says what becomes of personal data. All other
attributes are kept as they are. A schema without ``x-fp-partition-key`` is that of a dimension.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

from meterhouse.core.json_text import JsonValue, parse_json
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import missing_or_shown, shown
from meterhouse.datasets.avro_type import AvroType, TypeField, TypeReading
from meterhouse.datasets.naming import DATASET
from meterhouse.datasets.version import Version

VERSION = "x-fp-version"
UNIQUE, PARTITION = "x-fp-unique-constraint", "x-fp-partition-key"
REFERENCE, PROTECTION = "x-fp-reference", "x-fp-data-protection"
#: What a date or an instant in a text is marked with.
DATETIME, ISO_DATE = "datetime", "iso-date"
#: The field that says which country a row is of.
COUNTRY = "COUNTRY_3_ALPHA_CD"
_REFERENCE = re.compile(r"([A-Za-z][A-Za-z0-9_]*)\.([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_FOLDER = "schemas"


@dataclass(frozen=True, slots=True)
class Reference:
    """A field of another dataset that values of a field are those of."""

    dataset: str
    field: str

    def __str__(self) -> str:
        return f"{self.dataset}.{self.field}"


@dataclass(frozen=True, slots=True)
class SchemaField:
    """A field of a dataset. ``kind`` is its Avro type without null, such as string or enum.

    ``symbols`` are those of an enum, ``constraint`` is the number of its key.
    """

    name: str
    type: AvroType
    kind: str
    nullable: bool
    logical: str | None = None
    symbols: tuple[str, ...] = ()
    symbol_default: str | None = None
    has_default: bool = False
    default: JsonValue = None
    aliases: tuple[str, ...] = ()
    constraint: int | None = None
    reference: Reference | None = None
    is_partition: bool = False
    protection: str | None = None


@dataclass(frozen=True)
class DatasetSchema:
    """A schema. ``document`` is all of it, as it was written."""

    name: str
    namespace: str
    version: Version
    fields: tuple[SchemaField, ...]
    type: AvroType
    document: Mapping[str, JsonValue]

    @property
    def major(self) -> int:
        """The number of the version that readers ask for."""
        return self.version.major

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The fields whose values are one row's alone; ``()`` where there is no key."""
        keys = self.keys
        return keys[min(keys)] if keys else ()

    @cached_property
    def keys(self) -> Mapping[int, tuple[str, ...]]:
        """All unique constraints by number."""
        numbers = sorted({f.constraint for f in self.fields if f.constraint is not None})
        return {
            number: tuple(field.name for field in self.fields if field.constraint == number)
            for number in numbers
        }

    @cached_property
    def partition(self) -> str | None:
        """The field that has the day; dimensions have none."""
        return next((field.name for field in self.fields if field.is_partition), None)

    @property
    def is_dimension(self) -> bool:
        """Whether its files are snapshots."""
        return self.partition is None

    @cached_property
    def timestamp(self) -> str | None:
        """The field that has the instant of which the partition is the day."""
        found = (field.name for field in self.fields if field.logical == DATETIME)
        return None if self.partition is None else next(found, None)

    @cached_property
    def references(self) -> Mapping[str, Reference]:
        """Which fields refer to other datasets, and to what there."""
        return {f.name: f.reference for f in self.fields if f.reference is not None}

    @cached_property
    def country(self) -> str | None:
        """The field whose country is that of the OB whose rows these are."""
        found = (f for f in self.fields if f.name == COUNTRY)
        field = next(found, None)
        own = field is not None and not field.nullable and field.constraint is None
        return COUNTRY if own else None

    def field(self, name: str) -> SchemaField | None:
        """Return a field by its name."""
        return next((field for field in self.fields if field.name == name), None)


def read_schema(document: JsonValue) -> DatasetSchema:
    """Read a schema. Raises ``DefinitionError`` that lists everything that is wrong with it.

    >>> read_schema({"type": "record", "name": "A", "x-fp-version": "1.0.0",
    ...              "fields": [{"name": "ID", "type": "string", "x-fp-unique-constraint": 1}]}).key
    ('ID',)
    """
    if not isinstance(document, Mapping):
        problem = Problem("", f"is {shown(document)}, not a JSON object", "write an Avro schema")
        raise DefinitionError([problem], what="The schema")
    reading = TypeReading()
    whole = reading.read(document, "") if document.get("type") == "record" else None
    if whole is None:
        hint = 'a dataset is a "record"'
        reading.problems.append(Problem("type", missing_or_shown(document.get("type")), hint))
    problems = [_outer(problem) for problem in reading.problems]
    fields = () if whole is None else tuple(_fields(whole, document, problems))
    name = "" if whole is None else whole.short_name
    if name and not DATASET.fullmatch(name):
        hint = "a letter, then letters, digits and _, at most 100"
        problems.append(Problem("name", f"is {shown(name)}", hint))
    version = Version.read(document.get(VERSION))
    if version is None:
        hint = "write three numbers, such as 6.0.0"
        problems.append(Problem(VERSION, missing_or_shown(document.get(VERSION)), hint))
    _check_partition(fields, problems)
    if problems:
        named = document.get("name")
        what = f"The schema {named}" if isinstance(named, str) and named else "The schema"
        raise DefinitionError(problems, what=what)
    assert whole is not None and version is not None, "all problems are told above"
    namespace = whole.name.rpartition(".")[0]
    return DatasetSchema(name, namespace, version, fields, whole, document)


def _outer(problem: Problem) -> Problem:
    return Problem(problem.place.lstrip("."), problem.message, problem.hint)


def _fields(
    whole: AvroType, document: Mapping[str, JsonValue], problems: list[Problem]
) -> Iterator[SchemaField]:
    given = [one for one in document.get("fields") or () if isinstance(one, Mapping)]
    # Of two fields with one name, of which there is a problem already, the first is looked at.
    attributes = {one.get("name"): one for one in reversed(given)}
    for part in whole.fields:
        yield _field(part, attributes[part.name], problems)


def _field(part: TypeField, given: Mapping[str, JsonValue], problems: list[Problem]) -> SchemaField:
    bare, nullable = part.type.bare, part.type.nullable
    constraint = given.get(UNIQUE)
    if constraint is not None:
        if not isinstance(constraint, int) or isinstance(constraint, bool) or constraint < 1:
            place = f"{part.name}.{UNIQUE}"
            problems.append(Problem(place, f"is {shown(constraint)}", "write a number from 1 on"))
            constraint = None
        elif nullable:
            hint = "fields of a key may not be null: leave null out of its type"
            problems.append(Problem(part.name, "is of the key, and may be null", hint))
    is_partition = given.get(PARTITION, False)
    if not isinstance(is_partition, bool):
        place = f"{part.name}.{PARTITION}"
        problems.append(Problem(place, f"is {shown(is_partition)}", "write true, or leave it out"))
        is_partition = False
    protection = given.get(PROTECTION)
    return SchemaField(
        name=part.name,
        type=part.type,
        kind=bare.kind,
        nullable=nullable,
        logical=bare.logical,
        symbols=bare.symbols,
        symbol_default=bare.symbol_default,
        has_default=part.has_default,
        default=part.default,
        aliases=part.aliases,
        constraint=constraint,
        reference=_reference(part.name, given.get(REFERENCE), problems),
        is_partition=is_partition,
        protection=protection if isinstance(protection, str) else None,
    )


def _reference(name: str, given: JsonValue, problems: list[Problem]) -> Reference | None:
    if given is None:
        return None
    found = _REFERENCE.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        hint = "write dataset.field, such as D_Aura_App.AURA_APP_ID"
        problems.append(Problem(f"{name}.{REFERENCE}", f"is {shown(given)}", hint))
        return None
    return Reference(found[1], found[2])


def _check_partition(fields: tuple[SchemaField, ...], problems: list[Problem]) -> None:
    marked = [field for field in fields if field.is_partition]
    if len(marked) > 1:
        names = ", ".join(field.name for field in marked)
        problems.append(Problem(PARTITION, f"is at {names}", "one field has the day"))
    for field in marked:
        if field.kind != "string" or field.nullable or field.logical != ISO_DATE:
            hint = f'write {{"type": "string", "logicalType": "{ISO_DATE}"}}'
            problems.append(Problem(field.name, f"has the day, and is {field.type}", hint))


class _BuiltIn(Mapping[str, DatasetSchema]):
    """The schemas of the package, each read when it is first asked for."""

    def __getitem__(self, name: str) -> DatasetSchema:
        if name not in _names():
            raise KeyError(name)
        return _built_in(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())


@cache
def _names() -> tuple[str, ...]:
    folder = files("meterhouse.datasets") / _FOLDER
    suffix = ".avsc"
    found = (entry.name for entry in folder.iterdir() if entry.name.endswith(suffix))
    return tuple(sorted(name.removesuffix(suffix) for name in found))


@cache
def _built_in(name: str) -> DatasetSchema:
    file = files("meterhouse.datasets") / _FOLDER / f"{name}.avsc"
    return read_schema(parse_json(file.read_text("utf-8")))


#: The schemas that come with the product, by name.
BUILT_IN: Mapping[str, DatasetSchema] = _BuiltIn()
