"""``writers/file``: new files per run, delivered from the outbox after the run has committed.

One file, or one for each value of the fields that the path names. They go to the file system, to
object storage or to an SFTP server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from meterhouse.core.json_text import Record
from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading, shown
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.file_columns import FileColumn, Misfit, fitted, read_file_columns
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
from meterhouse.streams.output_name import OutputName
from meterhouse.streams.ports import OutputError, Spool
from meterhouse.streams.record import OutboxEntry, RunResult
from meterhouse.streams.storage import (
    FILE_BYTES_MAX,
    LOCAL,
    STORAGE_FIELDS,
    Storage,
    location,
    read_location,
    read_storage,
    storage_obstacle,
)
from meterhouse.streams.world import Services

FORMATS = ("ndjson", "csv", "parquet", "avro")
_TEXT_FORMATS = ("ndjson", "csv")
#: A run makes no more files than this: more of them are a mistake in the choice of a field.
PARTITIONS_MAX = 1_000
#: So many records of a columnar batch are turned into rows at a time.
_SLICE_RECORDS = 50_000


@dataclass(frozen=True, slots=True)
class FileWriterParams(NodeParams):
    """``path`` and ``format`` (by suffix unless given), and how the place is reached.

    ``columns`` are all that the file has, where they are given.
    """

    name: OutputName
    format: str
    gzip: bool = False
    formula_safe: bool = False
    storage: Storage = LOCAL
    columns: tuple[FileColumn, ...] = ()

    def ports(self) -> Ports:
        """Records end here."""
        return NO_PORT

    def obstacles(self, services: Services) -> Sequence[Problem]:
        """A secret that is missing, or is none for such a place; a path that is not allowed."""
        place = location(self.name.path)
        scheme = None if place is None else place.scheme
        found = [storage_obstacle(self.storage, scheme, services.credentials)]
        if place is None:
            found.append(services.path_obstacle(self.name.path))
        return [problem for problem in found if problem is not None]

    def open(self, site: NodeSite) -> NodeRun:
        """Start writing."""
        return _FileWriter(self, site)


def _read(reading: Reading) -> FileWriterParams | None:
    known = ("path", "format", "compression", "formulaSafe", "columns", *STORAGE_FIELDS)
    reading.only(known, what="writers/file node")
    path = reading.text("path", required=True)
    place = read_location(reading, "path", path)
    storage = read_storage(reading, path, place)
    name = _name(reading, path)
    packed = path is not None and path.endswith(".gz")
    format_ = _format(reading, path, packed=packed)
    compression = reading.text("compression")
    if compression not in (None, "gzip"):
        reading.fail("compression", f"is {shown(compression)}", "use gzip, or leave it out")
    gzip = packed or compression == "gzip"
    if gzip and format_ is not None and format_ not in _TEXT_FORMATS:
        reading.fail("compression", f"{format_} is packed within", "leave gzip out")
    formula_safe = reading.boolean("formulaSafe", default=False)
    if formula_safe and format_ not in (None, "csv"):
        reading.fail("formulaSafe", "is only for csv", "leave it out")
    columns = read_file_columns(reading, format_)
    if reading.problems or name is None or format_ is None:
        return None
    return FileWriterParams(name, format_, gzip, formula_safe, storage, columns)


def _name(reading: Reading, path: str | None) -> OutputName | None:
    if path is None:
        return None
    if path.endswith("/"):
        reading.fail("path", f"is {shown(path)}", "name a file, not a folder")
        return None
    try:
        return OutputName.parse(path)
    except ValueError as error:
        reading.fail("path", str(error), "mend the mark, or leave out its braces")
        return None


def _format(reading: Reading, path: str | None, *, packed: bool) -> str | None:
    given = reading.text("format")
    if given is not None and given not in FORMATS:
        reading.fail("format", f"is {shown(given)}", f"use one of {', '.join(FORMATS)}")
        return None
    if given is not None or path is None or reading.problems:
        return given
    name = PurePath(path)
    suffix = PurePath(name.stem).suffix if packed else name.suffix
    found = suffix.removeprefix(".").lower()
    if found not in FORMATS:
        hint = f"give a format: one of {', '.join(FORMATS)}"
        reading.fail("format", f"cannot be told from {shown(path)}", hint)
        return None
    return found


TYPE = NodeType("writers/file", frozenset({1}), _read)


class _FileWriter(NodeRun):
    def __init__(self, params: FileWriterParams, site: NodeSite) -> None:
        self._params = params
        self._site = site
        #: by the values that the path names, in order of their first record
        self._spools: dict[tuple[str, ...], Spool] = {}

    def take(self, batch: UsageBatch) -> Outputs:
        for start in range(0, len(batch), _SLICE_RECORDS):
            part = batch.slice(start, _SLICE_RECORDS)
            rows = part.rows()
            written = self._fitted(part) if self._params.columns else rows
            for values, records in self._parted(rows, written).items():
                self._spool(values).write(records)
        return {WRITTEN: batch}

    def _fitted(self, batch: UsageBatch) -> Sequence[Record]:
        """Return what the columns hold of each record; one that does not fit ends the run."""
        made: list[Record] = []
        for row in batch.rows():
            try:
                made.append(fitted(row, self._params.columns))
            except Misfit as misfit:
                place = self._site.world.sources.place(batch.origins()[len(made)])
                raise OutputError(
                    f'node "{self._site.name}" cannot write record {place.offset} of '
                    f"{place.source}: {misfit}",
                    hint="give the column another type (json holds any value), "
                    "or mend the value in a node before the writer",
                ) from None
        return made

    def _parted(
        self, rows: Sequence[Record], written: Sequence[Record]
    ) -> dict[tuple[str, ...], Sequence[Record]]:
        """Return what is written by the values that the path names, which the rows have."""
        if not self._params.name.fields:
            return {(): written} if rows else {}
        parted: dict[tuple[str, ...], list[Record]] = {}
        for row, record in zip(rows, written, strict=True):
            parted.setdefault(self._params.name.values(row), []).append(record)
        return dict(parted)

    def _spool(self, values: tuple[str, ...]) -> Spool:
        spool = self._spools.get(values)
        if spool is not None:
            return spool
        world, fields = self._site.world, self._params.name.fields
        if len(self._spools) >= PARTITIONS_MAX:
            named = ", ".join(fields)
            raise OutputError(
                f'node "{self._site.name}" would write more than {PARTITIONS_MAX:,} files: '
                f"{named} has too many values",
                hint="name a field in path that has fewer values",
            )
        spools = world.services.spools
        if fields:
            spool = spools.open(world.facts.id, self._site.id, part=len(self._spools) + 1)
        else:
            spool = spools.open(world.facts.id, self._site.id)
        self._spools[values] = spool
        return spool

    def commit(self, result: RunResult) -> None:
        # A run that wrote nothing makes no file.
        params, facts = self._params, self._site.world.facts
        for values, spool in self._spools.items():
            kept = self._finished(spool)
            path = params.name.of(values, run_id=facts.id, at=facts.at)
            result.outbox.append(OutboxEntry(self._site.id, kept, path, params.storage))

    def _finished(self, spool: Spool) -> str:
        params = self._params
        place = location(params.name.path)
        bytes_max = None if place is None else FILE_BYTES_MAX.get(place.scheme)
        return spool.finish(
            format=params.format,
            gzip=params.gzip,
            formula_safe=params.formula_safe,
            bytes_max=bytes_max,
            columns=params.columns,
        )

    def discard(self) -> None:
        for spool in self._spools.values():
            spool.discard()
