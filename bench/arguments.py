"""The command line that all opponents share."""

from __future__ import annotations

import argparse
from pathlib import Path


def opponent_arguments(doc: str) -> tuple[list[Path], Path, Path]:
    """Return the input files in order of arrival, the file of meters and the output directory."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT")
    parser.add_argument("--meters", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    return args.inputs, args.meters, args.out
