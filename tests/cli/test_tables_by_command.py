"""Look-up tables by command, and a stream that enriches records from them."""

import json
from pathlib import Path

import pytest

from tests.cli.command import Meterhouse

CSV = "title,credits\nDune,5\nHeat,3.50\n"


@pytest.fixture
def titles(tmp_path: Path) -> Path:
    path = tmp_path / "titles.csv"
    path.write_text(CSV)
    return path


def test_a_table_is_uploaded_shown_and_deleted(meterhouse: Meterhouse, titles: Path):
    words = ("table", "upload", "titles", "--file", titles)
    done = meterhouse.done(*words, "--key", "title", "--field", "credits=number")
    assert done.out == "table titles: version 1, 2 rows\n"
    assert meterhouse.done(*words).out == "table titles: as before: version 1, 2 rows\n"
    [listed] = meterhouse.json("table", "list")
    assert (listed["name"], listed["latest"]["keys"]) == ("titles", ["title"])
    assert meterhouse.done("table", "rows", "titles").out == (
        "title  credits\nDune   5\nHeat   3.5\n"
    )
    assert meterhouse.json("table", "rows", "titles", "--limit", "1") == [
        {"title": "Dune", "credits": 5}
    ]
    titles.write_text(CSV + "Jaws,1\n")
    [version] = meterhouse.json(*words)
    assert (version["number"], version["new"]) == (2, True)
    assert [found["number"] for found in meterhouse.json("table", "versions", "titles")] == [2, 1]
    assert len(meterhouse.json("table", "rows", "titles", "--version", "1")) == 2
    assert meterhouse.json("table", "show", "titles")[0]["streams"] == []
    assert meterhouse.done("table", "delete", "titles").out == "deleted table titles\n"
    assert meterhouse.json("table", "list") == []


def test_what_is_wrong_is_said(meterhouse: Meterhouse, titles: Path):
    titles.write_text("title\nDune\nHeat\nDune\n")
    words = ("table", "upload", "titles", "--file", titles)
    said = meterhouse.refused(*words, "--key", "title")
    assert '"Dune" stands in line 2 and again in line 4' in said
    assert meterhouse(*words, "--field", "credits").code == 2
    assert "There is no look-up table 'x'" in meterhouse.refused("table", "show", "x")


def test_a_run_uses_the_newest_version_unless_the_node_names_one(
    meterhouse: Meterhouse, titles: Path, tmp_path: Path
):
    meterhouse.done("table", "upload", "titles", "--file", titles, "--key", "title")
    titles.write_text(CSV.replace("5", "7"))
    meterhouse.done("table", "upload", "titles", "--file", titles)
    usage = tmp_path / "usage.ndjson"
    usage.write_text('{"t":"Dune"}\n{"t":"Jaws"}\n')
    for version, credits in ((None, "7"), (1, "5")):
        params = {"table": "titles", "keys": [{"field": "t", "column": "title"}]}
        nodes = [
            {"id": "in", "type": "readers/file", "params": {"path": str(usage)}},
            {"id": "find", "type": "transforms/lookup", "params": params | {"version": version}},
            {"id": "out", "type": "writers/log"},
        ]
        edges = [{"from": "in", "to": "find"}, {"from": "find", "to": "out"}]
        document = json.dumps({"name": f"v{version}", "nodes": nodes, "edges": edges})
        meterhouse.import_stream("-", given=document)
        [run] = meterhouse.json("stream", "run", f"v{version}")
        log = meterhouse.done("run", "show", run["id"], "--log").out
        assert f"look-up table titles: version {version or 2}, 2 rows" in log
        assert f'{{"t":"Dune","credits":"{credits}"}}' in log
        assert '{"t":"Jaws"}' in log
    assert "is used by 2 streams" in meterhouse.refused("table", "delete", "titles")
