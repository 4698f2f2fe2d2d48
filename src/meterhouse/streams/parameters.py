"""Reading the stored parameters of nodes: what several node types have in common."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from meterhouse.core.expression import Expression, ExpressionError, parse_expression
from meterhouse.core.json_text import JsonValue
from meterhouse.core.reading import Reading, shown
from meterhouse.streams.placeholder import Template


def whole_number(
    reading: Reading, name: str, *, lowest: int, highest: int | None = None
) -> int | None:
    """Read a whole number within bounds; ``None`` where it is absent or wrong."""
    value: JsonValue = reading.body.get(name)
    if value is None:
        return None
    whole = not isinstance(value, bool) and isinstance(value, int)
    if whole and value >= lowest and (highest is None or value <= highest):
        return int(value)
    bounds = f"from {lowest} to {highest}" if highest is not None else f"of {lowest} or more"
    reading.fail(name, f"is {shown(value)}", f"use a whole number {bounds}")
    return None


def template(reading: Reading, name: str) -> Template | None:
    """Read a required text with placeholders."""
    text = reading.text(name, required=True)
    if text is None:
        return None
    try:
        return Template.parse(text)
    except ValueError as error:
        reading.fail(name, f"is {shown(text)} and {error}")
        return None


def read_expression(reading: Reading, name: str) -> Expression | None:
    """Read a required expression; what is wrong with it is shown with its place."""
    text = reading.text(name, required=True)
    if text is None:
        return None
    try:
        return parse_expression(text)
    except ExpressionError as error:
        reading.fail(name, str(error.args[0]), error.hint)
        return None


def fixed_outputs(reading: Reading) -> dict[str, str]:
    """Read ``multiOutput.fixed``: the id of each output that the document names."""
    fixed = Reading(reading.json_object("multiOutput"))
    ids: dict[str, str] = {}
    for name, output in fixed.json_object("fixed").items():
        inner = Reading(output, what="output")
        if (text := inner.text("id", required=True)) is not None:
            ids[text] = str(name)
        reading.problems += [fault.at(f"multiOutput.fixed.{name}") for fault in inner.problems]
    reading.problems += [fault.at("multiOutput") for fault in fixed.problems]
    return ids


def exact(value: JsonValue) -> JsonValue:
    """Return parameters without floats: each becomes the shortest decimal that reads as it."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Mapping):
        return {name: exact(item) for name, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    return value
