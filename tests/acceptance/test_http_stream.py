"""A whole stream that calls a server: from the command line, and with a secret of the wallet."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meterhouse import bootstrap
from meterhouse.app.running import run_stream
from meterhouse.app.secrets import create_secret
from tests.acceptance.small import document, node, script
from tests.cli.command import Meterhouse
from tests.connectors.http.server import Asked, Reply, Server

RATES = {"SEK": "0.0951", "EUR": "1.08123456789012345678", "GBP": "1.2650"}
FEES = (
    "const fees = [[25, 'SEK'], [10, 'EUR'], [4, 'GBP']];"
    "await push({fee: fees[payload.value - 1][0], currency: fees[payload.value - 1][1]})"
)
SHAPE = "payload.dear = payload.httpResponse.rate > 1; await push(payload)"


def rate(asked: Asked) -> Reply:
    [currency] = asked.query["of"]
    body = f'{{"rate": {RATES[currency]}}}'.encode()
    return Reply(200, body, {"content-type": "application/json"})


@pytest.fixture
def server() -> Iterator[Server]:
    with Server({"/rates": rate}).serving() as serving:
        yield serving


@pytest.fixture
def house(tmp_path: Path) -> Meterhouse:
    return Meterhouse(tmp_path / "data")


def stream(server: Server, out: Path, **params: Any) -> dict[str, Any]:
    request = {"method": "GET", "uri": f"{server.url}/rates", "qs": {"of": "${payload.currency}"}}
    http = node("Rates", "transforms/http", **request | params) | {"schemaVersion": 11}
    last = script(SHAPE) | {"id": "Shape", "name": "Shape"}
    return document(
        node("Count", "readers/counter", max=3),
        script(FEES),
        http,
        last,
        node("Out", "writers/file", path=str(out)),
        more=(node("Log", "writers/log"),),
        edges=("Shape -> Log",),
    )


def test_a_stream_calls_a_server_for_each_record(
    house: Meterhouse, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("METERHOUSE_HTTP_ALLOW", server.host)
    document = stream(server, tmp_path / "{run}.ndjson", errorMode="stop")
    house.import_stream("-", given=json.dumps(document))
    [ran] = house.json("stream", "run", document["name"], "--seed", 1)
    [written] = tmp_path.glob("*.ndjson")
    assert written.read_text("utf-8").splitlines() == [
        '{"fee":25,"currency":"SEK","httpResponse":{"rate":0.0951},"dear":false}',
        '{"fee":10,"currency":"EUR","httpResponse":{"rate":1.08123456789012345678},"dear":true}',
        '{"fee":4,"currency":"GBP","httpResponse":{"rate":1.265},"dear":true}',
    ]
    assert [asked.path for asked in server.asked] == [f"/rates?of={name}" for name in RATES]
    [http] = [n for n in ran["nodes"] if n["name"] == "Rates"]
    assert (http["in"], http["out"]) == (3, {"out": 3})


def test_what_the_operator_does_not_allow_is_not_called(
    house: Meterhouse, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("METERHOUSE_HTTP_ALLOW", raising=False)
    document = stream(server, tmp_path / "{run}.ndjson", errorMode="stop")
    house.import_stream("-", given=json.dumps(document))
    ended = house("stream", "run", document["name"])
    assert ended.code == 1
    assert 'HTTP node "Rates", counter Count:1: GET' in ended.err
    assert "not a public address" in ended.err
    assert "METERHOUSE_HTTP_ALLOW" in ended.err
    assert server.asked == []
    assert list(tmp_path.glob("*.ndjson")) == []


@pytest.mark.parametrize("mode", ["ignore", "emit"])
def test_a_complete_run_says_that_requests_failed(
    house: Meterhouse, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
):
    monkeypatch.delenv("METERHOUSE_HTTP_ALLOW", raising=False)
    document = stream(server, tmp_path / "{run}.ndjson", errorMode=mode)
    document["nodes"] = [n for n in document["nodes"] if n["name"] != "Shape"]
    document["edges"] = [
        {"from": source, "to": target}
        for source, target in (("Count", "Script"), ("Script", "Rates"), ("Rates", "Log"))
    ]
    document["nodes"] = [n for n in document["nodes"] if n["name"] != "Out"]
    house.import_stream("-", given=json.dumps(document))

    ended = house.done("stream", "run", document["name"], "--quiet")

    assert ended.out.splitlines()[3].split()[-1] == "Errors"
    assert "warning: 3 of 3 requests of node 'Rates' failed" in ended.err
    [run] = house.json("run", "list")
    counts = {node["name"]: node.get("errors") for node in run["nodes"]}
    assert counts == {"Count": None, "Script": None, "Rates": 3, "Log": None}
    assert list(run["nodes"][2])[-1] == "errors"


def test_a_list_of_hosts_that_cannot_be_read_is_named(
    house: Meterhouse, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    document = stream(server, tmp_path / "{run}.ndjson")
    house.import_stream("-", given=json.dumps(document))
    monkeypatch.setenv("METERHOUSE_HTTP_ALLOW", "http://x/")
    assert 'METERHOUSE_HTTP_ALLOW has 1 problem:\n  - "http://x/"' in house.refused(
        "stream", "run", document["name"]
    )
    monkeypatch.setenv("METERHOUSE_HTTP_ALLOW", "")
    monkeypatch.setenv("METERHOUSE_HTTP_TIMEOUT", "soon")
    refused = house.refused("stream", "run", document["name"])
    assert 'METERHOUSE_HTTP_TIMEOUT is "soon"' in refused


def test_a_preview_calls_nothing(house: Meterhouse, server: Server, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("METERHOUSE_HTTP_ALLOW", server.host)
    document = stream(server, tmp_path / "x.ndjson", useMockData=True, mockData='{"rate": 2.50}')
    house.import_stream("-", given=json.dumps(document))
    views = {view["id"]: view for view in house.json("stream", "preview", document["name"])}
    assert [record["httpResponse"] for record in views["Rates"]["out"]["out"]] == [
        {"rate": 2.5}
    ] * 3
    assert all(record["dear"] for record in views["Out"]["in"])
    assert server.asked == []


def oauth2(server: Server) -> dict[str, Any]:
    return {
        "authType": "oAuth2",
        "authentication": "password",
        "oAuth2Authentication": {
            "accessTokenURL": f"{server.url}/token",
            "audience": "https://rates.example/",
            "clientAuthentication": "sendInBody",
            "headerPrefix": "Bearer",
        },
        "secretsWalletEntry": {"secretId": "secret-1", "secretType": "oauth2"},
        "errorMode": "stop",
    }


def test_a_secret_of_the_wallet_opens_a_server_that_is_our_own(
    house: Meterhouse, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("METERHOUSE_HTTP_ALLOW", raising=False)
    server.routes["/token"] = lambda asked: Reply.of(
        {"access_token": "t0ken", "expires_in": 3600},
        200 if asked.form["client_secret"] == "s3cret" else 401,
    )
    server.routes["/rates"] = lambda asked: (
        rate(asked)
        if asked.headers.get("authorization") == "Bearer t0ken"
        else Reply(401, str(asked.headers).encode())
    )
    document = stream(server, tmp_path / "{run}.ndjson", **oauth2(server))
    house.import_stream("-", given=json.dumps(document))
    with bootstrap.open_installation(house.data) as installation:
        credentials = {"clientId": "me", "clientSecret": "s3cret"}
        create_secret(
            installation.ledger,
            installation.sealer(),
            {"name": "Rates", "type": "oauth2", "credentials": credentials},
            new_id=lambda: "secret-1",
            at=installation.clock(),
        )
        lines: list[str] = []
        means = installation.means(log=lambda *line: lines.append(str(line)), own_urls=[server.url])
        ended = run_stream(
            installation.ledger, document["name"], means=means, run_id="r1", seed=1, at=None
        )
    assert ended.error is None
    assert (server.count("/token"), server.count("/rates")) == (1, 3)
    assert len((tmp_path / "r1.ndjson").read_text("utf-8").splitlines()) == 3
    kept = b"".join(path.read_bytes() for path in house.data.rglob("*") if path.is_file())
    assert b"s3cret" not in kept
    assert b"t0ken" not in kept
    assert "s3cret" not in str(lines)


def test_a_run_without_the_secret_says_what_to_do(
    house: Meterhouse, server: Server, tmp_path: Path
):
    document = stream(server, tmp_path / "x.ndjson", **oauth2(server))
    house.import_stream("-", given=json.dumps(document))
    err = house("stream", "run", document["name"]).err
    assert 'node "Rates" (transforms/http, id Rates): names the secret "secret-1": ' in err
    assert "meterhouse secret" in err
    assert server.asked == []
