"""Definitions, runs and results with defaults, for the tests of the store."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from meterhouse.app.ports import Lease
from meterhouse.core.application import Application
from meterhouse.core.instant import DAY, Instant
from meterhouse.core.json_text import json_text
from meterhouse.core.meter import NewMeter
from meterhouse.core.meter_type import MeterType
from meterhouse.core.metered_record import Kind, MeteredRecord
from meterhouse.core.secret import Secret, SecretType
from meterhouse.core.suspense import Reason
from meterhouse.store import SqliteLedger
from meterhouse.store.snapshot import Snapshot
from meterhouse.streams.record import (
    Emitted,
    Run,
    RunResult,
    RunStatus,
    StreamDefinition,
    Suspended,
)

#: 2026-01-10T00:00:00Z
AT: Instant = 1_768_003_200_000_000
KEY = "key-1"
STREAM = "stream-1"
HERE = Lease("here", "100")
_ids = count(1)


def new_id() -> str:
    return str(UUID(int=next(_ids)))


def a_meter_type(name: str = "Calls", *, id: str | None = None, **body: Any) -> MeterType:
    whole = {
        "name": name,
        "category": "api",
        "aggregation": {"type": "sum"},
        "resetSchedule": {"minute": "0", "hour": "0", "day": "1", "month": "*", "weekday": "*"},
        **body,
    }
    return MeterType.from_api(whole, id=id or new_id(), at=AT)


def a_stream(
    name: str = "Usage", *, id: str = STREAM, keys: Sequence[str] = (KEY,)
) -> StreamDefinition:
    meter_keys = {f"node-{n}": key for n, key in enumerate(keys)}
    document = {"nodes": [{"limit": Decimal("0.1"), "text": "\ud800"}], "name": name}
    return StreamDefinition(id, name, document, meter_keys, AT, AT + 1)


def a_run(id: str = "run-1", *, stream: str = STREAM, at: Instant = AT, **changes: Any) -> Run:
    return Run(
        id,
        stream,
        changes.pop("stream_name", "Usage"),
        changes.pop("status", RunStatus.RUNNING),
        at,
        changes.pop("seed", 7),
        changes.pop("started_at", AT),
        **changes,
    )


def start(ledger: SqliteLedger, run: Run, *, alive: frozenset[str] = frozenset()) -> Run:
    ledger.start_run(run, HERE, alive=alive)
    return run


def commit(
    ledger: SqliteLedger, result: RunResult, *, id: str | None = None, at: Instant = AT
) -> Run:
    run = start(ledger, a_run(id or new_id(), at=at))
    ledger.commit_run(run, result)
    return run


def fail(ledger: SqliteLedger, result: RunResult | None, *, id: str | None = None) -> Run:
    run = start(ledger, a_run(id or new_id(), error="too many"))
    ledger.fail_run(run, result)
    return run


@contextmanager
def snapshot(ledger: SqliteLedger, stream: str = STREAM) -> Iterator[Snapshot]:
    opened = ledger.snapshot(stream)
    try:
        yield opened
    finally:
        opened.close()


def add_meters(
    ledger: SqliteLedger,
    users: Sequence[str],
    *,
    meter_type: MeterType,
    key: str = KEY,
    at: Instant = AT,
    **changes: Any,
) -> list[str]:
    meters = [(new_id(), NewMeter(user, key, meter_type.id, **changes)) for user in users]
    return ledger.add_meters(meters, at=at)


def a_suspended(offset: int = 0, *, source: str = "a.csv", **changes: Any) -> Suspended:
    return Suspended(
        changes.pop("node_id", "node-0"),
        changes.pop("node_name", "Meter"),
        changes.pop("reason", Reason.NO_METER_FOUND),
        changes.pop("detail", "no meter"),
        source,
        offset,
        changes.pop("record", {"userId": "ann", "value": Decimal("0.5"), "n": 1}),
        **changes,
    )


def an_emitted(text: str = "x", *, kind: Kind = Kind.GOLDEN, record_id: str = "") -> Emitted:
    id = record_id or new_id()
    body = {"value": Decimal("1.50"), "text": text, "recordId": id}
    return Emitted("node-0", MeteredRecord(kind, id, 1, 0, json_text(body)))


def a_month_later(instant: Instant = AT) -> Instant:
    return instant + 31 * DAY


def a_secret(name: str = "Billing", *, id: str | None = None, **changes: Any) -> Secret:
    type_ = changes.pop("type", SecretType.BASIC)
    return Secret(id or new_id(), name, type_, AT, AT + 1, **changes)


def an_application(name: str = "CRM", *, id: str | None = None) -> Application:
    return Application(id or new_id(), new_id(), name, frozenset({"read:meters"}), AT, AT + 1)
