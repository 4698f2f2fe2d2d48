"""Streams of a server use the files that its operator allows, and never its own."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.world import House, running


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server is started in ``work``; there is something above it, and beside it."""
    for name in ("work/a.ndjson", "above.ndjson", "other/b.ndjson"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"a": 1}\n')
    monkeypatch.delenv("METERHOUSE_FILES_ALLOW", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.fixture
def served(place: Path) -> Iterator[House]:
    with running(place / "work/data") as house:
        yield house


def copying(source: object, target: object) -> dict[str, Any]:
    reader = {"id": "r", "name": "In", "type": "readers/file"}
    writer = {"id": "w", "name": "Out", "type": "writers/file"}
    fields = {"path": str(source), "format": "ndjson"}
    return {
        "name": "Copy",
        "nodes": [
            {**reader, "params": fields},
            {**writer, "params": {"path": str(target), "format": "ndjson"}},
        ],
        "edges": [{"from": "r", "to": "w"}],
    }


def run(house: House, source: object, target: object) -> dict[str, Any]:
    house.import_stream(**copying(source, target))
    return house.ended(house.http.post("/v1/streams/Copy/runs").headers["location"])


def test_what_lies_where_the_server_was_started_is_read_and_written(served: House, place: Path):
    ended = run(served, "a.ndjson", "out/{run}.ndjson")

    assert ended["error"] is None
    assert (place / f"work/out/{ended['id']}.ndjson").read_text() == '{"a":1}\n'


@pytest.mark.parametrize("source", ["../above.ndjson", "../*", "/etc/passwd", "~/*", "../oth*/*"])
def test_nothing_above_is_read(served: House, source: str):
    ended = run(served, source, "{run}.ndjson")

    assert ended["status"] == "failed"
    assert "METERHOUSE_FILES_ALLOW" in ended["error"]
    assert served.http.get("/v1/corrections").json()["corrections"] == []


@pytest.mark.parametrize("target", ["../{run}.ndjson", "/etc/cron.d/{run}", "~/{run}.ndjson"])
def test_nothing_above_is_written(served: House, target: str):
    ended = run(served, "a.ndjson", target)

    assert (ended["status"], ended["nodes"]) == ("failed", [])
    assert 'node "Out" (writers/file, id w) params.path: ' in ended["error"]
    assert "METERHOUSE_FILES_ALLOW" in ended["error"]


@pytest.mark.parametrize("key", ["data/secrets.key", "data/cursor.key", "data/*.key", "link"])
def test_the_keys_of_the_server_are_not_read(served: House, place: Path, key: str):
    (place / "work/link").symlink_to(place / "work/data/cursor.key")

    ended = run(served, key, "{run}.ndjson")

    assert (ended["status"], "data directory" in ended["error"]) == ("failed", True)
    assert served.http.get("/v1/corrections").json()["corrections"] == []


def test_a_preview_reads_nothing_else_either(served: House):
    for source, what in (("../above.ndjson", "file_refused"), ("data/*.key", "file_refused")):
        body = {"document": copying(source, "x.ndjson")}
        answer = served.http.post("/v1/streams:preview", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, what), answer.text


def test_an_operator_allows_folders(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("METERHOUSE_FILES_ALLOW", f"{place / 'other'}, {place / 'out'}")
    (place / "out").mkdir()
    with running(place / "work/data") as house:
        ended = run(house, place / "other/*", place / "out/{run}.ndjson")
        assert ended["error"] is None
        house.http.delete("/v1/streams/Copy", headers={"If-Match": "*"})

        ended = run(house, place / "work/a.ndjson", place / "out/{run}.ndjson")
        assert f"now: {place / 'other'}, {place / 'out'}" in ended["error"]


def test_an_empty_list_allows_none(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("METERHOUSE_FILES_ALLOW", "")
    with running(place / "work/data") as house:
        assert "now: none" in run(house, "a.ndjson", "{run}.ndjson")["error"]


def test_what_cannot_run_here_is_an_obstacle_and_not_scheduled(served: House):
    document = copying("../above.ndjson", "{run}.ndjson")
    valid = served.http.post("/v1/streams:validate", json=document).json()
    assert (valid["valid"], valid["errors"]) == (True, [])
    [obstacle] = valid["obstacles"]
    assert obstacle["pointer"] == "/nodes/0/params/path"
    assert "METERHOUSE_FILES_ALLOW" in obstacle["hint"]
    id = served.import_stream(**document).json()["id"]
    refused = served.http.put(f"/v1/streams/{id}/schedule", json={"interval": "hours", "every": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "stream_not_ready")
    assert 'node "In" (readers/file, id r) params.path' in refused.json()["detail"]


@pytest.mark.parametrize("file", ["../other.sqlite", "data/ledger.sqlite", "second-name"])
def test_the_files_of_databases_are_confined_too(served: House, place: Path, file: str):
    os.link(place / "work/data/ledger.sqlite", place / "work/second-name")
    (place / "other.sqlite").touch()
    query = "SELECT no, id FROM run WHERE no > :watermark ORDER BY no"
    params = {"url": f"sqlite:///{file}", "query": query, "watermark": {"column": "no", "start": 0}}
    document = copying("a.ndjson", "{run}.ndjson")
    document["nodes"][0] = {"id": "r", "name": "In", "type": "readers/sql", "params": params}
    served.import_stream(**document)
    answer = served.http.post("/v1/streams/Copy/runs")
    ended = served.ended(answer.headers["location"])
    assert ended["status"] == "failed"
    assert 'node "In" (readers/sql, id r) params.url: ' in ended["error"]
    assert "allowed folder" in ended["error"] or "data directory" in ended["error"]
