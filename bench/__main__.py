"""The benchmark: all programs side by side, each from process start.

Use: python -m bench [--records 10000000] [--rounds 5] [--data bench/data] [--memory]
     python -m bench --server [--meters 1000000]
     python -m bench --forwarding
     python -m bench --columnar [--records 10000000] [--rounds 3]
     python -m bench --rating
     python -m bench --aura [--records 10000000] [--rounds 1]
     python -m bench --documents [--rounds 3] [--rows 200000] [--invoices 10000]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import polars as pl

from bench import (
    aura,
    columnar,
    digest,
    documents,
    forwarding,
    generate,
    meterhouse_run,
    rating,
    server,
)
from bench.measure import Measured, Summary, measure, summary
from meterhouse.config import allocator_settings

_HERE = Path(__file__).resolve().parent
_SIZE_NAMES = {total * parts: name for name, (total, parts) in generate.SIZES.items()}
_OPPONENTS = {
    "parquet": {"duckdb": "DuckDB", "polars": "Polars", "polars_chunks": "Polars in chunks"},
    "ndjson": {"duckdb": "DuckDB", "polars": "Polars"},
}
_LOOP = {"python": "a plain Python loop"}
#: How many meters the server has.
_METERS = 1_000_000

#: Polars by hand has the allocator that Meterhouse gives it: a tenth faster than with its defaults.
_KEEP_MEMORY = {"_RJEM_MALLOC_CONF": allocator_settings()}


@dataclass(frozen=True, slots=True)
class Program:
    """One line of the table; `command` is called before each round, untimed."""

    name: str
    form: str
    records: int
    command: Callable[[], list[str]]
    environment: Mapping[str, str]
    answer: Path | None = None
    runs: list[Measured] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where things are."""

    data: Path
    size: str

    @property
    def records(self) -> int:
        total, parts = generate.SIZES[self.size]
        return total * parts

    @property
    def meters(self) -> Path:
        return self.data / "meters.parquet"

    def work(self, name: str) -> Path:
        """A directory for what a program makes."""
        path = self.data / "work" / name
        path.mkdir(parents=True, exist_ok=True)
        return path


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _opponent(bench: Bench, name: str, form: str) -> Program:
    out = bench.work(f"answer-{name}-{bench.size}-{form}")
    inputs = [str(path) for path in generate.files(bench.data, bench.size, form)]
    options = ["--meters", str(bench.meters), "--out", str(out)]
    command = [sys.executable, "-m", f"bench.opponent_{name}", *options, *inputs]
    environment = meterhouse_run.environment()
    if name == "polars":
        environment |= _KEEP_MEMORY
    title = (_OPPONENTS[form] | _LOOP)[name]
    return Program(title, form, bench.records, lambda: command, environment, out)


def _meterhouse(bench: Bench, form: str, meters: pl.DataFrame) -> tuple[Program, str]:
    pattern = bench.data / f"usage-{bench.size}-*.{form}"
    directory = bench.work(f"meterhouse-{bench.size}-{form}")
    prepared = meterhouse_run.prepare(directory, meters, inputs=str(pattern), form=form)
    created = f"create {prepared.meters:,} meters: {prepared.creation_seconds:.1f} s"
    _log(created)

    def command() -> list[str]:
        copy = meterhouse_run.fresh_copy(prepared, directory / "round")
        return meterhouse_run.run_command(copy)

    environment = meterhouse_run.environment()
    return Program("meterhouse", form, bench.records, command, environment), created


def _rounds(programs: Sequence[Program], rounds: int) -> None:
    """Run the programs in turn, so that a slow minute of the machine meets all of them."""
    for number in range(rounds):
        for program in programs:
            command = program.command()
            # What the copy of a store or the program before has left to write is not its business.
            os.sync()
            measured = measure(command, program.environment)
            program.runs.append(measured)
            _log(
                f"round {number + 1}: {program.name} {program.form} {program.records:,}: "
                f"{measured.seconds:.2f} s, cpu {measured.cpu_seconds:.2f} s, "
                f"{measured.peak_mb:,.0f} MB"
            )


def _check_answers(programs: Sequence[Program]) -> str:
    """All opponents that metered the same records must give the same answer."""
    answers = [program for program in programs if program.answer is not None]
    checked = []
    for records in sorted({program.records for program in answers}):
        same = [program for program in answers if program.records == records]
        found = {
            tuple(digest.digests(digest.read_answer(program.answer)).values())
            for program in same
            if program.answer
        }
        names = ", ".join(f"{program.name} ({program.form})" for program in same)
        if len(found) != 1:
            raise SystemExit(f"the answers over {records:,} records differ: {names}")
        checked.append(f"{records:,} records: the same answer from {names}.")
    return "\n".join(checked)


def _table(programs: Sequence[Program], records: int) -> str:
    rows = [
        "| program | input | seconds | fastest | cpu s | M/s | peak MB | to best by hand |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for program in programs:
        found, scale = summary(program.runs), records / program.records
        rivals = [
            summary(rival.runs).seconds
            for rival in programs
            if rival.name in _OPPONENTS[program.form].values() and rival.form == program.form
        ]
        ratio = f"{found.seconds * scale / min(rivals):.2f} ×" if rivals else ""
        scaled = f" ({program.records:,} records, scaled)" if scale != 1 else ""
        rows.append(
            f"| {program.name}{scaled} | {program.form} | {found.seconds * scale:.2f} "
            f"| {found.fastest * scale:.2f} | {found.cpu_seconds * scale:.2f} "
            f"| {program.records / found.seconds / 1e6:.2f} | {found.peak_mb:,.0f} | {ratio} |"
        )
    return "\n".join(rows)


def _run_seconds(run: Measured) -> float:
    """The run's own time, from the run entry it prints: after start-up, up to the commit."""
    entry = json.loads(run.output.splitlines()[-1])
    ends = [datetime.fromisoformat(entry[name]) for name in ("startedAt", "endedAt")]
    return (ends[1] - ends[0]).total_seconds()


def _small_things(bench: Bench, rounds: int) -> list[str]:
    """The rows that are about latency: a small run, the help text, creating meters."""
    meters = pl.read_parquet(bench.meters)
    generic_first = meters.sort(pl.col("category") != "generic", maintain_order=True)
    small = Bench(bench.data, "1k")
    program, created = _meterhouse(small, "parquet", generic_first.head(100_000))
    help_text = Program(
        "help", "", 0, lambda: meterhouse_run.command("--help"), meterhouse_run.environment()
    )
    _rounds([program, help_text], max(rounds, 3))
    inside = statistics.median(_run_seconds(run) for run in program.runs)
    whole = summary(program.runs).seconds
    return [
        "| what | median |",
        "|---|---:|",
        f"| run over 1,000 records, 100,000 meters: after start-up | {inside * 1000:.0f} ms |",
        f"| the same, whole process | {whole * 1000:.0f} ms |",
        f"| `meterhouse --help` | {summary(help_text.runs).seconds * 1000:.0f} ms |",
        f"| {created.split(':')[0]} |{created.split(':')[1]} |",
    ]


def _machine() -> str:
    names = ("polars", "duckdb", "pyarrow", "msgspec")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}."


def _speed(bench: Bench, rounds: int) -> str:
    needed = [bench.size, "1m", "1k"]
    for path in generate.generate(bench.data, needed, list(_OPPONENTS)):
        _log(f"generated {path.name}")
    meters = pl.read_parquet(bench.meters)
    programs: list[Program] = []
    created = ""
    for form, by_hand in _OPPONENTS.items():
        program, created = _meterhouse(bench, form, meters)
        programs.append(program)
        programs += [_opponent(bench, name, form) for name in by_hand]
    small = Bench(bench.data, "1m")
    loop = _opponent(small, "python", "parquet")
    check = [
        _opponent(small, name, form)
        for form, by_hand in _OPPONENTS.items()
        for name in by_hand
        if bench.size != small.size
    ]
    _rounds(programs, rounds)
    _rounds([loop], max(1, rounds // 2))
    _rounds(check, 1)
    answers = _check_answers([*programs, loop, *check])
    parts = [
        f"# Results: {bench.records:,} records, {meters.height:,} meters",
        f"{_machine()} Rounds: {rounds}, medians; each program from process start.",
        _table([*programs, loop], bench.records),
        f"Not in the times above: {created}.",
        "\n".join(_small_things(bench, rounds)),
        answers,
    ]
    return "\n\n".join(parts) + "\n"


def _memory(bench: Bench, rounds: int) -> str:
    rows = ["| program | 10M: peak MB | 50M: peak MB | growth |", "|---|---:|---:|---:|"]
    peaks: dict[str, list[Summary]] = {}
    for size in ("10m", "50m"):
        sized = Bench(bench.data, size)
        for path in generate.generate(bench.data, [size], ["parquet"]):
            _log(f"generated {path.name}")
        program, _ = _meterhouse(sized, "parquet", pl.read_parquet(sized.meters))
        programs = [program, *(_opponent(sized, name, "parquet") for name in _OPPONENTS["parquet"])]
        _rounds(programs, rounds)
        _log(_check_answers(programs))
        for program in programs:
            peaks.setdefault(program.name, []).append(summary(program.runs))
    for name, (ten, fifty) in peaks.items():
        growth = fifty.peak_mb / ten.peak_mb
        rows.append(f"| {name} | {ten.peak_mb:,.0f} | {fifty.peak_mb:,.0f} | {growth:.2f} × |")
    return "\n\n".join(["# Peak memory, from Parquet", _machine(), "\n".join(rows)]) + "\n"


def _columnar(bench: Bench, rounds: int) -> str:
    for path in generate.generate(bench.data, [bench.size], ["parquet"]):
        _log(f"generated {path.name}")
    meters = pl.read_parquet(bench.meters)
    inputs = bench.data / f"usage-{bench.size}-*.parquet"
    found = columnar.run(bench.work("columnar"), meters, inputs=inputs, rounds=rounds, log=_log)
    parts = [
        f"# Three nodes on columns: {bench.records:,} records from Parquet",
        f"{_machine()} Rounds: {rounds}, medians; from process start to the commit.",
        *found,
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Run the benchmark and print its table; the full one is kept in bench/."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=_HERE / "data")
    parser.add_argument("--records", type=int, choices=sorted(_SIZE_NAMES), default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="peak memory at 10M and 50M records")
    parser.add_argument("--server", action="store_true", help="the server instead")
    parser.add_argument("--forwarding", action="store_true", help="a backlog over HTTP instead")
    parser.add_argument("--columnar", action="store_true", help="what nodes before the meter cost")
    parser.add_argument("--rating", action="store_true", help="rating a million golden records")
    parser.add_argument("--documents", action="store_true", help="invoices as files instead")
    parser.add_argument("--aura", action="store_true", help="from audit files to invoices")
    parser.add_argument("--rows", type=int, default=documents.ROWS, help="of the one workbook")
    parser.add_argument("--invoices", type=int, default=documents.INVOICES, help="small ones")
    parser.add_argument("--meters", type=int, default=_METERS, help="how many the server has")
    args = parser.parse_args()
    bench = Bench(args.data.resolve(), _SIZE_NAMES[args.records])
    kept, whole = "RESULTS.md", args.records == 10_000_000
    try:
        if args.server:
            kept, whole = "RESULTS-server.md", args.meters == _METERS
            text = server.run(bench.work("server"), meters=args.meters)
        elif args.forwarding:
            kept, whole = "RESULTS-forwarding.md", True
            text = forwarding.run(bench.work("forwarding"), records=forwarding.RECORDS)
        elif args.columnar:
            kept = "RESULTS-columnar.md"
            text = _columnar(bench, min(args.rounds, 3))
        elif args.aura:
            kept = "RESULTS-aura.md"
            text = aura.run(
                bench.data, bench.work("aura"), records=args.records, rounds=args.rounds, log=_log
            )
        elif args.rating:
            kept, whole = "RESULTS-rating.md", True
            text = rating.run(rounds=args.rounds, log=_log)
        elif args.documents:
            kept = "RESULTS-documents.md"
            sizes = {"rows": args.rows, "invoices": args.invoices}
            whole = sizes == {"rows": documents.ROWS, "invoices": documents.INVOICES}
            text = documents.run(rounds=min(args.rounds, 3), **sizes, log=_log)
        elif args.memory:
            kept, whole = "RESULTS-memory.md", True
            text = _memory(bench, min(args.rounds, 2))
        else:
            text = _speed(bench, args.rounds)
    finally:
        shutil.rmtree(bench.data / "work", ignore_errors=True)
    if whole:
        (_HERE / kept).write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
