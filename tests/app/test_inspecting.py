"""The inspector and the overview of usage metering."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterhouse.app.inspecting import (
    CurrentRecords,
    counts_to_api,
    inspect_page,
    usage_overview,
)
from meterhouse.core.problem import NotFoundError
from meterhouse.store import SqliteLedger, open_ledger
from tests.store.factories import KEY, a_meter_type, a_stream, add_meters


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = open_ledger(tmp_path / "data")
    types = [a_meter_type("Calls", id="calls"), a_meter_type("Chats", id="chats", category="chat")]
    opened.add_meter_types(types)
    opened.add_stream(a_stream())
    add_meters(opened, ["ann", "anna", "bob"], meter_type=types[0])
    add_meters(opened, ["ann"], meter_type=types[1])
    yield opened
    opened.close()


def test_pages_of_a_meter_key(ledger: SqliteLedger):
    first = inspect_page(ledger, KEY, user_prefix="an", limit=2)
    rest = inspect_page(ledger, KEY, user_prefix="an", after=first.next_cursor)
    assert [b.meter.user_id for b in (*first.items, *rest.items)] == ["ann", "ann", "anna"]
    [chat] = inspect_page(ledger, KEY, meter_type="Chats").items
    assert chat.meter.user_id == "ann"


def test_a_meter_key_without_meters_is_known_by_its_stream(ledger: SqliteLedger):
    ledger.add_stream(a_stream("New", id="new", keys=("key-new",)))
    assert list(inspect_page(ledger, "key-new").items) == []
    with pytest.raises(NotFoundError, match="There is no meter key 'none'"):
        inspect_page(ledger, "none")


def test_one_meter_is_viewed_as_the_record_that_it_would_send(ledger: SqliteLedger):
    bucket = ledger.meters(user_id="bob").items[0]
    record = json.loads(CurrentRecords(ledger).text_of(bucket.meter.id))
    assert (record["id"], record["userId"], record["value"]) == (bucket.meter.id, "bob", 0)
    with pytest.raises(NotFoundError, match="There is no meter 'none'"):
        CurrentRecords(ledger).text_of("none")


def test_the_overview_shows_each_type_with_the_streams_that_count_for_it(ledger: SqliteLedger):
    page = usage_overview(ledger, limit=1)
    rest = usage_overview(ledger, after=page.next_cursor)
    calls, chats = (item.to_api() for item in (*page.items, *rest.items))
    assert (calls["name"], calls["streams"]) == (
        "Calls",
        [{"streamId": "stream-1", "stream": "Usage", "meterKey": KEY, "meters": 3}],
    )
    assert chats["streams"][0]["meters"] == 1
    assert [item.meters for item in usage_overview(ledger, name="Chats").items] == [1]
    totals = {"meterTypes": 2, "categories": 2, "meters": 4}
    assert counts_to_api(ledger.meter_counts()) == totals
