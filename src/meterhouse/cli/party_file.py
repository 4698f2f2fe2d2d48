"""Reading files of issuers and customers: JSON, a list, NDJSON, or YAML."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.arguments import file_name, read_text

if TYPE_CHECKING:
    from meterhouse.app.definitions import Item

_YAML = (".yaml", ".yml")

PartyFileOption = Annotated[
    str,
    typer.Option(
        "--file",
        metavar="F",
        help="One object, a list or NDJSON; YAML where it ends in .yaml; - is standard input.",
    ),
]


def read_bodies(file: str) -> list[Item]:
    """Return the objects of a file, numbers as written."""
    from meterhouse.app.definitions import Item, read_items

    text = read_text(file)
    if not file.endswith(_YAML):
        return read_items(text, what=file_name(file))
    from meterhouse.bootstrap import price_book_documents

    found = price_book_documents(text, what=file_name(file))
    return [Item(document.place, _days_as_text(document.body)) for document in found]


def _days_as_text(body: Any) -> Any:
    """Return what YAML says as JSON would: days without quotes are texts."""
    if isinstance(body, dict):
        return {name: _days_as_text(value) for name, value in body.items()}
    if isinstance(body, list):
        return [_days_as_text(value) for value in body]
    return body.isoformat() if isinstance(body, date) else body
