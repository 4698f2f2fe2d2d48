"""The product in the benchmark: prepare a data directory once, run on a fresh copy each round.

Only the command line is used, as a user would.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from bench import job, provision

STREAM = "Benchmark"
_CREATED_AT = "2026-10-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data directory with meter types, meters and one stream; nothing has run in it."""

    directory: Path
    meters: int
    creation_seconds: float


def command(*arguments: str) -> list[str]:
    """The command line that starts Meterhouse."""
    beside = Path(sys.executable).with_name("meterhouse")
    start = [str(beside)] if beside.exists() else [sys.executable, "-m", "meterhouse"]
    return [*start, *arguments]


def environment() -> dict[str, str]:
    """A plain user's environment: byte code is kept, no setting of ours reaches the product."""
    dropped = ("PYTHONDONTWRITEBYTECODE", "_RJEM_MALLOC_CONF", "METERHOUSE_DATA")
    return {name: value for name, value in os.environ.items() if name not in dropped}


def _call(*arguments: str) -> str:
    done = subprocess.run(
        command(*arguments), env=environment(), check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _objects(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _call(*arguments, "--json").splitlines()]


def prepare(
    directory: Path,
    meters: pl.DataFrame,
    *,
    inputs: str,
    form: str,
    change: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    tables: Mapping[str, Path] = MappingProxyType({}),
) -> Prepared:
    """Make a data directory whose stream reads `inputs` (a glob) in the format `form`.

    `change` makes another stream of the usual one; `tables` are look-up tables with one key, their
    first column.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    data = ("--data", str(directory / "store"))
    types = provision.write_json(directory / "meter-types.json", provision.meter_types())
    stream = provision.stream(STREAM, inputs, form)
    stream = stream if change is None else change(stream)
    graph = provision.write_json(directory / f"stream-{form}.json", stream)
    for name, file in tables.items():
        key = file.read_text("utf-8").split(",", 1)[0]
        _call("table", "upload", name, "--file", str(file), "--key", key, *data)
    created = _objects("meter-type", "create", "--file", str(types), *data)
    type_ids = {body["category"]: body["id"] for body in created}
    (imported,) = _objects("stream", "import", str(graph), *data)
    bodies = provision.write_meters(
        directory / "meters.ndjson",
        meters,
        meter_key=imported["meterKeys"][provision.METER_NODE],
        type_ids=type_ids,
    )
    began = time.perf_counter()
    _call("meter", "create", "--file", str(bodies), "--at", _CREATED_AT, *data)
    return Prepared(directory / "store", meters.height, time.perf_counter() - began)


def fresh_copy(prepared: Prepared, to: Path) -> Path:
    """Copy the prepared data directory, so that every round starts from the same state."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(prepared.directory, to)
    return to


def run_command(data: Path) -> list[str]:
    """The timed command."""
    return command("stream", "run", STREAM, "--at", job.RUN_AT, "--data", str(data), "--json")
