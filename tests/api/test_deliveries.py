"""Deliveries and dead letters over HTTP, and the thread of the server that delivers."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meterhouse.api import Deliverer
from meterhouse.api.metrics import Meters
from meterhouse.app.forwarding import forward_due
from meterhouse.config import HTTP_ALLOW_VARIABLE
from meterhouse.core.instant import SECOND
from tests.api.world import House, running
from tests.forwarding.receiver import Fault, Got, Receiver, Say

DELIVERIES, LETTERS = "/v1/deliveries", "/v1/dead-letters"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().serving() as serving:
        yield serving


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv(HTTP_ALLOW_VARIABLE, "127.0.0.0/8")
    with running(tmp_path / "data") as house:
        yield house


@pytest.fixture
def deliverer(house: House) -> Iterator[Deliverer]:
    deliverer = Deliverer(house.context, tick_seconds=0.02)
    deliverer.start()
    yield deliverer
    deliverer.stop()


def _run(house: House, receiver: Receiver, *, name: str = "Forward", count: int = 3) -> str:
    """Run a stream that forwards; the id of its run."""
    nodes = [
        {"id": "r", "name": "Count", "type": "readers/counter", "params": {"max": count}},
        {"id": "h", "name": "Hook", "type": "writers/http", "params": {"uri": receiver.url}},
    ]
    stream = {"name": name, "nodes": nodes, "edges": [{"from": "r", "to": "h"}]}
    made = house.http.post("/v1/streams", json=stream)
    assert made.status_code == 201, made.text
    begun = house.http.post(f"/v1/streams/{made.json()['id']}/runs")
    return house.ended(begun.headers["location"])["id"]


def _until(found: Callable[[], Any]) -> Any:
    end = time.monotonic() + 60
    while not (value := found()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return value


def _waiting(house: House) -> list[dict[str, Any]]:
    return house.http.get(DELIVERIES).json()["deliveries"]


def test_the_server_delivers_by_itself(house: House, receiver: Receiver, deliverer: Deliverer):
    _run(house, receiver, count=50)
    _until(lambda: len(receiver.accepted) == 50)
    _until(lambda: not _waiting(house))
    assert sorted(got.record["value"] for got in receiver.accepted) == list(range(1, 51))


def test_a_receiver_that_hangs_holds_up_no_other(
    house: House, receiver: Receiver, deliverer: Deliverer
):
    receiver.behave = lambda _: Fault.HANG
    _run(house, receiver, name="Hangs")
    _until(lambda: receiver.got)
    with Receiver().serving() as other:
        _run(house, other, name="Works")
        _until(lambda: len(other.accepted) == 3)
    began = time.monotonic()
    deliverer.stop()
    assert time.monotonic() - began < 20, "stopping waited for the answer"
    receiver.behave = lambda _: Say()
    again = Deliverer(house.context, tick_seconds=0.02)
    again.start()
    _until(lambda: len(receiver.accepted) == 3)
    again.stop()


def test_what_waits_is_listed_read_hurried_and_dropped(house: House, receiver: Receiver):
    runs = [_run(house, receiver, name=name) for name in ("A", "B", "C")]
    first = house.http.get(DELIVERIES, params={"limit": 2}).json()
    rest = house.http.get(DELIVERIES, params={"cursor": first["next_cursor"], "limit": 2}).json()
    found = [*first["deliveries"], *rest["deliveries"]]
    assert [(item["run"], item["kind"], item["records"]) for item in found] == [
        (run, "http", 3) for run in runs
    ]
    assert rest["next_cursor"] is None
    path = f"{DELIVERIES}/{found[0]['id']}"
    assert house.http.get(path).json() == found[0]
    assert house.http.post(f"{path}/retry").status_code == 202
    assert house.http.delete(path).status_code == 204
    assert house.http.get(path).status_code == 404
    assert house.http.post(f"{path}/retry").status_code == 404
    assert [item["run"] for item in _waiting(house)] == runs[1:]


def test_a_retry_ends_the_pause(house: House, receiver: Receiver, deliverer: Deliverer):
    receiver.behave = lambda _: Say(503, headers={"retry-after": "3000"})
    _run(house, receiver, count=1)
    waiting = _until(lambda: [item for item in _waiting(house) if item["error"]])
    receiver.behave = lambda _: Say()
    house.http.post(f"{DELIVERIES}/{waiting[0]['id']}/retry")
    _until(lambda: len(receiver.accepted) == 1)


def _refuse_even(got: Got) -> Say:
    return Say(400) if got.record["value"] % 2 == 0 else Say()


def _watched(house: House) -> dict[str, float]:
    text = house.http.get("/metrics").text
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {line[0].removeprefix("meterhouse_"): float(line[1]) for line in lines}


def test_operators_see_what_waits_how_long_and_what_was_refused(house: House, receiver: Receiver):
    run = _run(house, receiver, count=10)
    with house.context.ledger() as ledger:
        tallies, stored = ledger.tallies(), ledger.run(run)
    assert stored is not None
    assert stored.ended_at is not None
    assert (tallies.pending, tallies.pending_since) == (1, stored.ended_at)
    text = Meters().text(tallies, running=0, at=stored.ended_at + 90 * SECOND).decode()
    assert "\nmeterhouse_outbox_oldest_seconds 90.0\n" in text
    assert _watched(house)["outbox_pending"] == 1
    receiver.behave = _refuse_even
    with house.context.ledger() as ledger:
        forward_due(ledger, house.context.forwarding)
    found = _watched(house)
    names = ("outbox_pending", "outbox_oldest_seconds", "dead_letters")
    assert [found[name] for name in names] == [0, 0, 5]


def test_dead_letters_are_listed_sent_again_and_dropped(
    house: House, receiver: Receiver, deliverer: Deliverer
):
    receiver.behave = _refuse_even
    run = _run(house, receiver, count=10)
    _until(lambda: len(receiver.got) == 10 and not _waiting(house))
    page = house.http.get(LETTERS, params={"limit": 3, "stream": "Forward", "node": "Hook"}).json()
    assert [letter["record"]["value"] % 2 for letter in page["deadLetters"]] == [0, 0, 0]
    assert page["next_cursor"] is not None
    letters = house.http.get(LETTERS, params={"run": run}).json()["deadLetters"]
    assert len(letters) == 5
    assert house.http.get(f"{LETTERS}/{letters[0]['id']}").json() == letters[0]
    receiver.behave = lambda _: Say()
    ids = [letter["id"] for letter in letters]
    sent = house.http.post(f"{LETTERS}:redrive", json={"ids": ids[:2]})
    assert (sent.status_code, sent.json()) == (202, {"count": 2})
    _until(lambda: len(receiver.accepted) == 7)
    assert {got.key for got in receiver.accepted[5:]} == {x["key"] for x in letters[:2]}
    assert house.http.delete(f"{LETTERS}/{ids[2]}").status_code == 204
    dropped = house.http.post(f"{LETTERS}:delete", json={"filter": {"stream": "Forward"}})
    assert dropped.json() == {"count": 2}
    assert house.http.get(LETTERS).json()["deadLetters"] == []
    acts = house.http.get("/v1/activities").json()["activities"]
    kinds = [(a["actor"], a["action"]) for a in acts if a["kind"] == "dead letter"]
    assert kinds == [("admin", "drop"), ("admin", "drop"), ("admin", "redrive")]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "ids: is missing"),
        ({"ids": [1], "filter": {}}, "is given together with filter"),
        ({"ids": []}, "ids: names none"),
        ({"ids": ["x"]}, 'ids[0]: is "x"'),
        ({"filter": {"stream": ""}}, 'filter.stream: is ""'),
        ({"filter": {"reason": "x"}}, "filter.reason: is not a known field"),
    ],
)
def test_a_choice_that_is_none_is_refused(house: House, body: dict[str, Any], said: str):
    answer = house.http.post(f"{LETTERS}:redrive", json=body)
    assert answer.status_code == 422
    pointer, _, text = said.partition(": ")
    assert text in json.dumps(answer.json(), ensure_ascii=False).replace('\\"', '"')
    assert pointer


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", DELIVERIES, "read:deliveries"),
        ("POST", f"{DELIVERIES}/1/retry", "update:deliveries"),
        ("DELETE", f"{DELIVERIES}/1", "delete:deliveries"),
        ("GET", LETTERS, "read:deliveries"),
        ("DELETE", f"{LETTERS}/1", "delete:deliveries"),
    ],
)
def test_each_needs_its_scope(house: House, method: str, path: str, scope: str):
    other = house.token("other", "read:meters")
    assert house.http.request(method, path, headers=other).status_code == 403
    right = house.token("right", scope)
    assert house.http.request(method, path, headers=right).status_code in (200, 404)
