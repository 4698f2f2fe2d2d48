"""A month of the Aura side in Meterhouse: what is made ready, and what is measured.

Catalogue, meters, prices and customers are there before. ``meterhouse aura run`` is measured: one
process reads, de-duplicates, joins names, meters, closes the month, drafts, issues and archives.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import aura_data
from bench.meterhouse_run import command, environment

_AT = "2026-10-06T06:00:00Z"
_HOUSE, _DATASETS, _OPERATION = "house", "datasets", "aura.json"
_VARIABLE = "METERHOUSE_DATASETS"
_PRICES = {"message": "0.0021", "nlpaas": "0.0035", "ai": "0.0275", "other": "0.001"}
_BOOK, _ISSUER = "aura", "global"


def prepare(directory: Path, source: Path) -> None:
    """Make a catalogue of the files of ``source``, and an installation that has not run yet."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    operation = {
        "name": "bench",
        "since": f"{aura_data.FIRST:%Y-%m}",
        "businesses": [
            {"code": code, "country": alpha, "customer": code}
            for code, (alpha, _) in aura_data.BUSINESSES.items()
        ],
        "streams": ["aura-audit"],
    }
    _write(directory / _OPERATION, operation)
    made = {"price-book": _price_book(), "issuer": _issuer(), "customer": _customers()}
    for noun, body in made.items():
        _call(directory, noun, "create", "--file", _write(directory / f"{noun}.json", body))
    _call(directory, "aura", "init", str(directory / _OPERATION))
    _fill(directory, source)


def _price_book() -> dict[str, Any]:
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
    kinds = {"identical": "identical duplicates", "conflicting": "conflicting duplicates"}
    told: list[dict[str, Any]] = [
        {
            "to": "exceptions",
            "code": kind,
            "text": f"{text} were dropped",
            "match": {"category": "Duplicates", "kind": kind},
        }
        for kind, text in kinds.items()
    ]
    return {
        "id": _BOOK,
        "version": "1",
        "currency": "EUR",
        "timezone": "Etc/UTC",
        "valid": {"from": str(aura_data.FIRST), "to": None},
        "prices": prices,
        "counts": [{"to": "requests", "match": {"category": "Interactions"}}, *told],
    }


def _issuer() -> dict[str, Any]:
    address = {"country": "ES", "city": "Madrid"}
    number = "A-{year}-{number:6}"
    return {"id": _ISSUER, "name": "Global", "address": address, "numberFormat": number}


def _customers() -> list[dict[str, Any]]:
    return [
        {
            "id": code,
            "name": f"Business {code}",
            "address": {"country": code, "city": "City"},
            "issuer": _ISSUER,
            "priceBook": _BOOK,
            "users": [code],
        }
        for code in aura_data.BUSINESSES
    ]


def _write(path: Path, body: Any) -> str:
    path.write_text(json.dumps(body), encoding="utf-8")
    return str(path)


def _fill(directory: Path, source: Path) -> None:
    """Add all files to the catalogue: as the command does, in one process."""
    from meterhouse.app.datasets.files import add_file
    from meterhouse.bootstrap import open_installation

    os.environ[_VARIABLE] = str(directory / _DATASETS)
    try:
        with open_installation(directory / _HOUSE) as house, TemporaryDirectory() as folder:
            files = [*_snapshots(Path(folder)), *sorted(source.glob("Aura_Audit/6/*/*.avro"))]
            storage, containers, at = house.datasets(), house.containers(), house.clock()
            for file in files:
                add_file(
                    house.ledger,
                    storage,
                    file,
                    dataset=_dataset(file.name),
                    name=file.name,
                    at=at,
                    containers=containers,
                )
    finally:
        del os.environ[_VARIABLE]


def _dataset(name: str) -> str:
    from meterhouse.datasets.naming import parse_file_name

    return parse_file_name(name).dataset


def _snapshots(folder: Path) -> list[Path]:
    """Write the snapshots of dimensions; countries come first, since others are checked by them."""
    from meterhouse.connectors.avro.writer import write_avro
    from meterhouse.core.instant import parse_instant
    from meterhouse.datasets.naming import DimensionFile
    from meterhouse.datasets.schema import BUILT_IN

    hour = parse_instant(f"{aura_data.FIRST}T00:00:00Z")
    assert hour is not None
    written: list[Path] = []
    for dataset, rows in aura_data.snapshots():
        owners: Mapping[str | None, str | None] = {None: None}
        if not dataset.startswith("D_Gbl_"):
            owners = {code: alpha for code, (alpha, _) in aura_data.BUSINESSES.items()}
        for code, alpha in owners.items():
            own = {"COUNTRY_3_ALPHA_CD": alpha, "EXTRACTION_TM": f"{aura_data.FIRST}T00:00:00.000Z"}
            path = folder / DimensionFile(code, dataset, hour).name
            made = [row if code is None else {**row, **own} for row in rows]
            write_avro(path, schema=BUILT_IN[dataset].document, rows=made)
            written.append(path)
    return sorted(written, key=lambda path: "_DIM_COUNTRY_" not in path.name)


def begin(prepared: Path, work: Path) -> list[str]:
    """Copy what was prepared, but for the files of the catalogue; returns what is measured."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(prepared / _HOUSE, work)
    return _words(work, "aura", "run", str(prepared / _OPERATION), "--at", _AT, "--json")


def variables(prepared: Path) -> dict[str, str]:
    """Return the environment of the measured process: it says where the catalogue is."""
    return {**environment(), _VARIABLE: str(prepared / _DATASETS)}


def answer(work: Path) -> dict[str, int]:
    """Return what was counted; all invoices must have been issued."""
    found = _lines(work, "invoice", "list", "--all")
    issued = [one for one in found if one["status"] == "issued"]
    if len(issued) != len(aura_data.BUSINESSES):
        raise SystemExit(f"{len(issued)} invoices were issued: {found}")
    runs = _lines(work, "run", "list", "--all")
    first = min(runs, key=lambda run: run["at"])
    nodes = {node["name"]: node for node in _lines(work, "run", "show", first["id"])[0]["nodes"]}
    unique = nodes["Unique"]["out"]
    return {
        "rows": nodes["Rows"]["out"]["out"],
        "queries": nodes["Queries"]["metered"],
        "interactions": nodes["Interactions"]["metered"],
        "identical": unique["duplicate"],
        "conflicting": unique["conflict"],
    }


def _call(directory: Path, *words: str) -> None:
    _done(_words(directory / _HOUSE, *words))


def _lines(house: Path, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _done(_words(house, *words, "--json")).splitlines()]


def _words(house: Path, *words: str) -> list[str]:
    return command("--data", str(house), *words)


def _done(words: list[str]) -> str:
    done = subprocess.run(words, env=environment(), check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
