"""What holds of every invoice, on generated charges, books and grants."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from random import Random

import pytest

from meterhouse.core.charge import Charge, ChargeKind
from meterhouse.core.credit import Grant
from meterhouse.core.currency import currency_digits
from meterhouse.core.invoice import InvoiceLine
from meterhouse.core.price_book import Commitment, Discount, DiscountKind, PriceBook, Tax
from meterhouse.rating.giving_back import given_back
from meterhouse.rating.invoicing import InvoiceSums, Late, LineByHand, invoiced
from tests.rating.charged import AT, OCTOBER, book, charge, price
from tests.rating.test_credits import grant

_CASES_PER_BLOCK = 1_000
_TAXES = (Tax("S", Decimal(21)), Tax("Z", Decimal(0)), Tax("S", Decimal("5.5"), name="Low"))
_NAMES = (None, "S", "Z", "Low")
_SKUS = "abc"


@dataclass(frozen=True)
class Case:
    book: PriceBook
    charges: list[Charge]
    share: tuple[int, int]
    grants: list[Grant]
    late: list[Late]
    manual: list[LineByHand]

    def sums(self) -> InvoiceSums:
        return invoiced(
            self.book,
            self.charges,
            period=OCTOBER,
            share=self.share,
            grants=self.grants,
            at=AT,
            corrections=self.late,
            manual=self.manual,
        )


def _amount(random: Random, digits: int, *, negative: bool = False) -> Decimal:
    units = random.choice([0, 1, 2, random.randrange(100), random.randrange(10**6), 10**15 + 7])
    sign = -1 if negative and random.random() < 0.5 else 1
    return Decimal(sign * units).scaleb(-digits)


def _charge(random: Random, digits: int, *, negative: bool = False) -> Charge:
    amount = _amount(random, digits, negative=negative)
    return charge(random.choice(_SKUS), str(amount), tax=random.choice(_NAMES))


def _discount(random: Random, digits: int) -> Discount:
    if random.random() < 0.5:
        return Discount(DiscountKind.PERCENTAGE, Decimal(random.randrange(0, 10001)).scaleb(-2))
    return Discount(DiscountKind.AMOUNT, _amount(random, digits))


def _commitment(random: Random, digits: int) -> Commitment:
    low, high = sorted([_amount(random, digits), _amount(random, digits)])
    skus = random.choice([(), (), ("a",), ("a", "b"), ("c",)])
    return Commitment(
        minimum=low if random.random() < 0.6 else None,
        maximum=high if random.random() < 0.6 else None,
        skus=skus,
        prorate=random.random() < 0.5,
    )


def _grant(random: Random, number: int, digits: int) -> Grant:
    return replace(
        grant(f"g{number}", str(_amount(random, digits + random.randrange(2)))),
        priority=random.randrange(3),
        expires=random.choice([None, AT, AT + 1, AT + 2]),
        effective=random.choice([AT - 1, AT - 1, AT, AT + 1]),
        paid=random.random() < 0.5,
        granted_at=AT - random.randrange(3),
        currency=random.choice(["EUR", "JPY", "KWD"]),
    )


def generate(seed: int) -> Case:
    random = Random(seed)
    currency = random.choice(["EUR", "JPY", "KWD"])
    digits = currency_digits(currency) or 0
    ours = book(
        currency=currency,
        taxes=random.choice([_TAXES, _TAXES, _TAXES[:1]]),
        prices=tuple(price(sku) for sku in _SKUS),
        discounts=tuple(_discount(random, digits) for _ in range(random.randrange(3))),
        commitments=tuple(_commitment(random, digits) for _ in range(random.randrange(3))),
    )
    taxes = None if len(ours.taxes) > 1 else "S"

    def made(count: int, *, negative: bool = False) -> list[Charge]:
        some = [_charge(random, digits, negative=negative) for _ in range(count)]
        return some if taxes is None else [replace(one, tax=taxes) for one in some]

    days = random.randrange(28, 32)
    return Case(
        book=ours,
        charges=made(random.randrange(6)),
        share=(random.randrange(days + 1), days),
        grants=[_grant(random, number, digits) for number in range(random.randrange(6))],
        late=[(one, "1", ours) for one in made(random.randrange(3), negative=True)],
        manual=[LineByHand(one, "ana", "why") for one in made(random.randrange(2), negative=True)],
    )


def _assert_laws(seed: int) -> None:
    case = generate(seed)
    sums = case.sums()
    _assert_sums(case, sums)
    _assert_lines(case, sums)
    _assert_commitments(case, sums)
    _assert_credits(case, sums)
    if sums.owed_back:
        note = given_back(sums)
        assert note.totals.total == sums.owed_back and not note.owed_back
        assert sum(line.net for line in note.lines) == note.totals.net


def _assert_sums(case: Case, sums: InvoiceSums) -> None:
    totals, digits = sums.totals, currency_digits(case.book.currency) or 0
    assert sum(line.net for line in sums.lines) == totals.lines
    assert totals.lines - totals.credits_before_tax == totals.net
    assert sum(tax.base for tax in sums.taxes) == totals.net
    assert sum(tax.amount for tax in sums.taxes) == totals.tax
    assert totals.net + totals.tax == totals.total
    assert totals.payable == totals.total - totals.prepaid
    assert sums.owed_back == max(-totals.total, 0)
    coin = Decimal(1).scaleb(-digits)
    for tax in sums.taxes:
        exact = tax.base * tax.rate / 100
        assert tax.amount == exact.quantize(coin, rounding=ROUND_HALF_UP)
    assert len({(tax.category, tax.rate) for tax in sums.taxes}) == len(sums.taxes)
    every = [totals.lines, totals.tax, totals.payable, *(line.net for line in sums.lines)]
    assert all(amount == amount.quantize(coin) for amount in every)


def _assert_lines(case: Case, sums: InvoiceSums) -> None:
    assert [line.id for line in sums.lines] == [str(n + 1) for n in range(len(sums.lines))]
    for line in sums.lines:
        off = sum(share.amount for share in line.shares)
        assert line.charge.net - off == line.net
        assert line.net >= 0 or line.charge.net < 0
    ours = sums.lines[: len(case.charges)]
    assert [line.charge for line in ours] == case.charges
    left = sum(one.net for one in case.charges)
    for place, discount in enumerate(case.book.discounts):
        if discount.kind is DiscountKind.AMOUNT and place == 0:
            name = "Discount"
            taken = [s.amount for line in ours for s in line.shares if s.name == name]
            others = [d for d in case.book.discounts[1:] if d.kind is DiscountKind.AMOUNT]
            if not others:
                assert sum(taken) == min(left, discount.value)


def _assert_commitments(case: Case, sums: InvoiceSums) -> None:
    """The widest commitments hold for certain; those of certain prices where they are alone."""
    ours = [
        line
        for line in sums.lines
        if line.charge.kind is ChargeKind.TRUE_UP or line in sums.lines[: len(case.charges)]
    ]
    part, whole = case.share
    commitments = case.book.commitments
    for commitment in commitments:
        if commitment.skus and len(commitments) > 1:
            continue
        if len([one for one in commitments if not one.skus]) > 1:
            continue
        counted = sum(line.net for line in ours if _counts(line, commitment))
        # Of a period of which no day is charged, nothing is due at least.
        due = (commitment.minimum or Decimal(0)) if part else Decimal(0)
        if commitment.prorate:
            exact = due * part / whole
            coin = Decimal(1).scaleb(-(currency_digits(case.book.currency) or 0))
            due = exact.quantize(coin, rounding=ROUND_HALF_UP)
        assert counted >= due
        if commitment.maximum is not None:
            assert counted <= max(commitment.maximum, due)


def _counts(line: InvoiceLine, commitment: Commitment) -> bool:
    own = line.charge.kind is ChargeKind.TRUE_UP
    return not commitment.skus or own or line.charge.sku in commitment.skus


def _assert_credits(case: Case, sums: InvoiceSums) -> None:
    grants = {one.id: one for one in case.grants}
    for use in sums.credits:
        one = grants[use.grant]
        assert 0 < use.amount <= one.remaining
        assert one.currency == case.book.currency and one.usable(AT, since=OCTOBER.start)
    promotional = sum(use.amount for use in sums.credits if not use.paid)
    assert promotional == sums.totals.credits_before_tax
    assert sum(use.amount for use in sums.credits if use.paid) == sums.totals.prepaid
    assert sums.totals.payable >= 0 or not sums.credits
    mixed = list(case.grants)
    Random(len(mixed)).shuffle(mixed)
    assert replace(case, grants=mixed).sums() == sums


@pytest.mark.parametrize("block", range(20))
def test_laws(block: int) -> None:
    for seed in range(block * _CASES_PER_BLOCK, (block + 1) * _CASES_PER_BLOCK):
        _assert_laws(seed)


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(100))
def test_laws_of_many_more(block: int) -> None:
    first = 1_000_000 + block * _CASES_PER_BLOCK
    for seed in range(first, first + _CASES_PER_BLOCK):
        _assert_laws(seed)
