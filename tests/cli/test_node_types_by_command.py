"""Node types by command."""

from meterhouse.streams.nodes.catalogue import NODE_TYPES, described_type
from tests.cli.command import Meterhouse


def test_the_types_are_listed_with_what_they_are_for(meterhouse: Meterhouse):
    assert [found["type"] for found in meterhouse.json("node-type", "list", "--all")] == list(
        NODE_TYPES
    )
    shown = meterhouse.done("node-type", "list", "--limit", "1")
    assert "readers/counter" in shown.out
    assert shown.err == "only 1 of the node types; --all shows all, --limit N more\n"


def test_a_type_is_shown_by_either_spelling_of_its_name(meterhouse: Meterhouse):
    for name in ("transforms/deduplicate", "transforms.deduplicate"):
        [found] = meterhouse.json("node-type", "show", name)
        assert found == described_type("transforms/deduplicate").to_api()
    assert 'no node type "transforms/x"' in meterhouse.refused("node-type", "show", "transforms/x")
