"""Paged APIs as inputs, against a real server with faults: each record is metered once."""

import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.acceptance import small
from tests.cli.command import Meterhouse
from tests.connectors.http.server import Asked, Reply, Route, Server, in_turn
from tests.connectors.pulls import pulling
from tests.connectors.pulls.pulling import (
    change,
    failing,
    metered,
    positions,
    read,
    run,
    run_killed,
    secret,
)

HTTP = "readers/http"
SINCE = {"parameter": "from", "path": "at", "start": "2026-01-01T00:00:00Z"}
CURSOR = {"kind": "cursor", "parameter": "cursor", "path": "meta.next"}


def usage(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    """Usage of ann; the value is unlike for each, the moment alike for every three."""
    return [
        {"id": n, "userId": "ann", "value": n * n + 1, "at": f"2026-01-02T00:00:{n // 3:02}Z"}
        | more
        for n in numbers
    ]


def whole(numbers: range) -> int:
    return sum(n * n + 1 for n in numbers)


class Api:
    """Usage in pages of three, by any kind of paging, from a moment on."""

    def __init__(self, serve: Callable[[dict[str, Route]], Server]) -> None:
        self.records: list[dict[str, Any]] = []
        self.size = 3
        #: Answers that come before the next good one.
        self.faults: list[Reply] = []
        self.server = serve({"*": self._answer})

    @property
    def uri(self) -> str:
        return f"{self.server.url}/v1/usage?tenant=7"

    def _answer(self, asked: Asked) -> Reply:
        if self.faults:
            return self.faults.pop(0)
        query = {name: values[0] for name, values in asked.query.items()}
        found = [r for r in self.records if r["at"] >= query.get("from", "")]
        start = self._start(query)
        page, rest = found[start : start + self.size], found[start + self.size :]
        following = str(start + self.size) if rest else None
        made = {"data": {"items": page}, "meta": {"next": following}}
        if following is None:
            return Reply.of(made)
        query = {**query, "cursor": following}
        return Reply.of(made, link=f'</v1/usage?{urlencode(query)}>; rel="next"')

    def _start(self, query: dict[str, str]) -> int:
        if "page" in query:
            return (int(query["page"]) - 1) * self.size
        return int(query.get("offset") or query.get("cursor") or 0)


@pytest.fixture
def api(serve: Callable[[dict[str, Route]], Server]) -> Api:
    return Api(serve)


def params(api: Api, **more: Any) -> dict[str, Any]:
    return {"uri": api.uri, "records": "data.items", "retries": 0} | more


def set_up(meterhouse: Meterhouse, api: Api, **more: Any) -> str:
    return pulling.set_up(meterhouse, HTTP, **params(api, **more))


# ---------------------------------------------------------------- paging

PAGINGS = [
    {"kind": "link"},
    CURSOR,
    {"kind": "page", "parameter": "page"},
    {"kind": "offset", "parameter": "offset"},
]


@pytest.mark.parametrize("paging", PAGINGS, ids=lambda p: p["kind"])
def test_all_pages_are_read(meterhouse: Meterhouse, api: Api, paging: dict[str, Any]):
    api.records = usage(*range(10))
    key = set_up(meterhouse, api, paging=paging)
    assert run(meterhouse) == 10
    assert metered(meterhouse, key) == whole(range(10))
    assert all(asked.query["tenant"] == ["7"] for asked in api.server.asked)


@pytest.mark.parametrize("paging", PAGINGS, ids=lambda p: p["kind"])
def test_several_runs_meter_each_record_once(
    meterhouse: Meterhouse, api: Api, paging: dict[str, Any]
):
    key = set_up(meterhouse, api, paging=paging, since=SINCE)
    assert run(meterhouse) == 0
    api.records = usage(*range(10))
    assert run(meterhouse) == 10
    # 10 and 11 have the moment of 9, where the last run ended.
    api.records = usage(*range(16))
    assert run(meterhouse) == 6
    assert run(meterhouse) == 0
    assert metered(meterhouse, key) == whole(range(16))
    assert api.server.asked[-1].query["from"] == ["2026-01-02T00:00:05Z"]


def test_one_page_without_a_path_may_be_a_list_or_one_record(meterhouse: Meterhouse, api: Api):
    api.faults = [Reply.of(usage(1, 2)), Reply.of(usage(3)[0]), Reply(204)]
    key = set_up(meterhouse, api, records="")
    assert [run(meterhouse) for _ in range(3)] == [2, 1, 0]
    assert metered(meterhouse, key) == whole(range(1, 4))


def test_lines_are_records(meterhouse: Meterhouse, api: Api):
    lines = "\n".join(map(json.dumps, usage(1, 2)))
    api.faults = [Reply(200, f"{lines}\n\nrubbish\n".encode())]
    pulling.set_up(meterhouse, HTTP, uri=api.uri, format="ndjson")
    assert run(meterhouse) == 3
    [entry] = meterhouse.json("correction", "list")
    assert (entry["raw"], entry["offset"]) == ("rubbish", 2)
    assert "record 3 of page 1: not JSON" in entry["detail"]


def test_numbers_are_taken_as_written(meterhouse: Meterhouse, api: Api):
    api.faults = [Reply(200, b'[{"value": 12345678901234567890.123456789012345678}]')] * 2
    set_up(meterhouse, api, records="")
    said = meterhouse.done("stream", "preview", small.STREAM, "--json").out
    assert "12345678901234567890.123456789012345678" in said


def test_parameters_may_go_into_the_body(meterhouse: Meterhouse, api: Api):
    pages = in_turn(
        Reply.of({"items": usage(1), "next": 17}), Reply.of({"items": usage(2), "next": None})
    )
    api.server.routes["*"] = pages
    paging = {"kind": "cursor", "parameter": "c", "path": "next"}
    paging |= {"size": 1, "sizeParameter": "limit"}
    more = {"method": "POST", "body": {"q": "all"}, "parametersIn": "body", "records": "items"}
    set_up(meterhouse, api, paging=paging, since=SINCE, **more)
    assert run(meterhouse) == 2
    first = {"q": "all", "from": SINCE["start"], "limit": 1}
    assert [json.loads(a.body) for a in api.server.asked] == [first, first | {"c": 17}]


# ---------------------------------------------------------------- the seam between runs


@pytest.mark.parametrize("point", ["read", "committed"])
@pytest.mark.parametrize("way", ["since", "cursor"])
def test_a_killed_run_changes_nothing_or_all(
    meterhouse: Meterhouse, api: Api, point: str, way: str
):
    api.records = usage(*range(10))
    more = {"since": SINCE} if way == "since" else {"cursorKept": True}
    key = set_up(meterhouse, api, paging=CURSOR, **more)
    run_killed(meterhouse, HTTP, point)
    api.records = usage(*range(14))
    assert run(meterhouse) == (14 if point == "read" else 4)
    assert metered(meterhouse, key) == whole(range(14))


def test_a_kept_cursor_goes_on_where_the_last_run_ended(meterhouse: Meterhouse, api: Api):
    key = set_up(meterhouse, api, paging=CURSOR, cursorKept=True)
    assert run(meterhouse) == 0
    for end in (2, 3, 4, 10, 10, 14):
        before = len(api.records)
        api.records = usage(*range(end))
        asked = len(api.server.asked)
        assert run(meterhouse) == end - before
        first = api.server.asked[asked].query.get("cursor", ["0"])
        assert before - int(first[0]) <= api.size
    assert metered(meterhouse, key) == whole(range(14))


def test_a_feed_that_always_names_a_cursor_is_read_to_its_end(meterhouse: Meterhouse, api: Api):
    def answer(asked: Asked) -> Reply:
        start = int(asked.query.get("cursor", ["0"])[0])
        page = api.records[start : start + 3]
        return Reply.of({"items": page, "next": start + len(page)})

    api.server.routes["*"] = answer
    paging = {"kind": "cursor", "parameter": "cursor", "path": "next"}
    key = set_up(meterhouse, api, paging=paging, cursorKept=True, records="items")
    assert run(meterhouse) == 0
    api.records = usage(*range(7))
    assert [run(meterhouse), run(meterhouse)] == [7, 0]
    api.records = usage(*range(9))
    assert run(meterhouse) == 2
    assert metered(meterhouse, key) == whole(range(9))


@pytest.mark.parametrize("more", [{"since": SINCE}, {"cursorKept": True}], ids=str)
def test_a_run_takes_as_many_as_it_may_and_the_next_goes_on(
    meterhouse: Meterhouse, api: Api, more: dict[str, Any]
):
    api.records = usage(*range(20))
    key = set_up(meterhouse, api, paging=CURSOR, maxRecords=7, **more)
    assert [run(meterhouse) for _ in range(4)] == [7, 7, 6, 0]
    assert metered(meterhouse, key) == whole(range(20))


def test_equal_records_count_as_often_as_they_come(meterhouse: Meterhouse, api: Api):
    [record] = usage(0)
    key = set_up(meterhouse, api, since=SINCE, paging=CURSOR)
    api.records = [record] * 2
    assert run(meterhouse) == 2
    api.records = [record] * 5
    assert [run(meterhouse), run(meterhouse)] == [3, 0]
    assert metered(meterhouse, key) == 5


def test_records_below_the_watermark_are_not_read_again(meterhouse: Meterhouse, api: Api):
    # A server that only looks at the day.
    api.server.routes["*"] = lambda _: Reply.of({"data": {"items": api.records}})
    key = set_up(meterhouse, api, since=SINCE)
    api.records = usage(*reversed(range(6)))
    assert run(meterhouse) == 6
    api.records = usage(*reversed(range(9)))
    assert [run(meterhouse), run(meterhouse)] == [3, 0]
    assert metered(meterhouse, key) == whole(range(9))


def test_a_run_that_would_lose_records_by_ending_early_fails(meterhouse: Meterhouse, api: Api):
    api.records = usage(*reversed(range(10)))
    set_up(meterhouse, api, since=SINCE, paging=CURSOR, maxRecords=5)
    said = failing(meterhouse)
    assert "more than 5 records, and at does not ascend" in said
    change(meterhouse, HTTP, **params(api, paging=CURSOR, maxRecords=5))
    assert "give since, so that the next run can go on" in failing(meterhouse)


def test_records_that_are_none_are_suspended_once_with_their_place(
    meterhouse: Meterhouse, api: Api
):
    items = [*usage(0), 5, {"userId": "ann", "value": 1}, *usage(1)]
    api.server.routes["*"] = lambda _: Reply.of({"data": {"items": items}})
    key = set_up(meterhouse, api, since=SINCE)
    assert run(meterhouse) == 4
    entries = meterhouse.json("correction", "list")
    assert [(e["source"], e["offset"], e["raw"]) for e in entries] == [
        (f"http:{api.server.url}/v1/usage", 1, "5"),
        (f"http:{api.server.url}/v1/usage", 2, '{"userId":"ann","value":1}'),
    ]
    assert "record 2 of page 1: is 5, not a JSON object" in entries[0]["detail"]
    assert "record 3 of page 1: at is null, no number or text" in entries[1]["detail"]
    assert (run(meterhouse), metered(meterhouse, key)) == (0, 3)


def test_a_preview_shows_ten_records_and_keeps_nothing(meterhouse: Meterhouse, api: Api):
    api.records = usage(*range(30))
    set_up(meterhouse, api, since=SINCE, paging=CURSOR)
    assert [record["id"] for record in read(meterhouse)] == list(range(10))
    assert len(api.server.asked) == 4
    assert positions(meterhouse) == []
    assert run(meterhouse) == 30


def test_the_position_can_be_shown_and_reset(meterhouse: Meterhouse, api: Api):
    api.records = usage(*range(4))
    set_up(meterhouse, api, since=SINCE, paging=CURSOR)
    run(meterhouse)
    [position] = positions(meterhouse)
    assert (position["node"], position["part"]) == ("Reader", "records")
    value = position["value"]
    assert (value["by"], value["since"], value["taken"]) == ("since at", api.records[3]["at"], 4)
    assert list(value["known"].values()) == [1]
    change(meterhouse, HTTP, **params(api, paging=CURSOR, cursorKept=True))
    assert "was read by since at until now, and the node says cursor" in failing(meterhouse)
    reset = meterhouse("stream", "position", "reset", small.STREAM, "--node", "Reader")
    assert "the next run begins with the first page" in reset.err
    assert run(meterhouse) == 4


# ---------------------------------------------------------------- faults


def cut(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n[{")


FAULTS = {
    "500": Reply(500),
    "429": Reply(429, headers={"retry-after": "1"}),
    "cut": Reply(raw=cut),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_page_is_asked_for_again_where_that_may_help(
    meterhouse: Meterhouse, api: Api, fault: str
):
    api.records = usage(*range(5))
    key = set_up(meterhouse, api, paging=CURSOR, retries=1)
    api.faults = [FAULTS[fault]]
    assert run(meterhouse) == 5
    assert len(api.server.asked) == 3
    assert metered(meterhouse, key) == whole(range(5))


def test_without_more_tries_the_run_fails_and_the_next_one_reads_all(
    meterhouse: Meterhouse, api: Api
):
    api.records = usage(*range(5))
    key = set_up(meterhouse, api, paging=CURSOR, since=SINCE)
    good = api._answer(Asked("GET", "/v1/usage", {}, b""))
    api.faults = [good, Reply(503, b"closed for lunch")]
    said = failing(meterhouse)
    assert f'GET {api.server.url}/v1/usage answered 503: "closed for lunch"' in said
    assert positions(meterhouse) == []
    assert run(meterhouse) == 5
    assert metered(meterhouse, key) == whole(range(5))


@pytest.mark.parametrize(
    ("answers", "paging", "text"),
    [
        ([{"n": "a"}], CURSOR | {"path": "n"}, "page 2 names the cursor of page 2 again"),
        (
            [{"n": "a"}, {"n": "b"}, {"n": "a"}],
            CURSOR | {"path": "n"},
            "page 3 names the cursor of page 2 again",
        ),
        ([{"n": [1]}], CURSOR | {"path": "n"}, "n of page 1 is [1], no cursor"),
        ([{}], {"kind": "page", "parameter": "p"}, "page 2 is the same as the one before"),
        ([{}], {"kind": "offset", "parameter": "o"}, "page 2 is the same as the one before"),
    ],
)
def test_pages_that_repeat_end_the_run(
    meterhouse: Meterhouse, api: Api, answers: list[Any], paging: dict[str, Any], text: str
):
    replies = (Reply.of(answer | {"data": {"items": usage(1)}}) for answer in answers)
    api.server.routes["*"] = in_turn(*replies)
    set_up(meterhouse, api, paging=paging)
    assert text in failing(meterhouse)
    assert len(api.server.asked) <= 3


def test_a_link_that_repeats_ends_the_run(meterhouse: Meterhouse, api: Api):
    made = {"data": {"items": usage(1)}}
    api.server.routes["*"] = lambda _: Reply.of(made, link='</v1/more>; rel="next"')
    set_up(meterhouse, api, paging={"kind": "link"})
    assert "page 2 names the link of page 2 again" in failing(meterhouse)


def test_a_size_that_changes_ends_a_run_by_page_numbers(meterhouse: Meterhouse, api: Api):
    api.records = usage(*range(10))
    set_up(meterhouse, api, paging={"kind": "page", "parameter": "page"})
    inner = api._answer

    def answer(asked: Asked) -> Reply:
        api.size = 2 if asked.query["page"] == ["2"] else 3
        return inner(asked)

    api.server.routes["*"] = answer
    said = failing(meterhouse)
    assert "page 2 has 2 records, the first one 3, and page 3 still has 3" in said


def test_a_size_that_changes_does_no_harm_by_offset(meterhouse: Meterhouse, api: Api):
    api.records = usage(*range(10))
    paging = {"kind": "offset", "parameter": "offset", "size": 100, "sizeParameter": "limit"}
    key = set_up(meterhouse, api, paging=paging)
    inner = api._answer

    def answer(asked: Asked) -> Reply:
        assert asked.query["limit"] == ["100"]
        api.size = 5 - len(api.server.asked)
        return inner(asked)

    api.server.routes["*"] = answer
    assert run(meterhouse) == 10
    assert metered(meterhouse, key) == whole(range(10))


def test_too_many_pages_end_the_run(meterhouse: Meterhouse, api: Api):
    api.records = usage(*range(10))
    set_up(meterhouse, api, paging=CURSOR, maxPages=2)
    assert "has more than 2 pages" in failing(meterhouse)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html>", "page 1 cannot be read, not JSON: Expecting value at character 1"),
        (b'{"data": []}', "data.items of page 1 is null, no list; it has data"),
        (b"[" * 200 + b"]" * 200, "nests deeper"),
    ],
)
def test_an_answer_that_is_no_page_ends_the_run(
    meterhouse: Meterhouse, api: Api, body: bytes, text: str
):
    api.faults = [Reply(200, body)]
    set_up(meterhouse, api)
    assert text in failing(meterhouse)


# ---------------------------------------------------------------- who asks, and where


def test_the_secret_of_the_node_is_sent_and_told_nobody(meterhouse: Meterhouse, api: Api):
    api.faults = [Reply(403, b"no s3cr3t-canary here")]
    entry = secret(meterhouse, "bearer", token="s3cr3t-canary")
    set_up(meterhouse, api, authType="bearer", secretsWalletEntry=entry)
    said = failing(meterhouse)
    assert "answered 403" in said
    assert "canary" not in said
    assert run(meterhouse) == 0
    assert api.server.asked[-1].headers["authorization"] == "Bearer s3cr3t-canary"


def test_a_link_to_elsewhere_is_followed_only_where_it_is_allowed_and_without_the_secret(
    meterhouse: Meterhouse, api: Api, serve: Callable[[dict[str, Route]], Server]
):
    other = serve({"*": lambda _: Reply.of({"data": {"items": usage(2)}})})
    made = {"data": {"items": usage(1)}}
    api.server.routes["*"] = lambda _: Reply.of(made, link=f"<{other.url}/2>; rel=next")
    entry = secret(meterhouse, "bearer", token="s3cr3t-canary")
    more: dict[str, Any] = {"authType": "bearer", "secretsWalletEntry": entry}
    more |= {"headers": {"x-key": "k"}}
    set_up(meterhouse, api, paging={"kind": "link"}, **more)
    said = failing(meterhouse)
    assert f"page 1 names a next page elsewhere, {other.url}/2" in said
    assert other.asked == []
    paging = {"kind": "link", "allowedOrigins": [other.url]}
    change(meterhouse, HTTP, **params(api, paging=paging, **more))
    assert run(meterhouse) == 2
    assert not {"authorization", "x-key"} & set(other.asked[0].headers)
    assert api.server.asked[-1].headers["x-key"] == "k"


def test_a_link_into_the_private_network_is_refused(meterhouse: Meterhouse, api: Api):
    made = {"data": {"items": usage(1)}}
    link = "<http://169.254.169.254/latest>; rel=next"
    api.server.routes["*"] = lambda _: Reply.of(made, link=link)
    paging = {"kind": "link", "allowedOrigins": ["http://169.254.169.254"]}
    set_up(meterhouse, api, paging=paging)
    assert "not a public address" in failing(meterhouse)


@pytest.mark.parametrize(
    ("place", "value", "text"),
    [
        ("method", "DELETE", "a reader uses GET or POST"),
        ("uri", "https://api.example.com/${payload.id}", "there is no record yet"),
        ("headers", {"x": "${payload.id}"}, "there is no record yet"),
        ("body", {"x": "${payload.id}"}, "has a placeholder"),
        ("records", "a..b", "write a field, or a dotted path"),
        ("paging", {"kind": "scroll"}, "use one of none, link, cursor, page, offset"),
        ("paging", {"kind": "cursor", "parameter": "c"}, "path: is missing"),
        ("paging", {"kind": "page", "parameter": "tenant"}, "which is given already"),
        ("paging", {"kind": "page", "parameter": "p", "size": 3}, "sizeParameter: is missing"),
        ("paging", {"kind": "link", "path": "x"}, "is not a known field"),
        ("paging", {"kind": "link", "allowedOrigins": ["x"]}, "write scheme and host"),
        ("since", {"parameter": "from", "path": "at"}, "start: is missing"),
        ("cursorKept", True, 'set paging.kind to "cursor"'),
        ("parametersIn", "body", "set method to POST"),
    ],
)
def test_wrong_parameters_are_named(
    meterhouse: Meterhouse, api: Api, place: str, value: Any, text: str
):
    stream = pulling.stream("readers/http", **params(api, **{place: value}))
    said = meterhouse.refused("stream", "validate", "-", given=json.dumps(stream))
    assert f"params.{place}" in said
    assert text in said


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "Check authType and the secret"),
        (403, "Check what the secret may do"),
        (404, "Check uri: the server has nothing at that address"),
    ],
)
def test_an_answer_that_says_what_is_wrong_names_the_node_and_the_remedy(
    meterhouse: Meterhouse, api: Api, status: int, hint: str
):
    api.server.routes["*"] = lambda _: Reply(status)
    set_up(meterhouse, api)
    said = failing(meterhouse)
    assert f'node "Reader": GET {api.server.url}' in said
    assert hint in said


def test_a_host_that_is_not_found_and_a_port_without_tls_say_what_to_check(
    meterhouse: Meterhouse, api: Api
):
    set_up(meterhouse, api)
    change(meterhouse, HTTP, **params(api) | {"uri": "http://nowhere.invalid/", "retries": 0})
    said = failing(meterhouse)
    assert 'node "Reader": GET http://nowhere.invalid/ failed: ' in said
    assert "Check the name of the host" in said
    tls = api.server.url.replace("http://", "https://")
    change(meterhouse, HTTP, **params(api) | {"uri": tls, "retries": 0})
    assert "Check http or https and the port" in failing(meterhouse)
