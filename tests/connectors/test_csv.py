"""CSV inputs."""

from __future__ import annotations

import gzip
import io
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.delimited import reader as reader_module
from meterhouse.connectors.delimited.reader import read_csv
from meterhouse.engine.column import ColumnKind
from meterhouse.streams.ports import InputError, InputFile


@pytest.fixture
def usage(tmp_path):
    def usage(data, name="usage.csv"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return usage


def test_cells_are_text_and_empty_ones_are_missing(usage, read):
    result = read(usage('a,b,c\n1,,""\n, x ,NULL\n'))

    assert result.values == [{"a": "1"}, {"b": " x ", "c": "NULL"}]


def test_offsets_are_line_numbers_from_0(usage, read):
    result = read(usage('a,b\n1,2\n\n"x\ny",3\n4,5\n'))

    assert list(result.records) == [1, 3, 5]


def test_few_records_stay_rows_many_come_in_columns(usage, read):
    few, many = read(usage("a\n" + "1\n" * 1000)), read(usage("a\n" + "1\n" * 5000))

    assert not few.chunks[0].batch.columnar
    assert all(chunk.batch.columnar for chunk in many.chunks)
    assert many.chunks[1].batch.origins()[0] == (3, 1001)


@pytest.mark.parametrize("count", [5, 5000])
def test_declared_cells(usage, read, count):
    body = "".join(f"{n},0.{n},{n % 2 == 0}\n" for n in range(count)) + ",,\n"

    result = read(
        usage("n,d,f\n" + body),
        fields={"n": "number", "d": "number", "f": "boolean", "absent": "number"},
        records_max=10_000,
    )

    assert result.values[3] == {"n": 3, "d": Decimal("0.3"), "f": False}
    assert result.values[count] == {}


@pytest.mark.parametrize("count", [5, 5000])
def test_a_cell_that_is_not_of_its_type_makes_its_record_unreadable(usage, read, count):
    body = '"1\n1",x\n' + "1,2\n" * count + 'many,"a\nb"\n'

    result = read(usage("n,t\n" + body), fields={"n": "number"}, records_max=10_000)

    assert result.bad == {
        1: 'n is "1\\n1", which is not a number',
        count + 3: 'n is "many", which is not a number',
    }
    raw = [bad.raw for chunk in result.chunks for bad in chunk.unreadable]
    assert raw == ['"1\n1",x', 'many,"a\nb"']


NUMBERS = ["1e400", "0.1234567890123456789", "12345678901234567890.123456789012345678", "007", ".5"]


@pytest.mark.parametrize("times", [1, 1000])
def test_numbers_are_as_written(usage, read, times):
    body = "".join(f"{number}\n" for number in NUMBERS * times)

    result = read(usage("n\n" + body), fields={"n": "number"}, records_max=10_000)

    assert [row["n"] for row in result.values[:5]] == [Decimal(number) for number in NUMBERS]


def test_columns_of_declared_numbers(usage, read):
    result = read(usage("n,d\n" + "5,0.5\n" * 3000), fields={"n": "number", "d": "number"})

    columns = result.chunks[0].batch.columns()
    assert columns["n"].values.dtype == pl.Int64
    assert columns["d"].values.dtype == pl.Decimal(38, 18)
    assert columns["d"].kind is ColumnKind.NUMBER


@pytest.mark.parametrize("count", [5, 5000])
def test_ragged_records_are_unreadable(usage, read, count):
    result = read(usage("a,b\n1\n" + "1,2\n" * count + "1,2,3\n"), records_max=10_000)

    assert len(result.records) == count
    assert result.bad == {
        1: "has 1 cells, the header has 2",
        count + 2: "has 3 cells, the header has 2",
    }
    raw = [bad.raw for chunk in result.chunks for bad in chunk.unreadable]
    assert raw == ["1", "1,2,3"]


@pytest.mark.parametrize("count", [5, 5000])
def test_ragged_records_between_blank_lines(usage, read, count):
    result = read(usage("a,b\n\n1\n\n" + "1,2\n" * count + "\n\n3\n"), records_max=10_000)

    assert list(result.bad) == [2, count + 6]
    assert list(result.records)[:1] == [4]


@pytest.mark.parametrize("count", [5, 5000])
@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b'x,"open\n', "a quote is opened and never closed"),
        (b'x,"a"b\n', "not CSV: ',' expected after '\"'"),
        (b"x,\xff\n", "not UTF-8"),
    ],
)
def test_bad_lines_spoil_no_others(usage, read, line, detail, count):
    body = b"1,2\n" * count

    result = read(usage(b"a,b\n" + body + line + b"3,4\n" + body), records_max=20_000)

    assert result.bad == {count + 1: detail}
    assert len(result.records) == 2 * count + 1


def test_an_open_quote_ends_where_a_record_must(monkeypatch, seen):
    monkeypatch.setattr("meterhouse.connectors.delimited.exact.RECORD_BYTES_MAX", 100)
    monkeypatch.setattr(reader_module, "RECORD_BYTES_MAX", 100)
    data = b'a,b\n"open,1\n' + b"1,2\n" * 3000

    result = seen(
        read_csv(io.BytesIO(data), Asked(0), file=InputFile("u.csv", 0, 0), block_bytes=50)
    )

    assert result.bad == {1: "a quote is opened and never closed"}
    assert len(result.records) == 3000


def test_a_line_without_end(monkeypatch, seen):
    monkeypatch.setattr("meterhouse.connectors.lines.LINE_BYTES_MAX", 5000)
    data = b'a,b\n1,2\n"3,4\n' + b"x" * 30_000 + b"\n5,6\n"

    result = seen(
        read_csv(io.BytesIO(data), Asked(0), file=InputFile("u.csv", 0, 0), block_bytes=1000)
    )

    assert list(result.records) == [1, 4]
    assert list(result.bad) == [2, 3]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (b"\n\n", "header line is not CSV"),
        (b'"a,b\n', "header line is not CSV"),
        (b"a\xff,b\n", "header line is not UTF-8"),
        (b"a,b,a\n1,2,3\n", "names the column 'a' twice"),
        (b"a,b\r1,2\r", "header line is not CSV"),
    ],
)
def test_a_file_without_a_header_is_refused(usage, read, data, message):
    with pytest.raises(InputError, match=message):
        read(usage(data))


def test_a_header_without_end_is_refused(monkeypatch, usage, read):
    monkeypatch.setattr("meterhouse.connectors.lines.LINE_BYTES_MAX", 1 << 20)

    with pytest.raises(InputError, match="first line has no end"):
        read(usage(b"x" * (3 << 20)))


def test_a_header_of_several_lines(usage, read):
    assert read(usage('\n"a\nb",c\n1,2\n')).records == {3: '{"a\\nb":"1","c":"2"}'}


def test_only_a_header(usage, read):
    assert read(usage("a,b")).records == {}


def test_byte_order_mark_carriage_returns_and_gzip(usage, read):
    data = b"\xef\xbb\xbfa,b\r\n" + b'1,"2"\r\n' * 3000

    result = read(usage(gzip.compress(data), "usage.csv.gz"), records_max=5000)

    assert result.records[3000] == '{"a":"1","b":"2"}'


CELLS = st.text(st.characters(codec="utf-8"), max_size=5)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), max_size=8),
    style=st.sampled_from(["always", "necessary"]),
)
def test_what_polars_writes_is_read_back(rows, style, tmp_path, read):
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    path = tmp_path / "usage.csv"
    frame.write_csv(path, quote_style=style)

    result = read(path)

    if any("\r" in cell for row in rows for cell in row) and style == "necessary":
        return  # it leaves carriage returns unquoted
    assert result.values == [{k: v for k, v in row.items() if v} for row in frame.to_dicts()]


def test_real_usage(test_data, read):
    result = read(
        test_data / "servegen" / "servegen_requests_10min_m-small.csv.gz",
        fields={"requests": "number"},
        records_max=100_000,
    )

    assert len(result.records) == 40_095
    assert not result.bad


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("count", [1, 5000])
@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("2", "last line"),
        ('2,3\n"4,5', "within the quotes that line"),
        ('"4,5\n', "within the quotes that line"),
        ('2,"4\n5\n', "within the quotes that line"),
        ('2,"4\n5,6', "within the quotes that line"),
    ],
)
def test_a_file_that_was_cut_off_is_refused_whole(usage, read, count, end, told, packed):
    data = "a,b\n" + "1,2\n" * count + end
    path = usage(gzip.compress(data.encode()), "u.csv.gz") if packed else usage(data)

    with pytest.raises(InputError, match=told) as refusal:
        read(path)

    line = count + 2 + end.startswith("2,3")
    assert str(path) in str(refusal.value)
    assert str(line) in str(refusal.value)
    assert "fetch it again" in str(refusal.value)


@pytest.mark.parametrize("count", [1, 5000])
@pytest.mark.parametrize("bad", ["2", '"4,5', "1,2,3"])
def test_a_bad_line_in_the_middle_is_unreadable_and_no_more(usage, read, count, bad):
    result = read(usage("a,b\n" + "1,2\n" * count + bad + "\n7,8\n"), records_max=9000)

    assert list(result.bad) == [count + 1]
    assert result.values[-1] == {"a": "7", "b": "8"}


@pytest.mark.parametrize("count", [1, 5000])
def test_a_misfit_keeps_all_its_cells_as_texts(usage, read, count):
    data = "user,v,w\n" + "u,1,\n" * count + "ann,x,5\n"

    result = read(usage(data), fields={"v": "number"}, needed=frozenset({"v"}), records_max=9000)

    (bad,) = result.chunks[-1].unreadable
    assert bad.raw == "ann,x,5"
    assert bad.record == {"user": "ann", "v": "x", "w": "5"}
