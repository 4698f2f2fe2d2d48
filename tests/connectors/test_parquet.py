"""Parquet inputs."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meterhouse.streams.ports import InputError


@pytest.fixture
def usage(tmp_path):
    frame = pl.DataFrame(
        {
            "userId": [f"u{n % 7}" for n in range(1000)],
            "value": [Decimal(n).scaleb(-3) for n in range(1000)],
            "flag": [None if n % 3 else True for n in range(1000)],
        }
    )
    path = tmp_path / "usage.parquet"
    pq.write_table(frame.to_arrow(), path, row_group_size=300)
    return path


@pytest.mark.parametrize("records_max", [1, 7, 300, 999, 1000, 5000])
def test_chunks_are_bounded_and_in_order(usage, read, records_max):
    if records_max == 1:
        usage = usage.with_name("few.parquet")
        pl.DataFrame({"a": [1, 2, 3]}).write_parquet(usage)
    result = read(usage, records_max=records_max)

    assert all(len(chunk.batch) <= records_max for chunk in result.chunks)
    assert list(result.records) == list(range(3 if records_max == 1 else 1000))
    assert all(chunk.batch.columnar for chunk in result.chunks)


def test_values_and_origins(usage, read):
    result = read(usage)

    assert result.records[5] == '{"userId":"u5","value":0.005}'
    assert result.records[6] == '{"flag":true,"userId":"u6","value":0.006}'
    assert result.chunks[0].batch.origins()[1] == (3, 1)


def test_declared_fields(tmp_path, read):
    path = tmp_path / "usage.parquet"
    pl.DataFrame({"v": ["1.50", "x", None], "n": [1, 2, 3]}).write_parquet(path)

    result = read(path, fields={"v": "number", "n": "string"})

    assert result.records == {0: '{"n":"1","v":1.5}', 2: '{"n":"3"}'}
    assert result.bad == {1: 'v is "x", which is not a number'}
    assert result.chunks[0].unreadable[0].raw == '{"v":"x","n":2}'


def test_names_that_engines_treat_specially_are_plain_names(tmp_path, read):
    path = tmp_path / "a=1" / "usage.parquet"
    path.parent.mkdir()
    pl.DataFrame({"*": [1], "^a$": ["x"], "": [True]}).write_parquet(path)

    assert read(path).values == [{"*": 1, "^a$": "x", "": True}]


def test_no_records(tmp_path, read):
    path = tmp_path / "none.parquet"
    pl.DataFrame({"a": []}).write_parquet(path)

    assert read(path).records == {}


def test_maps_are_objects(tmp_path, read):
    path = tmp_path / "map.parquet"
    kind = pa.map_(pa.string(), pa.float64())
    pq.write_table(pa.table({"tags": pa.array([[("a", 0.1), ("b", None)], None], kind)}), path)

    assert read(path).records == {0: '{"tags":{"a":0.1,"b":null}}', 1: "{}"}


@pytest.mark.parametrize("kept", [0, 3, 8, 100, -1, -4])
def test_a_truncated_file_is_refused_whole(usage, read, kept):
    usage.write_bytes(usage.read_bytes()[:kept])

    with pytest.raises(InputError, match=r"usage\.parquet cannot be read"):
        read(usage)


@pytest.mark.parametrize("place", [-9, -30, -100, 20])
def test_a_damaged_file_never_gives_wrong_numbers_of_records(usage, read, place):
    data = bytearray(usage.read_bytes())
    data[place] ^= 0xFF
    usage.write_bytes(data)

    try:
        result = read(usage)
    except InputError as error:
        assert "usage.parquet" in str(error)  # noqa: PT017
    else:
        assert len(result.records) == 1000


def test_another_format_is_refused(tmp_path, read):
    path = tmp_path / "usage.parquet"
    path.write_text('{"a":1}\n' * 10)

    with pytest.raises(InputError, match="it is not Parquet"):
        read(path)


@pytest.fixture(scope="module")
def large_usage(tmp_path_factory):
    """A file large enough that texts which repeat are read as dictionary and numbers."""
    count = 120_000
    users = [None if n % 11 == 0 else f"user {n % 97} ünï" for n in range(count)]
    frame = pl.DataFrame(
        {
            "userId": users,
            "event": [f"e{n}" for n in range(count)],
            "nothing": pl.Series([None] * count, dtype=pl.String),
            "value": range(count),
        }
    )
    path = tmp_path_factory.mktemp("large") / "usage.parquet"
    pq.write_table(frame.to_arrow(), path, row_group_size=25_000)
    return path, frame


@pytest.mark.parametrize("records_max", [25_000, 60_000, 130_000, 10_000])
def test_texts_that_repeat_stay_a_dictionary(large_usage, read, records_max):
    path, frame = large_usage
    batches = [chunk.batch for chunk in read(path, records_max=records_max).chunks]

    columns = [batch.columns() for batch in batches]
    assert all("nothing" not in column for column in columns)
    coded = [column["userId"].coded is not None for column in columns]
    # A slice that cuts a row group is read the plain way.
    assert all(coded) if records_max >= 25_000 else not any(coded)
    assert all(column["event"].coded is None for column in columns)
    for name in ("userId", "event", "value"):
        read_back = [value for column in columns for value in column[name].to_values()]
        assert read_back == frame[name].to_list()


def test_a_dictionary_that_is_no_text_is_refused(large_usage, tmp_path, read):
    _, frame = large_usage
    damaged = tmp_path / "damaged.parquet"
    table = frame.select("userId").to_arrow()
    pq.write_table(table, damaged, row_group_size=25_000, compression="none")
    data = damaged.read_bytes()
    assert "user 1 ün".encode() in data
    damaged.write_bytes(data.replace("ün".encode(), b"\xff\xfe\xffn"[:3]))

    with pytest.raises(InputError):
        read(damaged)
