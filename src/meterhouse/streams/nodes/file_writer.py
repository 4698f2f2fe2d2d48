"""``writers/file``: one new file per run, delivered from the outbox after the run has committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading, shown
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.nodes.node import (
    NO_PORT,
    WRITTEN,
    NodeParams,
    NodeRun,
    NodeSite,
    NodeType,
    Outputs,
    Ports,
)
from meterhouse.streams.ports import Spool
from meterhouse.streams.record import OutboxEntry, RunResult
from meterhouse.streams.world import Services

FORMATS = ("ndjson", "csv", "parquet")
RUN_MARK = "{run}"
#: So many records of a columnar batch are turned into rows at a time.
_SLICE_RECORDS = 50_000


@dataclass(frozen=True, slots=True)
class FileWriterParams(NodeParams):
    """``path`` and ``format`` (by suffix unless given)."""

    path: str
    format: str

    def ports(self) -> Ports:
        """Records end here."""
        return NO_PORT

    def obstacles(self, services: Services) -> Sequence[Problem]:
        """A path that streams may not write."""
        problem = services.path_obstacle(self.path)
        return () if problem is None else (problem,)

    def open(self, site: NodeSite) -> NodeRun:
        """Start writing."""
        return _FileWriter(self, site)


def destination(path: str, run_id: str) -> str:
    """Return where the file of a run goes: ``{run}`` replaced, or inserted before the suffix.

    >>> destination("out/bill.ndjson", "7"), destination("{run}/bill.csv", "7")
    ('out/bill-7.ndjson', '7/bill.csv')
    """
    if RUN_MARK in path:
        return path.replace(RUN_MARK, run_id)
    name = PurePath(path).name
    # A dot at the front hides a file; it begins no suffix.
    stem, dot, suffixes = name[1:].partition(".")
    return f"{path[: len(path) - len(name)]}{name[:1]}{stem}-{run_id}{dot}{suffixes}"


def _read(reading: Reading) -> FileWriterParams | None:
    reading.only(("path", "format"), what="writers/file node")
    path = reading.text("path", required=True)
    format_ = reading.text("format")
    if path is not None and path.endswith("/"):
        reading.fail("path", f"is {shown(path)}", "name a file, not a folder")
    elif path is not None and PurePath(path).suffix == ".gz":
        reading.fail("path", f"is {shown(path)}", "files are written uncompressed: leave out .gz")
    if format_ is None and path is not None and not reading.problems:
        format_ = PurePath(path).suffix.removeprefix(".").lower()
        if format_ not in FORMATS:
            hint = f"give a format: one of {', '.join(FORMATS)}"
            reading.fail("format", f"cannot be told from {shown(path)}", hint)
    elif format_ is not None and format_ not in FORMATS:
        reading.fail("format", f"is {shown(format_)}", f"use one of {', '.join(FORMATS)}")
    if reading.problems or path is None or format_ is None:
        return None
    return FileWriterParams(path, format_)


TYPE = NodeType("writers/file", frozenset({1}), _read)


class _FileWriter(NodeRun):
    def __init__(self, params: FileWriterParams, site: NodeSite) -> None:
        self._params = params
        self._site = site
        self._spool: Spool | None = None

    def take(self, batch: UsageBatch) -> Outputs:
        if self._spool is None:
            world = self._site.world
            self._spool = world.services.spools.open(world.facts.id, self._site.id)
        for start in range(0, len(batch), _SLICE_RECORDS):
            self._spool.write(batch.slice(start, _SLICE_RECORDS).rows())
        return {WRITTEN: batch}

    def commit(self, result: RunResult) -> None:
        # A run that wrote nothing makes no file.
        if self._spool is None:
            return
        spool = self._spool.finish(format=self._params.format)
        path = destination(self._params.path, self._site.world.facts.id)
        result.outbox.append(OutboxEntry(self._site.id, spool, path))

    def discard(self) -> None:
        if self._spool is not None:
            self._spool.discard()
