"""Parameters of HTTP nodes in all their versions, and the requests that they make of records."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meterhouse.core.json_text import parse_json
from meterhouse.core.problem import DefinitionError, NotFoundError
from meterhouse.core.reading import Reading
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.graph import load_graph, read_graph
from meterhouse.streams.nodes import http
from meterhouse.streams.nodes.http import ErrorMode, HttpParams
from meterhouse.streams.nodes.http_request import UnfitRecord
from meterhouse.streams.ports import BasicAuth, BearerAuth, HttpRequest, OAuth2Auth
from meterhouse.streams.preview import preview
from meterhouse.streams.world import Services
from tests.streams.documents import chain, facts, node, noop, run
from tests.streams.twins import Files, Snapshot, Spools

URI = "https://api.example/v1"
OAUTH2 = {"accessTokenURL": "https://api.example/token", "clientAuthentication": "sendInBody"}


def params(**given: Any) -> HttpParams:
    reading = Reading({"uri": URI} | given)
    read = http.TYPE.read(reading)
    assert not reading.problems
    assert isinstance(read, HttpParams)
    return read


def made(record: dict[str, Any], **given: Any) -> HttpRequest:
    return params(**given).request.request(record, None)


def faults(**given: Any) -> list[str]:
    reading = Reading({"uri": URI} | given)
    assert http.TYPE.read(reading) is None
    return [str(problem) for problem in reading.problems]


# ---------------------------------------------------------------- requests


@pytest.mark.parametrize(
    "qs",
    [
        {"name": "${payload.name}", "of": "a b"},
        [{"key": "name", "value": "@{payload.name}"}, {"key": "of", "value": "a b"}],
        [{"key": "name", "value": "${payload.name}"}, {}, {"key": "of", "value": "a b"}],
    ],
)
def test_the_query_is_an_object_or_a_list(qs):
    assert made({"name": "x & y/ö"}, qs=qs).url == f"{URI}?name=x%20%26%20y%2F%C3%B6&of=a%20b"


def test_a_query_joins_one_that_the_uri_has_already():
    assert made({}, uri=f"{URI}?a=1#top", qs={"b": 2}).url == f"{URI}?a=1&b=2"
    assert made({}, uri=f"{URI}?", qs={"b": True}).url == f"{URI}?b=true"


def test_values_in_the_uri_are_percent_encoded():
    uri = f"{URI}/meters/${{payload.id}}/@{{payload.n.of}}?q=${{payload.none}}"
    record = {"id": "a/b?c#d", "n": {"of": Decimal("1.50")}}
    assert made(record, uri=uri).url == f"{URI}/meters/a%2Fb%3Fc%23d/1.5?q="


def test_a_uri_that_is_one_placeholder_is_taken_as_it_is():
    url = "https://other.example/x?y=1"
    assert made({"url": url}, uri="${payload.url}", qs={"z": "2"}).url == f"{url}&z=2"


@pytest.mark.parametrize("value", [None, "", ".", "..", "../../x", "a/.."])
def test_a_value_cannot_turn_the_uri_into_another_one(value):
    request = params(method="DELETE", uri=f"{URI}/meters/${{payload.id}}").request
    if value in ("../../x", "a/.."):
        assert request.url({"id": value}).startswith(f"{URI}/meters/")
        assert request.url({"id": value}).count("/") == 5
    else:
        with pytest.raises(UnfitRecord):
            request.url({"id": value})


@pytest.mark.parametrize(
    ("body", "sent", "type_"),
    [
        ("${payload.o}", b'{"n":0.1,"big":12345678901234567890.123}', "application/json"),
        ("${payload.n}", b"0.1", "application/json"),
        ("${payload.t}", b'say "hi"', "text/plain; charset=utf-8"),
        ("${payload.j}", b'{"a": 1.0}', "application/json"),
        ('{"n": ${payload.n}}', b'{"n": 0.1}', "application/json"),
        ('{"n": "${payload.n}"}', b'{"n": "0.1"}', "application/json"),
        ('{"t": "<${payload.t}>"}', b'{"t": "<say \\"hi\\">"}', "application/json"),
        ('{"t": ${payload.t}}', b'{"t": "say \\"hi\\""}', "application/json"),
        ('{"\\"": "@{payload.t}"}', b'{"\\"": "say \\"hi\\""}', "application/json"),
        ("[${payload.none},${payload.o.n}]", b"[null,0.1]", "application/json"),
        ({"n": "${payload.n}", "x": ["${payload.t}!"]}, None, "application/json"),
        ("n is ${payload.n}", b"n is 0.1", "text/plain; charset=utf-8"),
        ("fixed", b"fixed", "text/plain; charset=utf-8"),
    ],
)
def test_bodies_are_exact_and_stay_what_they_are(body, sent, type_):
    record = {
        "o": {"n": Decimal("0.10"), "big": Decimal("12345678901234567890.123")},
        "n": Decimal("0.10"),
        "t": 'say "hi"',
        "j": '{"a": 1.0}',
    }
    request = made(record, method="POST", body=body)
    if sent is None:
        sent = b'{"n":0.1,"x":["say \\"hi\\"!"]}'
    assert (request.body, request.headers) == (sent, {"content-type": type_})


def test_the_whole_record_is_its_json():
    record = {"z": 1, "a": [Decimal("2.50"), None]}
    assert made(record, method="PUT", body="${payload}").body == b'{"z":1,"a":[2.5,null]}'


def test_a_form_is_encoded_as_a_form():
    headers = [{"key": "Content-Type", "value": "application/x-www-form-urlencoded"}]
    request = made({"a": "1&b=2"}, method="POST", headers=headers, body="a=${payload.a}")
    assert request.body == b"a=1%26b%3D2"
    assert request.headers == {"content-type": "application/x-www-form-urlencoded"}


def test_a_request_without_a_body_to_send_is_not_made():
    with pytest.raises(UnfitRecord, match=r"\$\{payload\.meter\} is missing"):
        made({}, method="POST", body="${payload.meter}")
    assert made({}, method="GET", body="${payload.meter}").body is None


def test_a_value_cannot_begin_a_header_of_its_own():
    assert made({"x": 5}, headers={"X-Id": "n ${payload.x}"}).headers == {"x-id": "n 5"}
    with pytest.raises(UnfitRecord, match="x-id"):
        made({"x": "5\r\nHost: y"}, headers={"X-Id": "${payload.x}"})


# ---------------------------------------------------------------- what else is read


def test_the_stored_error_modes():
    modes = {
        mode: params(errorMode=mode).error_mode for mode in ("defer", "ignore", "emit", "stop")
    }
    assert modes == {
        "defer": ErrorMode.IGNORE,
        "ignore": ErrorMode.IGNORE,
        "emit": ErrorMode.EMIT,
        "stop": ErrorMode.STOP,
    }
    assert params().error_mode is ErrorMode.IGNORE


def test_retries_count_only_where_it_should_retry():
    assert params(retries=12, shouldRetry=True).retries == 12
    assert params(retries=12, shouldRetry=False).retries == 0
    assert params(shouldRetry=True).retries == 1


def test_side_by_side_only_where_that_is_on():
    assert params(maxConcurrentRequests=7).concurrent == 1
    assert params(maxConcurrentRequests=7, enableParallelProcessing=True).concurrent == 7
    assert params(enableParallelProcessing=True).concurrent == 20


def test_the_cache_is_off_unless_used_and_lasts_300_seconds():
    assert params().cache is None
    cache = params(useCache=True).cache
    assert cache is not None
    assert cache.seconds == 300
    assert params(useCache=True, cacheSeconds=0).cache is None


def test_the_cache_key_is_the_address_of_a_get_or_what_is_given():
    cache = params(useCache=True).cache
    keyed = params(useCache=True, cacheKey="${payload.a}-@{payload.b}").cache
    assert cache is not None and keyed is not None
    get, post = HttpRequest("GET", "u?1"), HttpRequest("POST", "u?1")
    assert (
        cache.key_of({}, get)
        == cache.key_of({"a": 1}, get)
        != cache.key_of({}, HttpRequest("GET", "u?2"))
    )
    assert cache.key_of({}, post) is None
    assert keyed.key_of({"a": 1, "b": "1"}, post) != keyed.key_of({"a": "1", "b": 1}, post)
    # What is absent tells nothing apart: such a request is always sent.
    assert keyed.key_of({"a": 1}, get) is None


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"uri": ""}, "uri: is missing"),
        ({"uri": "ftp://x/"}, 'uri: is "ftp://x/" (begin it with https://'),
        ({"uri": "${payload.base}/x"}, 'uri: is "${payload.base}/x" (begin it with https://'),
        ({"uri": "https://x/a b"}, 'uri: is "https://x/a b" and has a space'),
        ({"uri": "https://x/${payload.a"}, "no placeholder such as"),
        ({"method": "FETCH"}, 'method: is "FETCH"'),
        ({"qs": 5}, "qs: is 5, not a list"),
        ({"qs": [5]}, "qs[0]: is 5"),
        ({"qs": [{"value": "x"}]}, "qs[0]: is"),
        ({"headers": {"a b": "x"}}, 'headers: have the name "a b"'),
        ({"headers": {"Host": "x"}}, 'headers: have "Host"'),
        ({"body": "${nonsense}"}, "body: is"),
        ({"authType": "digest"}, 'authType: is "digest" (use one of none, basic, bearer, oAuth2)'),
        ({"authType": "oAuth2"}, "oAuth2Authentication.accessTokenURL: is missing"),
        (
            {"authType": "oAuth2", "oAuth2Authentication": OAUTH2, "authentication": "implicit"},
            'authentication: is "implicit"',
        ),
        (
            {"authType": "basic", "secretsWalletEntry": {"secretId": 5}},
            "secretsWalletEntry.secretId",
        ),
        ({"errorMode": "panic"}, 'errorMode: is "panic" (use one of defer, ignore, emit, stop)'),
        ({"retries": 13}, "retries: is 13 (use a whole number from 0 to 12)"),
        ({"cacheSeconds": -1}, "cacheSeconds: is -1"),
        ({"cacheKey": "${x}"}, "cacheKey: is"),
        ({"maxConcurrentRequests": 0}, "maxConcurrentRequests: is 0"),
        ({"useCache": "yes"}, 'useCache: is "yes"'),
    ],
)
def test_what_is_wrong_is_named(given, fault):
    found = faults(**given)
    assert any(fault in text for text in found), found


def test_all_that_is_wrong_is_named_at_once():
    found = faults(uri="x", method="FETCH", retries=99, errorMode="panic", authType="digest")
    assert [text.partition(":")[0] for text in found] == [
        "method",
        "uri",
        "authType",
        "errorMode",
        "retries",
    ]


def test_other_versions_are_refused():
    stream = chain(
        node("c", "readers/counter", max=1), node("h", "transforms/http", uri=URI), noop()
    )
    _, found = read_graph(stream)
    assert any("9 and 11 and 15 is understood" in problem.hint for problem in found)


# ---------------------------------------------------------------- secrets

WALLET = {
    "cc": Credentials(SecretType.OAUTH2, {"clientId": "id", "clientSecret": "cs"}),
    "pw": Credentials(
        SecretType.OAUTH2,
        {"clientId": "id", "clientSecret": "cs", "username": "ann", "password": "p"},
    ),
    "basic": Credentials(SecretType.BASIC, {"username": "ann", "password": "p"}),
    "bearer": Credentials(SecretType.BEARER, {"token": "t"}),
}


def wallet(id: str) -> Credentials:
    if id not in WALLET:
        raise NotFoundError("there is no such secret")
    return WALLET[id]


def services(**more: Any) -> Services:
    return Services(Files({}), Spools(), credentials=wallet, **more)


def entry(id: str) -> dict[str, Any]:
    return {"secretsWalletEntry": {"secretId": id, "secretType": "any"}}


def oauth2(**more: Any) -> dict[str, Any]:
    return {"authType": "oAuth2", "oAuth2Authentication": OAUTH2} | more


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"authType": "none"} | entry("basic"), None),
        ({"authType": "basic"} | entry("basic"), BasicAuth("ann", "p")),
        ({"authType": "bearer"} | entry("bearer"), BearerAuth("t")),
        (oauth2(**entry("cc")), OAuth2Auth(OAUTH2["accessTokenURL"], "id", "cs")),
        # The helper streams say password and are used with client credentials.
        (
            oauth2(authentication="password", **entry("cc")),
            OAuth2Auth(OAUTH2["accessTokenURL"], "id", "cs"),
        ),
        (
            oauth2(authentication="password", **entry("pw")),
            OAuth2Auth(
                OAUTH2["accessTokenURL"], "id", "cs", grant="password", username="ann", password="p"
            ),
        ),
    ],
)
def test_credentials_come_from_the_wallet(given, expected):
    assert params(**given).auth.resolve(services()) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (oauth2(), "needs a secret of type oauth2, and names none"),
        ({"authType": "bearer"}, "needs a secret of type bearer, and names none"),
        (
            {
                "authType": "basic",
                "basicAuthentication": {"username": "u", "password": {"value": ""}},
            },
            "needs a secret of type basic",
        ),
        (oauth2(**entry("gone")), 'names the secret "gone": there is no such secret'),
        (oauth2(**entry("basic")), 'names the secret "basic", of type basic'),
    ],
)
def test_a_secret_that_is_missing_or_wrong_is_an_obstacle(given, said):
    problem = params(**given).auth.obstacle(services())
    assert problem is not None
    assert problem.message.startswith(said)
    assert "stream import" in problem.hint or "--secret" in problem.hint


def http_node(id: str, **given: Any) -> dict[str, Any]:
    return node(id, "transforms/http", **{"uri": URI} | given) | {"schemaVersion": 15}


def counter() -> dict[str, Any]:
    return node("in", "readers/counter", max=2)


def test_a_run_names_all_nodes_that_lack_a_secret_before_anything_is_sent():
    first, second = http_node("First", **oauth2()), http_node("Second", authType="bearer")
    stream = chain(counter(), first, http_node("Open"), second, noop())
    with pytest.raises(DefinitionError) as caught:
        run(stream, services=services())
    assert [problem.place for problem in caught.value.problems] == [
        'node "First" (transforms/http, id First)',
        'node "Second" (transforms/http, id Second)',
    ]
    assert "--secret" in str(caught.value)


@pytest.mark.parametrize("kind", ["basic", "none", "bearer"])
@pytest.mark.parametrize("password", ["s3cret", {"value": "s3cret"}, {"secret": True, "value": 7}])
def test_a_password_in_a_document_is_refused_and_not_shown(kind: str, password: Any):
    given = {"authType": kind, "basicAuthentication": {"username": "u", "password": password}}
    _, problems = read_graph(chain(counter(), http_node("h", **given), noop()))
    [problem] = problems
    assert problem.place.endswith("basicAuthentication.password")
    assert "--secret" in problem.hint
    assert "s3cret" not in str(problem)


# ---------------------------------------------------------------- preview


def previewed(**given: Any) -> list[dict[str, Any]]:
    views = preview(
        load_graph(chain(counter(), http_node("h", **given), noop())),
        facts(),
        snapshot=Snapshot(),
        services=services(),
    )
    return next(view for view in views if view.id == "h").out["out"]


def test_a_preview_says_what_it_does_not_call():
    [first, _] = previewed(**oauth2(uri=f"{URI}/${{payload.value}}?key=s3cret", method="DELETE"))
    note = first["httpResponse"]["preview"]
    assert note.startswith(f"DELETE {URI}/1 was not sent: a preview calls no server; ")
    assert "s3cret" not in note


@pytest.mark.parametrize("mock", ['{"rate": 0.10}', {"rate": Decimal("0.10")}])
def test_a_preview_shows_mock_data(mock):
    out = previewed(useMockData=True, mockData=mock, useResponseHeaderKey=True)
    assert out[1] == {
        "value": 2,
        "httpResponse": {"rate": Decimal("0.10")},
        "httpResponseHeaders": {},
    }
    assert "preview" in previewed(useMockData=False, mockData=mock)[0]["httpResponse"]


# ---------------------------------------------------------------- real exports

FOLDER = Path(os.environ.get("METERHOUSE_TEST_DATA", ""), "reference", "stream_graphs")
HELPERS = (
    "botbot-ai-assist__provisioning-meter-types",
    "botbot-ai-assist__provisioning-meters",
    "botbot-ai-assist__purge-meters",
    "printing-as-a-service-with-metering__provisioning-meter-types",
    "printing-as-a-service-with-metering__provisioning-meters",
    "printing-as-a-service-with-metering__purge-meters",
)
needs_exports = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="METERHOUSE_TEST_DATA does not name a folder with stream_graphs"
)


@needs_exports
@pytest.mark.parametrize("name", HELPERS)
def test_the_helper_streams_are_read_and_say_which_nodes_need_a_secret(name):
    text = (FOLDER / f"{name}.json").read_text("utf-8")
    graph, found = read_graph(parse_json(text))
    assert not found
    assert graph is not None
    calling = [n for n in graph.nodes if isinstance(n.params, HttpParams)]
    stored = [n for n in json.loads(text)["nodes"] if n["type"] == "transforms/http"]
    assert len(calling) == len(stored) > 0
    lacking = {n.name for n in calling if n.params.obstacles(services())}
    assert lacking == {n["name"] for n in stored}


@needs_exports
def test_the_newest_version_is_read_in_the_export_that_has_it():
    [path] = FOLDER.glob("data-enrichment*.json")
    [stored] = [
        n
        for n in parse_json(path.read_text("utf-8"))["nodes"]
        if n["type"] == "transforms/http" and n["schemaVersion"] == 15
    ]
    reading = Reading(stored["params"])
    read = http.TYPE.read(reading)
    assert not reading.problems
    assert isinstance(read, HttpParams)
    url = read.request.url({"Currency": "SEK"})
    assert url.endswith("/rates?base=SEK&symbols=USD")
    assert (read.error_mode, read.concurrent) == (ErrorMode.EMIT, 1)
