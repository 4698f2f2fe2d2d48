"""What rating takes and gives: metered usage, and charges, each with how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import reduce

from meterhouse.core.instant import Instant
from meterhouse.core.quantity import EXACT, ZERO


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """``[start, end)`` in a zone."""

    start: Instant
    end: Instant
    timezone: str


@dataclass(frozen=True, slots=True)
class GroupedValue:
    """One entry of a breakdown: field values as canonical JSON texts, and its value."""

    fields: Mapping[str, str]
    value: Decimal
    #: The values of the single events, where they are known.
    events: tuple[Decimal, ...] | None = None


@dataclass(frozen=True, slots=True)
class MeteredUsage:
    """A golden record as rating sees it. ``breakdowns`` by the fields that they group by.

    ``events`` are the values of the single events, where they are known: they add up to ``value``.
    ``meter`` is the id of the meter where that keeps its single records, else empty; of usage that
    is not as it is any more, they are as they were ``before`` that instant.
    """

    record_id: str
    meter_type: str
    category: str
    user: str
    unit: str
    value: Decimal
    period: BillingPeriod
    breakdowns: Mapping[tuple[str, ...], tuple[GroupedValue, ...]] = field(default_factory=dict)
    custom_fields: Mapping[str, str] = field(default_factory=dict)
    events: tuple[Decimal, ...] | None = None
    meter: str = ""
    before: Instant | None = None


@dataclass(frozen=True, slots=True)
class UsageItem:
    """A part of a metered record that is priced as one: all of it, or one entry of a breakdown.

    ``fields`` is all that a price can match: canonical JSON texts by name. ``events`` are the
    values of the single events, where they are known; a price that asks for them needs them.
    ``part`` are those of the fields that say which entry of a breakdown it is. ``unit`` is the
    meter's.
    """

    record_id: str
    fields: Mapping[str, str]
    quantity: Decimal
    period: BillingPeriod
    events: tuple[Decimal, ...] | None = None
    part: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""


class ChargeKind(Enum):
    """Why something is charged."""

    USAGE = "usage"
    FEE = "fee"  # a flat amount
    TRUE_UP = "true_up"  # what a minimum commitment lacked
    ADJUSTMENT = "adjustment"  # late usage of an earlier period, or a line by hand


@dataclass(frozen=True, slots=True)
class ChargePart:
    """A step of the calculation: a tier, a cell of a matrix, a fee, a number of packages.

    ``amount`` is exact. ``label`` says it to people: ``1,000 to 10,000``, ``gpt-4o input``.
    """

    label: str
    quantity: Decimal
    unit_price: Decimal | None
    flat: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Reduction:
    """What was taken off an amount, and why. ``amount`` is positive and rounded."""

    name: str
    kind: str  # "discount", "maximum", "credit"
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Source:
    """The metered record, or the part of one, that a charge is for."""

    record_id: str
    quantity: Decimal
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Charge:
    """A priced line, before it has a number on an invoice.

    ``quantity`` is usage as metered, in ``metered_unit``; ``billable`` what of it is charged, in
    ``unit`` (converted, without what is included); ``exact`` is the unrounded amount before
    reductions, ``gross`` the rounded one, and ``net`` is ``gross`` without the reductions.
    ``fields`` are those of ``line_by``.
    """

    sku: str
    kind: ChargeKind
    name: str
    model: str
    unit: str
    fields: Mapping[str, str]
    quantity: Decimal
    billable: Decimal
    per: Decimal
    list_price: Decimal | None
    parts: tuple[ChargePart, ...]
    exact: Decimal
    gross: Decimal
    net: Decimal
    tax: str | None
    period: BillingPeriod
    reductions: tuple[Reduction, ...] = ()
    sources: tuple[Source, ...] = ()
    metered_unit: str = ""


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Usage that no price of the book is for, or several equally: it blocks issuing.

    ``reason`` is ``no_price``, ``ambiguous`` (``skus`` says between which), ``no_value`` (a matrix
    has no such cell), ``no_breakdown`` (prices ask for fields that no breakdown has) or
    ``no_events`` (a price for each event, and nobody knows the single events). Of lines that no
    right amount can be made of: ``below_zero`` (more was taken back than there was),
    ``refund_of_free`` (what an event below 0 takes back may have been free), ``above_tiers`` (the
    last tier ends before) or ``too_many_digits``.
    """

    fields: Mapping[str, str]
    quantity: Decimal
    reason: str
    skus: tuple[str, ...] = ()
    records: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """Usage that a count of the book takes: ``place`` is that of the count, from 0.

    ``fields`` are those by which the count tells it apart.
    """

    place: int
    quantity: Decimal
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rating:
    """The outcome of rating: charges in the order of the book, and what is unpriced.

    Conservation: quantities of charges, of what is unpriced and of what is only counted add up to
    the metered usage.
    ``floored`` is usage of charges that takes back more than there was, and counts as nothing.
    ``left`` is the usage that counts have left to prices.
    """

    charges: tuple[Charge, ...]
    unpriced: tuple[Unpriced, ...] = ()
    counted: tuple[Counted, ...] = ()
    floored: tuple[Unpriced, ...] = ()
    left: tuple[MeteredUsage, ...] = field(default=(), compare=False)

    @property
    def net(self) -> Decimal:
        """The sum of all charges."""
        return reduce(EXACT.add, (charge.net for charge in self.charges), ZERO)
