"""Writes the command reference, docs/cli.md, from the commands themselves.

`python -m tests.cli.reference` writes it anew; a test says when that is due.
"""

import io
import os
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

from meterhouse.cli import main

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "cli.md"
INTRODUCTION = Path(__file__).with_name("introduction.md")
VERBS = {
    "meter-type": ("create", "list", "show", "update", "delete"),
    "meter": ("create", "list", "show", "update", "delete"),
    "stream": (
        *("import", "validate", "update", "rename", "export", "list", "delete", "run", "preview"),
        "sessions",
        *("version list", "version tag", "version show", "version export", "version restore"),
        *("position list", "position reset"),
    ),
    "schedule": ("set", "show", "list", "remove", "enable", "disable"),
    "group": ("create", "update", "list", "show", "run", "delete"),
    "price-book": ("create", "list", "show", "check", "import-llm-prices", "delete"),
    "issuer": ("create", "list", "show", "update", "delete"),
    "customer": ("create", "list", "show", "update", "delete"),
    "credit": ("grant", "list", "show"),
    "invoice": (
        *("preview", "draft", "list", "show", "issue", "render", "void", "credit", "correct"),
        *("add-line", "remove-line", "explain", "what-if", "unbilled"),
        *("files", "download", "link", "history"),
    ),
    "run": ("list", "show", "stop", "audit"),
    "record": ("list",),
    "usage": ("list", "void", "amend", "query"),
    "correction": ("list", "show", "fix", "delete", "requeue", "reprocess", "purge"),
    "delivery": ("list", "drop"),
    "inspect": (),
    "secret": ("create", "list", "show", "update", "delete", "rotate-key"),
    "access": ("create", "list", "show", "update", "rotate", "delete"),
    "activity": ("list",),
    "serve": (),
    "doctor": (),
}


def commands() -> list[tuple[str, ...]]:
    """Return every command, as the words that name it."""
    return [(noun, *verb) for noun, verbs in VERBS.items() for verb in _verbs(verbs)]


def _verbs(verbs: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [tuple(verb.split()) for verb in verbs] or [()]


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
