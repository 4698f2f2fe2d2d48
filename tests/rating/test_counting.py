"""What is counted and not charged: quantities are conserved, and limits measure what is left."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.charge import BillingPeriod, GroupedValue, MeteredUsage
from meterhouse.core.json_text import canonical_text
from meterhouse.core.price_book_reading import read_price_book
from meterhouse.rating import rate
from meterhouse.rating.counting import counted_apart, portion
from tests.core.price_books import book_of

PERIOD = BillingPeriod(0, 1, "Etc/UTC")
KINDS = {"to": "exceptions", "code": "d", "text": "d", "match": {"kind": "a"}, "by": ["kind"]}
WHOLE = {"to": "requests", "match": {"category": "I"}}
PRICE = {"sku": "p", "model": "per_unit", "price": "1", "line_by": ["app"]}


def record(category: str, entries: list[tuple[str, str, int]], rest: int = 0) -> MeteredUsage:
    """Usage by kind and app, some of it without either."""
    groups = tuple(
        GroupedValue({"kind": canonical_text(kind), "app": canonical_text(app)}, Decimal(value))
        for kind, app, value in entries
    )
    value = Decimal(sum(value for *_, value in entries) + rest)
    breakdowns = {("kind", "app"): groups, ("day",): ()} if groups else {}
    return MeteredUsage("r", "t", category, "ES", "query", value, PERIOD, breakdowns)


ENTRIES = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 9)),
    max_size=6,
    unique_by=lambda entry: entry[:2],
)


@given(st.lists(st.builds(record, st.sampled_from("IQ"), ENTRIES, st.integers(0, 5)), max_size=4))
def test_quantities_are_conserved(usage: list[MeteredUsage]):
    book = read_price_book(book_of(PRICE, counts=[WHOLE, KINDS]))
    rating = rate(book, usage, period=PERIOD, customer="c")
    parts = [one.quantity for one in (*rating.charges, *rating.unpriced, *rating.counted)]
    assert sum(parts) == sum(one.value for one in usage)
    ours = [entry for one in usage if one.category == "Q" for entry in _entries(one)]
    expected = sum(entry.value for entry in ours if entry.fields["kind"] == '"a"')
    assert sum(one.quantity for one in rating.counted if one.place == 1) == expected


def _entries(one: MeteredUsage) -> tuple[GroupedValue, ...]:
    return one.breakdowns.get(("kind", "app"), ())


def test_a_record_of_which_a_part_is_counted_keeps_the_rest_and_its_groups():
    book = read_price_book(book_of(PRICE, counts=[KINDS]))
    apart = counted_apart(book, [record("Q", [("a", "x", 3), ("b", "x", 4)], 2)], customer="c")
    [left] = apart.usage
    assert left.value == 6
    assert [entry.value for entry in left.breakdowns["kind", "app"]] == [4]
    assert ("day",) not in left.breakdowns
    [counted] = apart.counted
    assert (counted.place, counted.quantity, counted.fields) == (0, 3, {"kind": '"a"'})


def test_a_book_without_counts_leaves_usage_as_it_is():
    usage = [record("Q", [("a", "x", 3)])]
    assert counted_apart(read_price_book(book_of(PRICE)), usage, customer="c").usage is usage


def test_a_limit_measures_a_part_of_a_part():
    limit = {
        "code": "l",
        "text": "l",
        "of": {"category": "Q"},
        "match": {"kind": "a"},
        "unless": {"app": "z"},
        "percent": 1,
        "by": ["app"],
    }
    [read] = read_price_book(book_of(PRICE, limits=[limit])).limits
    usage = [record("I", [("a", "x", 99)]), record("Q", [("a", "x", 3), ("a", "z", 5)], 2)]
    found = portion(read, usage, customer="c")
    assert (found.part, found.whole) == (3, 10)
    assert found.entries == (({"app": '"x"'}, Decimal(3)),)


def groups(*names: str, **values: int) -> dict[tuple[str, ...], tuple[GroupedValue, ...]]:
    """One breakdown by these fields, all of them with the same text."""
    return {
        names: tuple(
            GroupedValue(dict.fromkeys(names, canonical_text(text)), Decimal(value))
            for text, value in values.items()
        )
    }


def metered(value: int, **more: object) -> MeteredUsage:
    return MeteredUsage("r", "t", "Q", "ES", "query", Decimal(value), PERIOD, **more)


def test_what_no_group_says_whether_it_is_counted_is_unpriced():
    apart = groups("kind", dup=4, ok=6) | groups("app", test=3, x=7)
    counts = [
        KINDS | {"match": {"kind": "dup"}, "by": []},
        KINDS | {"match": {"app": "test"}, "by": []},
    ]
    rating = rate(
        read_price_book(book_of({"model": "per_unit", "price": "1"}, counts=counts)),
        [metered(10, breakdowns=apart)],
        period=PERIOD,
        customer="c",
    )
    [told] = rating.unpriced
    assert (told.quantity, told.reason, told.records) == (10, "no_breakdown", ("r",))
    assert (rating.charges, rating.counted, rating.left) == ((), (), ())


def test_a_limit_that_no_group_can_be_judged_by_says_of_how_much():
    limit = {"code": "l", "text": "l", "match": {"app": "(unattributed)"}, "percent": 1}
    usage = [metered(10, breakdowns=groups("app", **{"(unattributed)": 10}) | groups("kind", a=10))]
    [by_both] = read_price_book(book_of(PRICE, limits=[limit | {"by": ["app", "kind"]}])).limits
    assert portion(by_both, usage, customer="c").unknown == 10
    [by_app] = read_price_book(book_of(PRICE, limits=[limit | {"by": ["app"]}])).limits
    found = portion(by_app, usage, customer="c")
    assert (found.part, found.whole, found.unknown) == (10, 10, 0)


def test_a_count_of_a_customer_and_a_group_leaves_the_other_groups():
    counts = [KINDS | {"match": {"customer": "c", "kind": "a"}}]
    by_kind = {"model": "per_unit", "price": "1", "match": {"kind": "b"}}
    usage = [metered(10, breakdowns=groups("kind", a=4, b=6))]
    book = read_price_book(book_of(by_kind, counts=counts))
    rating = rate(book, usage, period=PERIOD, customer="c")
    assert (rating.net, rating.unpriced) == (6, ())


def test_counts_are_taken_in_their_order_however_many_fields_they_name():
    all_of_them = {"to": "requests", "match": {"category": "Q"}}
    book = read_price_book(book_of(PRICE, counts=[all_of_them, KINDS]))
    apart = counted_apart(book, [record("Q", [("a", "x", 4), ("b", "x", 6)])], customer="c")
    assert [(one.place, one.quantity) for one in apart.counted] == [(0, 10)]


def test_what_a_count_leaves_keeps_its_single_events():
    events = tuple(map(Decimal, (4, 6)))
    entries = groups("kind", a=4, b=6)["kind",]
    known = [replace(e, events=(value,)) for e, value in zip(entries, events, strict=True)]
    price = {"model": "percentage", "percent": 10, "fixed": 1, "match": {"category": "Q"}}
    book = read_price_book(book_of(price, counts=[KINDS]))
    usage = [metered(10, breakdowns={("kind",): tuple(known)}, events=events)]
    rating = rate(book, usage, period=PERIOD, customer="c")
    assert (rating.net, rating.unpriced) == (Decimal("1.60"), ())


def test_a_count_takes_entries_that_come_to_nothing_together():
    entries = (("a", 4), ("a", -4), ("b", 10))
    found = tuple(
        GroupedValue({"kind": canonical_text(kind), "n": str(n)}, Decimal(n)) for kind, n in entries
    )
    book = read_price_book(book_of({"model": "included"}, counts=[KINDS]))
    apart = counted_apart(book, [metered(10, breakdowns={("kind", "n"): found})], customer="c")
    [left] = apart.usage
    assert [entry.value for entry in left.breakdowns["kind", "n"]] == [10]
