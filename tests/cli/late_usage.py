"""A business whose usage goes on after it was billed: helpers of the tests of late usage."""

import json
from decimal import Decimal
from typing import Any

from tests.cli.billing import FIELDS, Business

TIERS = [{"up_to": 100, "price": "1"}, {"up_to": None, "price": "0.5"}]
GRADUATED = {"sku": "q", "match": {}, "model": "graduated", "tiers": TIERS, "unit": "query"}
PER_UNIT = {"sku": "q", "match": {}, "model": "per_unit", "price": "1", "unit": "query"}
BY_EVENT = {"periodAssignment": "event", "gracePeriod": "P0D"}


def begin(business: Business, price: dict[str, Any], *, users: tuple[str, ...] = ("ES",), **more):
    """Meter 80 in October for each user, by event time, and have a customer with them."""
    rows = [("a", "s", "app", None, 80)]
    business.meter(list(users), rows=rows, at="2026-10-15T00:00:00Z", **BY_EVENT)
    business.sell(prices=[price], **more)
    business.customer(users=list(users))


def late(business: Business, day: str, value: int) -> None:
    """Meter usage of the last day of October on a later one."""
    body = {"userId": "ES", "value": value, "timestamp": "2026-10-31T00:00:00Z"}
    business.file(f"Usage {day}.ndjson", body | dict.fromkeys(FIELDS, "b"))
    run(business, day)


def run(business: Business, day: str) -> None:
    """Run the stream at the beginning of a day."""
    business.run.done("stream", "run", "Usage", "--at", f"{day}T00:00:00Z", "--quiet")


def issue(business: Business, draft: dict[str, Any]) -> dict[str, Any]:
    """Issue a draft, long after all periods of these tests."""
    [issued] = business.run.json("invoice", "issue", draft["id"], "--issue-date", "2027-12-01")
    return issued


def bill(business: Business, period: str) -> dict[str, Any]:
    """Draft and issue the one invoice of a period."""
    [draft] = business.draft(period=period)
    return issue(business, draft)


def correct(business: Business, invoice: dict[str, Any]) -> dict[str, Any]:
    """Take an invoice back, and issue another one for its period."""
    business.run.done("invoice", "correct", invoice["id"], "--reason", "a wrong address")
    return issue(business, *drafts(business))


def drafts(business: Business) -> list[dict[str, Any]]:
    """Return the heads of all drafts."""
    return business.listed("--status", "draft")


def billed(business: Business) -> Decimal:
    """Return what all documents come to, net."""
    total = Decimal(0)
    for head in business.listed():
        if head["status"] in ("issued", "corrected"):
            sign = -1 if head["kind"] == "credit_note" else 1
            total += sign * Decimal(head["net"])
    return total


def nets(invoice: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """Return SKU, net and corrected invoice of each line that comes to something."""
    return [
        (line["charge"]["sku"], line["net"], line["corrects"])
        for line in invoice["lines"]
        if Decimal(line["net"])
    ]


def change_customer(business: Business, **fields: Any) -> None:
    """Change the customer."""
    business.run.done("customer", "update", "es", "--file", "-", given=json.dumps(fields))
