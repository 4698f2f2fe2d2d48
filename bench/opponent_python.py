"""The job as a plain loop over records: the obvious program, and the reference answer.

No trick of any kind, so that it can be checked by reading it beside bench/README.md.

Use: python -m bench.opponent_python --meters FILE --out DIR INPUT...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from bench import job
from bench.arguments import opponent_arguments

_LIMITS = {category.name: category.limit for category in job.CATEGORIES}
_SECTION_NAMES = ("groups1", "groups2")
_SECTION_FIELDS = tuple(itemgetter(*section) for section in job.SECTIONS)


@dataclass(slots=True)
class Total:
    """A sum with its carries: of a meter, or of one group of a meter."""

    value: int = 0
    first_session: str = ""
    last_app: str = ""
    last_session: str = ""

    def add(self, record: Mapping[str, Any]) -> None:
        """Take one record into the sum and the carries."""
        if not self.first_session:
            self.first_session = record["session"]
        self.value += record["tokens"]
        self.last_app = record["app"]
        self.last_session = record["session"]


@dataclass(slots=True)
class Meter(Total):
    """A meter: its total, and one breakdown per section."""

    groups: tuple[dict[tuple[str, ...], Total], ...] = field(
        default_factory=lambda: tuple({} for _ in job.SECTIONS)
    )

    def take(self, record: Mapping[str, Any]) -> None:
        """Meter one record."""
        self.add(record)
        for fields, groups in zip(_SECTION_FIELDS, self.groups, strict=True):
            group = fields(record)
            if group not in groups:
                groups[group] = Total()
            groups[group].add(record)


def _holds(rule: job.Rule, record: Mapping[str, Any]) -> bool:
    for name, value in rule.conditions:
        if (record[name] == value) != (rule.relation == "and"):
            return rule.relation == "or"
    return rule.relation == "and"


def _category(record: Mapping[str, Any], owned: set[tuple[str, str]]) -> str | None:
    """Return the category of the first rule that takes the record."""
    for rule in job.RULES:
        if _holds(rule, record) and (record["userId"], rule.category) in owned:
            return rule.category
    return None


class Answer:
    """Rows of the answer tables."""

    def __init__(self) -> None:
        self.tables: dict[str, list[tuple[Any, ...]]] = {name: [] for name in job.ANSWER_KEYS}

    def add(self, name: str, key: tuple[Any, ...], total: Total) -> None:
        """Add one row."""
        carries = (total.first_session, total.last_app, total.last_session)
        self.tables[name].append((*key, total.value, *carries))

    def add_meter(self, names: tuple[str, ...], key: tuple[Any, ...], meter: Meter) -> None:
        """Add a meter's row and the rows of its groups; `names` are the three tables."""
        self.add(names[0], key, meter)
        for name, groups in zip(names[1:], meter.groups, strict=True):
            for group, total in groups.items():
                self.add(name, (*key[:2], *group), total)

    def write(self, out: Path) -> None:
        """Write one Parquet file per table."""
        for name, rows in self.tables.items():
            frame = pl.DataFrame(rows, schema=list(job.ANSWER_COLUMNS[name]), orient="row")
            frame.write_parquet(out / f"{name}.parquet")


def meter_all(records: Iterable[Mapping[str, Any]], owned: set[tuple[str, str]]) -> Answer:
    """Meter the records in order."""
    answer = Answer()
    meters: dict[tuple[str, str], Meter] = {}
    crossing_names = ("crossings", *(f"crossing_{name}" for name in _SECTION_NAMES))
    for sequence, record in enumerate(records):
        category = _category(record, owned)
        if category is None:
            continue
        key = (record["userId"], category)
        if key not in meters:
            meters[key] = Meter()
        meter = meters[key]
        before = meter.value
        meter.take(record)
        if before < _LIMITS[category] <= meter.value:
            answer.add_meter(crossing_names, (*key, sequence), meter)
    for key, meter in meters.items():
        answer.add_meter(("meters", *_SECTION_NAMES), key, meter)
    return answer


def read(inputs: Sequence[Path]) -> Iterator[Mapping[str, Any]]:
    """Yield the records in order of arrival."""
    decode = msgspec.json.Decoder().decode
    for path in inputs:
        if path.suffix == ".ndjson":
            with path.open("rb") as lines:
                yield from map(decode, lines)
        else:
            for part in pl.scan_parquet(path).collect().iter_slices(100_000):
                yield from part.iter_rows(named=True)


def run(inputs: Sequence[Path], meters: Path, out: Path) -> None:
    """Compute the answer and write its tables into `out`."""
    owned = set(pl.read_parquet(meters).select("userId", "category").iter_rows())
    meter_all(read(inputs), owned).write(out)


if __name__ == "__main__":
    run(*opponent_arguments(__doc__))
