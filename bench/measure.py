"""Run a program from process start to exit, and say what it took."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a process: wall clock, processor time, peak resident memory, its output."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


def measure(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Measured:
    """Run the command in the folder; a failure ends the benchmark with what the program said."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=dict(environment), cwd=folder, stdout=output, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{output.read()}{errors.read()}")
        cpu = usage.ru_utime + usage.ru_stime
        return Measured(seconds, cpu, usage.ru_maxrss / 1024, output.read())


@dataclass(frozen=True, slots=True)
class Summary:
    """Several runs of one program: medians, and the highest peak of memory."""

    rounds: int
    seconds: float
    fastest: float
    cpu_seconds: float
    peak_mb: float


def summary(runs: Sequence[Measured]) -> Summary:
    """Return the medians of the runs."""
    return Summary(
        rounds=len(runs),
        seconds=statistics.median(run.seconds for run in runs),
        fastest=min(run.seconds for run in runs),
        cpu_seconds=statistics.median(run.cpu_seconds for run in runs),
        peak_mb=max(run.peak_mb for run in runs),
    )
