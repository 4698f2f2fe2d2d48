"""Documents of price books for tests: one with all of the common parts, and small ones."""

from copy import deepcopy
from typing import Any

from meterhouse.core.price_book_reading import read_price_book
from meterhouse.core.problem import DefinitionError

EXAMPLE: dict[str, Any] = {
    "id": "liceo-es",
    "version": "2026-10-01.1",
    "ob": "ES",
    "currency": "EUR",
    "valid": {"from": "2026-10-01", "to": None},
    "timezone": "Europe/Madrid",
    "invoicing_model": "hybrid",
    "rounding": {"mode": "half_up", "at": "line", "unit_price_decimals": 12},
    "prices": [
        {
            "sku": "message/aura-groot",
            "match": {"service": "message", "component": "aura-groot"},
            "unit": "request",
            "model": "graduated",
            "tiers": [{"up_to": 100000, "price": "0.0025"}, {"up_to": None, "price": "0.0021"}],
        },
        {
            "sku": "ai/tokens",
            "match": {"service": "ai"},
            "unit": "token",
            "per": 1000000,
            "model": "matrix",
            "dimensions": ["model", "token_type"],
            "values": {"gpt-4o|input": "2.50", "gpt-4o|cached": "1.25", "gpt-4o|output": "10.00"},
            "default": None,
        },
    ],
    "commitments": [{"scope": "invoice", "minimum": "1000.00", "prorate": "days"}],
    "taxes": [{"category": "S", "rate": "21.00"}],
}


def example(**changes: Any) -> dict[str, Any]:
    """Return the example with some of its fields changed."""
    return deepcopy(EXAMPLE) | changes


def book_of(*prices: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a book of these prices; those without a sku have one by their place."""
    placed = [{"sku": f"p{place}"} | price for place, price in enumerate(prices)]
    plain = {
        "id": "b",
        "version": "1",
        "currency": "EUR",
        "valid": {"from": "2026-01-01"},
        "prices": placed,
    }
    return plain | changes


def problems_of(document: object) -> list[str]:
    """Return what is wrong with a document, as texts."""
    try:
        read_price_book(document)
    except DefinitionError as error:
        return [str(problem) for problem in error.problems]
    return []
