"""Reconciling: what was audited against what the components have counted themselves.

Theory of operation. Golden records say how many rows of ``Aura_Audit`` there are of each day and
app; metrics say how many requests there were. The two are independent, so that a difference tells
of logs that were lost, or read twice. What is found is kept for the invoice of the period: a draft
takes it over, and one check of it blocks issuing where too much differs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from meterhouse.app.aura.request_counts import UNATTRIBUTED, Cell, RequestCounts
from meterhouse.app.billing.books import book_and_period
from meterhouse.app.billing.day_windows import DAY, day_of
from meterhouse.app.billing.parties import find_customer
from meterhouse.app.billing.periods import Days
from meterhouse.app.billing.ports import Finding
from meterhouse.app.billing.usage import gather_all
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import MeteredUsage
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import Check, CheckOutcome
from meterhouse.core.json_text import parse_json
from meterhouse.core.money import rounded_ratio
from meterhouse.core.problem import ConflictError
from meterhouse.core.quantity import EXACT, ZERO, number_text

#: Who finds it, and the code by which it is overridden.
RECONCILIATION = "reconciliation"
#: The component whose requests the gateway counts.
GATEWAY = "aura-gateway-api"
_HUNDRED = Decimal(100)
_LISTED_MAX = 200


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far audited rows and counted requests may be apart.

    More than ``percent`` or ``requests`` is a warning, more than ``blocking_percent`` blocks.
    """

    percent: Decimal = Decimal("0.5")
    requests: Decimal = Decimal(50)
    blocking_percent: Decimal = Decimal(5)


@dataclass(frozen=True, slots=True)
class Difference:
    """One day, app and preset: audited rows, counted requests, and what that means."""

    cell: Cell
    audited: Decimal
    counted: Decimal
    outcome: CheckOutcome

    @property
    def apart(self) -> Decimal:
        """How far they are apart."""
        return EXACT.subtract(self.audited, self.counted).copy_abs()

    @property
    def percent(self) -> Decimal:
        """How far, in percent of what was counted."""
        if not self.counted:
            return _HUNDRED if self.audited else ZERO
        return rounded_ratio(EXACT.multiply(self.apart, _HUNDRED), self.counted, 2)

    def __str__(self) -> str:
        day, app, preset = self.cell
        of = f"{day} {app}" + (f", preset {preset}" if preset else "")
        return (
            f"{of}: {number_text(self.audited)} audited, {number_text(self.counted)} counted "
            f"({number_text(self.percent)} % apart)"
        )


@dataclass(frozen=True, slots=True)
class Reconciled:
    """All cells that were compared; ``without`` are days that nothing was counted of."""

    cells: tuple[Difference, ...]
    without: tuple[date, ...] = ()
    finding: Finding = field(default=Finding(RECONCILIATION))

    @property
    def outcome(self) -> CheckOutcome:
        """The outcome of the whole."""
        return self.finding.checks[0].outcome


def reconcile(
    ledger: Ledger,
    customer_id: str,
    counts: RequestCounts,
    *,
    days: Days,
    at: Instant,
    components: Collection[str] = (GATEWAY,),
    tolerance: Tolerance | None = None,
) -> Reconciled:
    """Compare a customer's audited rows with counted requests, and keep what was found."""
    customer = find_customer(ledger, customer_id)
    _, period = book_and_period(ledger, customer, days)
    usage = gather_all(ledger, customer.id, period=period)
    audited, with_preset = audited_rows(usage, components=components)
    found = compared(
        audited,
        counts,
        days=days,
        with_preset=with_preset,
        tolerance=tolerance or Tolerance(),
    )
    ledger.put_finding(customer.id, found.finding, start=period.start, end=period.end, at=at)
    return found


def audited_rows(
    usage: Sequence[MeteredUsage], *, components: Collection[str]
) -> tuple[dict[Cell, Decimal], bool]:
    """Return audited rows of some components by cell, and whether presets are told apart."""
    found, presets, any_days = dict[Cell, Decimal](), True, False
    for record in usage:
        known = [one for one in record.breakdowns if {DAY, "app", "component"} <= set(one)]
        if not known:
            continue
        any_days = True
        section = max(known, key=lambda one: ("preset" in one, -len(one), one))
        presets &= "preset" in section
        for entry in record.breakdowns[section]:
            texts = {name: _text(entry.fields.get(name)) for name in ("app", "component", "preset")}
            day = day_of(entry.fields.get(DAY))
            if day is not None and texts["component"] in components:
                cell = day, texts["app"] or UNATTRIBUTED, texts["preset"]
                found[cell] = EXACT.add(found.get(cell, ZERO), entry.value)
    if usage and not any_days:
        message = "No usage of the period is told apart by day, component and app"
        raise ConflictError(message, hint="Have the meter group by day, component, app")
    return found, presets


def _text(text: str | None) -> str:
    value = None if text is None else parse_json(text)
    return value if isinstance(value, str) else ""


def compared(
    audited: dict[Cell, Decimal],
    counts: RequestCounts,
    *,
    days: Days,
    with_preset: bool,
    tolerance: Tolerance,
) -> Reconciled:
    """Compare cell by cell. Presets count as one where only one side knows them."""
    ours, theirs = audited, dict(counts.cells)
    if not (with_preset and any(preset for _, _, preset in theirs)):
        ours, theirs = _without_presets(ours), _without_presets(theirs)
    ours, theirs = (
        {cell: value for cell, value in cells.items() if days.first <= cell[0] < days.end}
        for cells in (ours, theirs)
    )
    without = sorted({day for day, _, _ in ours} - counts.days)
    cells = [
        _difference(cell, ours.get(cell, ZERO), theirs.get(cell, ZERO), tolerance)
        for cell in sorted({*ours, *theirs})
        if cell[0] in counts.days
    ]
    return Reconciled(tuple(cells), tuple(without), _finding(cells, without, tolerance))


def _without_presets(cells: dict[Cell, Decimal]) -> dict[Cell, Decimal]:
    sums: dict[Cell, Decimal] = {}
    for (day, app, _), value in cells.items():
        sums[day, app, ""] = EXACT.add(sums.get((day, app, ""), ZERO), value)
    return sums


def _difference(cell: Cell, audited: Decimal, counted: Decimal, tolerance: Tolerance) -> Difference:
    apart = EXACT.subtract(audited, counted).copy_abs()

    def more_than(percent: Decimal) -> bool:
        return EXACT.multiply(apart, _HUNDRED) > EXACT.multiply(counted, percent)

    outcome = CheckOutcome.PASSED
    if more_than(tolerance.blocking_percent):
        outcome = CheckOutcome.BLOCKED
    elif more_than(tolerance.percent) or apart > tolerance.requests:
        outcome = CheckOutcome.WARNING
    return Difference(cell, audited, counted, outcome)


def _finding(cells: Sequence[Difference], without: Sequence[date], tolerance: Tolerance) -> Finding:
    wrong = [one for one in cells if one.outcome is not CheckOutcome.PASSED]
    blocking = [one for one in wrong if one.outcome is CheckOutcome.BLOCKED]
    text = (
        f"audited rows against counted requests: {len(cells):,} compared, {len(wrong):,} more than "
        f"{number_text(tolerance.percent)} % or {number_text(tolerance.requests)} apart, "
        f"{len(blocking):,} more than {number_text(tolerance.blocking_percent)} %"
    )
    outcome = CheckOutcome.PASSED
    if wrong or without:
        outcome = CheckOutcome.BLOCKED if blocking else CheckOutcome.WARNING
    check = Check(RECONCILIATION, text, outcome)
    return Finding(RECONCILIATION, (check,), tuple(_exceptions(wrong, without)))


def _exceptions(wrong: Sequence[Difference], without: Sequence[date]) -> Iterator[tuple[str, str]]:
    worst = sorted(wrong, key=lambda one: (-one.percent, one.cell))
    for one in worst[:_LISTED_MAX]:
        yield RECONCILIATION, str(one)
    if len(worst) > _LISTED_MAX:
        yield RECONCILIATION, f"{len(worst) - _LISTED_MAX:,} more differ"
    if without:
        few = ", ".join(map(str, without[:5])) + (" ..." if len(without) > 5 else "")
        yield RECONCILIATION, f"days with audited rows and no metrics: {len(without)} ({few})"
