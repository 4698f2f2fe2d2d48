"""Outputs in the formats and dresses that writers give them."""

import csv
import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import fastavro
import openpyxl
import pyarrow.parquet as pq
import pytest

from meterhouse.connectors import SpoolFolder
from meterhouse.core.instant import parse_instant
from meterhouse.core.json_text import Record
from meterhouse.streams.output_name import OutputName, safe_part
from meterhouse.streams.ports import OutputError
from tests.streams.documents import chain, node, reader, run
from tests.streams.twins import Spools

ROWS: list[Record] = [
    {"userId": "ann", "value": 1, "cost": Decimal("0.10"), "ok": True, "tags": ["a"]},
    {"userId": "bob", "value": 2**62, "cost": 5, "group.region": "EU"},
    {"cost": Decimal("-12345678901234567890.123456789012345678")},
]


def written(tmp_path: Path, rows: list[Record], **style) -> Path:
    spool = SpoolFolder(tmp_path).open("run-1", "w")
    spool.write(rows)
    return tmp_path / spool.finish(**style)


def test_avro_has_the_types_of_parquet_and_decimals_are_exact(tmp_path: Path):
    with written(tmp_path, ROWS, format="avro").open("rb") as handle:
        made = fastavro.reader(handle)
        schema, rows = made.writer_schema, list(made)
    parquet = pq.read_table(written(tmp_path, ROWS, format="parquet")).to_pylist()
    assert [list(row.values()) for row in rows] == [list(row.values()) for row in parquet]
    assert rows[0]["cost"] == Decimal("0.10")
    assert rows[2]["cost"] == Decimal("-12345678901234567890.123456789012345678")
    types = {field["name"]: field["type"] for field in schema["fields"]}
    assert types["userId"] == ["null", "string"]
    assert types["value"] == ["null", "long"]
    assert types["ok"] == ["null", "boolean"]
    cost = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 18}
    assert types["cost"] == ["null", cost]
    assert rows[0]["tags"] == '["a"]'
    named = {field["name"]: field.get("field") for field in schema["fields"]}
    assert named["group_region"] == "group.region"


def test_what_is_written_as_avro_is_read_by_our_own_reader(tmp_path: Path, read):
    rows = [{"userId": f"u{n}", "value": n, "cost": Decimal(n) / 8} for n in range(3_000)]
    assert read(written(tmp_path, rows, format="avro")).values == rows


@pytest.mark.parametrize("style", [{"format": "avro"}, {"format": "csv", "gzip": True}])
def test_equal_records_become_equal_bytes(tmp_path: Path, style: dict):
    one, other = (
        written(tmp_path / name, ROWS[:2], **style).read_bytes() for name in ("one", "other")
    )
    assert one == other


@pytest.mark.parametrize("format", ["ndjson", "csv"])
def test_texts_may_be_packed(tmp_path: Path, format: str):
    path = written(tmp_path, ROWS, format=format, gzip=True)
    assert path.suffixes == [f".{format}", ".gz"]
    plain = written(tmp_path / "plain", ROWS, format=format).read_bytes()
    assert gzip.decompress(path.read_bytes()) == plain
    assert [other.name for other in path.parent.iterdir()] == [path.name]


FORMULAS = [f"{mark}1+1" for mark in "=+-@\t\r\n|%＝＋－＠"]


def test_no_cell_is_a_formula_where_that_is_asked_for(tmp_path: Path):
    rows: list[Record] = [{"text": text, "=name": -5} for text in [*FORMULAS, "plain", "1=1"]]
    path = written(tmp_path, rows, format="csv", formula_safe=True)
    with path.open(encoding="utf-8", newline="") as handle:
        header, *cells = list(csv.reader(handle))
    assert header == ["text", "'=name"]
    assert [row[0] for row in cells] == [*(f"'{text}" for text in FORMULAS), "plain", "1=1"]
    assert {row[1] for row in cells} == {"-5"}
    book = openpyxl.Workbook()
    for row in cells:
        book.active.append([text for text in row if "\t" not in text and "\r" not in text])
    assert not [c for r in book.active.iter_rows() for c in r if c.data_type == "f"]


def test_a_return_in_a_cell_ends_no_record(tmp_path: Path):
    path = written(tmp_path, [{"a": "x\ry", "b": "z"}], format="csv")
    assert path.read_bytes() == b'a,b\n"x\ry",z\n'


def test_cells_stay_as_they_are_otherwise(tmp_path: Path):
    path = written(tmp_path, [{"a": "=1"}], format="csv")
    assert path.read_text("utf-8") == "a\n=1\n"


# ---------------------------------------------------------------- names

AT = parse_instant("2026-01-05T23:30:00Z")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.csv", "a-r1.csv"),
        ("a.csv.gz", "a-r1.csv.gz"),
        ("{date}/a.csv", "2026-01-05/a-r1.csv"),
        ("{year}/{month}/{day}/{run}.csv", "2026/01/05/r1.csv"),
        ("s3://b-1/{payload.x}/a.csv", "s3://b-1/E%C3%9C/a-r1.csv"),
        ("${payload.x}-{payload.y.z}.csv", "E%C3%9C-%absent-r1.csv"),
    ],
)
def test_marks_stand_for_the_run_its_day_and_the_record(path: str, expected: str):
    assert AT is not None
    assert datetime.fromtimestamp(AT / 1e6, UTC).day == 5
    name = OutputName.parse(path)
    values = name.values({"x": "EÜ"})
    assert name.of(values, run_id="r1", at=AT) == expected


def test_different_values_never_share_a_part():
    values = ["", ".", "..", "a/b", "a%2Fb", "a\\b", "a b", None, "%absent", "A" * 200, "A" * 201]
    parts = [safe_part(value) for value in values]
    assert len(set(parts)) == len(values)
    assert not [part for part in parts if "/" in part or "\\" in part or not part.strip(".")]


def test_records_go_to_the_file_of_their_values_in_order(tmp_path: Path):
    writer = node("w", "writers/file", path="out/{payload.k}.ndjson")
    spools = Spools()
    records = [{"k": "a", "n": 1}, {"k": "b", "n": 2}, {"k": "a", "n": 3}, {"n": 4}]
    result = run(chain(reader(), writer), records, spools=spools, chunk_records=2)
    assert [entry.destination for entry in result.outbox] == [
        "out/a-run-1.ndjson",
        "out/b-run-1.ndjson",
        "out/%absent-run-1.ndjson",
    ]
    assert [[row["n"] for row in spool.records] for spool in spools.opened.values()] == [
        [1, 3],
        [2],
        [4],
    ]


def test_many_files_of_one_run_are_spooled_without_many_open_ones(tmp_path: Path):
    folder = SpoolFolder(tmp_path)
    spools = [folder.open("run-1", "w", part=number) for number in range(1, 301)]
    for turn in range(2):
        for number, spool in enumerate(spools):
            spool.write([{"n": number, "turn": turn}])
    assert len(list(Path("/proc/self/fd").iterdir())) < 200
    names = [spool.finish(format="ndjson") for spool in spools]
    assert len(set(names)) == 300
    assert (tmp_path / names[7]).read_text() == '{"n":7,"turn":0}\n{"n":7,"turn":1}\n'


def test_too_many_values_fail_the_run():
    writer = node("w", "writers/file", path="{payload.n}.csv")
    with pytest.raises(OutputError, match="more than 1,000 files: n has too many values"):
        run(chain(reader(), writer), [{"n": n} for n in range(1_001)])
