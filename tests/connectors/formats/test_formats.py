"""Formats beyond lines: JSON arrays, CSV dialects, XLSX, archives, Avro with a schema."""

import bz2
import gzip
import io
import lzma
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import fastavro
import openpyxl
import pyarrow as pa
import pytest

from meterhouse.streams.file_options import CsvDialect, FileOptions
from meterhouse.streams.ports import InputError

LINES = b'{"userId":"ann","value":1}\n{"userId":"bob","value":2}\n'
ROWS = [{"userId": "ann", "value": 1}, {"userId": "bob", "value": 2}]


def packed_zstd(content: bytes) -> bytes:
    made = pa.BufferOutputStream()
    with pa.CompressedOutputStream(made, "zstd") as stream:
        stream.write(content)
    return made.getvalue().to_pybytes()


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": packed_zstd}

# ---------------------------------------------------------------- packed texts


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_texts_are_read(tmp_path: Path, read, suffix: str):
    path = tmp_path / f"u.ndjson.{suffix}"
    path.write_bytes(PACKERS[suffix](LINES))
    assert read(path).values == ROWS


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
def test_several_packed_pieces_behind_one_another_are_one_file(tmp_path: Path, read, suffix: str):
    path = tmp_path / f"u.ndjson.{suffix}"
    path.write_bytes(b"".join(PACKERS[suffix](line + b"\n") for line in LINES.split()))
    assert read(path).values == ROWS


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_text_that_was_cut_off_is_refused(tmp_path: Path, read, suffix: str):
    path = tmp_path / f"u.ndjson.{suffix}"
    content = PACKERS[suffix](LINES * 1000)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="data is damaged"):
        read(path)


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_bomb_is_refused(tmp_path: Path, read, suffix: str):
    path = tmp_path / f"u.ndjson.{suffix}"
    path.write_bytes(PACKERS[suffix](b"\n" * (100 << 20)))
    with pytest.raises(InputError, match="grows more than 200 times"):
        read(path)


def test_an_xz_that_wants_much_memory_is_refused(tmp_path: Path, read):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 30}]
    path = tmp_path / "u.ndjson.xz"
    path.write_bytes(lzma.compress(LINES, filters=filters))
    with pytest.raises(InputError, match="data is damaged"):
        read(path)


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    "text",
    [
        b'[{"userId":"ann","value":1},{"userId":"bob","value":2}]',
        b'\xef\xbb\xbf [\n {"userId": "ann",\n "value": 1},\n{"userId":"bob","value":2}\n]\n',
        LINES,
    ],
)
def test_a_json_file_is_an_array_or_an_object_a_line(tmp_path: Path, read, text: bytes):
    path = tmp_path / "u.json"
    path.write_bytes(text)
    seen = read(path)
    assert seen.values == ROWS
    assert list(seen.records) == [0, 1]


def test_a_json_file_may_be_one_object_over_several_lines(tmp_path: Path, read):
    path = tmp_path / "u.json"
    path.write_text('{\n  "userId": "ann",\n  "groups": [\n 1.50 ]\n}\n')
    assert read(path).values == [{"userId": "ann", "groups": [Decimal("1.50")]}]


def test_a_bad_element_does_no_harm_to_the_others(tmp_path: Path, read):
    path = tmp_path / "u.json"
    path.write_text('[{"a":1}, 5, {"b":"],[{"}, {"c":}, , {"d":"\\"}"}]')
    seen = read(path)
    assert seen.records == {0: '{"a":1}', 2: '{"b":"],[{"}', 5: '{"d":"\\"}"}'}
    assert seen.bad == {
        1: "not a JSON object but a number",
        3: "not JSON: Expecting value at character 6",
        4: "nothing between two commas",
    }


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
def test_where_an_array_is_cut_shows_nowhere(tmp_path: Path, read, monkeypatch, block: int):
    path = tmp_path / "u.json"
    path.write_text('[{"a":"x\\\\\\"y"},{"b":[[1,2],{"c":"é"}]} , 7,{"d":"]"}]')
    whole = read(path)
    monkeypatch.setattr("meterhouse.connectors.json_values.reader._BLOCK_BYTES", block)
    cut = read(path)
    assert (cut.records, cut.bad) == (whole.records, whole.bad)
    assert len(whole.records) == 3


@pytest.mark.parametrize("text", ['[{"a":1}', '[{"a":1},', '[{"a":"x', "[", '[{"a":1}] {"b":2}'])
def test_an_array_that_is_cut_off_fails_the_file(tmp_path: Path, read, text: str):
    path = tmp_path / "u.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"ends before its array does|something follows"):
        read(path)


def test_an_element_beyond_the_limit_is_unreadable_and_the_next_is_read(tmp_path: Path, read):
    path = tmp_path / "u.json"
    path.write_text('[{"a":1},{"x":"' + "y" * (17 << 20) + '"},{"b":2}]')
    seen = read(path)
    assert (seen.records, list(seen.bad.values())) == (
        {0: '{"a":1}', 2: '{"b":2}'},
        ["longer than 16 MiB"],
    )


def test_a_large_array_equals_its_lines(tmp_path: Path, read):
    rows = [f'{{"userId":"u{n % 7}","value":{n}.5,"n":[{n}]}}' for n in range(5_000)]
    (tmp_path / "u.json").write_text("[" + ",\n".join(rows) + "]")
    (tmp_path / "u.ndjson").write_text("\n".join(rows) + "\n")
    fields = {"userId": "string"}
    whole, lines = (read(tmp_path / name, fields=fields) for name in ("u.json", "u.ndjson"))
    assert whole.records == lines.records


def test_declared_fields_are_read_in_arrays_too(tmp_path: Path, read):
    path = tmp_path / "u.json"
    path.write_text('[{"a":"1"},{"a":"x"}]')
    seen = read(path, fields={"a": "number"})
    assert (seen.values, list(seen.bad)) == ([{"a": 1}], [1])


# ---------------------------------------------------------------- CSV


def csv_options(**dialect) -> FileOptions:
    return FileOptions(csv=CsvDialect(**dialect))


def test_a_dialect_says_how_cells_stand(tmp_path: Path, read):
    path = tmp_path / "u.csv"
    path.write_bytes("user;note;value\nann;'a;b\nc';12,5\nb\xf6b;d;-3\n".encode("latin-1"))
    options = csv_options(delimiter=";", quote="'", encoding="latin-1", decimal_comma=True)
    seen = read(path, fields={"value": "number"}, options=options)
    assert seen.values == [
        {"user": "ann", "note": "a;b\nc", "value": Decimal("12.5")},
        {"user": "böb", "note": "d", "value": -3},
    ]
    assert list(seen.records) == [1, 3]


def test_a_number_with_a_point_is_none_where_commas_are_decimal(tmp_path: Path, read):
    path = tmp_path / "u.csv"
    path.write_text("a;b\n1.500;x\n1,5;1.5\n")
    options = csv_options(delimiter=";", decimal_comma=True)
    seen = read(path, fields={"a": "number"}, options=options)
    assert seen.values == [{"a": Decimal("1.5"), "b": "1.5"}]
    assert seen.bad == {1: "field 'a' is '1.500', no number with a decimal comma"}


def test_columns_may_be_named_where_there_is_no_header(tmp_path: Path, read):
    path = tmp_path / "u.csv"
    path.write_text("ann,1\nbob,2\n")
    seen = read(path, fields={"value": "number"}, options=csv_options(columns=("userId", "value")))
    assert (seen.values, list(seen.records)) == (ROWS, [0, 1])
    path.write_text("")
    assert read(path, options=csv_options(columns=("a",))).values == []


def test_without_a_quote_every_character_is_itself(tmp_path: Path, read):
    path = tmp_path / "u.csv"
    path.write_text('a\tb\n"x\ty"\n')
    assert read(path, options=csv_options(delimiter="\t", quote="")).values == [
        {"a": '"x', "b": 'y"'}
    ]


def test_a_large_file_of_a_dialect_equals_a_plain_one(tmp_path: Path, read):
    rows = [f'u{n};"x;{n}\n";{n}' for n in range(6_000)]
    (tmp_path / "a.csv").write_text("\n".join(["u;x;n", *rows]) + "\n")
    (tmp_path / "b.csv").write_text(
        "\n".join(["u,x,n", *(f'u{n},"x;{n}\n",{n}' for n in range(6_000))]) + "\n"
    )
    one = read(tmp_path / "a.csv", options=csv_options(delimiter=";"))
    assert one.records == read(tmp_path / "b.csv").records


# ---------------------------------------------------------------- XLSX


def workbook(path: Path, sheets: dict[str, list[list]]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)


def test_a_sheet_is_read_with_its_types(tmp_path: Path, read):
    path = tmp_path / "u.xlsx"
    rows = [
        ["userId", "value", "on", "at", "ok"],
        ["ann", 0.1, date(2026, 1, 31), datetime(2026, 1, 31, 12, 30), True],
        [],
        ["007", 12345678901, None, None, None],
    ]
    workbook(path, {"Usage": rows, "Other": [["a"], [1]]})
    seen = read(path)
    assert seen.values == [
        {
            "userId": "ann",
            "value": Decimal("0.1"),
            "on": "2026-01-31",
            "at": "2026-01-31T12:30:00",
            "ok": True,
        },
        {"userId": "007", "value": 12345678901},
    ]
    assert list(seen.records) == [1, 3]
    assert read(path, options=FileOptions(sheet="Other")).values == [{"a": 1}]
    with pytest.raises(InputError, match=r"no sheet 'Third'; it has 'Usage', 'Other'") as no:
        read(path, options=FileOptions(sheet="Third"))
    assert "name one that it has" in no.value.hint


def rewritten(path: Path, old: str, new: str) -> None:
    """Change the XML of the first sheet."""
    with zipfile.ZipFile(path) as book:
        members = {name: book.read(name) for name in book.namelist()}
    sheet = members["xl/worksheets/sheet1.xml"].decode()
    assert old in sheet
    members["xl/worksheets/sheet1.xml"] = sheet.replace(old, new).encode()
    with zipfile.ZipFile(path, "w") as book:
        for name, content in members.items():
            book.writestr(name, content)


def test_a_row_with_an_error_or_a_formula_without_a_result_is_no_record(tmp_path: Path, read):
    path = tmp_path / "u.xlsx"
    rows = [["a", "b"], [1, "#REF!"], ["#DIV/0!", 2], [3, "=1+2"], [4, "=2+2"], ["=T(4)", 5]]
    workbook(path, {"Usage": [*rows, [6, 7]]})
    rewritten(path, "<f>2+2</f><v></v>", "<f>2+2</f><v>4</v>")
    rewritten(path, '<c r="A6"><f>T(4)</f><v></v>', '<c r="A6" t="str"><f>T(4)</f><v></v>')

    result = read(path)

    assert result.bad == {
        1: "holds #REF! in cell B2",
        2: "holds #DIV/0! in cell A3",
        3: "holds a formula without a stored value in cell B4",
    }
    assert result.values == [{"a": 4, "b": 4}, {"b": 5}, {"a": 6, "b": 7}]


def test_a_header_with_an_error_is_refused(tmp_path: Path, read):
    path = tmp_path / "u.xlsx"
    workbook(path, {"Usage": [["a", "#NAME?"], [1, 2]]})
    with pytest.raises(InputError, match=r"its header holds #NAME\? in column B"):
        read(path)


def test_a_cell_that_the_header_does_not_name_is_unreadable(tmp_path: Path, read):
    path = tmp_path / "u.xlsx"
    workbook(path, {"S": [["a", None, "b"], [1, None, 2], [1, 9, 2], [1, None, 2, 3]]})
    seen = read(path, fields={"a": "string"})
    assert seen.values == [{"a": "1", "b": 2}]
    assert list(seen.bad.values()) == [
        "has a cell in column 2, which the header does not name",
        "has a cell in column 4, which the header does not name",
    ]


def test_a_formula_is_its_stored_value_and_is_never_run(tmp_path: Path, read):
    path = tmp_path / "u.xlsx"
    workbook(path, {"S": [["a", "b"], ["=1+1", "x"]]})
    rewritten(path, "<f>1+1</f><v></v>", "<f>1+1</f><v>3</v>")
    assert read(path).values == [{"a": 3, "b": "x"}]


def test_a_large_sheet_is_columns(tmp_path: Path, read):
    path = tmp_path / "u.xlsx"
    workbook(path, {"S": [["n", "t"], *([n, f"t{n}"] for n in range(3_000))]})
    seen = read(path)
    assert (len(seen.records), seen.records[3_000]) == (3_000, '{"n":2999,"t":"t2999"}')
    assert all(chunk.batch.columnar for chunk in seen.chunks)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip"])
def test_what_is_no_workbook_is_refused(tmp_path: Path, read, content: bytes):
    path = tmp_path / "u.xlsx"
    path.write_bytes(content)
    with pytest.raises(InputError, match="zip data is damaged"):
        read(path)


def test_a_sheet_that_spreads_over_everything_ends_the_parser_and_not_the_process(
    tmp_path: Path, read
):
    path = tmp_path / "u.xlsx"
    book = openpyxl.Workbook()
    book.active["A1"] = "a"
    book.active["XFD1048576"] = 1
    book.save(path)
    with pytest.raises(InputError, match=r"more memory|more time|breaks its parser"):
        read(path)


# ---------------------------------------------------------------- archives


def archive(path: Path, members: dict[str, bytes], **options) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as made:
        for name, content in members.items():
            made.writestr(name, content)


def parquet_bytes(rows: list[dict]) -> bytes:
    import pyarrow.parquet as pq

    made = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), made)
    return made.getvalue()


def test_the_members_of_an_archive_are_read_as_one_file(tmp_path: Path, read):
    path = tmp_path / "u.zip"
    archive(
        path,
        {
            "b.csv": b"userId,value\ncyd,3\n",
            "a.ndjson": LINES,
            "c/d.parquet": parquet_bytes([{"userId": "dan", "value": 4}]),
            "__MACOSX/a.ndjson": b"x",
            ".hidden": b"x",
            "c/": b"",
        },
    )
    seen = read(path, fields={"value": "number"})
    assert seen.values == [
        *ROWS,
        {"userId": "cyd", "value": 3},
        {"userId": "dan", "value": 4},
    ]
    assert list(seen.records) == [0, 1, 3, 4]
    assert read(path, options=FileOptions(members="c/*.parquet")).values == [
        {"userId": "dan", "value": 4}
    ]


def test_what_is_bad_in_a_member_names_it(tmp_path: Path, read):
    path = tmp_path / "u.zip"
    archive(path, {"a.ndjson": LINES, "b.ndjson": b'{"a":1}\nx\n'})
    assert read(path).bad == {3: "b.ndjson: not JSON: Expecting value at character 1"}
    archive(path, {"a.ndjson": LINES, "b.ndjson": b'{"a":1'})
    with pytest.raises(InputError, match=r"u\.zip!b\.ndjson cannot be read: its last line"):
        read(path)


def test_archives_beyond_all_bounds_are_refused(tmp_path: Path, read):
    path = tmp_path / "u.zip"
    archive(path, {"a.ndjson": b"\n" * (300 << 20)})
    with pytest.raises(InputError, match="grow beyond"):
        read(path)
    archive(path, {f"{n}.ndjson": b"" for n in range(10_001)})
    with pytest.raises(InputError, match="10,001 members"):
        read(path)
    archive(path, {"readme.txt": b"x"})
    with pytest.raises(InputError, match="does not tell its format"):
        read(path)
    with pytest.raises(InputError, match=r"no member that matches \*\.csv"):
        read(path, options=FileOptions(members="*.csv"))


def test_a_member_that_says_it_is_small_is_read_no_further(tmp_path: Path, read):
    path = tmp_path / "u.zip"
    archive(path, {"a.ndjson": LINES * 1000})
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = content.find(mark) + at
        content[place : place + 4] = (5).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="zip data is damaged"):
        read(path)


# ---------------------------------------------------------------- Avro with a reader's schema

WRITTEN = {
    "type": "record",
    "name": "Usage",
    "fields": [
        {"name": "user", "type": "string"},
        {"name": "value", "type": "int"},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "gone", "type": "long"},
    ],
}


def resolved(tmp_path: Path, read, fields: list[dict], **more):
    path = tmp_path / "u.avro"
    records = [{"user": "ann", "value": 5, "kind": "B", "gone": 1}]
    with path.open("wb") as made:
        fastavro.writer(made, WRITTEN, records)
    schema = {"type": "record", "name": "Usage", "fields": fields, **more}
    return read(path, options=FileOptions(reader_schema=schema))


def test_a_readers_schema_projects_promotes_renames_and_fills_in(tmp_path: Path, read):
    fields = [
        {"name": "userId", "type": "string", "aliases": ["user"]},
        {"name": "value", "type": ["null", "double"]},
        {"name": "region", "type": "string", "default": "EU"},
        {
            "name": "kind",
            "type": {"type": "enum", "name": "Kind", "symbols": ["A", "X"], "default": "X"},
        },
    ]
    assert resolved(tmp_path, read, fields).values == [
        {"userId": "ann", "value": 5, "region": "EU", "kind": "X"}
    ]


@pytest.mark.parametrize(
    "field",
    [
        {"name": "user", "type": "int"},
        {"name": "absent", "type": "int"},
        {"name": "value", "type": "boolean"},
    ],
)
def test_what_does_not_resolve_is_refused(tmp_path: Path, read, field: dict):
    with pytest.raises(InputError, match="does not resolve to readerSchema"):
        resolved(tmp_path, read, [field])


def test_a_readers_schema_that_is_none_is_refused(tmp_path: Path, read):
    with pytest.raises(InputError, match="readerSchema is no schema"):
        resolved(tmp_path, read, [{"name": "user", "type": "nothing"}])


@pytest.mark.parametrize(
    "items",
    [
        "null",
        {"type": "fixed", "name": "F", "size": 0},
        {"type": "record", "name": "R", "fields": []},
        {"type": "record", "name": "R", "fields": [{"name": "n", "type": "null"}]},
    ],
)
def test_a_list_of_nothing_has_no_end_and_is_refused(tmp_path: Path, read, items):
    schema = {
        "type": "record",
        "name": "U",
        "fields": [{"name": "a", "type": {"type": "array", "items": items}}],
    }
    path = tmp_path / "u.avro"
    with path.open("wb") as made:
        fastavro.writer(made, schema, [{"a": []}])
    with pytest.raises(InputError, match="items that take no bytes"):
        read(path)


# ---------------------------------------------------------------- what is another format


@pytest.mark.parametrize("format", ["csv", "ndjson", "json"])
def test_parquet_that_is_read_as_text_is_called_by_its_name(tmp_path: Path, read, format):
    import pyarrow.parquet as pq

    path = tmp_path / "usage.dat"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(InputError, match=f"it is Parquet, and is read as {format}") as refused:
        read(path, format=format)
    assert "set format of the reader to parquet" in refused.value.hint


def test_a_member_without_a_format_proposes_to_name_the_members(tmp_path: Path, read):
    path = tmp_path / "usage.zip"
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("a.csv", "a\n1\n")
        book.writestr("readme.txt", "hello")
    with pytest.raises(
        InputError, match=r"usage.zip!readme.txt cannot be read: the name"
    ) as refused:
        read(path)
    assert "set members of the reader" in refused.value.hint
    assert read(path, options=FileOptions(members="*.csv")).values == [{"a": "1"}]
