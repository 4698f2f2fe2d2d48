"""Who sells and who buys: the parties of an invoice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; ``country`` is ISO 3166-1 alpha-2."""

    country: str
    street: str = ""
    city: str = ""
    postcode: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """A legal person. ``tax_id`` is its VAT identifier, ``legal_id`` its registration."""

    name: str
    address: Address
    tax_id: str = ""
    legal_id: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues invoices, and how they are numbered.

    ``number_format`` has the places ``{year}``, ``{month}``, ``{customer}`` and ``{number}``, the
    last with its width: ``LICEO-{year}-{number:6}``. Numbers of a ``series`` have no gaps;
    ``series`` may have the places ``{year}`` and ``{customer}``, each of which starts a series.
    ``file_name`` is what files are called, with the places ``{issuer}``, ``{customer}``,
    ``{country}``, ``{country3}``, ``{period}`` and ``{number}``; empty: as all are.
    """

    id: str
    party: Party
    number_format: str = "{year}-{number:6}"
    series: str = "invoices-{year}"
    credit_note_format: str = "CN-{year}-{number:6}"
    payment_days: int = 30
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class Customer:
    """Who pays for usage.

    ``users`` are the user ids whose meters it pays for; empty: the one that has the customer's id.
    ``price_book`` is the id of its book; ``language`` is for texts that people read (``en``).
    ``begin`` and ``end`` are the days of its contract, in the zone of the book: the first one, and
    the one after the last.
    """

    id: str
    party: Party
    issuer: str
    price_book: str
    users: tuple[str, ...] = ()
    reference: str = ""
    language: str = "en"
    custom_fields: Mapping[str, Any] = field(default_factory=dict)
    begin: date | None = None
    end: date | None = None

    def charged_days(self, first: date, end: date) -> tuple[int, int]:
        """Return how many of the days from one to before another the contract has, and of how many.

        >>> es = Customer("es", Party("ES", Address("ES")), "i", "b", begin=date(2026, 11, 14))
        >>> es.charged_days(date(2026, 11, 1), date(2026, 12, 1))
        (17, 30)
        """
        begun = first if self.begin is None else max(first, self.begin)
        ended = end if self.end is None else min(end, self.end)
        return max((ended - begun).days, 0), (end - first).days
