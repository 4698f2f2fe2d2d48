"""Writes the reference of expressions, docs/expressions.md, from the table of functions.

`python -m tests.core.expression_reference` writes it anew; a test says when that is due.
"""

from itertools import groupby
from pathlib import Path

from meterhouse.core.expression.table import FUNCTIONS, Example
from meterhouse.core.json_text import json_text

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "expressions.md"
INTRODUCTION = Path(__file__).with_name("expressions.md")
NUMBERS = frozenset(
    {"round", "floor", "ceil", "trunc", "abs", "min", "max", "number"} | {"power", "parseNumber"}
)


def shown(example: Example, *, numeric: bool) -> str:
    """Return an example with its result."""
    text, result = example
    written = result if numeric and isinstance(result, str) else json_text(result)
    return f"`{text}` = `{written}`"


def page() -> str:
    """Return the text of the page."""
    parts = [INTRODUCTION.read_text("utf-8").rstrip(), "## Functions"]
    for group, functions in groupby(FUNCTIONS.values(), key=lambda function: function.group):
        rows = [f"### {group}\n", "| | | for example |", "|---|---|---|"]
        for function in functions:
            numeric = function.name in NUMBERS
            examples = "<br>".join(shown(e, numeric=numeric) for e in function.examples)
            rows.append(f"| `{function.signature}` | {function.doc} | {examples} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
