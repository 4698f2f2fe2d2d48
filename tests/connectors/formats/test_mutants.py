"""Files that are damaged or crafted: the process lives, and each is read, suspended or refused."""

import bz2
import gzip
import json
import lzma
import os
import shutil
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import fastavro
import openpyxl
import polars as pl
import pytest

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("METERHOUSE_TEST_DATA", "")) / "avro"
MUTANTS = int(os.environ.get("METERHOUSE_MUTANTS", "300"))
#: What reading one file may cost. The hang of one would be that of all.
GROWN_MIB_MAX = 512
HANGS_SECONDS = 600
ROWS = [
    {"userId": f"u{n % 5}", "value": n, "region": None if n % 3 else "EU", "share": n / 8}
    for n in range(200)
]
SCHEMAS = {
    "flat": [
        {"name": "userId", "type": "string"},
        {"name": "value", "type": "long"},
        {"name": "region", "type": ["null", "string"]},
        {"name": "share", "type": "double"},
    ],
    "nested": [
        {"name": "tags", "type": {"type": "map", "values": "string"}},
        {"name": "list", "type": {"type": "array", "items": ["null", "int", "string"]}},
        {
            "name": "cost",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        },
    ],
}


def _avro(folder: Path) -> None:
    nested = {"tags": {"a": "b"}, "list": [None, 1, "x"], "cost": Decimal("1.25")}
    records = {"flat": ROWS, "nested": [nested] * 50}
    for name, fields in SCHEMAS.items():
        schema = {"type": "record", "name": "U", "fields": fields}
        for codec in ("null", "deflate", "snappy", "zstandard", "bzip2", "xz"):
            try:
                with (folder / f"{name}-{codec}.avro").open("wb") as made:
                    fastavro.writer(made, schema, records[name], codec=codec)
            except ValueError:  # a codec whose library is not installed
                (folder / f"{name}-{codec}.avro").unlink()


def _parquet(folder: Path) -> None:
    frame = pl.DataFrame(ROWS)
    frame.write_parquet(folder / "a.parquet", compression="zstd")
    frame.write_parquet(folder / "b.parquet", compression="snappy", row_group_size=50)
    pl.DataFrame({"l": [[1, 2], []], "s": [{"a": "x"}, None]}).write_parquet(folder / "c.parquet")


def _texts(folder: Path) -> dict[str, bytes]:
    del folder
    lines = "".join(f"{json.dumps(row)}\n" for row in ROWS)
    cells = "".join(f'{row["userId"]},"{row["value"]}",{row["share"]}\n' for row in ROWS)
    return {
        "ndjson": lines.encode(),
        "json": json.dumps(ROWS, indent=1).encode(),
        "csv": f"userId,value,share\n{cells}".encode(),
    }


def _packed(folder: Path) -> None:
    lines = _texts(folder)["ndjson"]
    (folder / "a.ndjson.gz").write_bytes(gzip.compress(lines))
    (folder / "a.ndjson.bz2").write_bytes(bz2.compress(lines))
    (folder / "a.ndjson.xz").write_bytes(lzma.compress(lines))


def _xlsx(folder: Path) -> None:
    book = openpyxl.Workbook()
    for row in [list(ROWS[0]), *(list(row.values()) for row in ROWS)]:
        book.active.append(row)
    book.save(folder / "a.xlsx")


def _zip(folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        for suffix, content in _texts(folder).items():
            made.writestr(f"a.{suffix}", content)


def _text(suffix: str):
    return lambda folder: (folder / f"a.{suffix}").write_bytes(_texts(folder)[suffix])


SEEDS = {
    "avro": _avro,
    "parquet": _parquet,
    "ndjson": _text("ndjson"),
    "json": _text("json"),
    "csv": _text("csv"),
    "packed": _packed,
    "xlsx": _xlsx,
    "zip": _zip,
}


def _read_all(folder: Path, kind: str, *, seed: int, count: int) -> list[dict]:
    """Read mutants in a process of their own; it must live to the end of them."""
    words = [str(folder), kind, str(seed), str(count)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.connectors.formats.mutants", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANGS_SECONDS,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"seed {seed}, died on {lines[-1:]}: {done.stderr[-2000:]}"
    return [line for line in lines if "said" in line]


@pytest.mark.parametrize("kind", SEEDS)
def test_mutants_are_read_suspended_or_refused_and_the_process_lives(tmp_path: Path, kind: str):
    SEEDS[kind](tmp_path)
    results = _read_all(tmp_path, kind, seed=20260131, count=MUTANTS)
    assert len(results) == MUTANTS
    assert max(result["grownMiB"] for result in results) <= GROWN_MIB_MAX
    assert max(result["childMiB"] for result in results) <= GROWN_MIB_MAX
    # A mutation that is never noticed would be none.
    assert any(result["said"].startswith("refused") for result in results)


@pytest.mark.skipif(not DATA.is_dir(), reason="METERHOUSE_TEST_DATA has no Avro files")
def test_mutants_of_real_avro_files_are_read_or_refused(tmp_path: Path):
    for path in DATA.rglob("*.avro"):
        if path.stat().st_size < 1 << 20:
            shutil.copy(path, tmp_path / f"{path.parent.name}-{path.name}")
    results = _read_all(tmp_path, "avro", seed=7, count=MUTANTS)
    assert len(results) == MUTANTS
    assert max(result["grownMiB"] for result in results) <= GROWN_MIB_MAX


@pytest.mark.skipif(not DATA.is_dir(), reason="METERHOUSE_TEST_DATA has no Avro files")
def test_every_real_avro_file_is_read_or_refused_with_a_reason(tmp_path: Path):
    from tests.connectors.formats.mutants import outcome

    files = sorted(DATA.rglob("*.avro"))
    assert len(files) > 5
    said = {path.name: outcome(path) for path in files}
    assert all(text.startswith("read") or "cannot be read" in text for text in said.values()), said
