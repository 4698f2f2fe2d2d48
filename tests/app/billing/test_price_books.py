"""Price books in the ledger: versions that never change, which is in force, all or nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meterhouse.app.access_ports import Acting
from meterhouse.app.billing.price_books import (
    Document,
    book_for,
    check_price_books,
    create_price_books,
    delete_version,
    find_stored,
    find_version,
    mark_used,
    shown_book,
)
from meterhouse.core.instant import Instant, parse_instant
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError
from meterhouse.store import SqliteLedger, open_ledger
from tests.core.price_books import EXAMPLE, book_of, example

ONE = {"model": "per_unit", "price": 1}
NOW = 1_700_000_000_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = open_ledger(tmp_path / "data")
    opened.acting = Acting("ann", lambda: NOW)
    yield opened
    opened.close()


def instant(text: str) -> Instant:
    found = parse_instant(text)
    assert found is not None
    return found


def documents(*bodies: Any) -> list[Document]:
    return [
        Document(f"item {place}" if len(bodies) > 1 else "", json_text(body), "json", body)
        for place, body in enumerate(bodies, start=1)
    ]


def create(ledger: SqliteLedger, *bodies: Any) -> list[tuple[str, bool]]:
    made = create_price_books(ledger, documents(*bodies), at=NOW, by="ann")
    return [(about.version, new) for about, new in made]


def version(name: str, from_: str, to: str | None = None, **changes: Any) -> dict[str, Any]:
    return book_of(ONE, version=name, valid={"from": from_, "to": to}, **changes)


def acts(ledger: SqliteLedger) -> list[tuple[str, str, str]]:
    return [(a.actor, a.action, a.object_id) for a in ledger.activities().items]


def test_a_book_is_stored_as_it_was_written_and_read_again(ledger):
    assert create(ledger, EXAMPLE) == [("2026-10-01.1", True)]

    stored = find_stored(ledger, "liceo-es")
    assert stored.text == json_text(EXAMPLE)
    assert stored.book() == find_version(ledger, "liceo-es", "2026-10-01.1")
    assert stored.about.hash == stored.book().hash
    assert (stored.about.created_by, stored.about.used_at) == ("ann", None)
    assert shown_book(stored)["document"] == EXAMPLE
    assert acts(ledger) == [("ann", "create", "liceo-es")]


def test_the_same_contents_again_change_nothing(ledger):
    create(ledger, EXAMPLE)

    assert create(ledger, dict(reversed(EXAMPLE.items()))) == [("2026-10-01.1", False)]
    assert acts(ledger) == [("ann", "create", "liceo-es")]


def test_other_contents_of_a_version_are_refused_and_nothing_is_stored(ledger):
    create(ledger, EXAMPLE)

    with pytest.raises(ConflictError, match=r"version '2026-10-01\.1' with other contents"):
        create(ledger, version("9", "2026-01-01"), example(timezone="Etc/UTC"))
    assert [about.id for about in ledger.price_books().items] == ["liceo-es"]


def test_one_wrong_book_keeps_all_out(ledger):
    with pytest.raises(DefinitionError) as caught:
        create(ledger, EXAMPLE, book_of(ONE, ONE), {"id": "x"})

    places = [problem.place for problem in caught.value.problems]
    assert places[0] == "item 2.prices['p1']"
    assert {place.split(".")[0] for place in places[1:]} == {"item 3"}
    assert ledger.price_books().items == []


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-01-31T22:59:59.999Z", "1"),
        ("2026-01-31T23:00:00Z", "3"),
        ("2026-03-31T21:59:59Z", "3"),
        ("2026-06-01T00:00:00Z", "4"),
    ],
)
def test_the_version_in_force_is_the_one_that_began_last(ledger, at, expected):
    zone = {"timezone": "Europe/Madrid"}
    create(ledger, version("4", "2026-06-01", **zone), version("1", "2026-01-01", **zone))
    create(ledger, version("2", "2026-02-01", **zone))
    create(ledger, version("3", "2026-02-01", "2026-04-01", **zone))

    assert book_for(ledger, "b", instant(at)).version == expected


def test_what_has_ended_does_not_come_back(ledger):
    create(ledger, version("1", "2026-01-01"), version("2", "2026-02-01", "2026-04-01"))

    with pytest.raises(NotFoundError, match=r"No version of price book 'b' is in force at 2026-04"):
        book_for(ledger, "b", instant("2026-04-01T00:00:00Z"))
    with pytest.raises(NotFoundError, match="No version"):
        book_for(ledger, "b", instant("2025-12-31T23:59:59Z"))


def test_what_there_is_not_is_not_found(ledger):
    create(ledger, EXAMPLE)

    with pytest.raises(NotFoundError, match="There is no price book 'b'"):
        book_for(ledger, "b", NOW)
    with pytest.raises(NotFoundError, match="There is no price book 'b'"):
        find_version(ledger, "b")
    with pytest.raises(NotFoundError, match="Price book 'liceo-es' has no version '2'"):
        find_version(ledger, "liceo-es", "2")
    with pytest.raises(NotFoundError, match="has no version '2'"):
        mark_used(ledger, "liceo-es", "2", at=NOW)
    with pytest.raises(NotFoundError, match="There is no price book 'b'"):
        delete_version(ledger, "b")


def test_a_version_that_was_used_stays(ledger):
    create(ledger, EXAMPLE)
    mark_used(ledger, "liceo-es", "2026-10-01.1", at=NOW + 5)
    mark_used(ledger, "liceo-es", "2026-10-01.1", at=NOW + 9)

    assert find_stored(ledger, "liceo-es").about.used_at == NOW + 5
    with pytest.raises(ConflictError, match="is in use"):
        delete_version(ledger, "liceo-es")
    assert find_stored(ledger, "liceo-es").about.version == "2026-10-01.1"


def test_deleting_names_the_version_where_there_are_several(ledger):
    create(ledger, version("1", "2026-01-01"), version("2", "2026-02-01"))

    with pytest.raises(ConflictError, match="has several versions"):
        delete_version(ledger, "b")
    assert delete_version(ledger, "b", "1").version == "1"
    assert delete_version(ledger, "b").version == "2"
    assert ledger.price_books().items == []
    assert [act for _, act, _ in acts(ledger)] == ["delete", "delete", "create", "create"]


def test_lists_are_by_book_and_by_customer_in_pages(ledger):
    create(ledger, *(version(f"{n}", f"2026-0{n}-01") for n in range(1, 6)), EXAMPLE)

    first = ledger.price_books(limit=4)
    rest = ledger.price_books(limit=4, after=first.next_cursor)
    assert [about.version for about in (*first.items, *rest.items)] == [*"12345", "2026-10-01.1"]
    assert rest.next_cursor is None
    assert [about.id for about in ledger.price_books(customer="ES").items] == ["liceo-es"]
    assert len(ledger.price_books(id="b").items) == 5


def test_a_check_stores_nothing_and_looks_at_what_is_stored(ledger):
    create(ledger, version("1", "2026-01-01", "2026-02-01"))

    checked = check_price_books(
        ledger, documents(version("3", "2026-03-01"), version("2", "2026-02-15"), {"id": 5})
    )

    assert [item.is_wrong for item in checked] == [False, False, True]
    assert [str(warning) for warning in checked[0].lint.warnings] == [
        "version 1: ends on 2026-02-01; 2 begins on 2026-02-15 "
        "(no version is in force between them)"
    ]
    assert checked[1].lint.warnings == ()
    assert len(ledger.price_books().items) == 1
