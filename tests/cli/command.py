"""Running the command line in tests: in this process, or as a process of its own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from meterhouse.cli import main

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class Ended:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[Any]:
        """The JSON lines that it wrote."""
        return [json.loads(line) for line in self.out.splitlines()]


class Meterhouse:
    """The command line, with a data directory of its own."""

    examples = EXAMPLES

    def __init__(self, data: Path) -> None:
        self.data = data

    def __call__(self, *words: str | Path | int, given: str | bytes = "") -> Ended:
        """Run a command in this process."""
        out, err = io.StringIO(), io.StringIO()
        content = given.encode() if isinstance(given, str) else given
        stdin = io.TextIOWrapper(io.BytesIO(content))
        arguments = ["--data", str(self.data), *map(str, words)]
        with patch("sys.stdin", stdin), redirect_stdout(out), redirect_stderr(err):
            code = main(arguments)
        return Ended(code, out.getvalue(), err.getvalue())

    def done(self, *words: str | Path | int, given: str | bytes = "") -> Ended:
        """Run a command that must succeed."""
        ended = self(*words, given=given)
        assert ended.code == 0, ended.err
        return ended

    def json(self, *words: str | Path | int, given: str | bytes = "") -> list[Any]:
        """Run a command that must succeed and return its JSON objects."""
        return self.done(*words, "--json", given=given).objects

    def refused(self, *words: str | Path | int, given: str | bytes = "") -> str:
        """Run a command that must fail and return what it says."""
        ended = self(*words, given=given)
        assert ended.code == 1, ended.out
        assert ended.out == ""
        return ended.err

    def start(self, *words: str | Path | int, **options: Any) -> "subprocess.Popen[str]":
        """Start a command as a process of its own."""
        return subprocess.Popen(
            self._line(words),
            env=os.environ | {"METERHOUSE_DATA": str(self.data)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def process(self, *words: str | Path | int, **options: Any) -> Ended:
        """Run a command as a process of its own."""
        with self.start(*words, **options) as process:
            out, err = process.communicate()
        return Ended(process.returncode, out, err)

    def _line(self, words: Sequence[str | Path | int]) -> list[str]:
        return [sys.executable, "-m", "meterhouse", *map(str, words)]

    # ------------------------------------------------------------ what tests often need

    def import_stream(self, file: Path | str, *options: str, given: str = "") -> dict[str, str]:
        """Import a stream and return the keys of its meter nodes."""
        [stream] = self.json("stream", "import", file, *options, given=given)
        return stream["meterKeys"]

    def create_meters(self, file: Path, *, key: str, at: str) -> None:
        """Create the meters of a template."""
        text = file.read_text("utf-8").replace("METER_KEY", key)
        self.done("meter", "create", "--file", "-", "--at", at, given=text)

    def set_up(self, example: str, *, at: str = "2026-01-01T00:00:00Z") -> str:
        """Provision one of the examples and return the key of its meter node."""
        folder = EXAMPLES / example
        self.done("meter-type", "create", "--file", folder / "meter-types.json")
        key = self.import_stream(folder / "stream.json")["Meter"]
        self.create_meters(folder / "meters.ndjson", key=key, at=at)
        return key
