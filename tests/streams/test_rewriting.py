"""Documents that come from elsewhere call this API and use a secret of this wallet."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from meterhouse.core.problem import DefinitionError
from meterhouse.streams.rewriting import with_api_base, with_secret

BASE = "http://127.0.0.1:8080"
OAUTH = {
    "accessTokenURL": "https://api.digitalroute.io/authentication/v1/oauth/token",
    "audience": "https://api.digitalroute.io/",
    "clientAuthentication": "sendInBody",
}


def http(uri: str, **oauth: Any) -> dict[str, Any]:
    params = {"method": "GET", "uri": uri, "authType": "oAuth2", "oAuth2Authentication": oauth}
    return {"id": "h", "type": "transforms/http", "params": params}


def moved(*nodes: dict[str, Any], base: str = BASE) -> list[dict[str, Any]]:
    return [n["params"] for n in with_api_base({"nodes": list(nodes)}, base)[0]["nodes"]]


def test_the_three_addresses_of_a_node_are_moved():
    uri = "https://api.digitalroute.io/usage-metering/v1/meters/${payload.meter.id}"
    [params] = moved(http(uri, **OAUTH), base=BASE + "/")
    assert params["uri"] == BASE + "/usage-metering/v1/meters/${payload.meter.id}"
    assert params["oAuth2Authentication"] == {
        "accessTokenURL": BASE + "/authentication/v1/oauth/token",
        "audience": BASE + "/",
        "clientAuthentication": "sendInBody",
    }


def test_the_american_base_and_one_that_the_document_shows_are_known():
    us = http("https://api.us.digitalroute.io/usage-metering/v1/meters")
    own = http(
        "https://mh.example:8443/prefix/usage-metering/v1/meters",
        audience="https://mh.example:8443/prefix",
    )
    first, second = moved(us, own)
    assert first["uri"] == BASE + "/usage-metering/v1/meters"
    assert second["uri"] == BASE + "/usage-metering/v1/meters"
    assert second["oAuth2Authentication"]["audience"] == BASE


@pytest.mark.parametrize(
    "uri",
    [
        "https://api.digitalroute.io.evil.example/usage",
        "https://ingress.digitalroute.io/x/rates",
        "${payload.uri}",
    ],
)
def test_other_addresses_stay(uri: str):
    document = {"nodes": [http(uri)]}
    assert with_api_base(document, BASE) == (document, 0)


def test_what_comes_in_is_not_changed_and_other_nodes_are_the_same():
    node = http("https://api.digitalroute.io/usage-metering/v1/meters")
    script = {"id": "s", "type": "transforms/script", "params": {"uri": OAUTH["audience"]}}
    document = {"name": "a", "nodes": [node, script], "edges": []}
    before = json.dumps(document)
    after, count = with_api_base(document, BASE)
    assert json.dumps(document) == before
    assert (count, after["nodes"][1], list(after)) == (1, script, list(document))


def test_a_base_that_is_no_address_is_refused():
    with pytest.raises(DefinitionError, match='apiBase: is "localhost:80"'):
        with_api_base({"nodes": []}, "localhost:80")


def test_the_secret_is_chosen_for_oauth_nodes_only():
    basic = {"id": "b", "type": "transforms/http", "params": {"authType": "basic"}}
    document, count = with_secret({"nodes": [http("x"), basic]}, "s-1")
    assert count == 1
    chosen = [node["params"].get("secretsWalletEntry") for node in document["nodes"]]
    assert chosen == [{"secretId": "s-1", "secretType": "oauth2"}, None]


def test_a_basic_secret_takes_the_place_of_a_password_in_the_document():
    basic = {
        "id": "b",
        "type": "transforms/http",
        "params": {
            "authType": "basic",
            "basicAuthentication": {"username": "u", "password": {"value": "p"}},
        },
    }
    document, count = with_secret({"nodes": [http("x"), basic]}, "s-1", kind="basic")
    assert count == 1
    params = document["nodes"][1]["params"]
    assert params["secretsWalletEntry"] == {"secretId": "s-1", "secretType": "basic"}
    assert params["basicAuthentication"] == {"username": "u"}
    assert "secretsWalletEntry" not in document["nodes"][0]["params"]


@pytest.mark.parametrize(
    "document", [{}, {"nodes": 5}, {"nodes": [7, {"type": "transforms/http"}]}]
)
def test_what_is_no_stream_is_left_to_the_checks_that_come_after(document: dict[str, Any]):
    assert with_api_base(document, BASE) == (document, 0)
    assert with_secret(document, "s") == (document, 0)


DATA = os.environ.get("METERHOUSE_TEST_DATA")


@pytest.mark.skipif(DATA is None, reason="METERHOUSE_TEST_DATA is not set")
def test_no_address_of_the_original_is_left_in_real_setup_streams():
    assert DATA is not None
    changed = 0
    for file in sorted((Path(DATA) / "reference" / "stream_graphs").glob("*.json")):
        document, count = with_api_base(json.loads(file.read_text("utf-8")), BASE)
        changed += count
        for node in document["nodes"]:
            if node["type"] == "transforms/http":
                assert "//api.digitalroute.io" not in json.dumps(node["params"])
    assert changed >= 12
