"""Spooled records on their way out: sorted into lanes once, read a few at a time.

A line is ``[idempotency key, order mark, record]``, as writers put it there. Only key and mark are
looked at; the record leaves as the text that it is.
"""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Collection, Iterable
from pathlib import Path

from meterhouse.connectors.spool import SPOOL, SpoolFolder
from meterhouse.streams.ports import ForwardItem, OutputError

_HEAD = re.compile(rb'\["([^"\\]+)",([0-9]+),')
_END = b"]\n"
_BUFFER_BYTES = 1 << 20


class SpoolRecords:
    """The spooled outputs of a data directory whose records leave one after another."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def lanes(self, spool_name: str, *, lanes: int) -> SpoolLanes:
        """Sort the records of an output into lanes. Raises ``OutputError`` where it is gone."""
        parts = Path(spool_name).parts
        if parts[:1] != (SPOOL,) or ".." in parts:
            raise OutputError(f"{spool_name!r} is not the name of a spooled output")
        return SpoolLanes(self._data / spool_name, lanes=lanes)

    def forget(self, spool_names: Collection[str]) -> None:
        """Remove what has been delivered; what cannot be removed, the next run sweeps."""
        try:
            SpoolFolder(self._data).sweep((), among=spool_names)
        except OutputError:
            pass


class SpoolLanes:
    """The records of one output by lanes. Threads may read at the same time."""

    def __init__(self, path: Path, *, lanes: int) -> None:
        self._path = path
        #: For each lane: where its lines begin, how long they are, and their places.
        self._starts = [array("Q") for _ in range(lanes)]
        self._lengths = [array("L") for _ in range(lanes)]
        self._places = [array("L") for _ in range(lanes)]
        try:
            with path.open("rb", buffering=_BUFFER_BYTES) as file:
                self._sort(file, lanes)
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            hint = "the data directory was changed by hand; `meterhouse delivery drop` gives it up"
            message = f"{path} cannot be read: {error.strerror}"
            raise OutputError(message, hint=hint) from error
        self._open = True

    def _sort(self, lines: Iterable[bytes], lanes: int) -> None:
        start = 0
        for place, line in enumerate(lines):
            mark = int(self._head(line, place)[2])
            lane = mark % lanes
            self._starts[lane].append(start)
            self._lengths[lane].append(len(line))
            self._places[lane].append(place)
            start += len(line)

    def _head(self, line: bytes, place: int) -> re.Match[bytes]:
        head = _HEAD.match(line)
        if head is None or not line.endswith(_END):
            hint = "the data directory was changed by hand; `meterhouse delivery drop` gives it up"
            raise OutputError(f"{self._path} is damaged at line {place + 1}", hint=hint)
        return head

    def counts(self) -> list[int]:
        """Return how many records each lane has."""
        return list(map(len, self._starts))

    def read(self, lane: int, start: int, end: int) -> list[tuple[int, int, ForwardItem]]:
        """Return place, order mark and content of records of a lane."""
        return [self._record(lane, number) for number in range(start, end)]

    def _record(self, lane: int, number: int) -> tuple[int, int, ForwardItem]:
        place = self._places[lane][number]
        line = os.pread(self._handle, self._lengths[lane][number], self._starts[lane][number])
        head = self._head(line, place)
        item = ForwardItem(head[1].decode(), line[head.end() : -len(_END)])
        return place, int(head[2]), item

    def close(self) -> None:
        """Let the file go."""
        if self._open:
            self._open = False
            os.close(self._handle)
