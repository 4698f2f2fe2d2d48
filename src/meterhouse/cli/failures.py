"""How errors are told: one message on standard error, every problem listed, and what to do."""

from __future__ import annotations

import sys

from meterhouse.cli.output import paint
from meterhouse.core.problem import DefinitionError, MeterhouseError

#: A file may have as many problems as lines; beyond this many they are only counted.
PROBLEMS_SHOWN_MAX = 100
_RED = "1;31"


def tell(error: BaseException) -> None:
    """Write an error."""
    sys.stdout.flush()
    sys.stderr.write(f"{paint('error:', _RED)} {message(error)}\n")


def message(error: BaseException) -> str:
    r"""Return an error's message with its hint.

    >>> message(MeterhouseError("There is no meter 'x'", hint="`meter list` shows them"))
    "There is no meter 'x'\n  hint: `meter list` shows them"
    """
    if isinstance(error, DefinitionError):
        return _with_hint(_problems(error), error.hint)
    if isinstance(error, MeterhouseError):
        notes = [f"  {note}" for note in getattr(error, "__notes__", ())]
        return _with_hint("\n".join([str(error.args[0]), *notes]), error.hint)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}"
    return str(error) or type(error).__name__


def _problems(error: DefinitionError) -> str:
    first, *_ = str(error.args[0]).split("\n", 1)
    lines = [f"  - {problem}" for problem in error.problems[:PROBLEMS_SHOWN_MAX]]
    if (more := len(error.problems) - PROBLEMS_SHOWN_MAX) > 0:
        lines.append(f"  … and {more} more")
    return "\n".join([first, *lines])


def _with_hint(text: str, hint: str) -> str:
    return f"{text}\n  hint: {hint}" if hint else text
