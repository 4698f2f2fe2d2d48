"""A batch of records cut into messages, and the answers put back at the records' places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from meterhouse.sandbox.exact import decoded, encoded, restored
from meterhouse.sandbox.outcome import ScriptOutcome

_RECORDS_MAX = 512
_BYTES_MAX = 1 << 18


@dataclass(slots=True)
class Slice:
    """Some records of a batch on their way; `answered` grows as outcomes come in."""

    positions: Sequence[int]
    records: bytes
    metas: bytes
    answered: int = 0

    def position(self, index: int) -> int:
        """Return the position in the batch of the record with `index` in this slice."""
        return self.positions[min(index, len(self.positions) - 1)]


@dataclass(slots=True)
class Batch:
    """The records of one call with the outcomes that are known so far."""

    records: Sequence[dict[str, Any]]
    metas: Sequence[dict[str, Any]] | None
    outcomes: list[ScriptOutcome | None] = field(init=False)

    def __post_init__(self) -> None:
        assert self.metas is None or len(self.metas) == len(self.records)
        self.outcomes = [None] * len(self.records)

    def slices(self) -> Iterator[Slice]:
        """Cut the batch so that each message is small in records and in bytes."""
        for start in range(0, len(self.records), _RECORDS_MAX):
            positions = range(start, min(start + _RECORDS_MAX, len(self.records)))
            texts = self._texts(positions)
            known = [position for position in positions if self.outcomes[position] is None]
            yield from self._cut(known, texts)

    def answer(self, part: Slice, lines: bytes) -> None:
        """Take the outcomes of the next records of `part`, one a line."""
        if not lines:
            return
        for made in decoded(b"[" + lines.replace(b"\n", b",") + b"]"):
            position = part.positions[part.answered]
            part.answered += 1
            if type(made) is str:
                self.outcomes[position] = ScriptOutcome(error=made)
                continue
            record = self.records[position]
            self.outcomes[position] = ScriptOutcome(
                pushed=tuple([restored(item, record) for item in made])
            )

    def finished(self) -> list[ScriptOutcome]:
        """Return all outcomes, in the order of the records."""
        known = [outcome for outcome in self.outcomes if outcome is not None]
        assert len(known) == len(self.records), "the worker left records without an outcome"
        return known

    def _texts(self, positions: Sequence[int]) -> list[bytes]:
        records = self.records
        try:
            return [encoded(records[position]) for position in positions]
        except (TypeError, ValueError, RecursionError):
            # One record of the lot cannot be written: the others can.
            return list(self._careful_texts(positions))

    def _careful_texts(self, positions: Sequence[int]) -> Iterator[bytes]:
        for position in positions:
            try:
                yield encoded(self.records[position])
            except (TypeError, ValueError, RecursionError) as error:
                self.outcomes[position] = ScriptOutcome(
                    error=f"the record cannot be given to a script: {error}"
                )

    def _cut(self, positions: Sequence[int], texts: list[bytes]) -> Iterator[Slice]:
        if not positions:
            return
        if len(positions) > 1 and sum(map(len, texts)) > _BYTES_MAX:
            half = len(positions) // 2
            yield from self._cut(positions[:half], texts[:half])
            yield from self._cut(positions[half:], texts[half:])
            return
        metas = b"null"
        if self.metas is not None:
            given = self.metas
            metas = _array([encoded(given[position]) for position in positions])
        yield Slice(positions=positions, records=_array(texts), metas=metas)


def _array(texts: list[bytes]) -> bytes:
    return b"[" + b",".join(texts) + b"]"
