"""The log of activities: newest first, by who and on what."""

from decimal import Decimal

import pytest

from meterhouse.app.access_ports import Activity
from meterhouse.store import SqliteLedger
from tests.store.factories import AT


def test_entries_come_back_as_they_were_newest_first(ledger: SqliteLedger):
    entries = [
        Activity(AT, "ann", "create", "meter type", "t-1", {"n": Decimal("0.5"), "t": "\ud800"}),
        Activity(AT + 1, "command line", "delete", "secret", "s-1"),
    ]
    for entry in entries:
        ledger.add_activity(entry)
    assert list(ledger.activities().items) == entries[::-1]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"actor": "ann"}, ["2", "0"]),
        ({"object_id": "x"}, ["3", "2"]),
        ({"object_id": "x", "actor": "ann"}, ["2"]),
        ({"actor": "nobody"}, []),
    ],
)
def test_entries_are_found_by_who_and_on_what(ledger: SqliteLedger, filters, expected):
    for action, (actor, object_id) in enumerate(
        [("ann", "y"), ("bob", "y"), ("ann", "x"), ("bob", "x")]
    ):
        ledger.add_activity(Activity(AT, actor, str(action), "k", object_id))
    assert [entry.action for entry in ledger.activities(**filters).items] == expected
