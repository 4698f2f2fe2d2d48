"""The spool: kept whole, in the format that was asked for, or not at all."""

from __future__ import annotations

import errno
import os
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterhouse.connectors import SpoolFolder
from meterhouse.connectors import spool as spool_module
from meterhouse.core.json_text import canonical_text
from meterhouse.streams.ports import OutputError

RECORDS = [
    {"userId": "u1", "value": Decimal("0.10"), "n": 1},
    {"userId": 'ü,"', "n": Decimal("2.5"), "groups": [{"a": 1}], "ok": True, "mixed": 5},
    {"mixed": "5", "none": None, "": "empty name"},
]


@pytest.fixture
def folder(tmp_path):
    return SpoolFolder(tmp_path)


def spooled(folder, records=RECORDS, format="ndjson"):
    spool = folder.open("run-1", "node-1")
    spool.write(records[:1])
    spool.write(records[1:])
    return spool.finish(format=format)


def test_an_output_that_its_destination_does_not_take_is_refused(folder):
    spool = folder.open("run-1", "node-1")
    spool.write(RECORDS)
    with pytest.raises(
        OutputError, match=r"has [0-9]+ bytes, and .* files of up to 100\."
    ) as error:
        spool.finish(format="ndjson", bytes_max=100)
    assert "name a field in the path" in (error.value.hint or "")
    spool.discard()
    assert folder.names() == []


def test_records_are_lines_of_json(folder, tmp_path):
    name = spooled(folder)

    assert name == "spool/run-1/node-1.ndjson"
    assert (tmp_path / name).read_text("utf-8").splitlines() == [
        '{"userId":"u1","value":0.1,"n":1}',
        '{"userId":"ü,\\"","n":2.5,"groups":[{"a":1}],"ok":true,"mixed":5}',
        '{"mixed":"5","none":null,"":"empty name"}',
    ]


def test_csv_has_all_fields_in_order_of_appearance(folder, tmp_path):
    name = spooled(folder, format="csv")

    assert (tmp_path / name).read_text("utf-8") == (
        "userId,value,n,groups,ok,mixed,none,\n"
        "u1,0.1,1,,,,,\n"
        '"ü,""",,2.5,"[{""a"":1}]",true,5,,\n'
        ",,,,,5,,empty name\n"
    )


def test_parquet_has_a_column_of_the_right_type_for_each_field(folder, tmp_path):
    name = spooled(folder, format="parquet")

    frame = pl.read_parquet(tmp_path / name)
    assert frame.schema == {
        "userId": pl.String,
        "value": pl.Decimal(38, 18),
        "n": pl.Decimal(38, 18),
        "groups": pl.String,
        "ok": pl.Boolean,
        "mixed": pl.String,
        "": pl.String,
    }
    assert frame["mixed"].to_list() == [None, "5", '"5"']
    assert frame["groups"].to_list() == [None, '[{"a":1}]', None]
    assert frame["n"].to_list() == [1, Decimal("2.5"), None]


@pytest.mark.parametrize("format", ["ndjson", "csv", "parquet"])
def test_nothing_but_the_output_is_left(folder, tmp_path, format):
    name = spooled(folder, format=format)

    assert [path.name for path in (tmp_path / "spool/run-1").iterdir()] == [name.split("/")[-1]]


@pytest.mark.parametrize("format", ["ndjson", "csv", "parquet"])
def test_an_output_without_records(folder, tmp_path, format):
    name = spooled(folder, [], format=format)

    assert (tmp_path / name).exists()
    if format == "parquet":
        assert pl.read_parquet(tmp_path / name).shape == (0, 0)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=4),
    st.integers(-(10**22), 10**22),
    st.decimals(allow_nan=False, allow_infinity=False, places=20),
    st.just([1, {"a": Decimal("0.5")}]),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=st.lists(st.dictionaries(st.sampled_from(["a", "b", "c.d"]), VALUES), max_size=6))
def test_what_is_spooled_is_read_back(records, tmp_path, read):
    name = spooled(SpoolFolder(tmp_path), records)

    result = read(tmp_path / name)

    present = [{k: v for k, v in row.items() if v is not None} for row in records]
    assert list(result.records.values()) == [canonical_text(row) for row in present]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=st.lists(st.dictionaries(st.sampled_from(["a", "b", "c.d"]), VALUES), max_size=6))
def test_parquet_keeps_every_value(records, tmp_path):
    name = spooled(SpoolFolder(tmp_path), records, format="parquet")

    frame = pl.read_parquet(tmp_path / name)
    for column in frame.get_columns():
        wanted = [row.get(column.name) for row in records]
        for got, value in zip(column.to_list(), wanted, strict=True):
            assert (got is None) == (value is None)
            if value is not None and got != value:
                assert got == canonical_text(value)


def test_many_records_are_written_in_row_groups(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("meterhouse.connectors.export._ROW_GROUP", 1000)
    records = [{"n": n} for n in range(4000)] + [{"n": "text"}]

    name = spooled(folder, records, format="parquet")

    assert pl.read_parquet(tmp_path / name)["n"].to_list()[3998:] == ["3998", "3999", '"text"']


def test_a_record_that_cannot_be_read_back_is_named(folder):
    deep: list[object] = []
    for _ in range(120):
        deep = [deep]

    with pytest.raises(OutputError, match=r"record 0 nests deeper.*write ndjson"):
        spooled(folder, [{"deep": deep}], format="parquet")


def test_an_unknown_format_is_refused(folder):
    with pytest.raises(
        OutputError, match=r"no output format 'xml'.*use ndjson, csv, parquet or avro"
    ):
        spooled(folder, format="xml")


def test_a_discarded_spool_leaves_nothing(folder, tmp_path):
    spool = folder.open("run-1", "node-1")
    spool.write(RECORDS)

    spool.discard()

    assert not list((tmp_path / "spool").iterdir())


def test_a_finished_spool_can_be_discarded(folder, tmp_path):
    spool = folder.open("run-1", "node-1")
    name = spool.finish(format="csv")

    spool.discard()

    assert not (tmp_path / name).exists()


def left_behind(tmp_path, run, name):
    """What a crash leaves."""
    path = tmp_path / "spool" / run / name
    path.parent.mkdir(parents=True)
    path.write_text("{}\n{}\n")


def test_an_old_spool_of_the_same_name_is_emptied(folder, tmp_path):
    left_behind(tmp_path, "run-1", "node-1.ndjson.part")

    name = spooled(folder, RECORDS[:1])

    assert len((tmp_path / name).read_text().splitlines()) == 1


def test_names_never_leave_the_spool(folder, tmp_path):
    name = folder.open("../../run", "a/b").finish(format="ndjson")

    assert (tmp_path / name).resolve().is_relative_to(tmp_path / "spool")


def test_a_sweep_removes_orphans_only(folder, tmp_path):
    known = spooled(folder)
    orphan = folder.open("run-2", "node").finish(format="csv")
    left_behind(tmp_path, "run-3", "node.ndjson.part")
    live = folder.open("run-4", "node")

    removed = folder.sweep({known}, live_runs=["run-4"])

    assert removed == [orphan, "spool/run-3/node.ndjson.part"]
    assert (tmp_path / known).exists()
    assert not (tmp_path / "spool/run-2").exists()
    live.discard()


def test_a_sweep_leaves_what_came_after_the_look(folder, tmp_path):
    orphan = spooled(folder)
    seen = folder.names()
    later = folder.open("run-9", "node")

    assert folder.sweep((), among=seen) == [orphan]

    assert later.finish(format="ndjson") in folder.names()


def test_a_sweep_of_nothing(folder):
    assert folder.sweep([]) == []


@pytest.mark.parametrize("format", ["ndjson", "csv", "parquet"])
def test_a_full_disk_is_an_output_error(folder, monkeypatch, format):
    def full(_handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    spool = folder.open("run-1", "node-1")
    spool.write(RECORDS)
    monkeypatch.setattr(spool_module.os, "fsync", full)

    with pytest.raises(OutputError, match=r"No space left.*free some space"):
        spool.finish(format=format)
    spool.discard()


def test_a_device_without_space():
    full = Path("/dev/full")

    with pytest.raises(OutputError, match="No space left"), spool_module.writing(full):
        full.write_bytes(b"x")


def test_a_data_directory_that_is_a_file(tmp_path):
    (tmp_path / "data").write_text("")

    with pytest.raises(OutputError, match="cannot be written"):
        SpoolFolder(tmp_path / "data").open("run", "node")
