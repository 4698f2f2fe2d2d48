"""Usage by day from breakdowns by day: as far apart as the prices of the book ask for."""

from dataclasses import replace
from decimal import Decimal
from itertools import product
from random import Random

from meterhouse.app.billing.day_windows import day_windows
from meterhouse.core.json_text import canonical_text
from meterhouse.core.price_book import PerUnit
from tests.rating.books import book, price, used

DAYS = [f"2026-10-{day:02}" for day in range(1, 8)]
NAMES = ("app", "app_brand", "channel", "day")


def _record(random: Random):
    """A record of groups by day, with one of a day that nobody can read."""
    values = {
        key: random.randrange(-5, 50)
        for key in product("abc", "xy", ["web", None], DAYS)
        if random.random() < 0.7
    }
    entries = [(list(key), value) for key, value in values.items()]
    unread = [(["a", "x", "web", "20261003"], 7)]
    total = sum(values.values()) + 7
    return used(total, breakdowns={",".join(NAMES): [*entries, *unread]}), values


def _windows(record, **price_fields):
    windows = day_windows([record], [book(price(PerUnit(Decimal(1)), **price_fields))])
    return {(f"{one.start}", *one.fields.items()): one.quantity for one in windows}


def _expected(values, *places: int):
    sums: dict[tuple[object, ...], int] = {}
    for key, value in values.items():
        fields = {NAMES[place]: canonical_text(key[place]) for place in places}
        fields["meter_type"] = canonical_text("calls")
        told = (key[3], *sorted(fields.items()))
        sums[told] = sums.get(told, 0) + value
    return sums


def test_days_tell_apart_what_prices_ask_for():
    for seed in range(20):
        record, values = _record(Random(seed))
        assert _windows(record, line_by=("app",)) == _expected(values, 0)
        assert _windows(record, line_by=("channel", "app")) == _expected(values, 0, 2)
        assert _windows(record, show_by=("channel",)) == _expected(values, 2)
        assert _windows(record, line_by=("service",)) == _expected(values)


def test_an_id_tells_apart_what_is_asked_for_by_its_name():
    record, values = _record(Random(1))
    assert _windows(record, line_by=("app_name",)) == _expected(values, 0)


def test_prices_of_all_versions_are_asked():
    record, values = _record(Random(2))
    books = [book(price(PerUnit(Decimal(1)), line_by=(name,))) for name in ("app", "channel")]
    windows = day_windows([record], books)
    assert len(windows) == len(_expected(values, 0, 2))


def test_tokens_are_left_out_where_anything_else_has_days():
    queries, _ = _record(Random(3))
    tokens = replace(_record(Random(4))[0], record_id="r2", meter_type="Tokens", unit="token")
    books = [book(price(PerUnit(Decimal(1)), line_by=("app",)))]
    assert day_windows([queries, tokens], books) == day_windows([queries], books)
    assert {one.fields["meter_type"] for one in day_windows([tokens], books)} == {'"Tokens"'}
