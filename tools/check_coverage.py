"""Coverage: at least 90 % of lines and branches overall, all of them in core and engine.

Reads the JSON report of coverage.py: `python -m tools.check_coverage .coverage.json`.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

OVERALL_MIN = 90.0
#: Rooms in which every line and every branch is run by a test.
WHOLE_ROOMS = ("core", "engine", "rating")


def shortfalls(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield one message for each figure of `report` that is too low."""
    overall = report["totals"]["percent_covered"]
    if overall < OVERALL_MIN:
        yield f"overall: {overall:.2f} % covered, at least {OVERALL_MIN:.0f} %"
    for path, file in sorted(report["files"].items()):
        if any(f"src/meterhouse/{room}/" in Path(path).as_posix() for room in WHOLE_ROOMS):
            yield from _gaps(path, file)


def _gaps(path: str, file: Mapping[str, Any]) -> Iterator[str]:
    for line in file["missing_lines"]:
        yield f"{path}:{line}: not run by any test"
    for start, end in file.get("missing_branches", ()):
        target = f"line {end}" if end > 0 else "the exit"
        yield f"{path}:{start}: the branch to {target} is not taken by any test"


def main(arguments: list[str]) -> int:
    """Print the shortfalls of the report named by the only argument; 1 if there are any."""
    report = json.loads(Path(arguments[0]).read_text("utf-8"))
    found = list(shortfalls(report))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"coverage: {len(found)} shortfalls" if found else "coverage: as promised")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
