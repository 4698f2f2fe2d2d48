"""Schemas of datasets: Avro records with attributes that say what a field is for.

``x-fp-version`` is the version, ``x-fp-unique-constraint`` marks the fields of the key (those with
one number are one key together), ``x-fp-partition-key`` the day, ``x-fp-reference`` names a field of
another dataset, ``x-fp-data-protection`` says what becomes of personal data. All other attributes
are kept as they are. Fields without ``x-fp-partition-key``: the dataset is a dimension.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from meterhouse.core.json_text import JsonValue, parse_json
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import missing_or_shown, shown
from meterhouse.datasets.naming import DATASET
from meterhouse.datasets.version import Version

VERSION = "x-fp-version"
UNIQUE, PARTITION = "x-fp-unique-constraint", "x-fp-partition-key"
REFERENCE, PROTECTION = "x-fp-reference", "x-fp-data-protection"
#: Types of Avro that have no parts.
PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
#: What a date or an instant in a text is marked with.
DATETIME, ISO_DATE = "datetime", "iso-date"
#: The field that says which country a row is of.
COUNTRY = "COUNTRY_3_ALPHA_CD"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NAMESPACE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
_REFERENCE = re.compile(r"([A-Za-z][A-Za-z0-9_]*)\.([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_DEPTH_MAX = 20
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

    ``type`` and ``default`` are as the document has them; ``symbols`` are those of an enum.
    """

    name: str
    type: JsonValue
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
    raise NotImplementedError
