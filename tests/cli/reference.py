"""Writes the command reference, docs/cli.md, from the commands themselves.

`python -m tests.cli.reference` writes it anew; a test says when that is due.
"""

import io
import os
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import typer

from meterhouse.cli import main
from meterhouse.cli.main import app

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "cli.md"
INTRODUCTION = Path(__file__).with_name("introduction.md")


def commands() -> list[tuple[str, ...]]:
    """Return every command, as the words that name it, in the order of ``--help``."""
    return list(_below(typer.main.get_command(app), ()))


def _below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if not hasattr(command, "list_commands"):
        yield words
        return
    context = typer.Context(command)
    for verb in command.list_commands(context):
        below = command.get_command(context, verb)
        if not below.hidden:
            yield from _below(below, (*words, verb))


def help_text(*words: str) -> str:
    """Return what a command says of itself, 80 columns wide."""
    with patch.dict(os.environ, {"COLUMNS": "80"}), redirect_stdout(io.StringIO()) as out:
        code = main([*words, "--help"])
    assert code == 0
    return out.getvalue().rstrip()


def page() -> str:
    """Return the text of the page."""
    parts = [INTRODUCTION.read_text("utf-8").rstrip()]
    for words in [(), *commands()]:
        name = " ".join(("meterhouse", *words))
        parts.append(f"## {name}\n\n```text\n{help_text(*words)}\n```")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
