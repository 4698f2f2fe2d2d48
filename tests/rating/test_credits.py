from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

from meterhouse.core.credit import Grant
from meterhouse.core.invoice import CreditUse
from meterhouse.rating.credits import drawn
from tests.rating.charged import AT, instant


def grant(id: str, amount: str, **changes: Any) -> Grant:
    fields: dict[str, Any] = {
        "customer": "acme",
        "name": id.upper(),
        "amount": Decimal(amount),
        "remaining": Decimal(amount),
        "currency": "EUR",
        "priority": 1,
        "effective": instant("2026-01-01"),
        "expires": None,
        "paid": True,
        "granted_at": instant("2026-01-01"),
    }
    return Grant(id, **(fields | changes))


C = grant("c", "10", priority=0)
B = grant("b", "25", expires=instant("2026-11-15"))
A = grant("a", "30", expires=instant("2026-12-01"))


def amounts(uses: tuple[CreditUse, ...]) -> list[tuple[str, str]]:
    return [(use.grant, str(use.amount)) for use in uses]


def test_priority_then_expiry() -> None:
    uses = drawn([A, B, C], Decimal("100.00"), at=AT, digits=2)
    assert amounts(uses) == [("c", "10.00"), ("b", "25.00"), ("a", "30.00")]
    assert Decimal("100.00") - sum(use.amount for use in uses) == Decimal("35.00")


def test_the_last_grant_pays_what_is_left() -> None:
    assert amounts(drawn([A, B, C], Decimal("20.00"), at=AT, digits=2)) == [
        ("c", "10.00"),
        ("b", "10.00"),
    ]


def test_what_expires_never_comes_last_then_promotional_then_the_oldest() -> None:
    never = grant("never", "1")
    free = grant("free", "1", expires=instant("2027-01-01"), paid=False)
    bought = grant("bought", "1", expires=instant("2027-01-01"))
    older = grant("older", "1", expires=instant("2027-01-01"), granted_at=instant("2025-12-31"))
    uses = drawn([never, bought, free, older], Decimal(10), at=AT, digits=2)
    assert [use.grant for use in uses] == ["free", "older", "bought", "never"]


def test_any_order_of_the_grants_gives_the_same_draw_down() -> None:
    grants = [A, B, C, grant("d", "3"), grant("e", "3")]
    expected = drawn(grants, Decimal("69.50"), at=AT, digits=2)
    for order in permutations(grants):
        assert drawn(order, Decimal("69.50"), at=AT, digits=2) == expected


def test_a_grant_counts_from_when_it_begins_to_before_it_ends() -> None:
    ends = grant("ends", "5", expires=AT)
    begins = grant("begins", "5", effective=AT)
    later = grant("later", "5", effective=AT + 1)
    empty = grant("empty", "5", remaining=Decimal(0))
    uses = drawn([ends, begins, later, empty], Decimal(100), at=AT, digits=2)
    assert [use.grant for use in uses] == ["begins"]


def test_nothing_is_drawn_where_nothing_is_due() -> None:
    assert drawn([A], Decimal(0), at=AT, digits=2) == ()
    assert drawn([A], Decimal(-5), at=AT, digits=2) == ()


def test_less_than_the_smallest_coin_cannot_be_drawn() -> None:
    crumbs = grant("crumbs", "0.009")
    odd = grant("odd", "2.999")
    assert amounts(drawn([crumbs, odd], Decimal("5.00"), at=AT, digits=2)) == [("odd", "2.99")]
    assert amounts(drawn([odd], Decimal(5), at=AT, digits=0)) == [("odd", "2")]
    assert amounts(drawn([odd], Decimal("5.000"), at=AT, digits=3)) == [("odd", "2.999")]
