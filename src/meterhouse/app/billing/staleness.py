"""Whether a draft is still what drafting again would make: prices, findings, credit, lines by hand.

Issuing rates nothing, so what is refused here has to be drafted again. A draft that would come out
the same is never refused. Usage that was added or changed since is no reason: it is late usage of
the next invoice. Whether other invoices bill the periods of a draft by now, ``late`` knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from meterhouse.app.billing.books import used_book, version_and_period
from meterhouse.app.billing.drafts import after_other_zone, take_grants
from meterhouse.app.billing.late import BY_HAND, charged_lines
from meterhouse.app.billing.parties import find_customer
from meterhouse.app.billing.periods import days_billed
from meterhouse.app.billing.ports import ManualLine
from meterhouse.app.billing.versions import PRICE_CHANGES, versions_within
from meterhouse.app.ports import Ledger
from meterhouse.core.instant import instant_text
from meterhouse.core.invoice import Invoice
from meterhouse.core.problem import ConflictError
from meterhouse.rating.invoicing import completed

_AGAIN = "Draft the invoice again"


def refuse_outdated(ledger: Ledger, draft: Invoice) -> None:
    """Refuse a draft whose prices, findings, lines by hand or credit are others by now."""
    _check_beginning(ledger, draft)
    _check_versions(ledger, draft)
    _check_findings(ledger, draft)
    _check_lines(ledger.manual_lines(draft.id), draft)
    _check_credit(ledger, draft)


def _check_beginning(ledger: Ledger, draft: Invoice) -> None:
    """Refuse a draft that leaves out hours between itself and the invoice before, or has them too.

    That was issued or taken back since, and was of another time zone.
    """
    customer = find_customer(ledger, draft.customer)
    whole = days_billed(draft).in_zone(draft.period.timezone)
    now, _ = after_other_zone(ledger, customer, whole)
    if now.start != draft.period.start:
        then, begins = instant_text(draft.period.start), instant_text(now.start)
        message = (
            f"The draft of {draft.customer!r} begins at {then}. The invoice before it, of another "
            f"time zone, was issued or taken back since: now it begins at {begins}"
        )
        raise ConflictError(message, hint=_AGAIN)


def _check_versions(ledger: Ledger, draft: Invoice) -> None:
    """Refuse a draft that was not rated with the versions which hold within its period by now."""
    used, customer = draft.books[0], find_customer(ledger, draft.customer)
    days = days_billed(draft)
    book, _ = version_and_period(ledger, used.id, days)
    now = versions_within(ledger, book, draft.period, customer=customer, days=days)
    changes = now.to_metadata().get(PRICE_CHANGES)
    if book.hash != used.hash or changes != draft.metadata.get(PRICE_CHANGES):
        message = (
            f"The draft of {draft.customer!r} was made before versions of its price book, or the "
            "days of its contract, were changed within its period"
        )
        raise ConflictError(message, hint=_AGAIN)


def _check_findings(ledger: Ledger, draft: Invoice) -> None:
    """Refuse a draft that does not say what was found of its period since it was made."""
    period = days_billed(draft).in_zone(draft.period.timezone)
    found = ledger.findings(draft.customer, start=period.start, end=period.end)
    if any(check not in draft.checks for one in found for check in one.checks):
        message = f"The draft of {draft.customer!r} was made before its usage was reconciled anew"
        raise ConflictError(message, hint=_AGAIN)


def _check_lines(manual: Sequence[ManualLine], draft: Invoice) -> None:
    """Refuse a draft that does not say the lines which people have added to it."""
    said = [
        (line.charge.name, line.net, line.reason, line.author, line.charge.tax)
        for line in charged_lines(draft)
        if line.charge.model == BY_HAND
    ]
    if said != [(one.name, one.amount, one.reason, one.author, one.tax) for one in manual]:
        message = f"The draft of {draft.customer!r} was made before its lines by hand were changed"
        raise ConflictError(message, hint=_AGAIN)


def _check_credit(ledger: Ledger, draft: Invoice) -> None:
    """Refuse a draft that would draw other credit by now."""
    grants = list(take_grants(ledger, find_customer(ledger, draft.customer)))
    left = {grant.id: grant.remaining for grant in grants}
    if not grants or any(left[use.grant] < use.amount for use in draft.credits):
        return  # what is used up, drawing refuses by its name
    books = [used_book(ledger, book) for book in draft.books]
    now = completed(books, charged_lines(draft), period=draft.period, grants=grants)
    if now.credits != draft.credits:
        message = f"Credit of {draft.customer!r} was granted or changed since the draft was made"
        raise ConflictError(message, hint=f"{_AGAIN}: it draws what there is now")
