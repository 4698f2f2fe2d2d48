"""How errors are told: one message on standard error, every problem listed, and what to do."""

from __future__ import annotations

import sys
from typing import Any

import typer

from meterhouse.cli.exits import WRONG_USAGE, WrongUsage
from meterhouse.cli.output import paint
from meterhouse.core.problem import DefinitionError, MeterhouseError

#: A file may have as many problems as lines; beyond this many they are only counted.
PROBLEMS_SHOWN_MAX = 100
_RED = "1;31"


def tell(error: BaseException) -> None:
    """Write an error."""
    sys.stdout.flush()
    sys.stderr.write(f"{paint('error:', _RED)} {message(error)}\n")


def tell_parser_error(error: Any) -> int:
    """Write what the parser of the command line says, in our own form; return the exit code."""
    context = getattr(error, "ctx", None)
    if context is None:
        tell(error)
        return WRONG_USAGE
    if not isinstance(error, typer.BadParameter) and error.message == context.get_help():
        error.show()  # A noun without a verb shows its help, which is no fault to tell.
        return WRONG_USAGE
    hint = f"`{context.command_path} --help` shows how it is used"
    tell(WrongUsage(_parser_message(error), hint=hint))
    return WRONG_USAGE


def _parser_message(error: Any) -> str:
    """Return the parser's message; what checks values for it speaks of itself."""
    text = error.format_message().rstrip(".")
    cause = error.__cause__
    if not hasattr(cause, "errors"):
        return text
    [fault, *_] = cause.errors()
    place = text.partition(": ")[0].removeprefix("Invalid value for ").strip("'")
    match fault["type"]:
        case "greater_than_equal":
            reason = f"{fault['input']} is less than {fault['ctx']['ge']}"
        case "int_parsing":
            reason = f"{fault['input']!r} is not a whole number"
        case _:
            reason = fault["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{place}: {reason}"


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
