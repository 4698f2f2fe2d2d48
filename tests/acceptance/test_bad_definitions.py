"""Bad definitions: one message, every problem with its place and remedy, exit code 1, no change."""

import json
from typing import Any

import pytest

from tests.acceptance import small
from tests.acceptance.small import document, meter, node
from tests.cli.command import Meterhouse

COUNTER = node("Count", "readers/counter", max=1)
END = node("End", "writers/noop")


def refused_stream(meterhouse: Meterhouse, stream: dict[str, Any]) -> str:
    said = meterhouse.refused("stream", "import", "-", given=json.dumps(stream))
    assert meterhouse.json("stream", "list") == []
    return said


def refused_type(meterhouse: Meterhouse, **fields: object) -> str:
    body = json.dumps(small.TYPE | fields)
    said = meterhouse.refused("meter-type", "create", "--file", "-", given=body)
    assert meterhouse.json("meter-type", "list") == []
    return said


def test_a_cyclic_graph_names_its_cycle(meterhouse: Meterhouse):
    maps = [node(name, "transforms/map", mappings=[{"a": "a"}]) for name in ("One", "Two")]
    stream = document(COUNTER, *maps, END, edges=("Two -> One",))
    assert 'form a cycle: "One" -> "Two"' in refused_stream(meterhouse, stream)


def test_a_dangling_edge_and_a_lonely_node_are_both_listed(meterhouse: Meterhouse):
    stream = document(COUNTER, END, more=(node("Alone", "writers/noop"),))
    stream["edges"].append({"id": "e", "from": "Count", "to": "Nowhere"})
    said = refused_stream(meterhouse, stream)
    assert 'edges[1].to: is "Nowhere", which is no node' in said
    assert 'node "Alone" (writers/noop): has no input' in said
    assert "has 2 problems" in said


def test_an_unknown_node_type_is_answered_with_those_that_exist(meterhouse: Meterhouse):
    stream = document(COUNTER, node("S", "transforms/encrypt"), END)
    said = refused_stream(meterhouse, stream)
    assert 'unknown type "transforms/encrypt"' in said
    for name in ("readers/file", "transforms/meter", "writers/file"):
        assert name in said


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([small.RULE] * 11, "guidingRules: has 11 "),
        (
            [small.RULE | {"groupBy": [{"fields": [f"f{n}"]} for n in range(6)]}],
            "groupBy: has 6 items (at most 5",
        ),
        (
            [small.RULE | {"groupBy": [{"fields": [f"f{n}" for n in range(13)]}]}],
            "groupBy[0].fields: has 13 items (at most 12",
        ),
        (
            [
                small.RULE
                | {
                    "otherOperations": [
                        {"field": f"f{n}", "operation": "carry-last"} for n in range(11)
                    ]
                }
            ],
            "otherOperations: has 11 items (at most 10",
        ),
        ([], "guidingRules: is [] (give a list of 1 to 10 rules)"),
    ],
)
def test_a_meter_node_beyond_its_limits_is_refused(
    meterhouse: Meterhouse, rules: list[dict[str, Any]], problem: str
):
    meter_node = node("Meter", "transforms/meter", guidingRules=rules)
    said = refused_stream(meterhouse, document(COUNTER, meter_node))
    assert problem in said
    assert 'node "Meter" (transforms/meter)' in said


def test_two_meter_nodes_of_one_name_are_refused(meterhouse: Meterhouse):
    second = meter() | {"id": "second"}
    stream = document(COUNTER, meter(), more=(second,), edges=("Count -> second",))
    assert "has the name of another meter node (rename one of them)" in refused_stream(
        meterhouse, stream
    )


def test_a_stream_that_is_no_json_names_the_place(meterhouse: Meterhouse):
    said = meterhouse.refused("stream", "import", "-", given='{"name": "x",\n "nodes": [}')
    assert "line 2, column 12: is not JSON" in said


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ({"day": "30", "month": "2"}, "never fires"),
        ({"day": "31", "month": "4,6,9,11"}, "never fires"),
        ({"minute": "61"}, "minute"),
    ],
)
def test_a_schedule_that_never_fires_is_refused(
    meterhouse: Meterhouse, schedule: dict[str, str], problem: str
):
    said = refused_type(meterhouse, resetSchedule=small.MONTHLY | schedule)
    assert "resetSchedule" in said
    assert problem in said


def test_every_problem_of_a_meter_type_is_listed_at_once(meterhouse: Meterhouse):
    said = refused_type(
        meterhouse, name="n" * 81, aggregation="mean", timezone="Mars/Base", capacity=-1, colour=1
    )
    assert "The meter type has 5 problems:" in said
    for place in ("name", "aggregation", "timezone", "capacity", "colour"):
        assert f"\n  - {place}: " in said


def test_two_meter_types_of_one_name_are_refused(meterhouse: Meterhouse):
    body = json.dumps(small.TYPE)
    meterhouse.done("meter-type", "create", "--file", "-", given=body)
    said = meterhouse.refused("meter-type", "create", "--file", "-", given=body)
    assert "name: 'Units' is taken" in said
    said = meterhouse.refused("meter-type", "create", "--file", "-", given=f"{body}\n{body}")
    assert "line 1: name: 'Units' is taken" in said
    assert "line 2: name: 'Units' is taken" in said


def test_a_meter_type_with_meters_is_kept(meterhouse: Meterhouse):
    small.set_up(meterhouse, document(COUNTER, meter()))
    said = meterhouse.refused("meter-type", "delete", "Units")
    assert "2 meters" in said
    assert "hint:" in said
    assert len(meterhouse.json("meter-type", "list")) == 1


def test_a_bad_item_in_a_bulk_file_means_that_nothing_is_created(meterhouse: Meterhouse):
    meterhouse.done("meter-type", "create", "--file", "-", given=json.dumps(small.TYPE))
    good = {"userId": "ann", "meterKey": "k", "meterTypeId": "Units"}
    lines = [good, good | {"userId": "", "capacity": "9"}, {}, good | {"meterTypeId": "Nothing"}]
    given = "\n".join(map(json.dumps, lines)) + "\n"
    said = meterhouse.refused("meter", "create", "--file", "-", given=given)
    assert said.startswith("error: Nothing was created: the list of meters has 6 problems:\n")
    assert [line.split(":")[0] for line in said.splitlines()[1:]] == [
        *["  - line 2"] * 2,
        *["  - line 3"] * 3,
        "  - line 4",
    ]
    assert meterhouse.json("meter", "list") == []


@pytest.mark.parametrize(
    "words",
    [
        *[("meter-type", "show"), ("meter-type", "delete"), ("meter", "show"), ("meter", "delete")],
        *[("stream", "export"), ("stream", "delete"), ("stream", "run"), ("stream", "preview")],
        *[("run", "show"), ("inspect",), ("run", "list", "--stream"), ("record", "list", "--run")],
        ("meter", "list", "--meter-type"),
    ],
    ids=" ".join,
)
def test_what_does_not_exist_is_said_with_what_shows_those_that_do(
    meterhouse: Meterhouse, words: tuple[str, ...]
):
    said = meterhouse.refused(*words, "nothing")
    assert said.startswith("error: There is no ")
    assert "hint: `meterhouse " in said
