"""Whatever an API gains between runs, in whatever order and however it pages: once each."""

import json
from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.json_text import parse_json
from meterhouse.core.reading import Reading
from meterhouse.streams.nodes.http_pages import next_link, origin
from meterhouse.streams.nodes.http_reader import TYPE, HttpReaderParams
from meterhouse.streams.nodes.http_seam import CursorSeam, Since, SinceSeam, ordered
from meterhouse.streams.ports import Collecting, HttpAnswer, HttpRequest
from meterhouse.streams.world import Services
from tests.streams.twins import Files, Spools


class Api:
    """Records by growing ``at``; ``coarse`` servers give more than what was asked for."""

    def __init__(self, *, size: int, coarse: int, newest_first: bool = False) -> None:
        self.records: list[dict[str, int]] = []
        self.size = size
        self.coarse = coarse
        self.newest_first = newest_first

    def send(self, request: HttpRequest) -> HttpAnswer:
        query = {name: int(v[0]) for name, v in parse_qs(urlsplit(request.url).query).items()}
        low = query.get("from", 0) - self.coarse
        found = [record for record in self.records if record["at"] >= low]
        if self.newest_first:
            found.reverse()
        start = query.get("after", 0)
        page = found[start : start + self.size]
        following = start + self.size if start + self.size < len(found) else None
        body = json.dumps({"items": page, "next": following}).encode()
        return HttpAnswer(200, {}, body)

    def close(self) -> None:
        pass


PAGING = {"kind": "cursor", "parameter": "after", "path": "next"}
SINCE = {"parameter": "from", "path": "at", "start": 0}


def reader(**more: Any) -> HttpReaderParams:
    given = {"uri": "https://api.example.com/", "records": "items", "paging": PAGING, **more}
    params = TYPE.read(Reading(given))
    assert isinstance(params, HttpReaderParams)
    return params


def run(params: HttpReaderParams, api: Api, positions: dict[str, Any], *, most: int) -> list[Any]:
    """One run; positions go the way through the ledger's text."""
    services = Services(Files({}), Spools(), http=api)
    wanted = Collecting(positions, lambda _: 0, most, 100)
    records: list[Any] = []
    reached: Mapping[str, Any] = {}
    for collected in params.collector(services).chunks(wanted):
        assert collected.chunk is not None
        assert not collected.chunk.unreadable
        records += collected.chunk.batch.rows()
        reached = collected.positions
    positions |= parse_json(json.dumps(reached))
    return records


#: What comes between two runs: how far ``at`` moves on for each record.
GAINS = st.lists(st.lists(st.integers(0, 2), max_size=7), min_size=1, max_size=6)


def gain(api: Api, steps: list[int]) -> None:
    for step in steps:
        at = (api.records[-1]["at"] if api.records else 0) + step
        # Some are quite alike.
        api.records.append({"at": at, "n": at % 2})


@given(GAINS, st.integers(1, 4), st.integers(0, 3), st.integers(1, 5))
def test_since_takes_each_record_once(gains: list[list[int]], size: int, coarse: int, most: int):
    api, params = Api(size=size, coarse=coarse), reader(since=SINCE)
    positions: dict[str, Any] = {}
    taken: list[Any] = []
    for steps in gains:
        gain(api, steps)
        taken += run(params, api, positions, most=most)
    while more := run(params, api, positions, most=most):
        taken += more
    assert taken == api.records


@given(GAINS, st.integers(1, 4), st.integers(0, 3))
def test_since_takes_each_record_once_in_any_order(gains: list[list[int]], size: int, coarse: int):
    api, params = Api(size=size, coarse=coarse, newest_first=True), reader(since=SINCE)
    positions: dict[str, Any] = {}
    taken: list[Any] = []
    for steps in gains:
        gain(api, steps)
        taken += run(params, api, positions, most=1_000)
    assert sorted(map(str, taken)) == sorted(map(str, api.records))


@given(GAINS, st.integers(1, 4), st.integers(1, 5))
def test_a_kept_cursor_takes_each_record_once(gains: list[list[int]], size: int, most: int):
    api, params = Api(size=size, coarse=0), reader(cursorKept=True)
    positions: dict[str, Any] = {}
    taken: list[Any] = []
    for steps in gains:
        gain(api, steps)
        taken += run(params, api, positions, most=most)
    while more := run(params, api, positions, most=most):
        taken += more
    assert taken == api.records


def test_moments_are_ordered_as_such_and_types_stay_apart():
    moments = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "2026-01-01T02:00:00+01:00"]
    places = [ordered(text) for text in moments]
    assert all(a is not None and b is not None and a < b for a, b in pairwise(places))
    assert ordered(5) == ordered(Decimal("5.0")) != ordered("5")
    assert [ordered(value) for value in (None, True, [1], {})] == [None] * 4


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("", None),
        ('<a>; rel="next"', "a"),
        ("<a>; rel=next", "a"),
        ('<a>; REL="NEXT"', "a"),
        ('<a,b;c>; rel="prev next"', "a,b;c"),
        ('<a>; title="rel=next, <b>; rel=next"; rel=prev', None),
        ('<a>; rel="prev", <b>; title="x"; rel="next"', "b"),
        ('<a>; rel="nextish"', None),
        ("a; rel=next", None),
    ],
)
def test_the_next_link_is_found(header: str, target: str | None):
    assert next_link(header) == target


def test_origins_are_equal_whatever_their_spelling():
    assert origin("https://A.example.com/x") == origin("HTTPS://a.example.com:443?y")
    assert origin("https://a.example.com") != origin("http://a.example.com")
    assert origin("https://a.example.com") != origin("https://a.example.com:8443")


def test_what_did_not_come_again_before_a_run_ended_is_still_known():
    seam = CursorSeam.read(None)
    assert [seam.takes({"x": name})[0] for name in "ab"] == [True, True]
    # The page shows new records first, and the run may take one only.
    seam = CursorSeam.read(seam.to_json())
    assert seam.takes({"x": "c"})[0]
    seam = CursorSeam.read(seam.to_json())
    assert [seam.takes({"x": name})[0] for name in "cdab"] == [False, True, False, False]


def test_a_record_without_a_place_is_told_of_once():
    since = Since("since", "t", 0)
    seam = SinceSeam.read(since, None)
    assert seam.takes({"x": "no place"})[0]
    for _ in range(3):
        seam = SinceSeam.read(since, seam.to_json())
    assert not seam.takes({"x": "no place"})[0]
