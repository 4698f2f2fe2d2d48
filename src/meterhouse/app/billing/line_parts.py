"""What a line is made of, as far as the ledger knows: groups of metered records, and their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from meterhouse.app.billing.explaining import days_of_line
from meterhouse.app.billing.ports import BillableRecord
from meterhouse.app.billing.taken import Group
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import Source
from meterhouse.core.instant import Instant, parse_instant
from meterhouse.core.invoice import Invoice, InvoiceLine
from meterhouse.core.json_text import parse_json
from meterhouse.core.meter import Meter
from meterhouse.core.problem import ConflictError
from meterhouse.streams.record import Run, StreamDefinition

_NESTING_MAX = 200


@dataclass(frozen=True, slots=True)
class Part:
    """A group of a metered record, ``quantity`` of it, and the runs that fed it.

    A line that corrects another takes off what was billed: its quantity has the other sign then.
    """

    record_id: str
    group: Group
    stream: StreamDefinition | None
    node_id: str
    runs: Sequence[Run]
    quantity: Decimal


def parts_of_line(ledger: Ledger, line: InvoiceLine, *, invoice: Invoice) -> list[Part]:
    """Return the parts of a line.

    ``ConflictError`` where rows cannot be found of one: its meter, its stream or its node is not
    there any more, or the meter keeps single usage.
    """
    ledger.index_billable()
    days = days_of_line(ledger, line, invoice)
    where = f"{invoice.number or invoice.id} --line {line.id}"
    return [
        _part(ledger, source, days=days, where=where)
        for source in line.charge.sources
        if source.record_id
    ]


def _part(
    ledger: Ledger,
    source: Source,
    *,
    days: tuple[Instant | None, Instant | None],
    where: str,
) -> Part:
    record = ledger.billable_record(source.record_id)
    if record is None:
        message = f"The record {source.record_id} is not in the ledger any more"
        raise ConflictError(message, hint="restore the ledger from a copy that has it")
    body = parse_json(record.text, nesting_max=_NESTING_MAX)
    meter = _meter(ledger, body, where=where)
    start, end = _instant(body["periodStart"]), _instant(body["periodEnd"])
    runs = _fed(ledger, record, start=start)
    if meter.by_event_time:
        group = Group(meter, source.fields, days[0] or start, days[1] or end)
    else:
        group = Group(meter, source.fields)
        runs = [run for run in runs if run.at < end]
    stream = _stream(ledger, runs[-1]) if runs else None
    node_id = "" if stream is None else _node(stream, meter)
    return Part(source.record_id, group, stream, node_id, runs, source.quantity)


def _meter(ledger: Ledger, body: Mapping[str, Any], *, where: str) -> Meter:
    bucket = ledger.meter(body["id"])
    if ledger.usage_aggregation(body["id"], start=_instant(body["periodStart"])) is not None:
        hint = f"the records are there: meterhouse invoice explain {where} --records all"
        raise ConflictError("The meter of this line keeps single usage", hint=hint)
    if bucket is None:
        message = f"The meter {body['id']} of user {body['userId']} is deleted"
        raise ConflictError(message, hint="its rows cannot be told from others any more")
    return bucket.meter


def _fed(ledger: Ledger, record: BillableRecord, *, start: Instant) -> list[Run]:
    ids = ledger.runs_that_fed(record.record_id, start=start)
    return [run for id in ids if (run := ledger.run(id)) is not None]


def _stream(ledger: Ledger, run: Run) -> StreamDefinition:
    stream = ledger.stream(run.stream_id)
    if stream is None:
        message = f"The stream {run.stream_name!r} is deleted"
        raise ConflictError(message, hint="its rows cannot be told from others any more")
    return stream


def _node(stream: StreamDefinition, meter: Meter) -> str:
    key = meter.meter_key
    node = next((node for node, known in stream.meter_keys.items() if known == key), None)
    if node is None:
        message = f"The stream {stream.name!r} has no meter node with the key {key} any more"
        raise ConflictError(message, hint="restore a version of it that has one")
    return node


def _instant(text: str) -> Instant:
    instant = parse_instant(text)
    assert instant is not None, "records are written with instants"
    return instant
