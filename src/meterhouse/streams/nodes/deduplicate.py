"""``transforms/deduplicate``: records whose key was seen before leave by another port, or go.

Keys are remembered across runs by digests. Within a run the first record in order of arrival
stays. The age of keys runs on the clock of the run. Where records have a day,
``deduplicate_by_day`` does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import polars as pl

from meterhouse.core.instant import DAY
from meterhouse.core.reading import Reading, shown
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.mask import marked, uniform
from meterhouse.streams.nodes.deduplicate_by_day import (
    CONFLICT,
    DUPLICATE,
    UNIQUE,
    ByDay,
    DeduplicateByDay,
)
from meterhouse.streams.nodes.node import (
    Needed,
    NodeParams,
    NodeRun,
    NodeSite,
    NodeType,
    Outputs,
    Ports,
    joined,
    record_fields,
)
from meterhouse.streams.parameters import fixed_outputs, template, whole_number
from meterhouse.streams.placeholder import Template
from meterhouse.streams.record import DuplicateKeys, RunResult
from meterhouse.streams.suspension import SuspensePolicy, read_policy

COMPARED_MAX = 100
DAYS_DEFAULT = 1
DAYS_MAX = 70
#: Keys that are known by day are packed.
DAYS_MAX_BY_DAY = 400
_DIGEST_BYTES = 16
#: So many values at a time are objects of Python.
_OBJECTS_AT_ONCE = 100_000
#: Larger parts are not merged: sorting one takes its memory again.
_PART_MAX = 4_000_000


@dataclass(frozen=True, slots=True)
class DeduplicateParams(NodeParams):
    """``key``, ``lifeTimeDays``, the ids of the outputs, and what records of a day are told by."""

    key: Template
    days: int
    outputs: tuple[tuple[str, str], ...]
    day: str | None = None
    earliest: str | None = None
    compare: tuple[str, ...] = ()
    policy: SuspensePolicy = field(default_factory=SuspensePolicy)

    @property
    def passes_duplicates(self) -> bool:
        """Whether duplicates leave instead of being dropped."""
        return DUPLICATE in dict(self.outputs).values()

    def ports(self) -> Ports:
        """``unique``, and ``duplicate`` and ``conflict`` where the document has them."""
        named = dict(self.outputs).values()
        others = tuple(name for name in (DUPLICATE, CONFLICT) if name in named)
        return Ports((UNIQUE, *others), UNIQUE, dict(self.outputs))

    def open(self, site: NodeSite) -> NodeRun:
        """Start looking for duplicates."""
        if self.day is None:
            return _Deduplicate(self, site)
        ports = frozenset(self.ports().names)
        by_day = ByDay(
            self.key, self.day, self.earliest, self.compare, self.days, ports, self.policy
        )
        return DeduplicateByDay(by_day, site)

    def needs(self, after: Callable[[str], Needed]) -> Needed:
        """The fields of the key and those after it; all where records may be suspended."""
        if self.day is not None:
            return None
        return joined(record_fields(self.key.fields), *(after(p) for p in self.ports().names))

    def expects(self) -> Sequence[str]:
        """The fields that are looked at, but for those that are compared."""
        others = (name for name in (self.day, self.earliest) if name is not None)
        return (*(self.key.fields or ()), *others)


def _read(reading: Reading) -> DeduplicateParams | None:
    key = template(reading, "key")
    day, earliest = reading.text("day"), reading.text("earliest")
    most = DAYS_MAX if day is None else DAYS_MAX_BY_DAY
    days = whole_number(reading, "lifeTimeDays", lowest=1, highest=most)
    compare = _compared(reading)
    for name, given in (("earliest", earliest), ("compare", compare)):
        if given and day is None:
            reading.fail(name, "has a meaning only with day", "name the field of the day: day")
    outputs = fixed_outputs(reading)
    known = (UNIQUE, DUPLICATE, CONFLICT) if compare else (UNIQUE, DUPLICATE)
    for name in outputs.values():
        if name not in known:
            hint = f"the outputs are {', '.join(known)}"
            hint += "" if compare else f"; {CONFLICT} is one where compare names fields"
            reading.fail(f"multiOutput.fixed.{name}", "is not known", hint)
    policy = read_policy(reading)
    if reading.problems or key is None:
        return None
    outputs_named = tuple(outputs.items())
    return DeduplicateParams(
        key, days or DAYS_DEFAULT, outputs_named, day, earliest, compare, policy
    )


def _compared(reading: Reading) -> tuple[str, ...]:
    """Read ``compare``: names or dotted paths of fields, each once."""
    names = reading.json_list("compare", items_max=COMPARED_MAX)
    for place, name in enumerate(names):
        if not isinstance(name, str) or not name:
            reading.fail(f"compare[{place}]", f"is {shown(name)}", "name a field")
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))


TYPE = NodeType("transforms/deduplicate", frozenset({4}), _read)


class _Deduplicate(NodeRun):
    def __init__(self, params: DeduplicateParams, site: NodeSite) -> None:
        self._params = params
        self._site = site
        # A key says which node it belongs to, so that equal texts of two nodes differ.
        self._scope = f"{site.id}\n".encode()
        self._kept = _Digests()

    def take(self, batch: UsageBatch) -> Outputs:
        texts = self._params.key.key_texts(batch)
        first = texts.is_first_distinct()
        digests = self._digests(texts.filter(first))
        new = ~self._known(digests)
        unique = first.arg_true().filter(new)
        self._kept.add(digests.filter(new))
        if len(unique) == len(batch):
            return {UNIQUE: batch}
        return self._sorted(batch, unique)

    def _sorted(self, batch: UsageBatch, unique: pl.Series) -> Outputs:
        outputs = {UNIQUE: batch.take(unique)}
        if self._params.passes_duplicates:
            outputs[DUPLICATE] = batch.filter(~marked(unique, length=len(batch)))
        else:
            self._site.count.duplicates += len(batch) - len(unique)
        return outputs

    def _digests(self, texts: pl.Series) -> pl.Series:
        scope = self._scope
        return _binary(
            [blake2b(scope + text.encode(), digest_size=_DIGEST_BYTES).digest() for text in piece]
            for piece in _pieces(texts)
        )

    def _known(self, digests: pl.Series) -> pl.Series:
        """Which keys came before, in this run or in an earlier one."""
        world = self._site.world
        known = world.snapshot.seen(self._site.id, digests, at=world.facts.at)
        return known | self._kept.holds(digests)

    def commit(self, result: RunResult) -> None:
        digests = self._kept.taken()
        if len(digests):
            expires_at = self._site.world.facts.at + self._params.days * DAY
            result.duplicate_keys.append(DuplicateKeys(self._site.id, digests, expires_at))


class _Digests:
    """The digests of one run, as numbers of 16 bytes, in sorted parts.

    A part is merged with the one before it as soon as it is half as large, up to millions. So
    there are few parts, each digest is moved only a few times, and to look one up is a search in
    each part.
    """

    def __init__(self) -> None:
        self._parts: list[pl.Series] = []

    def add(self, digests: pl.Series) -> None:
        if not len(digests):
            return
        part = _numbers(digests).sort()
        while self._parts and len(self._parts[-1]) < min(2 * len(part), _PART_MAX):
            # No name may hold the smaller ones while the larger one is sorted.
            part = pl.concat([self._parts.pop(), part], rechunk=True)
            part = part.sort(in_place=True)
        self._parts.append(part)

    def holds(self, digests: pl.Series) -> pl.Series:
        """Tell for each whether it was added."""
        if not self._parts or not len(digests):
            return uniform(len(digests), value=False)
        numbers = _numbers(digests)
        order = numbers.arg_sort()
        numbers = numbers.gather(order)  # searches in order are six times as fast
        found = uniform(len(numbers), value=False)
        for part in self._parts:
            places = part.search_sorted(numbers).clip(upper_bound=len(part) - 1)
            found |= part.gather(places) == numbers
        return marked(order.filter(found), length=len(digests))

    def taken(self) -> pl.Series:
        """Return the digests as bytes, in no order of meaning, and forget them."""
        parts, self._parts = self._parts, []
        return _binary(
            [number.to_bytes(_DIGEST_BYTES, "little", signed=True) for number in piece]
            for part in parts
            for piece in _pieces(part)
        )


def _numbers(digests: pl.Series) -> pl.Series:
    return digests.bin.reinterpret(dtype=pl.Int128, endianness="little")


def _pieces(values: pl.Series) -> Iterator[pl.Series]:
    return (
        values.slice(first, _OBJECTS_AT_ONCE) for first in range(0, len(values), _OBJECTS_AT_ONCE)
    )


def _binary(pieces: Iterable[list[bytes]]) -> pl.Series:
    none = pl.Series("digest", [], dtype=pl.Binary)
    return pl.concat([none, *(pl.Series("digest", piece, dtype=pl.Binary) for piece in pieces)])
