"""Whole streams: the form of records and the cut into chunks never show in the result."""

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.threshold import Threshold
from meterhouse.engine.bucket import encode_state
from meterhouse.streams.law import lawful
from meterhouse.streams.record import Requeued, RunResult
from tests.streams.documents import document, meter_node, node, reader, run, state
from tests.streams.generated import canonical, outcome
from tests.streams.meters import KEY
from tests.streams.twins import Files, Snapshot, Spools

SECOND_KEY = "22222222-2222-4222-8222-222222222222"
USERS = ("ann", "bob", "7")
RULES = [
    {
        "customName": "Europe",
        "conditions": [{"field": "region", "value": "EU"}],
        "matchCategory": "api",
        "groupBy": [{"fields": ["kind"]}, {"fields": ["region", "kind"]}],
        "otherOperations": [
            {"field": "n", "operation": "carry-first"},
            {"field": "n", "operation": "carry-last"},
        ],
    },
    {"customName": "Rest", "ignoreCondition": True, "matchCategory": "api"},
]


def whole_stream() -> dict:
    """Validated, deduplicated, split, shaped on two ways, metered, and metered once more."""
    schema = {
        "properties": {"region": {"enum": ["EU", "US"]}, "n": {"type": "integer"}},
        "required": ["n"],
    }
    fields = [{field: field} for field in ("userId", "region", "n")]
    return document(
        [
            reader(),
            node("check", "transforms/validate", schema=schema),
            node("dedup", "transforms/deduplicate", key="${payload.n}-${payload.userId}"),
            node(
                "split",
                "transforms/split",
                rules=[
                    {"key": "${payload.kind}", "op": "eq", "value": "1", "output": "one"},
                    {"key": "${payload.kind}", "op": "regex", "value": "^a", "output": "a"},
                ],
                multiOutput={"configurable": {"outputs": [{"id": "one"}, {"id": "a"}]}},
                onNoMatch="discard",
            ),
            node("left", "transforms/map", mappings=[*fields, {"value": "n"}, {"kind": "region"}]),
            node("right", "transforms/map", mappings=[*fields, {"value": "v"}, {"kind": "kind"}]),
            meter_node(guidingRules=RULES, flushType="END_OF_STREAM"),
            meter_node("meter2", flushType="END_OF_STREAM"),
            node("w", "writers/file", path="w.ndjson"),
            node("pushed", "writers/file", path="pushed.ndjson"),
        ],
        "in -> check",
        "check -> dedup",
        "dedup -> split",
        "split:a -> left",
        "split:one -> right",
        "right -> meter",
        "left -> meter",
        "meter:reset -> w",
        "meter:threshold -> pushed",
        "meter:threshold -> meter2",
        "meter:reset -> meter2",
        "meter2:reset -> w",
    )


VALUES = st.one_of(st.integers(-2, 9), st.decimals(-1, 9, places=2), st.just("x"), st.just("2.5"))
USAGE = st.fixed_dictionaries(
    {"n": st.one_of(st.integers(0, 5), st.integers(0, 5), st.just("3"), st.just("no"))},
    optional={
        "userId": st.sampled_from([*USERS, 7, "", "zoe"]),
        "region": st.sampled_from(["EU", "US", "??"]),
        "kind": st.sampled_from([1, "1", "a", "ab", None]),
        "v": VALUES,
    },
)


def done(records: list, *, columnar: bool, chunk_records: int) -> tuple[dict, RunResult]:
    """Run the stream over two files; everything that it did, in a form that can be compared."""
    limits = (("one", 1), ("three", 3), ("nine", 9))
    thresholds = tuple(Threshold(name, absolute_value=Decimal(limit)) for name, limit in limits)
    states = {
        KEY: state(*USERS, thresholds=thresholds),
        SECOND_KEY: state(*USERS, "zoe"),
    }
    middle = len(records) // 2
    files = Files({"a": records[:middle], "b": records[middle:]}, columnar=columnar)
    queue = [
        Requeued(1, "meter", {"userId": "ann", "value": 1}, "old.csv", 5),
        Requeued(2, "check", {"n": "8"}, "old.csv", 3),
    ]
    spools = Spools()
    result = run(
        whole_stream(),
        files,
        snapshot=Snapshot(states, queue=queue),
        spools=spools,
        chunk_records=chunk_records,
        meter_keys={"meter": KEY, "meter2": SECOND_KEY},
    )
    written = {id_: canonical(spool.records) for id_, spool in spools.opened.items()}
    changed = [
        (id_, bucket.meter.user_id, bucket.state.period, encode_state(bucket.state))
        for id_, changes in result.states
        for bucket in changes.buckets
    ]
    return {"written": written, "states": changed, **outcome(result)}, result


@settings(max_examples=60, deadline=None)
@given(st.lists(USAGE, max_size=25), st.integers(1, 30))
def test_neither_form_nor_chunks_show_in_the_result(records, chunk_records):
    expected, result = done(records, columnar=False, chunk_records=1_000)
    assert all(lawful(count) for count in result.nodes)
    for columnar in (False, True):
        got, _ = done(records, columnar=columnar, chunk_records=chunk_records)
        assert got == expected


@pytest.mark.parametrize("columnar", [False, True], ids=["rows", "columns"])
def test_large_chunks_are_metered_as_small_ones_are(columnar):
    chance = random.Random(7)
    records = [
        {
            "n": n,
            "userId": chance.choice([*USERS, "zoe"]),
            "region": chance.choice(["EU", "US"]),
            "kind": chance.choice(["a", "ab", 1]),
            "v": chance.randint(0, 99),
        }
        for n in range(6_000)
    ]
    small, _ = done(records, columnar=False, chunk_records=500)
    large, result = done(records, columnar=columnar, chunk_records=5_000)
    assert large["counts"] == small["counts"]
    assert large["records"] == small["records"]
    assert large["written"] == small["written"]
    assert all(lawful(count) for count in result.nodes)
