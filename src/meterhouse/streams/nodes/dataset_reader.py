"""``readers/dataset``: files of a dataset, day after day, each read once.

Without ``kernel`` it reads the catalogue of this installation, else that which Kernel serves there.
Files of a day are read in the order of their names, so that the records of a day are together. The
newest published schema is what they are read by: fields that came later are absent in older files,
symbols that came later become the default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from meterhouse.core.country import is_country
from meterhouse.core.instant import DAY, Instant, instant_text
from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.core.secret import SecretType
from meterhouse.engine.batch import UsageBatch, concat_batches
from meterhouse.engine.column import Column, ColumnKind, coded
from meterhouse.streams.ahead import ahead, are_small, read_small, side_by_side
from meterhouse.streams.dataset_ports import (
    DatasetCatalogue,
    DatasetInput,
    KernelPlace,
    WantedFiles,
)
from meterhouse.streams.kernel_place import read_kernel_place
from meterhouse.streams.nodes.file_format import read_schema_parameter
from meterhouse.streams.nodes.file_reader import AHEAD_BYTES_MIN, FIELD_TYPES
from meterhouse.streams.nodes.node import OUT, NodeParams, NodeRun, NodeSite, NodeType, Outputs
from meterhouse.streams.nodes.returned import retyped
from meterhouse.streams.nodes.wallet_entry import WalletEntry, read_wallet_entry
from meterhouse.streams.parameters import whole_number
from meterhouse.streams.ports import InputError, ReadChunk
from meterhouse.streams.record import ConsumedFile, RunResult
from meterhouse.streams.suspension import SuspensePolicy, read_policy
from meterhouse.streams.world import Progress, Services

MAJOR_MAX = 999_999
AFTER_MONTH_MAX = 60
#: Rows of datasets have ids of their own, so chunks hold so many times fewer of them than others.
_ID_SHARE = 4
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_FIELDS = (
    *("dataset", "major", "from", "to", "afterMonthEndDays", "ob", "obField"),
    *("fields", "readerSchema", "kernel", "suspenseManagement"),
)
_SECRETS = (SecretType.OAUTH2, SecretType.BASIC)


@dataclass(frozen=True, slots=True)
class DatasetReaderParams(NodeParams):
    """``wanted`` says which files, ``fields`` and ``schema`` how they are read.

    ``ob_field`` names the field that gets the OB of the file, if any does. ``kernel`` is where the
    catalogue is, ``secret`` who asks there.
    """

    wanted: WantedFiles
    fields: tuple[tuple[str, str], ...]
    policy: SuspensePolicy
    schema: Mapping[str, Any] | None = None
    ob_field: str | None = None
    kernel: KernelPlace | None = None
    secret: WalletEntry | None = None
    #: days of a month are read once so many days have passed since its end; ``None``: at once
    after_month: int | None = None

    def obstacles(self, services: Services) -> Sequence[Problem]:
        """A secret that is missing, or is none of a client."""
        problem = None if self.secret is None else self.secret.obstacle(services)
        return () if problem is None else (problem.at("kernel"),)

    def open(self, site: NodeSite) -> NodeRun:
        """Start reading."""
        return _DatasetReader(self, site)


def _read(reading: Reading) -> DatasetReaderParams | None:
    reading.only(_FIELDS, what="readers/dataset node")
    wanted = _read_wanted(reading)
    fields = reading.json_object("fields")
    for name, type_ in fields.items():
        if type_ not in FIELD_TYPES:
            hint = f"use one of {', '.join(FIELD_TYPES)}"
            reading.fail(f"fields.{name}", f"is {shown(type_)}", hint)
    kernel, secret = _read_kernel(reading)
    after_month = whole_number(reading, "afterMonthEndDays", lowest=0, highest=AFTER_MONTH_MAX)
    ob_field = reading.text("obField", chars_max=100)
    schema, policy = read_schema_parameter(reading), read_policy(reading)
    if reading.problems:
        return None
    return DatasetReaderParams(
        wanted=wanted,
        fields=tuple(fields.items()),
        policy=policy,
        schema=schema,
        ob_field=ob_field,
        kernel=kernel,
        secret=secret,
        after_month=after_month,
    )


def _read_wanted(reading: Reading) -> WantedFiles:
    dataset = reading.text("dataset", required=True) or ""
    if dataset and not _NAME.fullmatch(dataset):
        hint = "a letter, then letters, digits and _, such as Aura_Audit"
        reading.fail("dataset", f"is {shown(dataset)}", hint)
    major = reading.body.get("major")
    if type(major) is not int or not 0 <= major <= MAJOR_MAX:
        hint = "give the first number of the version, such as 6"
        reading.fail("major", missing_or_shown(major), hint)
        major = 0
    since, until = _read_day(reading, "from"), _read_day(reading, "to")
    if since is not None and until is not None and until < since:
        reading.fail("to", f"is {shown(until)}, before from", "give a later day, or the same")
    ob = reading.text("ob")
    if ob is not None and not is_country(ob):
        hint = "write the code that names of files begin with, such as ES"
        reading.fail("ob", f"is {shown(ob)}", hint)
    return WantedFiles(dataset, major, since, until, ob)


def last_closed_day(at: Instant, *, after: int) -> str:
    """Return the last day of the last month (of UTC) that ended at least so many days ago.

    >>> [last_closed_day(at, after=2) for at in (0, DAY, 2 * DAY)]
    ['1969-11-30', '1969-11-30', '1969-12-31']
    """
    seen = date.fromisoformat(instant_text(at - after * DAY)[:10])
    return (seen.replace(day=1) - timedelta(days=1)).isoformat()


def _read_day(reading: Reading, name: str) -> str | None:
    text = reading.text(name)
    if text is None:
        return None
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        date.fromisoformat(text)
    except ValueError:
        reading.fail(name, f"is {shown(text)}", "write a day, such as 2026-10-31")
        return None
    return text


def _read_kernel(reading: Reading) -> tuple[KernelPlace | None, WalletEntry | None]:
    given = reading.body.get("kernel")
    if given is None:
        return None, None
    inner = Reading(given, known=("url", "tokenUrl", "secretsWalletEntry"), what="kernel")
    place = read_kernel_place(inner)
    secret = read_wallet_entry(inner, _SECRETS)
    if secret is None and not inner.problems:
        hint = 'name the secret of a client: {"secretId": "...", "secretType": "oauth2"}'
        inner.fail("secretsWalletEntry", "is missing", hint)
    reading.problems += [problem.at("kernel") for problem in inner.problems]
    return place, secret


TYPE = NodeType("readers/dataset", frozenset({1}), _read)


class _DatasetReader(NodeRun):
    def __init__(self, params: DatasetReaderParams, site: NodeSite) -> None:
        self._params = params
        self._site = site
        self._guard = site.guard(params.policy)
        self._consumed: list[ConsumedFile] = []
        self._records = 0
        self._without_input = False

    def chunks(self) -> Iterator[UsageBatch]:
        """Gather small files into one chunk; a large one is several.

        A chunk is put together while the one before is worked on.
        """
        catalogue = self._catalogue()
        try:
            yield from side_by_side(self._gathered, self._parts(catalogue), threads=1, waiting=1)
        finally:
            catalogue.close()
        self._site.world.suspense.raise_if_stopped()

    def _parts(self, catalogue: DatasetCatalogue) -> Iterator[Sequence[UsageBatch]]:
        """Yield the parts of each chunk."""
        chunk_records = max(1, self._site.world.facts.chunk_records // _ID_SHARE)
        parts: list[UsageBatch] = []
        for batch in self._batches(catalogue):
            parts.append(batch)
            if sum(map(len, parts)) >= chunk_records:
                yield parts
                parts = []
        if parts:
            yield parts

    def _gathered(self, parts: Sequence[UsageBatch]) -> UsageBatch:
        """Put parts behind one another. Texts may repeat in all of them together only."""
        whole = concat_batches(parts)
        if whole.columnar:
            columns = whole.columns().items()
            whole = whole.with_columns({name: coded(column) for name, column in columns})
        for foresee in self._site.world.foresight:
            foresee(whole)
        return whole

    def take(self, batch: UsageBatch) -> Outputs:
        """Records from files are typed; those that come back from Data Correction not yet."""
        declared = dict(self._params.fields)
        return {OUT: retyped(batch, declared, site=self._site, guard=self._guard)}

    def _catalogue(self) -> DatasetCatalogue:
        services, params = self._site.world.services, self._params
        if services.datasets is None:
            hint = "run the stream in an installation: meterhouse stream run"
            raise InputError("There is no catalogue of datasets here", hint=hint)
        secret = params.secret
        credentials = None if secret is None else secret.credentials(services)
        return services.datasets.open(params.kernel, credentials)

    def _fresh(self, catalogue: DatasetCatalogue) -> list[DatasetInput]:
        """Return the files that no run has read. Files of a catalogue never change."""
        site = self._site
        listed = catalogue.files(self._wanted())
        known = site.world.snapshot.consumed(site.id)
        for file in listed:
            seen = known.get(file.uri)
            if seen is not None and seen.etag != file.etag:
                text = f"{file.uri} has another SHA-256 than when it was read; it is not read again"
                site.log(text, level="warning")
        if not listed:
            wanted = self._params.wanted
            text = f"there is no file of {wanted.dataset} {wanted.major} for these days"
            site.log(text, level="warning")
        return [file for file in listed if file.uri not in known]

    def _wanted(self) -> WantedFiles:
        """Return which files are wanted by the clock of the run."""
        wanted, days = self._params.wanted, self._params.after_month
        if days is None:
            return wanted
        last = last_closed_day(self._site.world.facts.at, after=days)
        until = last if wanted.until is None else min(last, wanted.until)
        return replace(wanted, until=until)

    def _batches(self, catalogue: DatasetCatalogue) -> Iterator[UsageBatch]:
        world = self._site.world
        files = self._fresh(catalogue)
        self._without_input = not files
        room = world.facts.records_max
        if not files:
            return
        schema = self._params.schema
        if schema is None:
            wanted = self._params.wanted
            schema = catalogue.schema(wanted.dataset, major=wanted.major)
        self._check_ob_field(schema)
        done, whole = 0, sum(file.size for file in files)
        read = self._chunks_of_all(files, catalogue, schema=schema)
        for number, (file, source, chunks) in enumerate(read):
            records = 0
            for chunk in chunks:
                self._guard.screen_unreadable(chunk, source)
                records += len(chunk.batch) + len(chunk.unreadable)
                batch = chunk.batch if room is None else chunk.batch.slice(0, room)
                room = None if room is None else room - len(batch)
                if len(batch):
                    yield self._with_ob(batch, file.ob)
                self._records += len(batch)
                if room == 0 or world.suspense.stopped:
                    return
            done += file.size
            seen = ConsumedFile(self._site.id, file.uri, file.size, 0, file.etag, records)
            self._consumed.append(seen)
            world.services.progress(Progress(self._records, number + 1, len(files), done, whole))

    def _chunks_of_all(
        self,
        files: Sequence[DatasetInput],
        catalogue: DatasetCatalogue,
        *,
        schema: Mapping[str, Any],
    ) -> Iterator[tuple[DatasetInput, int, Iterable[ReadChunk]]]:
        """Yield the chunks of each file. Many small ones of our own are read side by side."""
        sources, sizes = self._site.world.sources, [file.size for file in files]
        each = ((file, sources.add(file.uri)) for file in files)

        def chunks(file: DatasetInput, source: int) -> Iterator[ReadChunk]:
            return self._chunks_of(file, catalogue, schema=schema, source=source)

        alone = self._params.kernel is not None or self._site.world.facts.records_max is not None
        if alone or not are_small(sizes):
            yield from ((file, source, chunks(file, source)) for file, source in each)
        else:
            yield from read_small(lambda one: (*one, list(chunks(*one))), each, sizes=sizes)

    def _chunks_of(
        self,
        file: DatasetInput,
        catalogue: DatasetCatalogue,
        *,
        schema: Mapping[str, Any],
        source: int,
    ) -> Iterator[ReadChunk]:
        world = self._site.world
        facts = world.facts
        chunks = catalogue.read(
            file,
            source=source,
            fields=dict(self._params.fields),
            records_max=facts.records_max or facts.chunk_records,
            needed=self._site.needed,
            schema=schema,
        )
        large = file.size > AHEAD_BYTES_MIN and facts.records_max is None
        return ahead(chunks, meanwhile=world.make_ready) if large else chunks

    def _check_ob_field(self, schema: Mapping[str, Any]) -> None:
        name = self._params.ob_field
        if name is not None and any(field.get("name") == name for field in schema["fields"]):
            hint = "name another one in obField of the reader"
            raise InputError(f"The dataset has a field {name} of its own", hint=hint)

    def _with_ob(self, batch: UsageBatch, ob: str | None) -> UsageBatch:
        """Say whose records these are, where that is asked for; those of all have no OB."""
        name = self._params.ob_field
        if name is None or ob is None:
            return batch
        if batch.columnar:
            texts = pl.repeat(ob, len(batch), dtype=pl.String, eager=True)
            return batch.with_columns({**batch.columns(), name: Column(ColumnKind.TEXT, texts)})
        return UsageBatch.from_rows([{**row, name: ob} for row in batch.rows()], batch.origins())

    def commit(self, result: RunResult) -> None:
        result.consumed += self._consumed
        if self._without_input:
            result.without_input.append(self._site.id)
