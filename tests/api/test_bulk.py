"""Meters in bulk: good ones are created, each of the others says why not."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from meterhouse.api import Limits
from meterhouse.core.json_text import json_text, parse_json
from tests.api.world import METERS, NDJSON, House, running

PATH = "/v1/meters/bulk"


def line(user: Any, **more: Any) -> str:
    return json_text({"userId": user, "meterKey": "k", "meterTypeId": "Units", **more})


def results(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [parse_json(text) for text in answer.text.splitlines()]


@pytest.mark.parametrize("slice_items", [1, 2, 5000])
def test_each_line_has_its_result(tmp_path: Path, slice_items: int):
    with running(tmp_path / "data", limits=Limits(slice_items=slice_items)) as house:
        house.create_type()
        house.create_meter("known")
        lines = [
            *(line("ann"), "", line("known"), "{", line("", meterTypeId="None")),
            *(line("bob", thresholds=[{"name": "x"}]), line("ann"), "  ", "7", line("eve")),
        ]
        found = results(house.http.post(PATH, content="\n".join(lines), headers=NDJSON))
        assert [result["line"] for result in found] == [1, 3, 4, 5, 6, 7, 9, 10]
        codes = [result.get("problem", {}).get("code", "created") for result in found]
        assert codes == [
            *("created", "meter_exists", "json_malformed", "definition_invalid"),
            *("definition_invalid", "meter_exists", "definition_invalid", "created"),
        ]
        assert found[4]["problem"]["errors"][0]["pointer"] == "/thresholds/0"
        ids = [result["id"] for result in found if "id" in result]
        listed = house.http.get(METERS).json()["meters"]
        assert [m["userId"] for m in listed] == ["known", "ann", "eve"]
        assert [m["id"] for m in listed[1:]] == ids


def test_lines_may_be_cut_anywhere(house: House):
    house.create_type()
    content = "\n".join(line(f"usér {n}", customFields={"n": n}) for n in range(200)).encode()
    parts = (content[at : at + 37] for at in range(0, len(content), 37))
    found = results(house.http.post(PATH, content=parts, headers=NDJSON))
    assert len(found) == 200
    assert all("id" in result for result in found)


def test_a_repeat_creates_nothing(house: House):
    house.create_type()
    content = "\n".join(line(f"u{n}") for n in range(10))
    results(house.http.post(PATH, content=content, headers=NDJSON))
    found = results(house.http.post(PATH, content=content, headers=NDJSON))
    assert {result["problem"]["code"] for result in found} == {"meter_exists"}


def test_nothing_gives_nothing(house: House):
    assert results(house.http.post(PATH, content="\n\n", headers=NDJSON)) == []


def test_a_client_that_only_writes_does_not_block_the_server(house: House):
    house.create_type()
    content = "\n".join(line(f"u{n}", wrong=True) for n in range(20_000))
    assert len(results(house.http.post(PATH, content=content, headers=NDJSON))) == 20_000


def test_too_large_is_refused(tmp_path: Path):
    with running(tmp_path / "data", limits=Limits(bulk_bytes=1000, line_bytes=300)) as house:
        house.create_type()
        answer = house.http.post(PATH, content=b"\n" * 2000, headers=NDJSON)
        assert answer.status_code == 413
        answer = house.http.post(PATH, content=b"x" * 400, headers=NDJSON)
        assert answer.status_code == 413
        assert "Line 1" in answer.json()["detail"]


def test_another_media_type_is_refused(house: House):
    answer = house.http.post(PATH, json=[])
    assert (answer.status_code, answer.headers["accept-post"]) == (415, "application/x-ndjson")


def test_no_more_is_kept_in_memory_than_a_slice_may_have(tmp_path: Path):
    with running(tmp_path / "data", limits=Limits(slice_bytes=1000)) as house:
        house.create_type()
        lines = [line(f"u{n}", customFields={"a": "x" * 1000}) for n in range(4)]
        found = results(house.http.post(PATH, content="\n".join(lines), headers=NDJSON))
        assert [result["line"] for result in found] == [1, 2, 3, 4]
        activities = house.http.get("/v1/activities").json()["activities"]
        created = [a["detail"]["name"] for a in activities if a["kind"] == "meter"]
        assert created == ["u3", "u2", "u1", "u0"]
