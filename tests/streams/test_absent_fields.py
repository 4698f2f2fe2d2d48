"""Fields that a node counts on and that no record had are told at the end of a run."""

from typing import Any

import pytest

from meterhouse.core.json_text import Record
from tests.streams.documents import chain, document, meter_node, node, noop, reader, run, state
from tests.streams.meters import KEY
from tests.streams.twins import Snapshot

RECORDS: list[Record] = [
    {"id": n, "userId": "ann", "timestamp": "2026-01-10", "value": n, "of": {"team": "a"}}
    for n in range(6)
]
RULE = {"customName": "R", "ignoreCondition": True, "matchCategory": "api"}

WRITER = node("w", "writers/file", path="x.ndjson")


def warnings(*nodes: Record, records: list[Record] | None = None, **changes: Any) -> list[str]:
    """Run records through nodes; what the log warns of, once for rows and for columns."""
    given = RECORDS if records is None else records
    snapshot = Snapshot(states={KEY: state("ann")})
    said = [
        [
            f"{node_id}: {text}"
            for node_id, level, text in run(
                chain(reader(), *nodes), given, snapshot=snapshot, columnar=columnar, **changes
            ).log
            if level == "warning"
        ]
        for columnar in (False, True)
    ]
    assert said[0] == said[1]
    return said[0]


GROUPS = {
    "groupKeys": [{"field": "usr"}],
    "operations": [{"field": "value", "type": "NUMERIC_SUM", "alias": "sum"}],
}
GUIDED = {
    "conditions": [{"field": "region", "value": "EU"}],
    "ignoreCondition": False,
    "groupBy": [{"fields": ["of.team", "of.tem"]}],
    "otherOperations": [{"field": "cost", "operation": "carry-last"}],
}


@pytest.mark.parametrize(
    ("under_test", "absent"),
    [
        (node("n", "transforms/deduplicate", key="${payload.idd}-${payload.id}"), "idd"),
        (node("n", "transforms/map", mappings=[{"a": "of.team"}, {"b": "of.tem"}]), "of.tem"),
        (node("n", "transforms/filter", condition="valeu > 3 or id == 2"), "valeu"),
        (node("n", "transforms/filter", condition="id > 3 and valeu == 2"), "valeu"),
        (
            node("n", "transforms/xmap", mappings=[{"field": "a", "expression": "vlaue"}]),
            "vlaue",
        ),
        (node("n", "transforms/data_aggregate", **GROUPS) | {"schemaVersion": 3}, "usr"),
    ],
    ids=lambda item: item["type"] if isinstance(item, dict) else item,
)
def test_a_field_that_no_record_had_is_told(under_test: Record, absent: str):
    assert warnings(under_test, WRITER) == [f"n: the field {absent} was in none of 6 records"]


def test_what_guiding_rules_look_at_is_told():
    rules = [RULE | GUIDED]
    said = warnings(meter_node(guidingRules=rules))
    assert said == ["meter: the fields region, of.tem, cost were in none of 6 records"]


@pytest.mark.parametrize(
    "under_test",
    [
        node("n", "transforms/filter", condition="isNull(gone) or coalesce(other, 1) > 0"),
        node("n", "transforms/filter", condition="gone == null or gone > 3"),
        node("n", "transforms/map", mappings=[{"a": "id"}, {"a": "idd"}]),
        node(
            "n",
            "transforms/xmap",
            mappings=[{"field": "a", "expression": "id > 3 ? gone : other"}],
        ),
    ],
    ids=["functions", "null", "alternatives", "branches"],
)
def test_a_field_that_may_be_missing_is_not_told(under_test: Record):
    assert warnings(under_test, noop()) == []


def test_one_record_that_has_the_field_is_enough():
    key = node("n", "transforms/deduplicate", key="${payload.rare}")
    many: list[Record] = [{"id": n} for n in range(2_500)]
    assert warnings(key, noop(), records=many) == ["n: the field rare was in none of 2,500 records"]
    many[2_400]["rare"] = 1
    assert warnings(key, noop(), records=many, chunk_records=700) == []
    assert warnings(key, noop(), records=many) == []


def test_a_node_without_records_and_a_run_of_few_say_nothing():
    key = node("n", "transforms/deduplicate", key="${payload.idd}")
    assert warnings(key, noop(), records=[{"id": 1}], records_max=10) == []
    none = node("f", "transforms/filter", condition="id > 100")
    assert warnings(none, key, noop()) == []


def test_what_readers_leave_out_because_nothing_looks_at_it_is_not_told():
    mappings = [{"a": "id"}, {"unseen": "userId"}]
    first = node("first", "transforms/map", mappings=mappings)
    second = node("second", "transforms/map", mappings=[{"b": "a"}])
    lean = [{"id": record["id"]} for record in RECORDS]
    stream = document([reader(), first, second, noop()], "in -> first", "first -> second")
    stream["edges"] += document([], "second -> end")["edges"]
    assert run(stream, lean).log == []
