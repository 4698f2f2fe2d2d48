"""Files with given columns: one schema, whatever a run's records hold."""

import csv
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meterhouse.connectors import SpoolFolder
from meterhouse.core.json_text import Record
from meterhouse.core.problem import DefinitionError
from meterhouse.streams.graph import load_graph
from meterhouse.streams.ports import OutputError
from meterhouse.streams.world import Services
from tests.streams.documents import chain, node, reader, run
from tests.streams.twins import Files, Spools

COLUMNS = [
    {"name": "userId", "type": "text"},
    {"name": "value", "type": "number"},
    {"name": "count", "type": "integer"},
    {"name": "ok", "type": "boolean"},
    {"name": "timestamp", "type": "timestamp"},
    {"name": "custom.plan", "type": "text"},
    {"name": "custom", "type": "json"},
]
SCHEMA = pa.schema(
    [
        ("userId", pa.string()),
        ("value", pa.decimal128(38, 18)),
        ("count", pa.int64()),
        ("ok", pa.bool_()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("custom.plan", pa.string()),
        ("custom", pa.string()),
    ]
)
ROWS: list[Record] = [
    {"region": "EU", "userId": "=1+1", "value": "0.10", "count": Decimal("5.0"), "extra": [1]},
    {"region": "EU", "userId": 7, "value": 99999999999999999999, "ok": "true"},
    {"region": "US", "custom": {"plan": "pro"}, "timestamp": "2026-01-15T12:00:00.000250+01:00"},
    {"region": "US", "value": Decimal("-1E+3"), "ok": False, "timestamp": 0, "custom": "-x"},
]


def written(folder: Path, rows: list[Record], path: str, **params: Any) -> dict[str, Path]:
    """Run a stream over real spools; the spooled files by their destinations."""
    writer = node("w", "writers/file", "Export", path=path, columns=COLUMNS, **params)
    services = Services(Files({"a.ndjson": rows}), SpoolFolder(folder))
    result = run(chain(reader(), writer), services=services)
    return {entry.destination: folder / entry.spool for entry in result.outbox}


def test_every_parquet_file_has_the_columns_asked_for_in_their_order_and_types(tmp_path: Path):
    files = written(tmp_path, ROWS, "{payload.region}.parquet")
    eu, us = (pq.read_table(files[f"{name}-run-1.parquet"]) for name in ("EU", "US"))
    assert eu.schema == us.schema == SCHEMA
    assert [list(row.values()) for row in eu.to_pylist()] == [
        ["=1+1", Decimal("0.10"), 5, None, None, None, None],
        ["7", Decimal(99999999999999999999), None, True, None, None, None],
    ]
    noon = datetime(2026, 1, 15, 11, 0, 0, 250, UTC)
    assert [list(row.values()) for row in us.to_pylist()] == [
        [None, None, None, None, noon, "pro", '{"plan":"pro"}'],
        [None, Decimal(-1000), None, False, datetime(1970, 1, 1, tzinfo=UTC), None, '"-x"'],
    ]


def test_every_csv_file_has_the_columns_asked_for(tmp_path: Path):
    files = written(tmp_path, ROWS, "{payload.region}.csv")
    eu, us = (
        list(csv.reader(files[f"{name}-run-1.csv"].read_text("utf-8").splitlines()))
        for name in ("EU", "US")
    )
    assert eu[0] == us[0] == [column["name"] for column in COLUMNS]
    assert eu[1:] == [
        ["=1+1", "0.1", "5", "", "", "", ""],
        ["7", "99999999999999999999", "", "true", "", "", ""],
    ]
    assert us[1:] == [
        ["", "", "", "", "2026-01-15T11:00:00.000250Z", "pro", '{"plan":"pro"}'],
        ["", "-1000", "", "false", "1970-01-01T00:00:00.000Z", "", '"-x"'],
    ]


def test_only_texts_of_columns_are_kept_from_being_formulas(tmp_path: Path):
    (path,) = written(tmp_path, ROWS, "x.csv", formulaSafe=True).values()
    rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    assert [rows[0]["userId"], rows[3]["value"], rows[3]["custom"]] == ["'=1+1", "-1000", '"-x"']


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("value", "abc", 'value is "abc", which is no number'),
        ("value", Decimal("1e-19"), "which is no number"),
        ("userId", {"id": 5}, 'userId is {"id":5}, which is no text'),
        ("count", Decimal("1.5"), "count is 1.5, which is no integer"),
        ("count", 2**63, "which is no integer"),
        ("ok", 1, "ok is 1, which is no boolean"),
        ("timestamp", "today", 'timestamp is "today", which is no timestamp'),
        ("custom", {"plan": []}, "custom.plan is [], which is no text"),
    ],
)
@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_value_that_does_not_fit_ends_the_run_and_is_named(
    tmp_path: Path, format: str, field: str, value: Any, said: str
):
    with pytest.raises(OutputError) as raised:
        written(tmp_path, [{"userId": "ann"}, {field: value}], f"x.{format}")
    assert str(raised.value).startswith('node "Export" cannot write record 1 of a.ndjson: ')
    assert said in str(raised.value)
    assert "json" in (raised.value.hint or "")
    assert SpoolFolder(tmp_path).names() == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"path": "x.ndjson", "columns": COLUMNS}, "columns: ndjson has none"),
        ({"path": "x.avro", "columns": COLUMNS}, "columns: avro has none"),
        ({"path": "x.csv", "columns": []}, "columns: has no column"),
        ({"path": "x.csv", "columns": [{"name": "a"}]}, "columns[0].type: is missing"),
        ({"path": "x.csv", "columns": [{"name": "a", "type": "int"}]}, 'type: is "int"'),
        ({"path": "x.csv", "columns": COLUMNS[:1] * 2}, 'columns[1].name: "userId" is the name'),
    ],
)
def test_columns_that_cannot_be_are_refused(params: Record, said: str):
    with pytest.raises(DefinitionError, match=re.escape(said)):
        load_graph(chain(reader(), node("w", "writers/file", **params)))


def test_without_columns_files_are_as_they_were(tmp_path: Path):
    spools = Spools()
    run(chain(reader(), node("w", "writers/file", path="x.csv")), ROWS, spools=spools)
    assert (spools.opened["w"].records, spools.opened["w"].columns) == (ROWS, ())
