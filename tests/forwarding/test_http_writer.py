"""What ``writers/http`` sends: bodies, keys, signatures, who sends it, and whom it never calls."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from meterhouse.config import HTTP_ALLOW_VARIABLE
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading
from meterhouse.streams.forward import place_key
from meterhouse.streams.nodes.catalogue import NODE_TYPES
from meterhouse.streams.nodes.parameter_names import read_params
from tests.acceptance.small import document, node
from tests.cli.command import Meterhouse
from tests.forwarding.house import Forwarding, by_meter, forwarding, usage, webhook
from tests.forwarding.receiver import Got, Receiver, Say

Make = Callable[[dict[str, Any]], Forwarding]
OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 24).decode()


def _secret(folder: Path, type_: str, **credentials: str) -> dict[str, str]:
    """Put a secret into the wallet of the house in a folder; how documents name it."""
    meterhouse = Meterhouse(folder / "data")
    made = meterhouse.json(
        *("secret", "create", "--name", "Mine", "--type", type_, "--file", "-"),
        given=json.dumps(credentials),
    )
    return {"secretId": made[0]["id"], "secretType": type_}


def _sent(receiver: Receiver, house: Forwarding, records: list[dict[str, Any]]) -> list[Got]:
    house.run(records)
    house.deliver()
    return receiver.got


def test_a_request_is_one_record_as_it_was_written(receiver: Receiver, forwarding_to: Make):
    house = forwarding_to(webhook(receiver.url, headers={"x-source": "us"}))
    [got] = _sent(receiver, house, [{"recordId": "r-1", "value": 1.10, "name": "Zoë"}])
    assert got.body.decode() == '{"recordId":"r-1","value":1.1,"name":"Zoë"}'
    assert (got.method, got.key) == ("POST", "r-1")
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-source"] == "us"


def test_a_record_without_an_id_has_a_key_of_its_run_and_place(
    receiver: Receiver, forwarding_to: Make
):
    house = forwarding_to(webhook(receiver.url, lanes=1))
    ended = house.run(usage(2, meters=1))
    house.deliver()
    keys = [place_key(run_id=ended.run.id, node_id="Hook", place=n) for n in range(2)]
    assert [got.key for got in receiver.got] == keys


def test_two_records_of_one_id_have_two_keys(receiver: Receiver, forwarding_to: Make):
    house = forwarding_to(webhook(receiver.url))
    got = _sent(receiver, house, [{"recordId": "r", "line": n} for n in (1, 2)])
    assert len({one.key for one in got}) == 2


def test_address_and_headers_may_name_fields(receiver: Receiver, forwarding_to: Make):
    url = receiver.url + "/${payload.recordId}"
    writer = webhook(url, method="PUT", qs={"n": "${payload.n}"}, headers={"x-n": "${payload.n}"})
    house = forwarding_to(writer)
    receiver.behave = lambda _: Say(204)
    [got] = _sent(receiver, house, [{"recordId": "a b", "n": 5}])
    assert (got.method, got.path, got.headers["x-n"]) == ("PUT", "/hook/a%20b?n=5", "5")


def test_a_record_that_lacks_what_the_address_names_is_a_dead_letter(
    receiver: Receiver, forwarding_to: Make
):
    house = forwarding_to(webhook(receiver.url + "/${payload.recordId}"))
    _sent(receiver, house, [{"n": 1}, {"recordId": "r", "n": 2}])
    [letter] = house.house.ledger.dead_letters().items
    assert "${payload.recordId} in the uri is missing" in letter.reason
    assert [got.path for got in receiver.got] == ["/hook/r"]


@pytest.mark.parametrize(
    ("format", "body"),
    [("json", b'[{"n":0},{"n":1},{"n":2}]'), ("ndjson", b'{"n":0}\n{"n":1}\n{"n":2}\n')],
)
def test_several_records_in_one_request(
    receiver: Receiver, forwarding_to: Make, format: str, body: bytes
):
    writer = webhook(receiver.url, batchSize=3, batchFormat=format, lanes=1)
    house = forwarding_to(writer)
    first, second = _sent(receiver, house, [{"n": n} for n in range(4)])
    assert first.body == body
    assert len({first.key, second.key}) == 2


def test_of_several_records_that_are_refused_only_the_bad_one_is_dead(
    receiver: Receiver, forwarding_to: Make
):
    def refuse(got: Got) -> Say:
        return Say(400, b"no sevens") if {"n": 7} in got.record else Say()

    receiver.behave = refuse
    house = forwarding_to(webhook(receiver.url, batchSize=10, lanes=1))
    _sent(receiver, house, [{"n": n} for n in range(10)])
    [letter] = house.house.ledger.dead_letters().items
    assert letter.record == '{"n":7}'
    accepted = [record["n"] for got in receiver.accepted for record in got.record]
    assert accepted == [0, 1, 2, 3, 4, 5, 6, 8, 9]


def test_signatures_verify_with_either_key_while_keys_change(receiver: Receiver, tmp_path: Path):
    entry = _secret(tmp_path, "webhookSigning", key=NEW, previousKey=OLD)
    writer = webhook(receiver.url, signing={"secretsWalletEntry": entry})
    with forwarding(tmp_path, writer) as house:
        # The verifier's clock is the real one.
        house.clock.now = house.house.clock()
        [got] = _sent(receiver, house, [{"recordId": "r-1", "value": 1}])
    assert got.headers["webhook-id"] == got.key == "r-1"
    for key in (NEW, OLD):
        assert Webhook(key).verify(got.body, got.headers) == {"recordId": "r-1", "value": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(got.body + b" ", got.headers)


@pytest.mark.parametrize("key", ["short", "whsec_c2hvcnQ=", "whsec_!" + "A" * 40])
def test_a_key_that_is_none_is_refused_without_being_shown(tmp_path: Path, key: str):
    said = Meterhouse(tmp_path / "data").refused(
        *("secret", "create", "--name", "Mine", "--type", "webhookSigning", "--file", "-"),
        given=json.dumps({"key": key}),
    )
    assert "credentials.key: " in said
    assert "openssl rand -base64 32" in said
    assert key not in said


def test_who_sends_it(receiver: Receiver, tmp_path: Path):
    entry = _secret(tmp_path, "basic", username="ann", password="s3cret-word")
    writer = webhook(receiver.url, authType="basic", secretsWalletEntry=entry)
    with forwarding(tmp_path, writer) as house:
        receiver.behave = lambda got: Say(403, b"not you, " + got.headers["authorization"].encode())
        _sent(receiver, house, usage(1))
        [waiting] = house.waiting
    pair = base64.b64encode(b"ann:s3cret-word").decode()
    assert receiver.got[0].headers["authorization"] == f"Basic {pair}"
    assert waiting.error == f'POST {receiver.url} answered 403: "not you, Basic ***"'


def test_one_access_token_serves_all_lanes_and_is_renewed(receiver: Receiver, tmp_path: Path):
    entry = _secret(tmp_path, "oauth2", clientId="me", clientSecret="s3cret-word")
    tokens: list[str] = []

    def behave(got: Got) -> Say:
        if got.path == "/token":
            tokens.append(f"token-{len(tokens)}")
            return Say(200, json.dumps({"access_token": tokens[-1], "expires_in": 600}).encode())
        good = got.headers["authorization"] == f"Bearer {tokens[-1]}"
        if good and got.record["n"] == 30 and len(tokens) == 1:
            tokens.append("withdrawn")
            return Say(401)
        return Say() if good else Say(401)

    receiver.behave = behave
    writer = webhook(
        receiver.url,
        authType="oAuth2",
        secretsWalletEntry=entry,
        oAuth2Authentication={"accessTokenURL": receiver.url.replace("/hook", "/token")},
    )
    with forwarding(tmp_path, writer) as house:
        house.run(usage(60))
        house.deliver_all()
        assert house.house.ledger.dead_letters().items == []
    records = [got for got in receiver.accepted if got.path == "/hook"]
    assert len({got.key for got in records}) == 60
    assert sum(got.path == "/token" for got in receiver.got) == 2


def test_a_secret_that_is_gone_holds_the_records_and_kills_none(receiver: Receiver, tmp_path: Path):
    entry = _secret(tmp_path, "bearer", token="s3cret-word")
    with forwarding(
        tmp_path, webhook(receiver.url, authType="bearer", secretsWalletEntry=entry)
    ) as house:
        house.run(usage(2))

        def gone(_: str) -> Any:
            raise DefinitionError([], what="The secret")

        assert house.deliver(credentials=gone).sent == 0
        assert house.house.ledger.dead_letters().items == []
        house.deliver_all()
    assert len(receiver.accepted) == 2


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirects_are_not_followed(receiver: Receiver, forwarding_to: Make, status: int):
    receiver.behave = lambda _: Say(status, headers={"location": receiver.url + "/other"})
    house = forwarding_to(webhook(receiver.url))
    _sent(receiver, house, usage(1))
    [letter] = house.house.ledger.dead_letters().items
    assert "redirects are not followed" in letter.reason
    assert [got.path for got in receiver.got] == ["/hook"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]", "localhost", "127.1"],
)
def test_addresses_of_this_machine_are_never_called(
    receiver: Receiver, forwarding_to: Make, monkeypatch: pytest.MonkeyPatch, host: str
):
    house = forwarding_to(webhook(f"http://{host}:{receiver.port}/hook"))
    monkeypatch.setenv(HTTP_ALLOW_VARIABLE, "")
    assert _sent(receiver, house, usage(1)) == []
    assert receiver.connections == 0
    [waiting] = house.waiting
    assert (waiting.error or "").startswith("was not sent: ")


def test_what_an_operator_can_mend_holds_the_records_until_it_is_mended(
    receiver: Receiver, forwarding_to: Make, monkeypatch: pytest.MonkeyPatch
):
    house = forwarding_to(webhook(receiver.url))
    house.run(usage(20))
    monkeypatch.setenv(HTTP_ALLOW_VARIABLE, "")
    assert house.deliver().dead == 0
    assert "METERHOUSE_HTTP_ALLOW" in (house.waiting[0].error or "")
    monkeypatch.setenv(HTTP_ALLOW_VARIABLE, "127.0.0.0/8")
    for status in (401, 403, 407):
        receiver.behave = lambda _, status=status: Say(status)
        house.clock.move(7_200)
        assert house.deliver().dead == 0
        assert f"answered {status}" in (house.waiting[0].error or "")
    receiver.behave = lambda _: Say()
    house.clock.move(7_200)
    assert house.deliver().sent == 20
    assert by_meter(receiver.records()) == by_meter(usage(20))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://no-such-host.invalid/", "no-such-host.invalid has no address that could be found"),
        ("https://127.0.0.1:{port}/hook", "127.0.0.1"),
    ],
    ids=["name", "tls"],
)
def test_a_server_that_cannot_be_reached_kills_no_record(
    receiver: Receiver, forwarding_to: Make, url: str, said: str
):
    house = forwarding_to(webhook(url.format(port=receiver.port)))
    house.run(usage(3))
    assert house.deliver().dead == 0
    assert said in (house.waiting[0].error or "")


def test_a_server_that_a_record_has_chosen_is_the_fault_of_the_record(
    receiver: Receiver, forwarding_to: Make, monkeypatch: pytest.MonkeyPatch
):
    house = forwarding_to(webhook("${payload.url}"))
    monkeypatch.setenv(HTTP_ALLOW_VARIABLE, "")
    _sent(receiver, house, [{"url": receiver.url}])
    [letter] = house.house.ledger.dead_letters().items
    assert "not a public address" in letter.reason


BAD = {
    "no uri": ({}, "uri: is missing"),
    "method": ({"uri": "https://a.example", "method": "GET"}, "method: is"),
    "fields in several": (
        {"uri": "https://a.example/${payload.a}", "batchSize": 2},
        "batchSize: is 2, and the request names ${payload.a}",
    ),
    "own header": (
        {"uri": "https://a.example", "headers": {"Webhook-Id": "x"}},
        'headers: have "webhook-id", which is set by itself',
    ),
    "lanes": ({"uri": "https://a.example", "lanes": 0}, "lanes: is 0"),
    "signing": ({"uri": "https://a.example", "signing": {}}, "signing.secretsWalletEntry"),
    "unknown": ({"uri": "https://a.example", "body": "x"}, "body: is not a known field"),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_parameters_are_named(fault: str):
    params, said = BAD[fault]
    reading = Reading(params)
    assert read_params(NODE_TYPES["writers/http"], reading) is None
    assert any(str(problem).startswith(said) for problem in reading.problems), reading.problems


def test_a_run_says_that_the_secret_of_a_writer_is_missing(tmp_path: Path):
    entry = {"secretId": "nobody", "secretType": "webhookSigning"}
    writer = node("Hook", "writers/http", uri="https://a.example")
    writer["params"]["signing"] = {"secretsWalletEntry": entry}
    meterhouse = Meterhouse(tmp_path / "data")
    stream = json.dumps(document(node("C", "readers/counter", max=1), writer))
    meterhouse.import_stream("-", given=stream)
    said = meterhouse("stream", "run", "Small").err
    assert 'params.signing: names the secret "nobody"' in said
