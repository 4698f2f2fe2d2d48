"""The Aura side: from audit files to issued invoices, beside Polars and Spark that only group.

Meterhouse does the whole month: it reads, de-duplicates, joins names, meters, closes the period,
drafts and issues an invoice for each operating business. The others only read, de-duplicate and
group; Spark reads Parquet, for which the rows are written once, untimed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl

from bench import aura_data, aura_job
from bench.measure import Measured, measure, summary
from bench.meterhouse_run import environment

RECORDS = 10_000_000
_OURS = "meterhouse"
#: A Python that has pyspark, where this one has none.
_SPARK_PYTHON = "BENCH_SPARK_PYTHON"


def run(data: Path, work: Path, *, records: int, rounds: int, log: Callable[[str], None]) -> str:
    """Measure all programs; the text of the report."""
    source = data / f"aura-{records}"
    files = list(aura_data.files(source, records))
    log(f"{sum(file.stat().st_size for file in files) / 1e6:,.0f} MB of Avro in {len(files)} files")
    prepared, copy = work / "prepared", work / "round"
    aura_job.prepare(prepared, source)
    programs: dict[str, Callable[[], list[str]]] = {
        _OURS: lambda: aura_job.begin(prepared, copy),
        "Polars": lambda: [sys.executable, "-m", "bench.opponent_aura_polars", str(source)],
    }
    spark, reason = _spark()
    if spark is not None:
        parquet = _parquet(source)
        programs["PySpark local[2]"] = lambda: [
            spark,
            str(Path(__file__).with_name("opponent_aura_spark.py")),
            str(parquet),
        ]
    measured: dict[str, list[Measured]] = {name: [] for name in programs}
    for number in range(rounds):
        for name, made in programs.items():
            variables = aura_job.variables(prepared) if name == _OURS else environment()
            found = measure(made(), variables)
            measured[name].append(found)
            log(f"round {number + 1}: {name}: {found.seconds:.1f} s, cpu {found.cpu_seconds:.1f} s")
    answers = {
        name: aura_job.answer(copy) if name == _OURS else _answer(runs[-1].output)
        for name, runs in measured.items()
    }
    return "\n".join([_table(measured, records), "", reason, "", _agreement(answers), ""])


def _spark() -> tuple[str | None, str]:
    """Return a Python that has pyspark, and what is said of it."""
    python = os.environ.get(_SPARK_PYTHON, sys.executable)
    if shutil.which("java") is None:
        return None, "PySpark was left out: there is no java."
    asked = [python, "-c", "import pyspark; print(pyspark.__version__)"]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    if done.returncode:
        hint = f"install it, or name a Python that has it in {_SPARK_PYTHON}"
        return None, f"PySpark was left out: there is none ({hint})."
    return python, f"PySpark is {done.stdout.strip()}; it reads Parquet."


def _parquet(source: Path) -> Path:
    """Write the same rows as Parquet, a file a day."""
    folder = source / "parquet"
    for day in sorted((source / "Aura_Audit/6").iterdir()):
        path = folder / f"{day.name.partition('=')[2]}.parquet"
        if not path.exists():
            folder.mkdir(exist_ok=True)
            parts = [pl.read_avro(file) for file in sorted(day.glob("*.avro"))]
            whole = pl.concat([part.cast({pl.Categorical: pl.String}) for part in parts])
            whole.write_parquet(path)
    return folder


def _answer(output: str) -> dict[str, int]:
    return json.loads(output.strip().splitlines()[-1])


def _agreement(answers: dict[str, dict[str, int]]) -> str:
    """Say that all programs found the same; end the benchmark where they did not."""
    expected = answers["Polars"]
    for name, answer in answers.items():
        if answer != expected:
            raise SystemExit(f"{name} found {answer}, Polars {expected}")
    said = ", ".join(f"{name} {count:,}" for name, count in expected.items())
    return f"All found the same: {said}."


def _table(measured: dict[str, list[Measured]], records: int) -> str:
    ours = summary(measured[_OURS])
    lines = [
        f"# {records:,} rows of Aura_Audit in Avro, {aura_data.DAYS} days, "
        f"{len(aura_data.BUSINESSES)} operating businesses",
        "",
        "| program | seconds | fastest | cpu s | peak MB | meterhouse takes |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, runs in measured.items():
        found = summary(runs)
        lines.append(
            f"| {name} | {found.seconds:.1f} | {found.fastest:.1f} | {found.cpu_seconds:.1f} "
            f"| {found.peak_mb:,.0f} | {ours.seconds / found.seconds:.2f} × |"
        )
    return "\n".join(lines)
