"""Tags, and what a change of document would lose."""

import pytest

from meterhouse.streams.record import NodeCount
from meterhouse.streams.usage_audit import usage_of
from meterhouse.streams.version import lost_nodes, tag_problems


@pytest.mark.parametrize("tag", ["1", "v1.0", "a-b_c.d", "x" * 20, "latest-1", "Z9"])
def test_tags_that_will_do(tag: str):
    assert tag_problems(tag) == []


@pytest.mark.parametrize(
    "tag", ["", "x" * 21, "-a", "a-", ".a", "a_", "a b", "é", "a\n", "1/2", None, 5]
)
def test_tags_that_will_not(tag: object):
    [problem] = tag_problems(tag)
    assert problem.place == "tag"


@pytest.mark.parametrize("tag", ["Autosaved", "LATEST", "deployed", "auto-Migrated"])
def test_names_of_our_own_are_reserved_in_any_case(tag: str):
    [problem] = tag_problems(tag)
    assert "a name of our own" in problem.message


def test_a_node_that_goes_or_changes_its_type_is_lost():
    def document(*nodes: tuple[str, str]) -> dict:
        return {"nodes": [{"id": id, "type": type} for id, type in nodes]}

    before = document(("a", "t/1"), ("b", "t/1"), ("c", "t/1"))
    after = document(("c", "t/1"), ("a", "t/2"), ("d", "t/1"))
    assert [node.id for node in lost_nodes(before, after)] == ["a", "b"]
    assert lost_nodes(before, before) == []


def test_the_usage_of_a_run_is_what_readers_let_out_and_writers_took():
    nodes = [
        NodeCount("r", "Read", "readers/file", out={"out": 9}),
        NodeCount("q", "Count", "readers/counter", out={"out": 1}),
        NodeCount("d", "Once", "transforms/deduplicate", 10, {"unique": 7}, duplicates=3),
        NodeCount("m", "Meter", "transforms/meter", 7, {"reset": 2}, suspended=1, metered=6),
        NodeCount("w", "Write", "writers/file", 2, {"written": 2}),
    ]
    usage = usage_of(nodes, {"d": {"seen": 1}, "m": {"seen": 2, "euros": 3}})
    assert (usage.input, usage.output, usage.duplicated, usage.to_correction) == (10, 2, 3, 1)
    assert usage.custom == {"seen": 1, "Meter.seen": 2, "euros": 3}


def test_what_a_stream_has_no_nodes_for_is_no_number():
    usage = usage_of([NodeCount("r", "Read", "readers/file", out={"out": 9})], {})
    assert (usage.duplicated, usage.to_correction) == (None, None)
