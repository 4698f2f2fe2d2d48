"""Rows of a line: which rows of the input files a line of an invoice is made of.

For meters that keep no single usage. The runs that fed the line's records are replayed over the
files that they have read, as far as the meter node, and the records that its meter took are found
by its own rules. Nothing is kept. What they come to is compared with what was metered: where a
file, a table or the stream is not what it was, the two may differ, and the remarks say why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.app.billing.explaining import line_of
from meterhouse.app.billing.issuing import find_invoice
from meterhouse.app.billing.line_parts import Part, parts_of_line
from meterhouse.app.billing.taken import TAKEN_SCHEMA, Taking
from meterhouse.app.ports import Ledger
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.invoice_text import read_invoice
from meterhouse.core.json_text import Record
from meterhouse.core.problem import ConflictError
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.graph import StreamGraph, load_graph
from meterhouse.streams.nodes.lookup import version_used
from meterhouse.streams.nodes.meter import MeterParams
from meterhouse.streams.record import ConsumedFile, Run, StreamDefinition
from meterhouse.streams.replay import PastRun, Replay, inexact, unrepeatable
from meterhouse.streams.sources import Sources
from meterhouse.streams.world import RunFacts, Services

#: So many rows are told unless more are asked for.
ROWS_SHOWN = 20
_METERS_MAX = 1_000
_AMOUNT = pl.Decimal(38, 18)


@dataclass(frozen=True, slots=True)
class LineRow:
    """A row of a file: its place there (from 1), and when it was, and what of it was metered."""

    file: str
    row: int
    timestamp: Instant
    quantity: Decimal
    record: Record

    def to_api(self) -> dict[str, Any]:
        """Return the object of ``invoice rows --json``."""
        return {
            "file": self.file,
            "row": self.row,
            "timestamp": instant_text(self.timestamp),
            "quantity": number_text(self.quantity),
            "record": self.record,
        }


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of one run: ``file`` (its name), ``offset``, ``timestamp``, ``quantity``."""

    replay: Replay
    past: PastRun
    rows: pl.DataFrame


@dataclass(slots=True)
class LineRows:
    """The rows of a line. ``metered`` is what its records say, ``value`` what the rows come to."""

    invoice: str
    number: str | None
    line: str
    name: str
    unit: str
    metered: Decimal
    value: Decimal = ZERO
    remarks: list[str] = field(default_factory=list)
    found: list[_Found] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(one.rows.height for one in self.found)

    @property
    def exact(self) -> bool:
        """Whether the rows come to exactly what was metered."""
        return self.value == self.metered

    def each(
        self, write: Callable[[LineRow], None], *, first: int = 0, most: int | None = None
    ) -> None:
        """Read rows once more and hand them over: run by run, file by file."""
        for one in self.found:
            rows = one.rows.slice(first, most)
            first = max(0, first - one.rows.height)
            most = None if most is None else most - rows.height
            if rows.height:
                _read(one, rows, write)

    def to_api(self) -> dict[str, Any]:
        """Return what is said of all rows together."""
        return {
            "invoice": self.invoice,
            "number": self.number,
            "line": self.line,
            "name": self.name,
            "unit": self.unit,
            "metered": number_text(self.metered),
            "value": number_text(self.value),
            "exact": self.exact,
            "rowCount": self.count,
            "remarks": self.remarks,
        }


@contextmanager
def rows_of_line(
    ledger: Ledger, reference: str, line_id: str, *, services: Services
) -> Iterator[LineRows]:
    """Find the rows of a line; they can be read in the ``with``.

    ``NotFoundError`` where there is no such line, ``ConflictError`` where its rows cannot be found:
    its meter keeps single usage, or its input cannot be read twice.
    """
    head = find_invoice(ledger, reference)
    invoice = read_invoice(head.text)
    line = line_of(invoice, line_id)
    charge = line.charge
    unit = charge.metered_unit or (charge.unit if charge.quantity == charge.billable else "")
    metered = ZERO
    for source in charge.sources:
        metered = EXACT.add(metered, source.quantity)
    rows = LineRows(head.id, head.number, line.id, charge.name or charge.sku, unit, metered)
    by_node: dict[tuple[str, str], list[Part]] = {}
    for part in parts_of_line(ledger, line, invoice=invoice):
        if part.stream is None:
            rows.remarks.append(f"no run is known that fed record {part.record_id}")
        else:
            by_node.setdefault((part.stream.id, part.node_id), []).append(part)
    with ExitStack() as stack:
        for parts in by_node.values():
            _Search(ledger, rows, parts=parts).run(services, stack)
        rows.remarks = list(dict.fromkeys(rows.remarks))
        yield rows


class _Search:
    """Finds the rows of parts that one meter node has metered."""

    def __init__(self, ledger: Ledger, rows: LineRows, *, parts: Sequence[Part]) -> None:
        self._ledger = ledger
        self._rows = rows
        self._parts = parts
        stream = parts[0].stream
        assert stream is not None
        self._stream: StreamDefinition = stream
        self._node_id = parts[0].node_id
        self._takings: list[tuple[Part, Taking]] = []
        self._replayed: list[tuple[PastRun, pl.DataFrame]] = []

    def run(self, services: Services, stack: ExitStack) -> None:
        """Replay the runs, and take off what a line that corrects another takes off."""
        graph = load_graph(self._stream.document)
        node = graph.node(self._node_id)
        assert node is not None
        assert isinstance(node.params, MeterParams)
        snapshot = self._ledger.snapshot(self._stream.id)
        stack.callback(snapshot.close)
        # Nothing is asked of servers but files: what they say now is not what they said then.
        services = replace(services, http=None, collectors=None)
        replay = Replay(graph, self._node_id, snapshot=snapshot, services=services)
        self._judge(replay.graph)
        for part in self._parts:
            meter = part.group.meter
            page = self._ledger.meters(
                meter_key=meter.meter_key, user_id=meter.user_id, limit=_METERS_MAX
            )
            plan = replace(node.params.plan, meter_key=meter.meter_key)
            taking = Taking(plan, [bucket.meter for bucket in page.items], part.group)
            self._takings.append((part, taking))
        runs = {run.id: run for part in self._parts for run in part.runs}
        for run in sorted(runs.values(), key=lambda run: (run.at, run.started_at)):
            self._replay(run, replay)
        signs = [_sign(part, taking) for part, taking in self._takings]
        for sign, (_, taking) in zip(signs, self._takings, strict=True):
            self._rows.value = EXACT.fma(sign, taking.value or ZERO, self._rows.value)
        for past, taken in self._replayed:
            if (rows := _once(taken, signs)).height:
                self._rows.found.append(_Found(replay, past, rows))

    def _judge(self, graph: StreamGraph) -> None:
        """Refuse what cannot be run twice; remark what may come out otherwise."""
        if gone := unrepeatable(graph):
            message = f"The records cannot be read again: they come through {', '.join(gone)}"
            raise ConflictError(message, hint="rows are found of readers/file and readers/dataset")
        self._rows.remarks += [
            f"{name} may make other records than it made then" for name in inexact(graph)
        ]

    def _replay(self, run: Run, replay: Replay) -> None:
        past = self._past(run)
        if not any(past.files.get(node.id) for node in replay.graph.nodes):
            return
        found = [pl.DataFrame(schema={"part": pl.Int64, "file": pl.String, **TAKEN_SCHEMA})]
        came = 0

        def see(batch: UsageBatch, sources: Sources) -> bool:
            nonlocal came
            came += len(batch)
            names = pl.Series("file", sources.names(), dtype=pl.String)
            for number, (part, taking) in enumerate(self._takings):
                if run in part.runs:
                    taken = taking.taken(batch, at=run.at)
                    place = pl.lit(number, dtype=pl.Int64).alias("part")
                    found.append(taken.select(place, names.gather(taken["source"]), pl.all()))
            return True

        self._compare_files(past, replay.run(past, see=see))
        self._compare_arrived(run, came)
        self._replayed.append((past, pl.concat(found)))

    def _past(self, run: Run) -> PastRun:
        files: dict[str, dict[str, ConsumedFile]] = {}
        for file in self._ledger.files_of_run(run.id):
            files.setdefault(file.node_id, {})[file.path] = file
        used = map(version_used, (text for _, _, text in self._ledger.run_log(run.id)))
        stream = self._stream
        if stream.updated_at > run.started_at and files:
            self._rows.remarks.append(f"stream {stream.name} was changed after run {run.id}")
        facts = RunFacts(run.id, run.at, run.seed, stream.meter_keys)
        return PastRun(facts, files, dict(one for one in used if one is not None))

    def _compare_files(self, past: PastRun, now: Sequence[ConsumedFile]) -> None:
        """Remark which files are not there any more, or not what they were."""
        present = {(file.node_id, file.path): file for file in now}
        for node_id, files in past.files.items():
            for path, file in files.items():
                one = present.get((node_id, path))
                if one is None:
                    self._rows.remarks.append(f"{path} is not there any more")
                elif _mark(one) != _mark(file):
                    self._rows.remarks.append(f"{path} was changed after it was metered")

    def _compare_arrived(self, run: Run, came: int) -> None:
        """Remark where more or fewer records come to the node than then."""
        then = next((node.records_in for node in run.nodes if node.id == self._node_id), came)
        if came != then:
            self._rows.remarks.append(
                f"{then:,} records came to the meter node in run {run.id}, {came:,} come by its "
                "files now: some came back from Data Correction, or the input has changed"
            )


def _mark(file: ConsumedFile) -> tuple[object, ...]:
    return file.size, file.modified_ns, file.etag


def _sign(part: Part, taking: Taking) -> int:
    """Whether a part is charged, 1, or taken off, -1."""
    return -1 if (taking.value or ZERO) * part.quantity < 0 else 1


def _once(taken: pl.DataFrame, signs: Sequence[int]) -> pl.DataFrame:
    """Tell each row once, with all that was metered of it, in the order of files and rows.

    What is both charged and taken off is left out.
    """
    sign = pl.lit(pl.Series(signs, dtype=pl.Int64)).gather(pl.col("part"))
    return (
        taken.with_columns(sign=sign)
        .with_columns(quantity=pl.col("quantity").cast(_AMOUNT) * pl.col("sign"))
        .group_by("source", "offset", "file")
        .agg(pl.col("timestamp").first(), pl.col("quantity", "sign").sum())
        .filter(pl.col("sign") != 0)
        .sort("source", "offset")
        .drop("source", "sign")
    )


def _read(one: _Found, rows: pl.DataFrame, write: Callable[[LineRow], None]) -> None:
    """Read the rows of a run in its files and hand them over."""
    wanted = {str(key[0]): part for key, part in rows.group_by("file")}
    files = {
        node: {path: file for path, file in known.items() if path in wanted}
        for node, known in one.past.files.items()
    }
    left = rows.height

    def see(batch: UsageBatch, sources: Sources) -> bool:
        nonlocal left
        names = pl.Series("file", sources.names(), dtype=pl.String)
        origins = batch.origin_frame().with_row_index("at")
        for number in origins["source"].unique(maintain_order=True).to_list():
            part = origins.filter(pl.col("source") == number)
            hits = part.join(wanted[names[number]], on="offset", maintain_order="left")
            records = batch.take(hits["at"].cast(pl.Int64)).rows()
            places = hits.select("offset", "timestamp", "quantity").iter_rows()
            for (offset, timestamp, quantity), record in zip(places, records, strict=True):
                row = LineRow(names[number], offset + 1, timestamp, quantity, record)
                write(row)
            left -= hits.height
        return left > 0

    one.replay.inputs(replace(one.past, files=files), see=see)
