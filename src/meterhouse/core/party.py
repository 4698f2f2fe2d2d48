"""Who sells and who buys: the parties of an invoice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """

    id: str
    party: Party
    number_format: str = "{year}-{number:6}"
    series: str = "invoices-{year}"
    credit_note_format: str = "CN-{year}-{number:6}"
    payment_days: int = 30


@dataclass(frozen=True, slots=True)
class Customer:
    """Who pays for usage.

    ``users`` are the user ids whose meters it pays for; empty: the one that has the customer's id.
    ``price_book`` is the id of its book; ``language`` is for texts that people read (``en``).
    """

    id: str
    party: Party
    issuer: str
    price_book: str
    users: tuple[str, ...] = ()
    reference: str = ""
    language: str = "en"
    custom_fields: Mapping[str, Any] = field(default_factory=dict)
