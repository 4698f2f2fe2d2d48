"""Actions in Data Correction: what becomes of records, and what is written down."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from meterhouse.app import correcting
from meterhouse.app.correcting import Action, Correction
from meterhouse.app.correction_ports import SuspenseFilter
from meterhouse.core.expression import parse_expression
from meterhouse.core.instant import DAY, parse_instant
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.suspense import Reason
from meterhouse.store import SqliteLedger, open_ledger
from meterhouse.streams.record import RunResult
from tests.store.factories import AT, a_run, a_stream, a_suspended, start

RECORDS = [
    {"userId": "ann", "value": "1.239", "user": {"id": 1, "n": 2}},
    {"userId": "bob", "value": "x", "a.b": 1},
    {"userId": "cid"},
]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = open_ledger(tmp_path / "data")
    opened.add_stream(a_stream())
    run = start(opened, a_run("run-1"))
    suspended = [a_suspended(n, record=record) for n, record in enumerate(RECORDS)]
    opened.commit_run(run, RunResult(suspended=suspended))
    yield opened
    opened.close()


class Log:
    """A log of activities that is a list."""

    def __init__(self) -> None:
        self.lines: list[dict] = []

    def __call__(self, **line) -> None:
        self.lines.append(line)


def action(at: int = AT + 5, *, log: Log | None = None) -> Action:
    return Action(at, actor="ann", log=log)


def correction(values: dict | None = None, **expressions: str) -> Correction:
    parsed = {field: parse_expression(text) for field, text in expressions.items()}
    return Correction(values or {}, parsed)


def records(ledger: SqliteLedger) -> list:
    return [entry.suspended.record for entry in ledger.suspense().items]


def test_values_and_expressions_are_written_to_fields(ledger: SqliteLedger):
    wanted = correction({"region": None}, value="round(value, 2)", who="upper(userId)")
    taken = correcting.correct(ledger, [1], correction=wanted, action=action())
    assert taken == [1]
    assert records(ledger)[0] == RECORDS[0] | {
        "region": None,
        "value": Decimal("1.24"),
        "who": "ANN",
    }
    entry = correcting.find_suspended(ledger, 1)
    assert (entry.state, entry.updated_at) == ("open", AT + 5)


def test_every_expression_sees_the_record_as_it_was(ledger: SqliteLedger):
    wanted = correction({"userId": "new"}, value="userId", userId2="value")
    correcting.correct(ledger, [3], correction=wanted, action=action())
    assert records(ledger)[2] == {"userId": "new", "value": "cid", "userId2": None}


def test_the_time_of_the_action_is_now(ledger: SqliteLedger):
    at = parse_instant("2026-02-03T00:00:00Z")
    assert at is not None
    wanted = correction(timestamp="now()")
    correcting.correct(ledger, SuspenseFilter(), correction=wanted, action=action(at))
    assert {record["timestamp"] for record in records(ledger)} == {"2026-02-03T00:00:00.000Z"}


def test_a_dotted_target_leads_into_an_object_where_there_is_one(ledger: SqliteLedger):
    wanted = correction({"user.id": 7, "a.b": 8, "user.new": 9, "x.y": 1})
    correcting.correct(ledger, [1, 2], correction=wanted, action=action())
    first, second, _ = records(ledger)
    assert first["user"] == {"id": 7, "n": 2, "new": 9}
    assert (first["a.b"], first["x.y"]) == (8, 1)
    assert (second["a.b"], second["user.id"]) == (8, 7)


def test_where_an_expression_fails_for_one_record_none_is_changed(ledger: SqliteLedger):
    wanted = correction({"touched": True}, value="value * 2")
    with pytest.raises(ConflictError) as caught:
        correcting.correct(ledger, SuspenseFilter(), correction=wanted, action=action())
    assert str(caught.value.args[0]) == (
        'Nothing was changed: record 2: "x" is no number, at character 1:\n'
        "    value * 2\n"
        "    ^\n"
        "2 of 3 records have such a fault"
    )
    assert records(ledger) == RECORDS


def test_after_some_faults_no_more_are_sought(ledger: SqliteLedger, monkeypatch):
    monkeypatch.setattr(correcting, "_FAULTS_MAX", 2)
    wanted = correction(value="1 / 0")
    with pytest.raises(ConflictError, match="2 of 3 records at least have such a fault"):
        correcting.correct(ledger, SuspenseFilter(), correction=wanted, action=action())


def test_what_could_not_be_read_again_is_not_written(ledger: SqliteLedger):
    deep: list = []
    for _ in range(98):
        deep = [deep]
    correcting.correct(ledger, [1], correction=correction({"deep": deep}), action=action())
    for wanted in (correction({"deep": [deep]}), correction(deep="[deep]")):
        with pytest.raises(ConflictError, match="deep would nest deeper than 100 levels"):
            correcting.correct(ledger, [1], correction=wanted, action=action())
    assert records(ledger)[0]["deep"] == deep


def test_each_action_is_written_down_with_what_it_took(ledger: SqliteLedger):
    log = Log()
    by_reason = SuspenseFilter(reason=Reason.NO_METER_FOUND, since=AT)
    correcting.correct(ledger, [2], correction=correction({"a": 1}, b="a"), action=action(log=log))
    correcting.requeue(ledger, by_reason, action=action(log=log))
    correcting.delete(ledger, [1, 2], action=action(log=log))
    assert [(line["action"], line["object_id"], line["detail"]) for line in log.lines] == [
        ("correct", "2", {"records": 1, "ids": [2], "values": {"a": 1}, "expressions": {"b": "a"}}),
        (
            "requeue",
            "",
            {
                "records": 3,
                "filter": {"reason": "no_meter_found", "since": "2026-01-10T00:00:00.000Z"},
            },
        ),
        ("delete", "", {"records": 2, "ids": [1, 2]}),
    ]
    assert {(line["at"], line["actor"], line["kind"]) for line in log.lines} == {
        (AT + 5, "ann", "correction")
    }


def test_what_is_refused_is_not_written_down(ledger: SqliteLedger):
    log = Log()
    with pytest.raises(NotFoundError):
        correcting.delete(ledger, [1, 9], action=action(log=log))
    assert log.lines == []


def test_an_action_that_cannot_be_written_down_is_not_done(ledger: SqliteLedger):
    def refuse(**_) -> None:
        raise ConflictError("no room")

    with pytest.raises(ConflictError, match="no room"):
        correcting.delete(ledger, [1], action=Action(AT, log=refuse))
    assert records(ledger) == RECORDS


def test_records_stay_six_months_after_they_were_last_touched(ledger: SqliteLedger):
    log = Log()
    correcting.correct(ledger, [3], correction=correction({"a": 1}), action=action(AT + DAY))
    july = parse_instant("2026-07-10T00:00:00Z")
    assert july is not None
    assert correcting.purge(ledger, action=action(july, log=log)) == 0
    assert log.lines == []
    assert correcting.purge(ledger, action=action(july + 1, log=log)) == 2
    assert [line["detail"]["records"] for line in log.lines] == [2]
    assert [entry.id for entry in ledger.suspense().items] == [3]
    assert correcting.purge(ledger, action=action(july + DAY + 1)) == 1


def test_a_purge_goes_on_until_all_are_gone(ledger: SqliteLedger, monkeypatch):
    monkeypatch.setattr(correcting, "_PURGED_AT_ONCE", 1)
    log = Log()
    ids = [str(entry.id) for entry in ledger.suspense().items]
    assert correcting.purge(ledger, action=action(AT + 400 * DAY, log=log)) == 3
    assert [line["detail"]["records"] for line in log.lines] == [1, 1, 1]
    assert [line["object_id"] for line in log.lines] == ids
