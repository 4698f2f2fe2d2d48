"""The library: metering and billing as pure functions, for notebooks and tests, without a store.

``load`` definitions, ``read`` usage, ``meter`` it, ``rate`` what came out of it by a
``price_book``, ``invoice`` the charges: nothing here keeps anything. The command line and the
server do the same with a ledger around it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from meterhouse.app.billing.periods import read_days
from meterhouse.connectors.files import UsageFiles
from meterhouse.connectors.price_book_files import read_documents
from meterhouse.core.charge import Rating
from meterhouse.core.instant import Instant, parse_instant
from meterhouse.core.json_text import Record, parse_json
from meterhouse.core.meter import Meter, NewMeter
from meterhouse.core.meter_type import MeterType, read_meter_type
from meterhouse.core.price_book import PriceBook
from meterhouse.core.price_book_reading import read_price_book
from meterhouse.core.problem import DefinitionError, MeterhouseError, NotFoundError, Problem
from meterhouse.core.reading import Reading
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch, concat_batches
from meterhouse.engine.metering import Metering
from meterhouse.engine.plan import Flush, MeterPlan
from meterhouse.engine.source import State
from meterhouse.rating import rate as rate_usage
from meterhouse.rating.invoicing import InvoiceSums, invoiced
from meterhouse.rating.records import metered_usage
from meterhouse.streams.nodes.meter import read_plan
from meterhouse.streams.parameters import exact
from meterhouse.streams.ports import Unreadable

_METER = "transforms/meter"
_NAMES = uuid5(NAMESPACE_URL, "meterhouse")


@dataclass(frozen=True, slots=True)
class Plan:
    """Definitions: meter types by name, and what each meter node does, by the node's name."""

    meter_types: Mapping[str, MeterType] = field(default_factory=dict)
    nodes: Mapping[str, MeterPlan] = field(default_factory=dict)

    def state(self, meters: Iterable[Mapping[str, Any]], *, at: str | Instant) -> State:
        """Start meters, given as API bodies; ``meterTypeId`` may be an id, a reference or a name.

        ``meterKey`` may be left out: every meter of a state belongs to the node that is metered.
        Raises ``DefinitionError`` with every problem.
        """
        instant, problems = _instant(at), []
        made: list[Meter] = []
        seen: set[str] = set()
        for position, body in enumerate(meters):
            new, faults = NewMeter.from_api(exact({"meterKey": "library", **body}))
            meter_type = None if new is None else self._meter_type(new.meter_type_ref)
            if new is not None and meter_type is None:
                hint = f"known are {', '.join(sorted(self.meter_types)) or 'none'}"
                faults.append(Problem("meterTypeId", f"{new.meter_type_ref!r} is unknown", hint))
            elif new is not None and meter_type is not None:
                faults += new.problems_with(meter_type)
            if new is not None and meter_type is not None:
                id = str(uuid5(_NAMES, f"meter {meter_type.id} {new.user_id}"))
                meter = new.of_type(meter_type, no=position, id=id, at=instant)
                if meter.id in seen:
                    faults.append(Problem("userId", f"{new.user_id!r} has such a meter already"))
                seen.add(meter.id)
                made.append(meter)
            problems += [fault.at(f"meter {position + 1}") for fault in faults]
        if problems:
            raise DefinitionError(problems, what="The list of meters")
        return State.from_meters(made)

    def node(self, name: str | None = None) -> MeterPlan:
        """Return a meter node's plan; its name may be left out where there is only one."""
        if name is None and len(self.nodes) == 1:
            return next(iter(self.nodes.values()))
        if name is None or name not in self.nodes:
            known = ", ".join(sorted(self.nodes)) or "none"
            hint = f"name one with node=; the meter nodes are {known}"
            raise NotFoundError(f"There is no meter node {name!r}", hint=hint)
        return self.nodes[name]

    def _meter_type(self, reference: str) -> MeterType | None:
        for meter_type in self.meter_types.values():
            if reference in (meter_type.id, meter_type.external_ref, meter_type.name):
                return meter_type
        return None


@dataclass(frozen=True, slots=True)
class SuspendedRecord:
    """A record that could not be metered, and why."""

    record: Record
    reason: Reason
    source: int
    offset: int


@dataclass(frozen=True, slots=True)
class Metered:
    """What metering gave. ``metered`` counts records; with the suspended ones they are all.

    ``golden`` and ``thresholds`` are metered records in the order in which they left.
    """

    golden: Sequence[Record]
    thresholds: Sequence[Record]
    suspended: Sequence[SuspendedRecord]
    metered: int
    state: State
    #: what restates periods that had left, where the timestamps of records decide
    adjustments: Sequence[Record] = ()


def load(*sources: str | Path | Mapping[str, Any] | Sequence[Any]) -> Plan:
    """Load definitions: JSON or TOML files, or the same as objects.

    A source is a meter type or a list of them (bodies as in the API), a stream document (its
    meter nodes are taken), or an object with ``meterTypes`` and ``guidingRules`` (and
    ``flushType``), which makes one meter node named ``Meter``.

    Raises ``DefinitionError`` with every problem of every source at once.

    >>> monthly = {"minute": "0", "hour": "0", "day": "1", "month": "*", "weekday": "*"}
    >>> body = {"name": "Calls", "aggregation": {"type": "sum"}, "resetSchedule": monthly}
    >>> list(load(body).meter_types)
    ['Calls']
    """
    reading = _Loading()
    for position, source in enumerate(sources):
        label = str(source) if isinstance(source, str | Path) else f"source {position + 1}"
        document = _document(source) if isinstance(source, str | Path) else exact(source)
        reading.take(document, label)
    if reading.problems:
        raise DefinitionError(reading.problems, what="The definitions")
    return Plan(reading.meter_types, reading.nodes)


def read(
    path: str | Path, *, format: str | None = None, fields: Mapping[str, str] | None = None
) -> UsageBatch:
    """Read a usage file (NDJSON, CSV, Parquet or Avro) whole, numbers as written.

    ``fields`` types cells of CSV files: ``{"value": "number"}``. Raises ``MeterhouseError`` where
    the file or any record of it cannot be read.
    """
    files = UsageFiles()
    found = files.list(str(path))
    if not found:
        hint = "check the path"
        raise NotFoundError(f"There is no file {str(path)!r}", hint=hint)
    batches: list[UsageBatch] = []
    unreadable: list[tuple[str, Unreadable]] = []
    for number, file in enumerate(found):
        chunks = files.read(
            file, source=number, format=format, fields=fields or {}, records_max=1_000_000
        )
        for chunk in chunks:
            batches.append(chunk.batch)
            unreadable += [(file.path, piece) for piece in chunk.unreadable]
    if unreadable:
        (place, first), count = unreadable[0], len(unreadable)
        hint = "mend the file, or run it through a stream, which sets such records aside"
        raise MeterhouseError(
            f"{count} record(s) cannot be read, the first in {place}, line {first.offset + 1}: "
            f"{first.detail}",
            hint=hint,
        )
    return concat_batches(batches) if batches else UsageBatch.from_rows([])


def meter(
    usage: UsageBatch | Sequence[Record],
    plan: Plan | MeterPlan,
    *,
    state: State,
    at: str | Instant,
    node: str | None = None,
) -> Metered:
    """Meter usage: flush what has ended at ``at``, fold the records, flush again.

    Pure: ``state`` stays as it is, the result holds the new one. ``node`` chooses among several
    meter nodes of a plan. Raises ``MeterhouseError`` where a record holds a Python float, or
    another value that is not of JSON.
    """
    instant = _instant(at)
    batch = usage if isinstance(usage, UsageBatch) else UsageBatch.from_rows(usage)
    if not batch.columnar:
        _refuse_inexact(batch.rows())
    meter_plan = plan if isinstance(plan, MeterPlan) else plan.node(node)
    metering = Metering(meter_plan, state, at=instant)
    golden = [record.body for record in metering.scan()]
    outcome = metering.meter(batch)
    thresholds = [record.body for _, record in metering.thresholds()]
    whole = meter_plan.flush is Flush.STREAM_EXECUTION
    golden += [record.body for record in (metering.flush_all() if whole else metering.scan())]
    adjustments = [record.body for record in metering.adjustments()]
    return Metered(
        golden=golden,
        thresholds=thresholds,
        suspended=_suspended(batch, outcome.suspended),
        metered=outcome.metered,
        state=state.with_changes(metering.changes()),
        adjustments=adjustments,
    )


class _Loading:
    """Collects definitions and everything that is wrong with them."""

    def __init__(self) -> None:
        self.meter_types: dict[str, MeterType] = {}
        self.nodes: dict[str, MeterPlan] = {}
        self.problems: list[Problem] = []

    def take(self, document: object, label: str) -> None:
        if isinstance(document, Mapping) and "nodes" in document:
            for node in _listed(document["nodes"], f"{label} nodes", self.problems):
                if isinstance(node, Mapping) and node.get("type") == _METER:
                    self._node(str(node.get("name", "Meter")), node.get("params", {}), label)
            return
        if isinstance(document, Mapping) and "meterTypes" in document:
            bodies = _listed(document["meterTypes"], f"{label} meterTypes", self.problems)
            self._types(bodies, label)
            if "guidingRules" in document:
                self._node("Meter", document, label)
            return
        self._types(document if isinstance(document, list) else [document], label)

    def _types(self, bodies: Iterable[object], label: str) -> None:
        for position, body in enumerate(bodies):
            name = body.get("name") if isinstance(body, Mapping) else None
            given = body.get("id") if isinstance(body, Mapping) else None
            id = given if isinstance(given, str) else str(uuid5(_NAMES, f"meter type {name}"))
            meter_type, faults = read_meter_type(body, id=id, at=0)
            if meter_type is not None and meter_type.name in self.meter_types:
                faults.append(Problem("name", f"{meter_type.name!r} is used twice"))
            place = f"{label} meter type {position + 1}"
            self.problems += [fault.at(place) for fault in faults]
            if meter_type is not None:
                self.meter_types[meter_type.name] = meter_type

    def _node(self, name: str, params: object, label: str) -> None:
        reading = Reading(params, what="parameters of a meter node")
        plan = read_plan(reading, meter_key=name)
        self.problems += [fault.at(f"{label} node {name}") for fault in reading.problems]
        if plan is not None and not reading.problems:
            self.nodes[name] = plan


def _listed(value: object, place: str, problems: list[Problem]) -> list[Any]:
    if isinstance(value, list):
        return value
    problems.append(Problem(place, f"is {value!r}, not a list"))
    return []


def _document(path: str | Path) -> object:
    try:
        data = Path(path).read_bytes()
        if str(path).endswith(".toml"):
            return tomllib.loads(data.decode(), parse_float=Decimal)
        return parse_json(data)
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DefinitionError(
            [Problem("", f"is not JSON or TOML: {error}")], what=str(path)
        ) from error


def _refuse_inexact(records: Sequence[Record]) -> None:
    """Refuse what no record can hold, above all floats: they are not the numbers as written."""
    for position, record in enumerate(records):
        for name, value in record.items():
            wrong = _not_of_json(value)
            if wrong is None:
                continue
            place = f"record {position + 1}: {name}"
            if isinstance(wrong, float):
                text = float.__repr__(wrong)
                message = f"{place} is {text}, a Python float: near the number meant, not equal"
                hint = f'Write Decimal("{text}") or the text "{text}"'
                raise MeterhouseError(message, hint=hint)
            hint = "Use text, bool, int, Decimal, None, and dicts and lists of these"
            raise MeterhouseError(f"{place} is a {type(wrong).__name__}: {wrong!r}", hint=hint)


def _not_of_json(value: object) -> object:
    """Return the first part of a value that is not of JSON; ``None`` where there is none."""
    if value is None or isinstance(value, str | int | Decimal):
        return None
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return next((wrong for part in value if (wrong := _not_of_json(part)) is not None), None)
    return value


def _instant(at: str | Instant) -> Instant:
    instant = parse_instant(at) if isinstance(at, str) else at
    if instant is None:
        hint = "use ISO 8601, such as 2026-01-31T00:00Z"
        raise MeterhouseError(f"{at!r} is not an instant", hint=hint)
    return instant


def _suspended(batch: UsageBatch, suspended: Sequence[tuple[int, Reason]]) -> list[SuspendedRecord]:
    if not suspended:
        return []
    import polars as pl

    positions = pl.Series([position for position, _ in suspended], dtype=pl.UInt32)
    taken = batch.take(positions)
    return [
        SuspendedRecord(record, reason, *origin)
        for record, origin, (_, reason) in zip(
            taken.rows(), taken.origins(), suspended, strict=True
        )
    ]


# ---------------------------------------------------------------- billing


def price_book(source: str | Path | Mapping[str, Any]) -> PriceBook:
    """Read a price book: a path to a YAML or JSON file, or the same as an object.

    Raises ``DefinitionError`` with every problem.
    """
    if isinstance(source, Mapping):
        return read_price_book(exact(source))
    documents = read_documents(Path(source).read_text("utf-8"), what=str(source))
    if len(documents) != 1:
        hint = "give a file with one price book, or each book as an object"
        raise MeterhouseError(f"{source} holds {len(documents)} price books", hint=hint)
    return read_price_book(documents[0].body)


def rate(
    golden: Iterable[Mapping[str, Any]],
    book: PriceBook,
    *,
    plan: Plan,
    period: str,
    customer: str = "",
) -> Rating:
    """Rate golden records of a month (``2026-01``, in the zone of the book).

    ``plan`` knows the categories of their meter types. What no price is for is ``unpriced``.
    """
    usage = [metered_usage(record, category=_category(plan, record)) for record in golden]
    month = read_days(period).in_zone(book.timezone)
    return rate_usage(book, usage, period=month, customer=customer)


def _category(plan: Plan, record: Mapping[str, Any]) -> str:
    name = record["meterTypeName"]
    if name not in plan.meter_types:
        known = ", ".join(sorted(plan.meter_types)) or "none"
        hint = f"give the plan that metered the record; this one has {known}"
        raise NotFoundError(f"The plan has no meter type {name!r}", hint=hint)
    return plan.meter_types[name].category


def invoice(rating: Rating, book: PriceBook, *, period: str) -> InvoiceSums:
    """Return the lines, taxes and totals of an invoice over charges of a month.

    Raises ``MeterhouseError`` where usage is unpriced: it would be left out.
    """
    if rating.unpriced:
        first = rating.unpriced[0]
        what = ", ".join(f"{name} {text}" for name, text in sorted(first.fields.items()))
        hint = "add a price for it; `unpriced` of the rating lists all"
        raise MeterhouseError(f"Usage has no price: {what} ({first.reason})", hint=hint)
    month = read_days(period).in_zone(book.timezone)
    return invoiced(book, rating.charges, period=month, at=month.end)
