"""Reading what stands on the command line: files, instants, assignments, reasons."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from meterhouse.cli.exits import WrongUsage
from meterhouse.core.instant import Instant, parse_instant
from meterhouse.core.json_text import JsonValue, parse_json
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.suspense import Reason

if TYPE_CHECKING:
    from meterhouse.core.expression import Expression


class FileUnreadable(MeterhouseError):
    """A file named on the command line cannot be read."""

    code = "file_unreadable"


def read_text(file: str) -> str:
    """Return the text of a file, or of standard input for ``-``."""
    try:
        if file == "-":
            return sys.stdin.buffer.read().decode("utf-8")
        return Path(file).read_text("utf-8")
    except UnicodeDecodeError as error:
        hint = "save it as UTF-8"
        raise FileUnreadable(f"{file}: is not UTF-8 text: {error.reason}", hint=hint) from error
    except OSError as error:
        hint = "check the path and its permissions"
        raise FileUnreadable(f"{file}: {error.strerror or error}", hint=hint) from error


def file_name(file: str) -> str:
    """Return what messages call a file."""
    return "standard input" if file == "-" else file


def read_instant(text: str | None, *, option: str = "--at") -> Instant | None:
    """Return an instant given as an option."""
    if text is None:
        return None
    instant = parse_instant(text)
    if instant is None:
        hint = "use ISO 8601, such as 2026-01-31T00:00:00Z; without a zone it is UTC"
        raise WrongUsage(f"{option}: {text!r} is not an instant", hint=hint)
    return instant


def read_assignments(texts: Sequence[str]) -> dict[str, JsonValue]:
    """Return the fields of ``--set field=JSON``."""
    values: dict[str, JsonValue] = {}
    for text in texts:
        field, equals, value = text.partition("=")
        if not equals or not field:
            raise WrongUsage(f"--set: {text!r} is not field=JSON", hint="such as --set value=12.5")
        try:
            values[field] = parse_json(value)
        except (ValueError, RecursionError) as error:
            hint = f"""a text needs its quotes, such as --set '{field}="{value}"'"""
            raise WrongUsage(f"--set {field}: {value!r} is not JSON", hint=hint) from error
    return values


def read_expressions(texts: Sequence[str]) -> dict[str, Expression]:
    """Return the fields of ``--expression field=EXPRESSION``."""
    from meterhouse.core.expression import parse_expression

    expressions: dict[str, Expression] = {}
    for text in texts:
        field, equals, expression = text.partition("=")
        if not equals or not field:
            hint = "such as --expression 'value=round(value, 2)'"
            raise WrongUsage(f"--expression: {text!r} is not field=EXPRESSION", hint=hint)
        try:
            expressions[field.strip()] = parse_expression(expression.strip())
        except MeterhouseError as error:
            raise WrongUsage(f"--expression {field}: {error.args[0]}", hint=error.hint) from error
    return expressions


def read_reason(text: str | None) -> Reason | None:
    """Return the reason of a code."""
    if text is None:
        return None
    reason = next((member for member in Reason if member.value == text), None)
    if reason is None:
        hint = "codes are " + ", ".join(member.value for member in Reason)
        raise WrongUsage(f"--reason: {text!r} is no reason code", hint=hint)
    return reason
