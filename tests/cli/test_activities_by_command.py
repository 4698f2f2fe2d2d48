"""Activities by command: what the command line does is written down, by its user."""

import json

from meterhouse.processes import this_user
from tests.cli.command import Meterhouse

BEARER = json.dumps({"token": "c4nary"})
TYPES = [
    {
        "name": name,
        "category": name,
        "aggregation": "sum",
        "resetSchedule": dict.fromkeys(("minute", "hour", "day", "month", "weekday"), "*"),
    }
    for name in ("A", "B")
]


def test_what_the_command_line_does_is_listed_newest_first(meterhouse: Meterhouse):
    words = ("--name", "CRM", "--type", "bearer", "--file", "-")
    [secret] = meterhouse.json("secret", "create", *words, given=BEARER)
    meterhouse.done("secret", "update", "CRM", "--description", "x")
    meterhouse.done("secret", "delete", "CRM")
    meterhouse.json("meter-type", "create", "--file", "-", given=json.dumps(TYPES))
    listed = meterhouse.json("activity", "list")
    assert [(entry["action"], entry["kind"], entry["detail"]) for entry in listed] == [
        ("create", "meter type", {"count": 2}),
        ("delete", "secret", {"name": "CRM", "type": "bearer"}),
        ("update", "secret", {"name": "CRM", "version": 1}),
        ("create", "secret", {"name": "CRM"}),
    ]
    assert {entry["actor"] for entry in listed} == {this_user()}
    assert meterhouse.json("activity", "list", "--object", secret["id"]) == listed[1:]
    assert meterhouse.json("activity", "list", "--actor", "nobody") == []
    assert "c4nary" not in json.dumps(listed)


def test_people_get_a_table(meterhouse: Meterhouse):
    meterhouse.json("access", "create", "--name", "CRM", "--scope", "read:meters")
    shown = meterhouse.done("activity", "list")
    assert "application" in str(shown)
    assert "create" in str(shown)
