"""What invoices as files cost: one workbook of many rows beside the bare library; many small ones.

The bare library writes the same cells from memory, with the same settings; how much longer our
workbook takes is what its values, formats and checks cost. Seconds are those of writing alone, peak
memory is that of the whole process, the invoice among it.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

from bench import meterhouse_run
from bench.measure import measure

ROWS = 200_000
INVOICES = 10_000
#: One workbook takes at most so many times what the bare library takes, in so many megabytes.
RATIO_MAX = 1.5
PEAK_MB_MAX = 300


def run(*, rounds: int, rows: int, invoices: int, log: Callable[[str], None]) -> str:
    """Measure; the text of the report."""
    found: dict[str, list[dict[str, Any]]] = {"bare": [], "ours": []}
    for number in range(rounds):
        for name, runs in found.items():
            runs.append(_job(name, rows))
            log(f"round {number + 1}: {name}: {runs[-1]['seconds']:.2f} s")
    log(f"{invoices} small invoices")
    small = _job("small", invoices)
    parts = [
        f"# One workbook of {rows:,} detail rows",
        _workbooks(found),
        f"# {invoices:,} small invoices, each as XLSX and JSON",
        _small(small, invoices),
    ]
    return "\n\n".join(parts) + "\n"


def _job(name: str, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.documents_job", name, str(count)]
    measured = measure(command, meterhouse_run.environment())
    return json.loads(measured.output.splitlines()[-1]) | {"peak_mb": measured.peak_mb}


def _workbooks(found: dict[str, list[dict[str, Any]]]) -> str:
    names = {"bare": "XlsxWriter, the same cells from memory", "ours": "Meterhouse"}
    medians = {
        name: statistics.median(run["seconds"] for run in runs) for name, runs in found.items()
    }
    lines = [
        "| program | seconds | rows a second | peak MB | file KB |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, runs in found.items():
        peak = max(run["peak_mb"] for run in runs)
        rate = runs[0]["rows"] / medians[name]
        size = runs[0]["bytes"] / 1000
        lines.append(
            f"| {names[name]} | {medians[name]:.2f} | {rate:,.0f} | {peak:.0f} | {size:,.0f} |"
        )
    ratio = medians["ours"] / medians["bare"]
    peak = max(run["peak_mb"] for run in found["ours"])
    said = f"{ratio:.2f} times the bare library (goal: at most {RATIO_MAX}), "
    return "\n".join([*lines, "", said + f"{peak:.0f} MB at most (goal: {PEAK_MB_MAX})."])


def _small(small: dict[str, Any], invoices: int) -> str:
    rate = invoices / (small["xlsx"] + small["json"])
    lines = [
        f"{rate:,.0f} invoices a second in one process, {small['peak_mb']:.0f} MB.",
        "",
        "| part | seconds | share |",
        "|---|---:|---:|",
    ]
    both = small["xlsx"] + small["json"]
    for part in ("xlsx", "json"):
        lines.append(f"| {part} | {small[part]:.1f} | {small[part] / both:.0%} |")
    lines += ["", "Where the time of the workbooks goes (profile of some of them):", ""]
    lines += [f"- {name}: {share:.0%}" for name, share in small["profile"].items()]
    return "\n".join(lines)
