"""Publishing schemas of datasets, and finding the newest version of one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from meterhouse.app.datasets.ports import Datasets, DatasetVersion
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError, Problem
from meterhouse.datasets.evolution import evolution_problems, publishing_problems
from meterhouse.datasets.schema import DatasetSchema, SchemaField


@dataclass(frozen=True, slots=True)
class Published:
    """A version in the catalogue; ``new`` unless it was there already, as it is."""

    version: DatasetVersion
    new: bool

    def to_api(self) -> dict[str, Any]:
        """Return the API's object."""
        return self.version.to_api() | {"new": self.new}


def publish(ledger: Datasets, schema: DatasetSchema, *, at: Instant) -> Published:
    """Publish a version of a dataset.

    Raises ``DefinitionError`` where it may not follow the newest version of its major, and
    ``ConflictError`` where that version has another schema.
    """
    what = f"Version {schema.version} of {schema.name}"
    if problems := publishing_problems(schema):
        raise DefinitionError(problems, what=what)
    text = json_text(schema.document)
    hash_ = hashlib.sha256(text.encode()).hexdigest()
    version = DatasetVersion(schema.name, schema.version, text, hash_, at)
    known: list[DatasetVersion] = []

    def check(present: Sequence[DatasetVersion]) -> bool:
        same = [one for one in present if one.version == schema.version]
        known.extend(same)
        if not same:
            _check_follows(schema, present, what=what)
        elif same[0].sha256 != hash_:
            hint = "a version never changes: give the new schema a number of its own"
            raise ConflictError(f"{what} is published with another schema", hint=hint)
        return bool(same)

    is_new = ledger.add_dataset_version(version, check)
    return Published(version if is_new else known[0], is_new)


def _check_follows(schema: DatasetSchema, present: Sequence[DatasetVersion], *, what: str) -> None:
    of_major = [one for one in present if one.major == schema.major]
    if not of_major:
        return
    last = of_major[-1]
    if last.version > schema.version:
        hint = f"number it higher than {last.version}, which is the newest of its major"
        problem = Problem("x-fp-version", f"is {schema.version}", hint)
        raise DefinitionError([problem], what=what)
    if problems := evolution_problems(last.schema(), schema):
        raise DefinitionError(problems, what=f"{what} may not follow {last.version}: it")


def newest(ledger: Datasets, name: str, *, major: int | None = None) -> DatasetVersion:
    """Return the newest version of a dataset, or of one major. Raises ``NotFoundError``."""
    found = ledger.dataset_versions(name)
    if not found:
        hint = "`meterhouse dataset list` shows those that are published"
        raise NotFoundError(f"There is no dataset {name!r}", hint=hint)
    of_major = [one for one in found if major is None or one.major == major]
    if not of_major:
        known = ", ".join(str(number) for number in sorted({one.major for one in found}))
        hint = f"major versions of {name} are {known}"
        raise NotFoundError(f"Dataset {name!r} has no major version {major}", hint=hint)
    return of_major[-1]


def described(ledger: Datasets, name: str, *, major: int | None = None) -> dict[str, Any]:
    """Return what there is to say of a dataset: its versions, and its newest schema in short."""
    last = newest(ledger, name, major=major)
    schema = last.schema()
    versions = [str(one.version) for one in ledger.dataset_versions(name, major=major)]
    return {
        **last.to_api(),
        "versions": versions,
        "kind": "dimension" if schema.is_dimension else "facts",
        "key": list(schema.key),
        "partition": schema.partition,
        "references": {field: str(to) for field, to in schema.references.items()},
        "fields": [_field(field) for field in schema.fields],
    }


def _field(field: SchemaField) -> dict[str, Any]:
    return {"name": field.name, "type": str(field.type.bare), "nullable": field.nullable}
