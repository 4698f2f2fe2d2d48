"""Price books: what usage costs, by named, versioned and dated prices.

What a price book is; how a document becomes one is in ``price_book_reading``, what it makes of
usage is in ``rating``. Amounts, prices and quantities are exact decimals. Field names are those of
the document (aura-billing.md 8.12).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum

from meterhouse.core.money import Rounding
from meterhouse.core.quantity import ZERO

ONE = Decimal(1)
#: In a ``match``, this stands for any value, the missing one included.
ANY = "*"


@dataclass(frozen=True, slots=True)
class Tier:
    """Quantities up to and including ``up_to`` (``None``: all that are left).

    ``percent`` instead of ``price`` where the base is an amount of money.
    """

    up_to: Decimal | None
    price: Decimal = ZERO
    flat: Decimal = ZERO
    percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Flat:
    """An amount for each period, whatever is used; or only where something is."""

    amount: Decimal
    only_if_used: bool = False
    #: a share of the amount where only some days of the period are charged
    prorate: bool = False


@dataclass(frozen=True, slots=True)
class PerUnit:
    """Each unit costs the same."""

    price: Decimal


@dataclass(frozen=True, slots=True)
class Graduated:
    """Each unit costs what its own tier says; each tier that is entered adds its flat amount."""

    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Volume:
    """The tier that holds the whole quantity says what all units cost."""

    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """Started packages of ``size`` units cost ``price`` each; the first ``free`` units nothing.

    ``round_down``: only whole packages are charged.
    """

    size: Decimal
    price: Decimal
    free: Decimal = ZERO
    round_down: bool = False


@dataclass(frozen=True, slots=True)
class Stairstep:
    """The tier that holds the whole quantity says the amount (its ``flat``)."""

    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Percentage:
    """A share of an amount of money, and a fixed amount for each event.

    The first ``free_amount`` and ``free_events`` cost nothing. ``minimum`` and ``maximum`` hold for
    each event.
    """

    percent: Decimal
    fixed: Decimal = ZERO
    free_amount: Decimal = ZERO
    free_events: int = 0
    minimum: Decimal | None = None
    maximum: Decimal | None = None


@dataclass(frozen=True, slots=True)
class GraduatedPercentage:
    """Each part of an amount of money costs the share that its own tier says (``percent``)."""

    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class CostPlus:
    """What it cost us, times a factor: 1.20 adds a fifth."""

    multiplier: Decimal


@dataclass(frozen=True, slots=True)
class Matrix:
    """The price of a unit by one or two fields; ``default`` for what is not listed.

    ``None`` as default: what is not listed is unpriced. Keys are canonical JSON texts.
    """

    dimensions: tuple[str, ...]
    values: Mapping[tuple[str, ...], Decimal]
    default: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Included:
    """Counted and shown, and costs nothing: another line has it in its price."""


@dataclass(frozen=True, slots=True)
class Hybrid:
    """The sum of several models over the same usage, rounded once."""

    parts: tuple[PriceModel, ...]


PriceModel = (
    Flat
    | PerUnit
    | Graduated
    | Volume
    | Package
    | Stairstep
    | Percentage
    | GraduatedPercentage
    | CostPlus
    | Matrix
    | Included
    | Hybrid
)


class DiscountKind(Enum):
    """What a discount is a part of."""

    PERCENTAGE = "percentage"  # percent of the amount
    AMOUNT = "amount"  # so much less
    USAGE = "usage"  # so many units less, before the price


@dataclass(frozen=True, slots=True)
class Discount:
    """``value`` is percent, an amount or a number of units."""

    kind: DiscountKind
    value: Decimal
    name: str = ""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Units of usage to units of price: times ``multiply``, by ``divide``; then rounded, if at all.

    Without ``digits`` nothing is rounded.
    """

    multiply: Decimal = ONE
    divide: Decimal = ONE
    digits: int | None = None
    rounding: Rounding = Rounding.CEILING


@dataclass(frozen=True, slots=True)
class Match:
    """Which usage a price is for: fields and the values that they may have.

    Fields are ``meter_type``, ``category``, ``user``, ``customer``, a field of a group or a custom
    field of the meter. Values are canonical JSON texts; an empty set stands for any value.
    """

    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def specificity(self) -> int:
        """How many fields must have certain values. The more, the more specific."""
        return sum(1 for values in self.fields.values() if values)


@dataclass(frozen=True, slots=True)
class Price:
    """What one kind of usage costs.

    ``per``: the model's prices are for so many units. ``line_by``: each combination of these fields
    is a line, and a quantity of its own for tiers, packages and included units; without them
    all usage of the price is one line. ``show_by``: fields by which documents tell a line's usage
    apart, and that change nothing else. ``minimum`` and ``maximum`` hold for a line's amount;
    ``prorate_minimum``: it is for a whole period, and a share of it is due where only some days
    are charged.
    """

    sku: str
    model: PriceModel
    match: Match = Match()
    name: str = ""
    unit: str = ""
    per: Decimal = ONE
    priority: int = 0
    line_by: tuple[str, ...] = ()
    conversion: Conversion | None = None
    included: Decimal = ZERO
    discounts: tuple[Discount, ...] = ()
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    tax: str | None = None
    show_by: tuple[str, ...] = ()
    prorate_minimum: bool = False


@dataclass(frozen=True, slots=True)
class Commitment:
    """At least ``minimum``, at most ``maximum`` in a period.

    ``skus`` are the prices whose lines count; none: the whole invoice. ``prorate``: the minimum is
    for a whole period, and a share of it is due where only some days are charged.
    """

    minimum: Decimal | None = None
    maximum: Decimal | None = None
    skus: tuple[str, ...] = ()
    prorate: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax category (EN 16931: S, Z, E, AE, K, G, O, L, M) and its rate in percent.

    ``reason`` says why no tax is due, where the category needs it.
    """

    category: str
    rate: Decimal
    name: str = "VAT"
    reason: str = ""


class CountedAs(Enum):
    """Where usage is told that is counted and not charged."""

    REQUESTS = "requests"  # the total number of requests
    EXCEPTIONS = "exceptions"  # what a reviewer should know
    NOTHING = "nothing"  # it is metered for other ends than an invoice


@dataclass(frozen=True, slots=True)
class Count:
    """Usage that is told and never charged: it goes before all prices.

    An exception has a ``code`` and a ``text``; each combination of the fields ``by`` is one.
    """

    match: Match
    to: CountedAs
    code: str = ""
    text: str = ""
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of the usage ``of`` may be as ``match`` says, in percent of it.

    Not what is as ``unless`` says, where that names anything. What there is of it is told, each
    combination of the fields ``by`` with its quantity; more than ``percent`` keeps the invoice
    from being issued, unless somebody overrides ``code``.
    """

    code: str
    text: str
    match: Match
    percent: Decimal
    of: Match = Match()
    unless: Match = Match()
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All prices of one agreement, as of one version.

    ``hash`` is the SHA-256 of the document's canonical JSON, in hexadecimal digits. Valid from the
    beginning of ``valid_from`` to the beginning of ``valid_to`` in ``timezone``; ``None`` is open.
    ``customer`` is whom it is for; ``None``: anybody. The first of ``taxes`` holds for prices that
    name none; no taxes: the invoice is not subject to tax.
    """

    id: str
    version: str
    hash: str
    currency: str
    valid_from: date
    valid_to: date | None
    timezone: str
    prices: tuple[Price, ...]
    customer: str | None = None
    invoicing_model: str = ""
    rounding: Rounding = Rounding.HALF_UP
    #: each tier is rounded and the line adds them up; otherwise a line is rounded once
    round_tiers: bool = False
    unit_price_digits: int = 12
    commitments: tuple[Commitment, ...] = ()
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[Tax, ...] = ()
    counts: tuple[Count, ...] = ()
    limits: tuple[Limit, ...] = ()
    #: prices change within a period: do quantities go on counting through the tiers, or start anew
    restart_tiers: bool = False
