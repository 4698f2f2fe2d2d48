"""Importing published prices of language models: what is wanted of a file, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from meterhouse.app.billing.price_books import Document
from meterhouse.core.json_text import json_text

#: LiteLLM's table (JSON), its history (CSV, dated), genai-prices (JSON, in part dated).
FORMATS = ("litellm", "litellm-history", "genai-prices")


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
