"""How a demo is told: every command is shown as one would type it, then run."""

import io
import json
import os
import shlex
import shutil
import sys
import textwrap
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

from meterhouse.cli import main as meterhouse

WIDTH = min(shutil.get_terminal_size().columns, 88)


def begin_in(data: Path) -> None:
    """Make an empty data directory, in place of that of an earlier demo and of no other."""
    mark = data / "made-by-the-demo"
    if mark.exists():
        shutil.rmtree(data)
    try:
        data.mkdir(mode=0o700)
    except FileExistsError:
        sys.exit(f"error: {data} exists and was not made by the demo: move it away, then try again")
    mark.touch()
    os.environ["METERHOUSE_DATA"] = str(data)
    print(f"\n$ export METERHOUSE_DATA={data}")


def run(
    *arguments: str,
    given: str = "",
    before: str = "",
    quiet: bool = False,
    fails: bool = False,
) -> None:
    """Show a command and run it; ``quiet`` keeps its output to itself."""
    show(*arguments, before=before)
    sys.stdin = io.TextIOWrapper(io.BytesIO(given.encode()))
    with redirect_stdout(io.StringIO()) if quiet else nullcontext():
        code = meterhouse(arguments)
    sys.stdout.flush()
    if (code != 0) != fails:
        sys.exit(f"error: the command above ended with {code}")


def answer(*arguments: str) -> list[Any]:
    """Run a command unseen and return its JSON objects."""
    with redirect_stdout(io.StringIO()) as out:
        code = meterhouse([*arguments, "--json"])
    if code != 0:
        sys.exit(f"error: meterhouse {shlex.join(arguments)} ended with {code}")
    return [json.loads(line) for line in out.getvalue().splitlines()]


def show(*arguments: str, before: str = "") -> None:
    """Show a command as one would type it."""
    print(f"\n$ {before}meterhouse {shlex.join(arguments)}")


def heading(text: str) -> None:
    """Begin a chapter."""
    print(f"\n\n{text}\n{'─' * len(text)}")


def say(text: str) -> None:
    """Write a paragraph."""
    print("\n" + textwrap.fill(text, WIDTH))
