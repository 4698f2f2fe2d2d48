"""Look-up tables: what is uploaded is kept exactly, as versions, and what is wrong is named."""

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from meterhouse import bootstrap
from meterhouse.app.listing import take
from meterhouse.app.lookup_tables import (
    TableUpload,
    delete_table,
    find_table,
    find_table_version,
    shown_table,
    table_rows,
    upload_table,
)
from meterhouse.app.stream_ports import StreamEdit
from meterhouse.app.streams import find_stream
from meterhouse.connectors import table_upload
from meterhouse.core.json_text import Record
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError
from meterhouse.core.revision import StaleRevision
from meterhouse.streams.lookup_table import TableVersion
from meterhouse.streams.ports import InputError
from tests.cli.command import Meterhouse

CSV = "title,genre,credits\nDune,scifi,5\nHeat,crime,3.50\n"


class House:
    """An installation, and a folder of files to upload."""

    def __init__(self, installation: bootstrap.Installation, folder: Path) -> None:
        self.installation = installation
        self.ledger = installation.ledger
        self.files = installation.tables()
        self.folder = folder

    def upload(
        self, content: str | bytes = CSV, name: str = "titles", *, as_: str = "t.csv", **how: Any
    ) -> tuple[TableVersion, bool]:
        path = self.folder / as_
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        upload = TableUpload(name, path, **how)
        return upload_table(
            *(self.ledger, self.files, upload), new_id=self.installation.new_id, at=7, by="ann"
        )

    def rows(self, name: str = "titles", number: int | None = None) -> list[Record]:
        return list(table_rows(self.ledger, self.files, name, number=number).items)

    def on_disk(self) -> list[str]:
        folder = self.installation.directory / "tables"
        return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with bootstrap.open_installation(tmp_path / "data") as installation:
        yield House(installation, tmp_path)


# ---------------------------------------------------------------- versions


def test_an_upload_is_a_version_with_all_that_is_known_of_it(house: House):
    version, is_new = house.upload(keys=("title",), fields={"credits": "number"})
    assert is_new
    assert version.to_api() == {
        "number": 1,
        "sha256": hashlib.sha256(CSV.encode()).hexdigest(),
        "rows": 2,
        "columns": [
            {"name": "title", "kind": "text"},
            {"name": "genre", "kind": "text"},
            {"name": "credits", "kind": "number"},
        ],
        "keys": ["title"],
        "fields": {"credits": "number"},
        "createdAt": "1970-01-01T00:00:00.000Z",
        "createdBy": "ann",
    }
    assert house.rows() == [
        {"title": "Dune", "genre": "scifi", "credits": 5},
        {"title": "Heat", "genre": "crime", "credits": Decimal("3.5")},
    ]
    assert house.on_disk() == ["1.parquet"]


def test_an_equal_upload_makes_no_version_and_another_one_does(house: House):
    first, _ = house.upload(keys=("title",), fields={"credits": "number"})
    # Keys and types hold on where none are given.
    assert house.upload() == (first, False)
    assert house.upload(keys=("title",), fields={"credits": "number"}) == (first, False)
    both = {"genre": "string", "credits": "number"}
    house.upload(name="other", fields=both)
    assert not house.upload(name="other", fields=dict(reversed(both.items())))[1]
    changed, is_new = house.upload(CSV + "Jaws,,2\n")
    assert (changed.number, changed.keys, is_new) == (2, ("title",), True)
    retyped, is_new = house.upload(CSV + "Jaws,,2\n", fields={})
    assert (retyped.number, dict(retyped.fields), is_new) == (3, {}, True)
    assert house.rows(number=1)[1]["credits"] == Decimal("3.5")
    assert house.rows(number=2)[2] == {"title": "Jaws", "credits": 2}
    assert house.rows()[1]["credits"] == "3.50"
    listed = take(
        lambda limit, after: house.ledger.table_versions(
            changed.table_id, limit=min(limit, 2), after=after
        ),
        limit=None,
    )
    assert [version.number for version in listed] == [3, 2, 1]
    assert house.on_disk() == ["1.parquet", "1.parquet", "2.parquet", "3.parquet"]


def test_rows_come_in_pages(house: House):
    house.upload("n\n" + "".join(f"{n}\n" for n in range(25)))
    first = table_rows(house.ledger, house.files, "titles", limit=10)
    last = table_rows(house.ledger, house.files, "titles", limit=10, after="20")
    assert ([row["n"] for row in first.items][-1], first.next_cursor) == ("9", "10")
    assert ([row["n"] for row in last.items][-1], last.next_cursor) == ("24", None)
    assert table_rows(house.ledger, house.files, "titles", after="99").items == []


def test_a_table_is_found_by_name_and_id(house: House):
    version, _ = house.upload()
    assert find_table(house.ledger, version.table_id) == find_table(house.ledger, "titles")
    with pytest.raises(NotFoundError, match="no look-up table 'x'"):
        find_table(house.ledger, "x")
    with pytest.raises(NotFoundError, match="has no version 2"):
        find_table_version(house.ledger, "titles", number=2)


def test_uploads_side_by_side_are_versions_one_after_the_other(house: House):
    def upload(n: int) -> int:
        path = house.folder / f"{n}.csv"
        path.write_text(f"a\n{n}\n")
        with bootstrap.open_installation(house.installation.directory) as mine:
            given = (mine.ledger, mine.tables(), TableUpload("t", path))
            return upload_table(*given, new_id=mine.new_id, at=n, by="x")[0].number

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(upload, range(16))) == list(range(1, 17))
    rows = [house.rows("t", number=n)[0]["a"] for n in range(1, 17)]
    assert sorted(rows, key=int) == [str(n) for n in range(16)]
    assert len(house.on_disk()) == 16


# ---------------------------------------------------------------- formats


def test_parquet_keeps_its_types_and_all_columns(house: House):
    frame = pl.DataFrame(
        {
            "id": [1, 2],
            "price": pl.Series(["0.10", "2.5"]).cast(pl.Decimal(10, 2)),
            "ratio": [0.1, 0.5],
            "ok": [True, None],
            "at": pl.Series(["2026-01-31T10:00:00", None]).str.to_datetime(),
            "tags": [["a"], []],
            "none": pl.Series([None, None], dtype=pl.String),
        }
    )
    path = house.folder / "p.parquet"
    frame.write_parquet(path)
    version, _ = house.upload(path.read_bytes(), as_="t.parquet", keys=("id",))
    kinds = ["number", "number", "number", "boolean", "timestamp", "json", "text"]
    assert [(n, k.value) for n, k in version.columns] == list(
        zip(frame.columns, kinds, strict=True)
    )
    assert house.rows() == [
        {
            "id": 1,
            "price": Decimal("0.1"),
            "ratio": Decimal("0.1"),
            "ok": True,
            "at": "2026-01-31T10:00:00.000Z",
            "tags": ["a"],
        },
        {"id": 2, "price": Decimal("2.5"), "ratio": Decimal("0.5"), "tags": []},
    ]


def test_a_packed_csv_with_a_mark_and_quotes_is_read(house: House):
    text = '\ufeffid,"a ""b"""\n1,"x\ny"\n'
    version, _ = house.upload(gzip.compress(text.encode()), as_="t.csv.gz")
    assert version.names == ("id", 'a "b"')
    assert house.rows() == [{"id": "1", 'a "b"': "x\ny"}]


def test_a_table_of_a_header_alone_has_its_columns(house: House):
    version, _ = house.upload("a,b\n", keys=("a",), force=True)
    assert (version.rows, version.names) == (0, ("a", "b"))
    assert house.rows() == []


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("content", "how", "said"),
    [
        ("k,v\na,1\nb,2\na,3\n", {"keys": ("k",)}, '"a" stands in line 2 and again in line 4'),
        ('k,v\n"a\nb",1\nx,2\nx,3\n', {"keys": ("k",)}, '"x" stands in line 4 and again in line 5'),
        ("k,v\na,1\na,2\nb,1\na,1\n", {"keys": ("k", "v")}, '["a","1"] stands in line 2 and again'),
        ("k,v\n5,1\n5.0,2\n", {"keys": ("k",), "fields": {"k": "number"}}, "5 stands in line 2"),
        ("k,v\na,1\n,2\n", {"keys": ("k",)}, "keys.k: is empty in line 3"),
        ("k,v\na,1\n", {"keys": ("x",)}, 'keys: name "x", which is no column (the columns are'),
        ("k,v\na,1\n", {"keys": ("k", "k")}, 'keys: are "k", "k"'),
        ("k,v\na,1\nb,x\n", {"fields": {"v": "number"}}, 'line 3: v is "x", which is not a number'),
        ("k,v\na,1,2\n", {}, "line 2: "),
        ("k\na\n", {"fields": {"k": "float"}}, 'fields.k: is "float" (use one of string'),
        ("k\na\n", {"name": "../x"}, 'name: is "../x"'),
        ("k\na\n", {"name": "0b0c8f2e-6f0e-4d0c-9f5e-3c1c1f0a7a11"}, "which looks like an id"),
        ("k\na\n", {"format": "xlsx"}, 'format: is "xlsx" (use one of csv, parquet)'),
    ],
)
def test_a_wrong_table_is_refused_with_its_place(
    house: House, content: str, how: dict[str, Any], said: str
):
    with pytest.raises(DefinitionError) as raised:
        house.upload(content, **how)
    assert said in str(raised.value)
    assert house.ledger.lookup_tables().items == []
    assert house.on_disk() == []


@pytest.mark.parametrize(
    ("content", "as_", "said"),
    [
        ("", "t.csv", "it is empty"),
        ("a,a\n1,2\n", "t.csv", "names the column 'a' twice"),
        ("PAR1", "t.parquet", "Parquet"),
        ("a\n", "t.txt", "its name does not tell its format"),
    ],
)
def test_a_file_that_is_no_table_is_refused(house: House, content: str, as_: str, said: str):
    with pytest.raises(InputError, match=said):
        house.upload(content, as_=as_)
    assert house.ledger.lookup_tables().items == []


def test_a_file_that_is_not_there_is_named(house: House):
    upload = TableUpload("t", house.folder / "gone.csv")
    with pytest.raises(InputError, match=r"gone\.csv cannot be read: No such file"):
        upload_table(house.ledger, house.files, upload, new_id=lambda: "x", at=1, by="x")


def test_tables_beyond_the_limits_are_refused(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(table_upload, "ROWS_MAX", 1)
    with pytest.raises(InputError, match="more than 1 rows"):
        house.upload()
    monkeypatch.setattr(table_upload, "BYTES_MAX", 10)
    with pytest.raises(InputError, match="at most 10"):
        house.upload()


# ---------------------------------------------------------------- what streams would miss


def test_a_table_without_rows_is_refused_unless_it_is_meant(house: House):
    with pytest.raises(DefinitionError, match="rows: are none: no record would find one"):
        house.upload("title,genre\n")
    version, _ = house.upload("title,genre\n", force=True)
    assert version.rows == 0


def test_a_version_without_columns_that_streams_look_up_is_refused(house: House, tmp_path: Path):
    house.upload()
    document = stream("titles")
    document["nodes"][1]["params"]["fields"] = [{"column": "genre"}]
    file = tmp_path / "s.json"
    file.write_text(json.dumps(document))
    Meterhouse(house.installation.directory).import_stream(file)
    with pytest.raises(DefinitionError) as refused:
        house.upload("name,credits\nDune,5\n")
    assert [problem.place for problem in refused.value.problems] == [
        "columns.title",
        "columns.genre",
    ]
    assert house.ledger.lookup_table("titles").latest.number == 1
    assert house.upload("name,credits\nDune,5\n", force=True)[0].number == 2


# ---------------------------------------------------------------- use and deletion


def stream(table: str) -> Record:
    keys = [{"field": "value", "column": "title"}]
    nodes = [
        {"id": "in", "type": "readers/counter", "params": {"max": 2}},
        {"id": "find", "type": "transforms/lookup", "params": {"table": table, "keys": keys}},
        {"id": "out", "type": "writers/noop"},
    ]
    edges = [{"from": "in", "to": "find"}, {"from": "find", "to": "out"}]
    return {"name": f"by {table}", "nodes": nodes, "edges": edges}


def test_a_table_that_streams_use_cannot_be_deleted(house: House, tmp_path: Path):
    version, _ = house.upload()
    meterhouse = Meterhouse(house.installation.directory)
    file = tmp_path / "s.json"
    for reference in ("titles", version.table_id):
        file.write_text(json.dumps(stream(reference)))
        meterhouse.import_stream(file)
    assert len(shown_table(house.ledger, "titles")["streams"]) == 2
    with pytest.raises(ConflictError, match="'titles' is used by 2 streams: 'by titles', 'by "):
        delete_table(house.ledger, house.files, "titles")
    for name in ("by titles", f"by {version.table_id}"):
        house.ledger.delete_stream(find_stream(house.ledger, name).id, edit=StreamEdit(0))
    with pytest.raises(StaleRevision):
        delete_table(house.ledger, house.files, "titles", revision="x")
    delete_table(house.ledger, house.files, version.table_id)
    assert (house.ledger.lookup_tables().items, house.on_disk()) == ([], [])
    assert house.upload()[0].number == 1


def test_a_snapshot_keeps_the_version_that_was_the_latest(house: House):
    house.upload()
    snapshot = house.ledger.snapshot(None)
    house.upload(CSV + "Jaws,,2\n")
    try:
        found = snapshot.table_version("titles", None)
        assert found is not None
        assert (found.number, snapshot.table_version("titles", 2)) == (1, None)
        assert len(house.files.columns(found)["title"]) == 2
    finally:
        snapshot.close()


def test_rows_that_are_gone_from_the_disk_are_missed_by_name(house: House):
    house.upload()
    [path] = (house.installation.directory / "tables").rglob("1.parquet")
    path.unlink()
    with pytest.raises(InputError, match="'titles', version 1, are missing: there is no"):
        house.rows()


# ---------------------------------------------------------------- crashes

KILLED = """
import os, signal, sys
from pathlib import Path
from meterhouse import bootstrap
from meterhouse.app.lookup_tables import TableUpload, upload_table
from meterhouse.connectors.tables import TableFolder

place = TableFolder.place

def die(self, part, at):
    if sys.argv[3] == "after":
        place(self, part, at)
    os.kill(os.getpid(), signal.SIGKILL)

TableFolder.place = die
with bootstrap.open_installation(Path(sys.argv[1])) as house:
    given = (house.ledger, house.tables(), TableUpload("titles", Path(sys.argv[2])))
    upload_table(*given, new_id=house.new_id, at=1, by="x")
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_upload_that_was_killed_leaves_nothing(house: House, when: str):
    house.upload()
    other = house.folder / "other.csv"
    other.write_text("title\nJaws\n")
    data = str(house.installation.directory)
    words = [sys.executable, "-c", KILLED, data, str(other), when]
    killed = subprocess.run(words, env=dict(os.environ), check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert len(house.on_disk()) == 2
    assert find_table(house.ledger, "titles").latest.number == 1
    with house.files.incoming() as under_way:
        under_way.write_text("x")
        version, _ = house.upload(CSV + "Jaws,,2\n")
        assert house.on_disk() == ["1.parquet", "2.parquet", "file"]
    assert (version.number, len(house.rows())) == (2, 3)
    assert house.on_disk() == ["1.parquet", "2.parquet"]
