"""Importing published prices of language models: what is wanted of a file, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from meterhouse.app.billing.price_books import Document
from meterhouse.core.json_text import json_text
from meterhouse.core.party_reading import TEXT_CHARS_MAX
from meterhouse.core.problem import DefinitionError
from meterhouse.core.quantity import ZERO, in_range, number_from_text
from meterhouse.core.reading import Reading, missing_or_shown, shown

#: LiteLLM's table (JSON), its history (CSV, dated), genai-prices (JSON, in part dated).
FORMATS = ("litellm", "litellm-history", "genai-prices")
#: So many names of models, or of providers, may be given.
NAMES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class PriceImport:
    """What is wanted of a file.

    ``models``: names or patterns (``gpt-4o*``); none: all. In genai-prices a name may also be what
    a provider's answers call the model. ``at``: one book, of the prices then; without it a dated
    file makes a version for each change. ``begin``: the first day of that one book.
    """

    format: str
    id: str
    customer: str | None = None
    currency: str = "USD"
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    at: date | None = None
    begin: date | None = None
    markup: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class ImportedPrices:
    """Documents of price books, and what they cannot say."""

    documents: tuple[dict[str, Any], ...]
    notices: tuple[str, ...]

    def to_store(self) -> list[Document]:
        """Return them as the documents of a file."""
        return [
            Document(f"version {body['version']}", json_text(body), "json", body)
            for body in self.documents
        ]


class PriceImporter(Protocol):
    """Makes price books of a published table; ``what`` names it."""

    def __call__(self, text: str, wanted: PriceImport, *, what: str) -> ImportedPrices:
        """Return what came of it. Raises ``DefinitionError``."""
        ...


def read_price_import(said: Mapping[str, Any]) -> PriceImport:
    """Read what is wanted of a file, all of it texts.

    Raises ``DefinitionError`` with every problem.
    """
    reading = Reading(said)
    format = reading.body.get("format")
    if format not in FORMATS:
        reading.fail("format", missing_or_shown(format), f"use one of {', '.join(FORMATS)}")
    id = reading.text("id", required=True, chars_max=TEXT_CHARS_MAX) or ""
    wanted = PriceImport(
        str(format),
        id,
        reading.text("customer", chars_max=TEXT_CHARS_MAX),
        reading.text("currency", chars_max=TEXT_CHARS_MAX) or "USD",
        tuple(reading.json_list("models", items_max=NAMES_MAX)),
        tuple(reading.json_list("provider", items_max=NAMES_MAX)),
        at=_day(reading, "at"),
        begin=_day(reading, "from"),
        markup=_markup(reading),
    )
    if reading.problems:
        raise DefinitionError(reading.problems, what="The import")
    return wanted


def _day(reading: Reading, name: str) -> date | None:
    text = reading.text(name)
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        reading.fail(name, f"is {shown(text)}, not a day", "write it as 2026-01-31")
        return None


def _markup(reading: Reading) -> Decimal:
    text = reading.text("markup")
    number = Decimal(1) if text is None else number_from_text(text)
    if number is None or number <= ZERO or not in_range(number):
        reading.fail("markup", f"is {shown(text)}", "use a factor, such as 1.2 for a fifth more")
        return Decimal(1)
    return number
