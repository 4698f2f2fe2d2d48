"""Run a program from process start to exit, and say what it took."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a process: wall clock, processor time, peak resident memory, its output."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


@cache
def _launcher() -> subprocess.Popen[str]:
    command = [sys.executable, "-S", str(_HERE / "launcher.py")]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Run the command in the repository; a failure ends the benchmark with what it said."""
    launcher = _launcher()
    assert launcher.stdin is not None
    assert launcher.stdout is not None
    order = {"command": command, "environment": dict(environment), "folder": str(_HERE.parent)}
    launcher.stdin.write(json.dumps(order) + "\n")
    done = json.loads(launcher.stdout.readline())
    if done["code"]:
        raise SystemExit(f"{' '.join(command)} failed:\n{done['output']}{done['errors']}")
    return Measured(done["seconds"], done["cpu_seconds"], done["peak_mb"], done["output"])


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
