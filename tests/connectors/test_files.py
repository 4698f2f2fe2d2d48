"""Files as a whole: which there are, of which format, and what makes one unreadable."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from meterhouse.connectors import UsageFiles
from meterhouse.connectors.files import file_format
from meterhouse.streams.ports import InputError, InputFile


@pytest.fixture
def folder(tmp_path):
    for name in ("b.ndjson", "a.ndjson", "deep/er/c.ndjson", ".hidden.ndjson", "x.csv", "[1].csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    (tmp_path / "folder.ndjson").mkdir()
    (tmp_path / "nowhere.ndjson").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe.ndjson")
    return tmp_path


def names(files, folder):
    return [os.path.relpath(file.path, folder) for file in files]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.ndjson", ["a.ndjson", "b.ndjson"]),
        ("**/*.ndjson", ["a.ndjson", "b.ndjson", "deep/er/c.ndjson"]),
        ("./deep/../?.ndjson", ["a.ndjson", "b.ndjson"]),
        ("[1].csv", ["[1].csv"]),
        ("[ab].ndjson", ["a.ndjson", "b.ndjson"]),
        (".hidden.ndjson", [".hidden.ndjson"]),
        ("none-*.csv", []),
        ("folder.ndjson", []),
        ("nowhere.ndjson", []),
    ],
)
def test_a_glob_names_regular_files_sorted(folder, pattern, expected):
    assert names(UsageFiles().list(f"{folder}/{pattern}"), folder) == expected


def test_relative_patterns_give_absolute_paths(folder, monkeypatch):
    monkeypatch.chdir(folder)

    assert [file.path for file in UsageFiles().list("a.ndjson")] == [str(folder / "a.ndjson")]


def test_a_tilde_is_the_home_that_was_given(folder):
    files = UsageFiles(home=folder).list("~/a.ndjson")

    assert names(files, folder) == ["a.ndjson"]


def test_size_and_time_are_listed(folder):
    (file,) = UsageFiles().list(f"{folder}/a.ndjson")
    found = (folder / "a.ndjson").stat()

    assert (file.size, file.modified_ns) == (3, found.st_mtime_ns)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("u.ndjson", "ndjson"),
        ("u.jsonl.gz", "ndjson"),
        ("u.JSON", "json"),
        ("u.csv", "csv"),
        ("u.CSV.GZ", "csv"),
        ("u.parquet", "parquet"),
        ("u.avro", "avro"),
        ("u.xlsx", "xlsx"),
        ("u.ndjson.bz2", "ndjson"),
        ("u.json.xz", "json"),
        ("u.csv.zst", "csv"),
    ],
)
def test_the_name_tells_the_format(name, expected):
    assert file_format(InputFile(f"/data/{name}", 0, 0)) == expected


@pytest.mark.parametrize("name", ["u", "u.txt", "u.gz", "u.parquet.gz", "ndjson"])
def test_a_name_that_tells_no_format_is_refused(name):
    with pytest.raises(InputError, match=r"set format of the reader"):
        file_format(InputFile(f"/data/{name}", 0, 0))


def test_a_format_may_be_given(tmp_path, read):
    path = tmp_path / "usage.txt"
    path.write_text('{"a":1}')

    assert read(path, format="ndjson").values == [{"a": 1}]
    with pytest.raises(InputError, match="no format 'xml'"):
        read(path, format="xml")


def first_chunk(file, **options):
    options = {"source": 0, "format": None, "fields": {}, "records_max": 10, **options}
    return next(UsageFiles().read(file, **options))


def test_a_missing_file_is_an_input_error():
    with pytest.raises(InputError, match=r"gone\.csv cannot be read: No such file.*put it back"):
        first_chunk(InputFile("/nowhere/gone.csv", 5, 0))


def test_a_folder_is_an_input_error(tmp_path, describe):
    with pytest.raises(InputError, match="name the files in it"):
        first_chunk(describe(tmp_path), format="csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_an_input_error(tmp_path, describe):
    path = tmp_path / "u.csv"
    path.write_text("a\n1\n")
    path.chmod(0)

    with pytest.raises(InputError, match="right to read"):
        first_chunk(describe(path))


def test_a_file_that_changed_since_it_was_listed_is_refused(tmp_path, describe):
    path = tmp_path / "u.ndjson"
    path.write_text("{}\n")
    file = describe(path)
    path.write_text("{}\n{}\n")

    with pytest.raises(InputError, match=r"changed since it was listed \(3 bytes then, 6 now\)"):
        first_chunk(file)


@pytest.mark.parametrize("change", ["grown", "gone"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, describe, change):
    path = tmp_path / "u.ndjson"
    path.write_text('{"a":1}\n' * 100)
    chunks = UsageFiles().read(describe(path), source=0, format=None, fields={}, records_max=10)
    next(chunks)
    if change == "gone":
        path.unlink()
    else:
        with path.open("a") as more:
            more.write('{"a":1}\n')

    with pytest.raises(InputError, match=r"changed while it was read|No such file"):
        list(chunks)


def test_a_failing_disk_is_an_input_error(tmp_path, describe, monkeypatch):
    path = tmp_path / "u.ndjson"
    path.write_text("{}\n")

    def fail(*_args, **_more):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("meterhouse.connectors.lines.blocks", fail)
    monkeypatch.setattr("meterhouse.connectors.ndjson.reader.blocks", fail)

    with pytest.raises(InputError, match=r"Input/output error.*mend the storage"):
        first_chunk(describe(path))


def test_a_reading_may_be_given_up(tmp_path, describe):
    path = tmp_path / "u.csv"
    path.write_text("a\n" + "1\n" * 100_000)
    chunks = UsageFiles().read(describe(path), source=0, format=None, fields={}, records_max=10)
    next(chunks)

    chunks.close()


def test_the_same_records_in_every_format(tmp_path, read):
    rows = [{"userId": f"u{n}", "value": n, "ok": n % 2 == 0} for n in range(2500)]
    frame = pl.DataFrame(rows)
    frame.write_parquet(tmp_path / "u.parquet")
    frame.write_avro(tmp_path / "u.avro")
    frame.write_ndjson(tmp_path / "u.ndjson")
    frame.write_csv(tmp_path / "u.csv")
    types = {"value": "number", "ok": "boolean"}

    results = [read(tmp_path / f"u.{format}") for format in ("parquet", "avro", "ndjson")]
    results.append(read(tmp_path / "u.csv", fields=types))

    assert all(result.values == rows for result in results)


@pytest.fixture(params=["ndjson", "csv", "parquet", "avro", "loose ndjson"])
def large(tmp_path, request):
    """A file of 2,500 records in one format; every tenth has no number."""
    frame = pl.DataFrame(
        {
            "userId": [f"u{n}" for n in range(2500)],
            "value": ["x" if n % 10 == 0 else str(n) for n in range(2500)],
            "more": [f"text {n}" for n in range(2500)],
        }
    )
    format = request.param.split()[-1]
    path = tmp_path / f"u.{format}"
    getattr(frame, f"write_{format}")(path)
    if request.param.startswith("loose"):
        path.write_text(path.read_text().replace('"more":', '"mo\\u0072e":'))
    return path


def test_fields_that_nobody_needs_are_left_out(large, read):
    result = read(large, needed=frozenset({"value", "none"}), records_max=10_000)

    assert len(result.records) == 2500
    assert result.values[7] == {"value": "7"}
    assert set(result.chunks[0].batch.columns()) == {"value"}


def test_records_count_even_if_no_field_is_needed(large, read):
    result = read(large, needed=frozenset(), records_max=999)

    assert len(result.records) == 2500
    assert set(result.records.values()) == {"{}"}


def test_a_declared_field_is_read_whether_needed_or_not(large, read):
    types = {"value": "number"}

    result = read(large, needed=frozenset({"userId"}), fields=types, records_max=10_000)

    assert len(result.bad) == 250
    assert result.bad.keys() == read(large, fields=types).bad.keys()
    raw = result.chunks[0].unreadable[1].raw
    assert "u10" in raw
    assert "text 10" in raw


def test_small_text_inputs_load_no_arrow(tmp_path):
    path = tmp_path / "u.ndjson"
    path.write_text('{"a":1}\n' * 1000)
    source = Path(__file__).resolve().parents[2] / "src"
    program = f"""
import sys
sys.path.insert(0, {str(source)!r})
from meterhouse.connectors import UsageFiles
files = UsageFiles()
(file,) = files.list({str(path)!r})
options = dict(source=0, format=None, fields={{}}, records_max=5000)
assert sum(len(chunk.batch) for chunk in files.read(file, **options)) == 1000
assert not {{"pyarrow", "fastavro"}} & set(sys.modules), sorted(sys.modules)
"""

    subprocess.run([sys.executable, "-c", program], check=True)
