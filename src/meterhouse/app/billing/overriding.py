"""Checks that keep a draft from being issued, until somebody answers for them.

A check is overridden by its code, with a reason, and the invoice says who it was and why. Codes
that are no checks are refused: they may be mistyped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from meterhouse.app.ports import Ledger
from meterhouse.core.invoice import Check, CheckOutcome, Invoice
from meterhouse.core.invoice_text import read_invoice
from meterhouse.core.json_text import JsonValue
from meterhouse.core.party_reading import TEXT_CHARS_MAX
from meterhouse.core.price_book_counts import LIMITS_MAX
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import Reading, shown


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody answers for a check that would block the draft."""

    code: str
    author: str
    reason: str


def read_overrides(body: JsonValue, *, author: str) -> tuple[Override, ...]:
    """Read ``overrides`` (codes) and ``reason``. Raises ``DefinitionError``."""
    reading = Reading(body)
    codes = reading.json_list("overrides", items_max=LIMITS_MAX)
    reason = reading.text("reason", chars_max=TEXT_CHARS_MAX) or ""
    for place, code in enumerate(codes):
        if not isinstance(code, str) or not code:
            reading.fail(f"overrides[{place}]", f"is {shown(code)}", "use the code of a check")
    if codes and not reason.strip():
        reading.fail("reason", "is missing", "say why: the invoice and its history have it")
    if reading.problems:
        raise DefinitionError(reading.problems, what="The override")
    return tuple(Override(str(code), author, reason) for code in codes)


def blocking_checks(invoice: Invoice, overrides: Sequence[Override]) -> list[Problem]:
    """Return the checks that keep a draft from being issued, and that nobody overrides."""
    codes = {one.code for one in overrides}
    return [
        Problem(
            f"check {check.code}",
            check.text,
            f"mend it and draft again, or answer for it: --override {check.code} --reason ...",
        )
        for check in invoice.checks
        if check.outcome is CheckOutcome.BLOCKED and check.code not in codes
    ]


def needless_overrides(invoice: Invoice, overrides: Sequence[Override]) -> list[Problem]:
    """Return the overrides of what the draft has no check for."""
    return _needless(invoice.checks, overrides, of="the draft")


def refuse_needless(
    ledger: Ledger, references: Iterable[str], overrides: Sequence[Override]
) -> None:
    """Refuse overrides of what none of several drafts has a check for, before any is issued."""
    if not overrides:
        return
    heads = [ledger.invoice(reference) for reference in references]
    checks = [
        check for head in heads if head is not None for check in read_invoice(head.text).checks
    ]
    if needless := _needless(checks, overrides, of="any of the drafts"):
        raise DefinitionError(needless, what="The override")


def _needless(checks: Iterable[Check], overrides: Sequence[Override], *, of: str) -> list[Problem]:
    codes = sorted({check.code for check in checks})
    hint = f"the checks are {', '.join(codes)}" if codes else "leave it out: there are no checks"
    return [
        Problem("overrides", f"{one.code!r} is no check of {of}", hint)
        for one in overrides
        if one.code not in codes
    ]


def overridden(invoice: Invoice, overrides: Sequence[Override]) -> Invoice:
    """Return a draft that says who overrides which of its checks. Others are overridden by nobody.

    Each of them is an exception, so that whoever reads the invoice sees it.
    """
    by_code = {one.code: one for one in overrides}
    checks, exceptions = [], list(invoice.exceptions)
    for check in invoice.checks:
        override = by_code.get(check.code)
        if check.outcome is CheckOutcome.BLOCKED and override is not None:
            author, reason = override.author, override.reason
            check = replace(check, outcome=CheckOutcome.OVERRIDDEN, author=author, reason=reason)
            exceptions.append(("override", f"{check.code} by {author}: {reason}"))
        checks.append(check)
    return replace(invoice, checks=tuple(checks), exceptions=tuple(exceptions))
