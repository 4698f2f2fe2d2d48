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
from typing import Any

import polars as pl

from bench import aura_data
from bench.measure import Measured, measure, summary
from bench.meterhouse_run import command, environment

RECORDS = 10_000_000
_DOCUMENTS = Path(__file__).resolve().parent.parent / "src/meterhouse/app/aura/documents"
_KEYS = {
    "aura_app": "AURA_APP_ID",
    "aura_channel": "AURA_CHANNEL_ID",
    "aura_component": "AURA_COMPONENT_ID",
    "aura_preset": "AURA_PRESET_NAME",
    "gbl_brand": "GBL_BRAND_ID",
    "gbl_contact_channel": "GBL_CONTACT_CHANNEL_ID",
    "gbl_country": "COUNTRY_3_ALPHA_CD",
}
_TYPES = {
    "Queries": ("message", "nlpaas", "ai", "other"),
    "Interactions": ("Interactions",),
    "Duplicates": ("Duplicates",),
}
_PRICES = {"message": "0.0021", "nlpaas": "0.0035", "ai": "0.0275", "other": "0.001"}
#: A Python that has pyspark, where this one has none.
_SPARK_PYTHON = "BENCH_SPARK_PYTHON"


def run(data: Path, work: Path, *, records: int, rounds: int, log: Callable[[str], None]) -> str:
    """Measure all programs; the text of the report."""
    source = data / f"aura-{records}"
    files = list(aura_data.files(source, records))
    log(f"{sum(file.stat().st_size for file in files) / 1e6:,.0f} MB of Avro in {len(files)} files")
    prepared = _prepared(work / "prepared", source)
    programs: dict[str, Callable[[], list[str]]] = {
        "meterhouse": lambda: _job(prepared, work / "round"),
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
            found = measure(made(), environment())
            measured[name].append(found)
            log(f"round {number + 1}: {name}: {found.seconds:.1f} s, cpu {found.cpu_seconds:.1f} s")
    answers = {name: _answer(runs[-1].output) for name, runs in measured.items()}
    return "\n".join([_table(measured, records), "", reason, "", _agreement(answers), ""])


def _call(directory: Path, *words: str) -> str:
    done = subprocess.run(
        command("--data", str(directory), *words),
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _prepared(directory: Path, source: Path) -> Path:
    """A data directory with tables, types, stream, meters, prices and customers."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    house = directory / "house"
    for name, frame in aura_data.dimensions().items():
        table = directory / f"{name}.parquet"
        frame.write_parquet(table)
        _call(house, "table", "upload", name, "--file", str(table), "--key", _KEYS[name])
    _call(house, "meter-type", "create", "--file", str(_DOCUMENTS / "meter-types.json"))
    document = json.loads((_DOCUMENTS / "aura-audit.json").read_text())
    document["nodes"][0]["params"]["path"] = str(source / "Aura_Audit/6/DAY_DT=*/*.avro")
    imported = _call(house, "stream", "import", _written(directory, "stream", document), "--json")
    keys = json.loads(imported.splitlines()[0])["meterKeys"]
    meters = [
        {"userId": business, "meterKey": keys[node], "meterTypeId": name}
        for business in aura_data.BUSINESSES
        for node, names in _TYPES.items()
        for name in names
    ]
    created = f"{aura_data.FIRST}T00:00:00Z"
    _call(
        house, "meter", "create", "--file", _written(directory, "meters", meters), "--at", created
    )
    _bill(directory, house)
    return house


def _bill(directory: Path, house: Path) -> None:
    """Prices, an issuer, and a customer for each business."""
    prices = [
        {
            "sku": service,
            "name": f"Queries: {service}",
            "match": {"category": service},
            "line_by": ["component", "app_name"],
            "unit": "query",
            "model": "per_unit",
            "price": price,
        }
        for service, price in _PRICES.items()
    ]
    told = [
        {"sku": name, "match": {"category": name}, "model": "per_unit", "price": "0"}
        for name in ("Interactions", "Duplicates")
    ]
    book = {"id": "aura", "version": "1", "currency": "EUR", "timezone": "Etc/UTC"}
    book |= {"valid": {"from": str(aura_data.FIRST), "to": None}, "prices": [*prices, *told]}
    _call(house, "price-book", "create", "--file", _written(directory, "book", book))
    issuer = {"id": "global", "name": "Global", "address": {"country": "ES", "city": "Madrid"}}
    issuer |= {"numberFormat": "A-{year}-{number:6}"}
    _call(house, "issuer", "create", "--file", _written(directory, "issuer", issuer))
    customers = [
        {
            "id": code.lower(),
            "name": f"Business {code}",
            "address": {"country": code, "city": "City"},
            "issuer": "global",
            "priceBook": "aura",
            "users": [code],
        }
        for code in aura_data.BUSINESSES
    ]
    _call(house, "customer", "create", "--file", _written(directory, "customers", customers))


def _written(directory: Path, name: str, body: Any) -> str:
    path = directory / f"{name}.json"
    path.write_text(json.dumps(body), encoding="utf-8")
    return str(path)


def _job(prepared: Path, work: Path) -> list[str]:
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(prepared, work)
    return [sys.executable, "-m", "bench.aura_job", str(work)]


def _spark() -> tuple[str | None, str]:
    """Return a Python that has pyspark, and what is said of it."""
    python = os.environ.get(_SPARK_PYTHON, sys.executable)
    if shutil.which("java") is None:
        return None, "PySpark was left out: there is no java."
    asked = [python, "-c", "import pyspark; print(pyspark.__version__)"]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    if done.returncode:
        hint = f"install it, or name a Python that has it in {_SPARK_PYTHON}"
        return None, f"PySpark was left out: {python} has none ({hint})."
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
    ours = summary(measured["meterhouse"])
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
