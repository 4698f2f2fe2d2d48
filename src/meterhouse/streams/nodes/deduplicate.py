"""``transforms/deduplicate``: records whose key was seen before leave by another port, or go.

Keys are remembered across runs by digests. Within a run the first record in order of arrival
stays. The age of keys runs on the clock of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import polars as pl

from meterhouse.core.instant import DAY
from meterhouse.core.reading import Reading
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.mask import marked, uniform
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

UNIQUE = "unique"
DUPLICATE = "duplicate"
DAYS_DEFAULT = 1
DAYS_MAX = 70
_DIGEST_BYTES = 16
#: So many values at a time are objects of Python.
_OBJECTS_AT_ONCE = 100_000
#: Larger parts are not merged: sorting one takes its memory again.
_PART_MAX = 4_000_000


@dataclass(frozen=True, slots=True)
class DeduplicateParams(NodeParams):
    """``key``, ``lifeTimeDays``, and whether duplicates leave by a port of their own."""

    key: Template
    days: int
    outputs: tuple[tuple[str, str], ...]

    @property
    def passes_duplicates(self) -> bool:
        """Whether duplicates leave instead of being dropped."""
        return DUPLICATE in dict(self.outputs).values()

    def ports(self) -> Ports:
        """``unique``, and ``duplicate`` where the document has it."""
        names = (UNIQUE, DUPLICATE) if self.passes_duplicates else (UNIQUE,)
        return Ports(names, UNIQUE, dict(self.outputs))

    def open(self, site: NodeSite) -> NodeRun:
        """Start looking for duplicates."""
        return _Deduplicate(self, site)

    def needs(self, after: Callable[[str], Needed]) -> Needed:
        """The fields of the key, and what is needed after it."""
        return joined(record_fields(self.key.fields), *(after(p) for p in self.ports().names))

    def expects(self) -> Sequence[str]:
        """The fields of the key."""
        return self.key.fields or ()


def _read(reading: Reading) -> DeduplicateParams | None:
    key = template(reading, "key")
    days = whole_number(reading, "lifeTimeDays", lowest=1, highest=DAYS_MAX)
    outputs = fixed_outputs(reading)
    for name in outputs.values():
        if name not in (UNIQUE, DUPLICATE):
            hint = f"the outputs are {UNIQUE} and {DUPLICATE}"
            reading.fail(f"multiOutput.fixed.{name}", "is not known", hint)
    if reading.problems or key is None:
        return None
    return DeduplicateParams(key, days or DAYS_DEFAULT, tuple(outputs.items()))


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
