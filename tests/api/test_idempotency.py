"""A repeat under the same key gets the first answer, and does nothing again."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from meterhouse.app.idempotency import KeyedRequest, StoredAnswer, derived_ids
from meterhouse.app.ports import Lease
from tests.api.world import METERS, STREAM, TYPE, TYPES, House

KEY = {"Idempotency-Key": "one"}


def test_a_repeat_is_answered_as_the_first_was(house: House):
    first = house.http.post(TYPES, json=TYPE, headers=KEY)
    house.http.patch(f"{TYPES}/Units", json={"unit": "changed since"})
    second = house.http.post(TYPES, json=TYPE, headers=KEY)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["idempotency-replayed"] == "true"
    assert len(house.http.get(TYPES).json()["meterTypes"]) == 1


def test_another_request_under_the_same_key_is_refused(house: House):
    house.http.post(TYPES, json=TYPE, headers=KEY)
    for path, body in ((TYPES, TYPE | {"name": "B"}), (METERS, TYPE), (TYPES + "?x=1", TYPE)):
        answer = house.http.post(path, json=body, headers=KEY)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_keys_of_different_clients_are_different_keys(house: House):
    house.http.post(TYPES, json=TYPE, headers=KEY)
    headers = KEY | house.token("other", "create:meter_types")
    assert house.http.post(TYPES, json=TYPE | {"name": "B"}, headers=headers).status_code == 201


def test_what_was_refused_may_be_repeated(house: House):
    body = {"userId": "ann", "meterKey": "k", "meterTypeId": "Units"}
    assert house.http.post(METERS, json=body, headers=KEY).status_code == 422
    house.create_type()
    assert house.http.post(METERS, json=body, headers=KEY).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a b"])
def test_a_key_of_another_form_is_refused(house: House, key: str):
    answer = house.http.post(TYPES, json=TYPE, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


def _interrupted(house: House, *, path: str, body: object) -> None:
    """Leave a key as a process leaves it that was killed before it could answer."""
    import hashlib

    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    fingerprint = hashlib.sha256(f"POST\n{path}\n\n".encode() + content).digest()
    request = KeyedRequest("admin", "one", fingerprint)
    lease = Lease(house.context.lease.host, "0-0")
    with house.context.ledger() as ledger:
        ledger.begin_request(request, lease, alive=frozenset(), at=house.context.clock())


@pytest.mark.parametrize(
    ("path", "body", "noun"),
    [
        (TYPES, TYPE, "meterTypes"),
        (METERS, {"userId": "ann", "meterKey": "k", "meterTypeId": "Known"}, "meters"),
        ("/v1/streams", STREAM, "streams"),
    ],
)
def test_a_repeat_after_a_crash_finds_what_the_first_call_did(
    house: House, path: str, body: dict, noun: str
):
    house.create_type(name="Known")
    before = len(house.http.get(path).json()[noun])
    first = house.http.post(path, json=body, headers=KEY)
    assert first.status_code == 201
    with house.context.ledger() as ledger:
        ledger._database.execute("DELETE FROM idempotency")
    _interrupted(house, path=path, body=body)
    second = house.http.post(path, json=body, headers=KEY)
    assert (second.status_code, second.json()["id"]) == (201, first.json()["id"])
    assert "idempotency-replayed" not in second.headers
    assert len(house.http.get(path).json()[noun]) == before + 1


def test_a_run_is_started_once(house: House):
    house.import_stream()
    first = house.http.post("/v1/streams/Small/runs", headers=KEY)
    house.ended(first.headers["location"])
    with house.context.ledger() as ledger:
        ledger._database.execute("DELETE FROM idempotency")
    again = house.http.post("/v1/streams/Small/runs", headers=KEY)
    assert again.headers["location"] == first.headers["location"]
    assert len(house.http.get("/v1/runs").json()["runs"]) == 1


def test_of_many_at_once_one_is_done(house: House):
    together = Barrier(12)

    def create(_: int):
        together.wait()
        return house.http.post(TYPES, json=TYPE, headers=KEY)

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(create, range(12)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    codes = {a.json()["code"] for a in answers if a.status_code == 409}
    assert codes <= {"request_in_flight"}
    assert len({a.content for a in answers if a.status_code == 201}) == 1


def test_a_request_in_flight_is_not_done_twice(house: House):
    request = KeyedRequest("admin", "one", b"x")
    context = house.context
    with context.ledger() as ledger:
        ledger.begin_request(request, context.lease, alive=context.living(), at=context.clock())
    answer = house.http.post(TYPES, json=TYPE, headers=KEY)
    assert answer.status_code == 422


def test_old_answers_are_forgotten(house: House):
    context = house.context
    request = KeyedRequest("admin", "old", b"x")
    with context.ledger() as ledger:
        now = context.clock()
        ledger.begin_request(request, context.lease, alive=frozenset(), at=now - 4 * 86400 * 10**6)
        ledger.finish_request(request, StoredAnswer(200))
        other = KeyedRequest("admin", "new", b"x")
        ledger.begin_request(other, context.lease, alive=frozenset(), at=now)
        assert ledger.begin_request(request, context.lease, alive=frozenset(), at=now) is None


def test_derived_ids_differ_by_client_key_and_place():
    requests = [KeyedRequest(c, k, b"") for c in ("a", "a/b") for k in ("k", "b/k")]
    ids = [make() for request in requests for make in [derived_ids(request)] for _ in range(3)]
    assert len(set(ids)) == 12
