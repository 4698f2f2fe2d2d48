"""HTTP nodes in a run, against a real server: what records become, and how often it is asked."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from meterhouse.connectors.http import HttpClient
from meterhouse.core.json_text import Record, json_text, parse_json
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.nodes.http import HttpCallFailed
from meterhouse.streams.nodes.http_answer import PAUSE_MAX
from meterhouse.streams.record import RunResult
from meterhouse.streams.world import Services
from tests.connectors.http.server import Asked, Reply, Server, in_turn
from tests.streams.documents import chain, counts, node, reader, run
from tests.streams.twins import Files, Spools

SECRETS = {"pw": Credentials(SecretType.BASIC, {"username": "ann", "password": "s3cret"})}


@dataclass
class Called:
    """A run of records through one HTTP node."""

    records: list[Record]
    result: RunResult

    @property
    def responses(self) -> list[Any]:
        return [record.get("httpResponse") for record in self.records]

    @property
    def warnings(self) -> list[str]:
        return [text for _, level, text in self.result.log if level == "warning"]


class World:
    """Runs HTTP nodes; time passes only where a node waits for it."""

    def __init__(self, client: HttpClient) -> None:
        self.client = client
        self.seconds = 0

    def wait(self, seconds: int) -> None:
        self.seconds += seconds

    def __call__(self, records: list[Record], **params: Any) -> Called:
        spools = Spools()
        services = Services(
            Files({"usage.ndjson": records}),
            spools,
            http=self.client,
            credentials=SECRETS.__getitem__,
            wait=self.wait,
            stopwatch=lambda: self.seconds,
        )
        http = node("Rates", "transforms/http", **params) | {"schemaVersion": 15}
        stream = chain(reader(), http, node("out", "writers/file", path="out.ndjson"))
        result = run(stream, services=services)
        counted = counts(result, "Rates")
        # Requests that failed are counted beside: their records go on.
        assert counted.pop("errors", 1) > 0
        assert counted == {"in": len(records), "out": {"out": len(records)}}
        return Called(spools.opened["out"].records, result)


@pytest.fixture
def world(calling: Callable[..., HttpClient]) -> World:
    return World(calling())


def numbered(count: int) -> list[Record]:
    return [{"n": n} for n in range(count)]


def echo(asked: Asked) -> Reply:
    return Reply(200, asked.body, {"content-type": asked.headers.get("content-type", "")})


# ---------------------------------------------------------------- answers


def test_numbers_stay_exact_there_and_back(serve, world: World):
    server = serve({"*": echo})
    text = '{"a":0.1,"b":12345678901234567890.123456789012345678,"c":[1,{"d":-0.000001}]}'
    called = world([parse_json(text)], method="POST", uri=server.url, body="${payload}")
    assert server.asked[0].body == text.encode()
    assert called.responses == [parse_json(text)]
    assert json_text(called.responses[0]) == text
    assert isinstance(called.responses[0]["a"], Decimal)


@pytest.mark.parametrize(
    ("body", "type_", "value"),
    [
        (b'{"rate": 1.0}', "application/json", {"rate": 1}),
        (b'{"rate": 1.0}', "application/problem+json; charset=utf-8", {"rate": 1}),
        (b"[1]", "", [1]),
        (b"not json", "application/json", "not json"),
        (b"NaN", "application/json", "NaN"),
        (b'{"a": 1}', "text/plain", '{"a": 1}'),
        ("grün".encode("latin-1"), "text/plain; charset=iso-8859-1", "grün"),
        (b"\xff", "text/plain; charset=nonsense", "�"),
        (b"", "application/json", None),
    ],
)
def test_an_answer_is_json_where_it_is_json_and_else_text(serve, world, body, type_, value):
    server = serve({"*": lambda _: Reply(200, body, {"content-type": type_} if type_ else {})})
    assert world([{}], uri=server.url).responses == [value]


def test_headers_go_along_where_they_are_asked_for(serve, world: World):
    server = serve({"*": lambda _: Reply.of(1, X_Page="2")})
    [with_headers] = world([{"n": 1}], uri=server.url, useResponseHeaderKey=True).records
    assert with_headers["httpResponseHeaders"]["x-page"] == "2"
    assert world([{"n": 1}], uri=server.url).records == [{"n": 1, "httpResponse": 1}]


# ---------------------------------------------------------------- errors


def test_an_ignored_error_lets_the_record_go_on_as_it_is(serve, world: World):
    server = serve({"/0": lambda _: Reply.of({"ok": 1}), "*": lambda _: Reply.of({"no": 1}, 404)})
    records = [record | {"httpResponse": "of an earlier node"} for record in numbered(2)]
    uri = f"{server.url}/${{payload.n}}?key=s3cret"
    called = world(records, uri=uri, errorMode="defer")
    assert called.records == [{"n": 0, "httpResponse": {"ok": 1}}, {"n": 1}]
    assert called.warnings == [f'usage.ndjson:2: GET {server.url}/1 answered 404: "{{"no": 1}}"']


def test_many_ignored_errors_are_told_of_at_first_and_then_counted(serve, world: World):
    server = serve({"*": lambda _: Reply(500, b"")})
    warnings = world(numbered(25), uri=server.url).warnings
    assert len(warnings) == 21
    assert warnings[-1] == "25 requests failed in all"
    assert warnings[0].endswith("answered 500 and said nothing")


def test_an_emitted_error_is_the_response(serve, world: World):
    server = serve({"*": lambda _: Reply.of({"code": 1.50}, 422)})
    uri = f"{server.url}/x?key=s3cret"
    assert world([{}], uri=uri, errorMode="emit").responses == [
        {
            "error": {
                "status": 422,
                "message": f'GET {server.url}/x answered 422: "{{"code": 1.5}}"',
                "response": {"code": Decimal("1.5")},
            }
        }
    ]


def test_an_error_without_an_answer_has_no_status(world: World, calling):
    world.client = calling("192.0.2.1:1")
    [response] = world([{}], uri="http://127.0.0.1:9/", errorMode="emit").responses
    assert response["error"]["status"] is None
    assert "127.0.0.1: not a public address" in response["error"]["message"]


def test_a_stop_names_node_record_url_status_and_the_beginning_of_the_answer(serve, world: World):
    routes = {"/2": lambda _: Reply(403, b"no s3cret " + b"x" * 500)}
    server = serve(routes | {"*": lambda _: Reply.of(1)})
    uri = f"{server.url}/${{payload.n}}?key=s3cret"
    more = {"authType": "basic", "secretsWalletEntry": {"secretId": "pw", "secretType": "basic"}}
    with pytest.raises(HttpCallFailed) as caught:
        world(numbered(9), uri=uri, errorMode="stop", **more)
    message = caught.value.args[0]
    assert message.startswith(
        f'HTTP node "Rates", usage.ndjson:3: GET {server.url}/2 answered 403: "no *** xxx'
    )
    assert message.endswith('x..."')
    assert message.count("x" * 193) == 1 and "x" * 194 not in message
    assert len(server.asked) == 3
    assert "s3cret" not in f"{caught.value!r} {caught.value}"


def test_a_record_that_makes_no_request_is_an_error_like_others(serve, world: World):
    server = serve({"*": lambda _: Reply.of(1)})
    uri = f"{server.url}/meters/${{payload.id}}"
    called = world([{"id": "a"}, {}, {"id": ".."}], method="DELETE", uri=uri)
    assert called.responses == [1, None, None]
    assert [a.path for a in server.asked] == ["/meters/a"]
    assert "${payload.id} in the uri is missing or empty" in called.warnings[0]


# ---------------------------------------------------------------- trying again


def test_a_server_that_recovers_is_asked_until_it_answers(serve, world: World):
    answers = [Reply(503, b""), Reply(500, b""), Reply(429, b""), Reply.of("good")]
    server = serve({"*": in_turn(*answers)})
    called = world([{}], uri=server.url, shouldRetry=True, retries=3)
    assert called.responses == ["good"]
    assert world.seconds == 1 + 2 + 4


def test_a_dropped_connection_is_tried_again(serve, world: World):
    drop = Reply(raw=lambda sock: sock.shutdown(2))
    server = serve({"*": in_turn(drop, Reply.of("good"))})
    assert world([{}], uri=server.url, shouldRetry=True, retries=1).responses == ["good"]


def test_twelve_retries_take_about_68_minutes(serve, world: World):
    server = serve({"*": lambda _: Reply(503, b"")})
    called = world([{}], uri=server.url, shouldRetry=True, retries=12)
    assert len(server.asked) == 13
    assert round(world.seconds / 60) == 68
    assert len(called.warnings) == 1


def test_what_will_not_get_better_is_not_tried_again(serve, world: World):
    server = serve({"*": lambda _: Reply(400, b"")})
    world([{}], uri=server.url, shouldRetry=True, retries=12)
    world([{}], uri="http://10.0.0.1/", shouldRetry=True, retries=12)
    assert (len(server.asked), world.seconds) == (1, 0)


def test_without_retries_one_try_is_all(serve, world: World):
    server = serve({"*": lambda _: Reply(503, b"")})
    world([{}], uri=server.url, retries=12)
    assert len(server.asked) == 1


def test_the_pause_that_a_server_asks_for_is_kept(serve, world: World):
    busy = Reply(503, b"", {"retry-after": "77"})
    server = serve({"*": in_turn(busy, Reply.of("good"))})
    assert world([{}], uri=server.url, shouldRetry=True, retries=1).responses == ["good"]
    assert world.seconds == 77


def test_a_pause_beyond_all_patience_is_an_error_at_once(serve, world: World):
    server = serve({"*": lambda _: Reply(503, b"", {"retry-after": str(PAUSE_MAX + 1)})})
    world([{}], uri=server.url, shouldRetry=True, retries=12)
    assert (len(server.asked), world.seconds) == (1, 0)


# ---------------------------------------------------------------- the cache


def rates(serve: Callable[..., Server], *, status: int = 200) -> Server:
    return serve({"/rates": lambda asked: Reply.of({"of": asked.query["base"][0]}, status)})


def currencies(*names: str) -> list[Record]:
    return [{"cur": name} for name in names]


QS = [{"key": "base", "value": "${payload.cur}"}]


def test_the_same_address_is_asked_once(serve, world: World):
    server = rates(serve)
    given = currencies("SEK", "EUR", "SEK", "SEK", "EUR")
    called = world(given, uri=f"{server.url}/rates", qs=QS, useCache=True)
    assert [r["of"] for r in called.responses] == ["SEK", "EUR", "SEK", "SEK", "EUR"]
    assert server.count("/rates") == 2


def test_without_the_cache_each_record_asks_and_each_run_has_its_own(serve, world: World):
    server = rates(serve)
    given = currencies("SEK", "SEK")
    world(given, uri=f"{server.url}/rates", qs=QS)
    assert server.count("/rates") == 2
    for _ in range(2):
        world(given, uri=f"{server.url}/rates", qs=QS, useCache=True)
    assert server.count("/rates") == 4


def test_one_thread_asks_for_all_that_want_the_same(serve, world: World):
    server = rates(serve)
    given = currencies(*"ABCD" * 25)
    called = world(
        given,
        uri=f"{server.url}/rates",
        qs=QS,
        useCache=True,
        enableParallelProcessing=True,
        maxConcurrentRequests=16,
    )
    assert [r["of"] for r in called.responses] == [*"ABCD" * 25]
    assert server.count("/rates") == 4


def test_a_key_of_its_own_decides_what_is_the_same(serve, world: World):
    server = serve({"*": echo})
    given = [{"k": 1, "n": n} for n in range(3)] + [{"n": 7}, {"n": 8}]
    params = {"method": "POST", "uri": server.url, "body": "${payload.n}", "useCache": True}
    assert world(given, cacheKey="${payload.k}", **params).responses == [0, 0, 0, 7, 8]
    # Without one, only GET is remembered.
    assert world(given, **params).responses == [0, 1, 2, 7, 8]


def test_what_was_remembered_ends_in_its_time(serve, world: World):
    hiccup = Reply(503, b"", {"retry-after": "10"})
    server = serve({"/a": lambda _: Reply.of("a"), "/b": in_turn(hiccup, Reply.of("b"))})
    # The second record takes ten seconds, in which the first answer grows old.
    for seconds, asked in ((11, 1), (10, 2)):
        server.routes["/b"] = in_turn(hiccup, Reply.of("b"))
        server.asked.clear()
        given = [{"p": "a"}, {"p": "b"}, {"p": "a"}]
        uri = f"{server.url}/${{payload.p}}"
        more = {"useCache": True, "cacheSeconds": seconds, "shouldRetry": True}
        assert world(given, uri=uri, **more).responses == ["a", "b", "a"]
        assert server.count("/a") == asked


def test_errors_are_not_remembered(serve, world: World):
    server = rates(serve, status=500)
    world(currencies("SEK", "SEK"), uri=f"{server.url}/rates", qs=QS, useCache=True)
    assert server.count("/rates") == 2


# ---------------------------------------------------------------- side by side


def test_answers_stay_in_the_order_of_records(serve, world: World):
    chance = random.Random(7)
    pauses = [chance.random() / 50 for _ in range(60)]
    lock = threading.Lock()
    inside = most = 0

    def slow(asked: Asked) -> Reply:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        number = int(asked.query["n"][0])
        time.sleep(pauses[number])
        with lock:
            inside -= 1
        return Reply.of(number)

    server = serve({"*": slow})
    params = {"uri": server.url, "qs": {"n": "${payload.n}"}, "enableParallelProcessing": True}
    called = world(numbered(60), maxConcurrentRequests=8, **params)
    assert called.responses == list(range(60))
    assert 2 <= most <= 8


def test_side_by_side_the_first_failing_record_stops_the_stream(serve, world: World):
    held = threading.Event()

    def answer(asked: Asked) -> Reply:
        number = int(asked.query["n"][0])
        if number == 3:
            held.wait(5)
            return Reply(400, b"three")
        if number == 5:
            held.set()
            return Reply(400, b"five")
        return Reply.of(number)

    server = serve({"*": answer})
    params = {"uri": server.url, "qs": {"n": "${payload.n}"}, "enableParallelProcessing": True}
    with pytest.raises(HttpCallFailed, match=r'usage.ndjson:4: .*"three"'):
        world(numbered(1000), maxConcurrentRequests=4, errorMode="stop", **params)
    assert len(server.asked) < 20


def test_a_stream_that_stops_does_not_wait_for_other_tries(serve, world: World):
    """A record waits for its next try while another one stops the stream."""
    waiting = threading.Event()

    def answer(asked: Asked) -> Reply:
        if asked.query["n"] == ["1"]:
            return Reply(503, b"", {"retry-after": "2000"})
        waiting.wait(5)
        return Reply(400, b"stop")

    def wait(seconds: int) -> None:
        waiting.set()
        time.sleep(0.01)

    world.wait = wait
    server = serve({"*": answer})
    params = {"uri": server.url, "qs": {"n": "${payload.n}"}, "enableParallelProcessing": True}
    started = time.monotonic()
    with pytest.raises(HttpCallFailed, match=r":1: "):
        world(numbered(2), errorMode="stop", shouldRetry=True, retries=1, **params)
    # Two thousand pauses of a hundredth of a second would be twenty seconds.
    assert time.monotonic() - started < 10


def test_records_are_not_changed_where_they_are(serve, world: World):
    server = serve({"*": lambda _: Reply.of(1)})
    given = numbered(3)
    before = [dict(record) for record in given]
    world(given, uri=server.url, useResponseHeaderKey=True)
    assert given == before
