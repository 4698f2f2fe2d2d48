"""``readers/file``: usage files that a glob names, each read once, wherever they lie.

Consumed files are remembered by path, size and time of change, those of object storage by ETag,
too. One that has changed since is reported and not read again: its records have been counted, and
nobody can tell which are new. What becomes of a file that was read happens after the commit; where
a process did not live to do it, the next run does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from meterhouse.core.problem import MeterhouseError, Problem
from meterhouse.core.reading import Reading, shown
from meterhouse.engine.batch import UsageBatch, concat_batches
from meterhouse.streams.ahead import ahead, are_small, read_small
from meterhouse.streams.file_options import PLAIN, AfterReading, FileOptions
from meterhouse.streams.nodes.file_format import FORMATS, OPTION_FIELDS, read_after, read_options
from meterhouse.streams.nodes.node import OUT, NodeParams, NodeRun, NodeSite, NodeType, Outputs
from meterhouse.streams.nodes.returned import retyped
from meterhouse.streams.ports import InputFile, OutputError, ReadChunk
from meterhouse.streams.record import ConsumedFile, RunResult
from meterhouse.streams.storage import location, read_location, storage_obstacle
from meterhouse.streams.suspension import SuspensePolicy, read_policy
from meterhouse.streams.world import Progress, Services

FIELD_TYPES = ("string", "number", "boolean")


#: Files of more than this size are read ahead, in a thread of their own.
AHEAD_BYTES_MIN = 16_000_000
#: Chunks of text inputs hold so many times fewer records than others.
_TEXT_SHARE = 4


@dataclass(frozen=True, slots=True)
class FileReaderParams(NodeParams):
    """``path`` (a glob), ``format`` (by suffix unless given), ``fields`` (types of columns).

    ``options`` say how files are reached and read, ``after`` what becomes of them then.
    ``suspenseManagement`` as other nodes have it: 10,000 unreadable records after one another end
    the run unless ``eventThreshold`` says otherwise; a readable one resets the count.
    """

    path: str
    format: str | None
    fields: tuple[tuple[str, str], ...]
    policy: SuspensePolicy
    options: FileOptions = PLAIN
    after: AfterReading = AfterReading.NONE
    move_to: str | None = None

    def obstacles(self, services: Services) -> Sequence[Problem]:
        """A secret that is missing, or is none for such a place; a path that is not allowed."""
        place = location(self.path)
        scheme = None if place is None else place.scheme
        found = [storage_obstacle(self.options.storage, scheme, services.credentials)]
        if place is None:
            found.append(services.path_obstacle(self.path))
            if self.move_to is not None:
                found.append(services.path_obstacle(self.move_to, place="moveTo"))
        return [problem for problem in found if problem is not None]

    def open(self, site: NodeSite) -> NodeRun:
        """Start reading."""
        return _FileReader(self, site)


def _read(reading: Reading) -> FileReaderParams | None:
    known = ("path", "format", "fields", "suspenseManagement", *OPTION_FIELDS)
    reading.only(known, what="readers/file node")
    path = reading.text("path", required=True)
    format_ = reading.text("format")
    if format_ is not None and format_ not in FORMATS:
        reading.fail("format", f"is {shown(format_)}", f"use one of {', '.join(FORMATS)}")
    fields = reading.json_object("fields")
    for name, type_ in fields.items():
        if type_ not in FIELD_TYPES:
            hint = f"use one of {', '.join(FIELD_TYPES)}"
            reading.fail(f"fields.{name}", f"is {shown(type_)}", hint)
    policy = read_policy(reading)
    options = read_options(reading, path=path, format=format_)
    place = None if reading.problems else read_location(reading, "path", path)
    after, move_to = read_after(reading, place)
    if reading.problems or path is None:
        return None
    return FileReaderParams(
        path, format_, tuple(fields.items()), policy, options=options, after=after, move_to=move_to
    )


TYPE = NodeType("readers/file", frozenset({1}), _read)


class _FileReader(NodeRun):
    def __init__(self, params: FileReaderParams, site: NodeSite) -> None:
        self._params = params
        self._site = site
        self._guard = site.guard(params.policy)
        self._consumed: list[ConsumedFile] = []
        #: what was read in this run, or before and is still there
        self._read: list[InputFile] = []
        self._records = 0
        self._without_input = False
        self._chunk_records = site.world.facts.chunk_records

    def chunks(self) -> Iterator[UsageBatch]:
        """Gather small files into one chunk; a large one is several."""
        files = self._fresh_files()
        self._without_input = not files
        if any(file.size > AHEAD_BYTES_MIN and not self._is_columnar(file) for file in files):
            # Text takes several times the memory of columns while it is read, and parts of it
            # are read ahead: smaller chunks keep a run within its bounds.
            self._chunk_records = max(1, self._chunk_records // _TEXT_SHARE)
        gathered: list[UsageBatch] = []
        for batch in self._batches(files):
            gathered.append(batch)
            if sum(map(len, gathered)) >= self._chunk_records:
                yield concat_batches(gathered)
                gathered = []
        if gathered:
            yield concat_batches(gathered)
        # Where nothing was readable, nothing went through the graph that would have stopped.
        self._site.world.suspense.raise_if_stopped()

    def take(self, batch: UsageBatch) -> Outputs:
        """Records from files are typed; those that come back from Data Correction not yet."""
        declared = dict(self._params.fields)
        return {OUT: retyped(batch, declared, site=self._site, guard=self._guard)}

    def _is_columnar(self, file: InputFile) -> bool:
        name = self._params.format or file.path.rsplit(".", 1)[-1]
        return name in ("parquet", "avro", "xlsx")

    def _fresh_files(self) -> list[InputFile]:
        site, params = self._site, self._params
        files = site.world.services.files
        listed = files.list(params.path, options=params.options)
        known = site.world.snapshot.consumed(site.id)
        fresh = [file for file in listed if file.path not in known]
        for file in listed:
            if (seen := known.get(file.path)) is None:
                continue
            if _same(file, seen):
                self._read.append(file)
            else:
                site.log(
                    f"{file.path} has changed since it was read; it is not read again: "
                    "give new records a file of their own",
                    level="warning",
                )
        if not listed:
            site.log(f"no file matches {params.path}", level="warning")
        for file in fresh if params.after is AfterReading.MOVE else ():
            self._target(file)  # A glob that names where files are moved to is refused before.
        return fresh

    def _target(self, file: InputFile) -> str | None:
        params = self._params
        if params.move_to is None:
            return None
        files = self._site.world.services.files
        return files.moved(file, pattern=params.path, move_to=params.move_to)

    def _batches(self, files: list[InputFile]) -> Iterator[UsageBatch]:
        world = self._site.world
        room = world.facts.records_max
        bytes_done, bytes_all = 0, sum(file.size for file in files)
        for number, (file, source, chunks) in enumerate(self._chunks_of_all(files)):
            records = 0
            for chunk in chunks:
                self._guard.screen_unreadable(chunk, source)
                batch = chunk.batch
                records += len(batch) + len(chunk.unreadable)
                if room is not None:
                    batch = batch.slice(0, room)
                    room -= len(batch)
                if len(batch):
                    yield batch
                self._records += len(batch)
                self._report(number, len(files), bytes_done, bytes_all)
                if room == 0 or world.suspense.stopped:
                    return
            bytes_done += file.size
            self._read.append(file)
            self._consumed.append(
                ConsumedFile(
                    *(self._site.id, file.path, file.size, file.modified_ns, file.etag),
                    records=records,
                )
            )
            self._report(number + 1, len(files), bytes_done, bytes_all)

    def _chunks_of_all(
        self, files: list[InputFile]
    ) -> Iterator[tuple[InputFile, int, Iterable[ReadChunk]]]:
        """Yield the chunks of each file. Many small files of columns are read side by side."""
        sources = self._site.world.sources
        sizes = [file.size for file in files]
        small = are_small(sizes) and all(map(self._is_quiet, files))
        if not small or self._site.world.facts.records_max is not None:
            for file in files:
                source = sources.add(file.path)
                yield file, source, self._chunks_of(file, source)
            return
        yield from read_small(
            lambda one: (*one, list(self._chunks_of(*one))),
            ((file, sources.add(file.path)) for file in files),
            sizes=sizes,
        )

    def _is_quiet(self, file: InputFile) -> bool:
        """Whether reading the file makes no remarks: they would come in any order."""
        name = self._params.format or file.path.rsplit(".", 1)[-1]
        return name in ("parquet", "avro")

    def _chunks_of(self, file: InputFile, source: int) -> Iterator[ReadChunk]:
        world = self._site.world
        files = world.services.files
        chunks = files.read(
            file,
            source=source,
            format=self._params.format,
            fields=dict(self._params.fields),
            records_max=world.facts.records_max or self._chunk_records,
            needed=self._site.needed,
            options=self._params.options,
            remark=lambda text: self._site.log(text, level="warning"),
        )
        large = file.size > AHEAD_BYTES_MIN and world.facts.records_max is None
        return ahead(chunks, meanwhile=world.make_ready) if large else chunks

    def _report(self, files: int, files_all: int, bytes_: int, bytes_all: int) -> None:
        progress = Progress(self._records, files, files_all, bytes_, bytes_all)
        self._site.world.services.progress(progress)

    def commit(self, result: RunResult) -> None:
        result.consumed += self._consumed
        if self._without_input:
            result.without_input.append(self._site.id)
        if self._params.after is not AfterReading.NONE:
            result.after_commit += [partial(self._release, file) for file in self._read]

    def _release(self, file: InputFile) -> None:
        """Move or delete a file that is consumed for good."""
        files, params = self._site.world.services.files, self._params
        try:
            target = self._target(file)
            files.release(file, params.after, target=target, options=params.options)
        except MeterhouseError as error:
            done = "moved" if params.after is AfterReading.MOVE else "deleted"
            message = f"{file.path} was read, and could not be {done}: {error.args[0]}"
            raise OutputError(message, hint="the next run tries again") from error


def _same(file: InputFile, consumed: ConsumedFile) -> bool:
    if (file.size, file.modified_ns) != (consumed.size, consumed.modified_ns):
        return False
    return None in (file.etag, consumed.etag) or file.etag == consumed.etag
