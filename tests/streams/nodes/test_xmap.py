"""``transforms/xmap``: records made by expressions, in both forms of a batch."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.json_text import canonical_text, json_text
from meterhouse.core.problem import DefinitionError
from meterhouse.streams.graph import load_graph, read_graph
from meterhouse.streams.nodes.xmap import XmapParams
from meterhouse.streams.run import needed_fields
from meterhouse.streams.suspension import SuspenseLimitReached
from tests.streams.documents import chain, counts, node, noop, passed, reader
from tests.streams.generated import canonical, outcome, records
from tests.streams.made_expressions import EXPRESSIONS
from tests.streams.twins import records_of

FORMS = pytest.mark.parametrize("columnar", [False, True], ids=["rows", "columns"])


def xmap(*mappings: tuple[str, str], **params) -> dict:
    made = [{"field": field, "expression": expression} for field, expression in mappings]
    return node("x", "transforms/xmap", **{"mappings": made} | params)


KEEP = {"enabled": True}


@FORMS
def test_only_what_is_mapped_leaves_and_the_types_stay(columnar):
    given_ = records_of('{"n": 2, "rate": "1.5", "who": "ann", "x": 1}\n{"n": 7, "rate": 0.1}')
    node_ = xmap(("value", "n * rate"), ("userId", "@{payload.who}"), ("n", "${payload.n}"))
    made, result = passed(node_, given_, columnar=columnar)
    assert canonical(made["out"]) == ['{"n":2,"userId":"ann","value":3}', '{"n":7,"value":0.7}']
    assert counts(result, "x") == {"in": 2, "out": {"out": 2}}


@FORMS
def test_every_expression_sees_the_record_as_it_came_in(columnar):
    node_ = xmap(("a", "b"), ("b", "a"), keepFields=KEEP)
    made, _ = passed(node_, [{"a": 1, "b": "x", "c": True}], columnar=columnar)
    assert made["out"] == [{"a": "x", "b": 1, "c": True}]


@FORMS
def test_fields_are_kept_but_for_some_and_objects_keep_their_other_members(columnar):
    given_ = [
        {"o": {"p": 1, "q": 2, "r": 3}, "gone": 1, "n": 5},
        {"o": {"p": 1}, "n": 6},
        {"o": "plain", "n": 7},
        {"gone": 2, "n": 8, "o.new.deep": "literal"},
    ]
    node_ = xmap(
        ("o.new.deep", "n > 7 ? null : n"),
        ("o.p", "null"),
        keepFields={"enabled": True, "except": ["gone", "o.q"]},
    )
    made, _ = passed(node_, given_, columnar=columnar)
    assert canonical(made["out"]) == canonical(
        [
            {"o": {"r": 3, "new": {"deep": 5}}, "n": 5},
            {"o": {"new": {"deep": 6}}, "n": 6},
            {"o": {"new": {"deep": 7}}, "n": 7},
            {"n": 8},
        ]
    )


@FORMS
def test_of_two_mappings_of_one_target_the_last_one_that_gives_a_value_wins(columnar):
    given_ = [{"a": 1, "b": 2}, {"a": 1}, {}]
    made, _ = passed(xmap(("t", "a"), ("t", "b")), given_, columnar=columnar)
    assert made["out"] == [{"t": 2}, {"t": 1}, {}]


@FORMS
def test_what_cannot_be_computed_is_suspended_with_its_message_mapping_and_place(columnar):
    given_ = [{"a": 1, "b": 2}, {"a": 1, "b": 0}, {"a": "x", "b": 0}]
    mappings = [
        {"field": "share", "expression": "100 * a / b", "errorMessage": "no share", "ast": {}},
        {"field": "sum", "expression": "a + b + 1", "errorMessage": None},
    ]
    made, result = passed(
        node("x", "transforms/xmap", mappings=mappings), given_, columnar=columnar
    )
    assert canonical(made["out"]) == ['{"share":50,"sum":4}']
    assert counts(result, "x") == {"in": 3, "out": {"out": 1}, "suspended": 2}
    assert [(s.reason.value, s.offset, s.record, s.detail) for s in result.suspended] == [
        (
            "script_error",
            1,
            {"a": 1, "b": 0},
            'no share: mapping "share": This divides by zero, at character 9:\n'
            "    100 * a / b\n            ^\nuse if(b == 0, …, a / b)",
        ),
        (
            "script_error",
            2,
            {"a": "x", "b": 0},
            'no share: mapping "share": "x" is no number, at character 7:\n'
            "    100 * a / b\n          ^\na number is needed here",
        ),
    ]


@FORMS
def test_bad_records_may_be_discarded_or_end_the_run(columnar):
    bad = [{"a": n % 2} for n in range(6)]
    disabled = xmap(("x", "1 / a"), suspenseManagement={"enabled": False})
    _, result = passed(disabled, bad, columnar=columnar)
    assert counts(result, "x") == {"in": 6, "out": {"out": 3}, "filtered": 3}
    limited = xmap(
        ("x", "1 / a"), suspenseManagement={"eventThreshold": 3, "resetOnValidEvent": False}
    )
    with pytest.raises(SuspenseLimitReached):
        passed(limited, bad, columnar=columnar)


def test_an_expression_that_cannot_be_read_is_shown_with_its_place():
    with pytest.raises(DefinitionError) as caught:
        load_graph(chain(reader(), xmap(("a", "b"), ("t", "rond(a) * 2")), noop()))
    assert (
        'node "x" (transforms/xmap) params.mappings[1].expression: There is no function rond, at '
        "character 1:\n    rond(a) * 2\n    ^ (did you mean round(number, [places])?)"
    ) in str(caught.value)


def needed(*nodes: dict) -> set[str] | None:
    found = needed_fields(load_graph(chain(reader(), *nodes)))["in"]
    return None if found is None else set(found)


def test_only_what_is_named_or_kept_is_needed():
    mapped = xmap(("value", "a == b.c"), ("y", "2"))
    organizer = node("m", "transforms/map", mappings=[{"v": "value"}, {"w": "other"}])
    assert needed(mapped, noop()) == {"a", "b", "b.c"}
    assert needed(mapped, node("w", "writers/file", path="x.ndjson")) == {"a", "b", "b.c"}
    kept = xmap(("value", "a"), keepFields={"enabled": True, "except": ["other"]})
    writer = node("w", "writers/file", path="x.ndjson")
    assert needed(kept, organizer, writer) == {"a"}
    kept = xmap(("value", "a"), keepFields=KEEP)
    assert needed(kept, organizer, writer) == {"a", "other"}
    assert needed(kept, writer) is None
    assert needed(xmap(("all", "payload")), noop()) is None


def test_whole_records_are_needed_where_some_may_be_suspended():
    assert needed(xmap(("value", "a * 2")), noop()) is None
    discarded = xmap(("value", "a * 2"), suspenseManagement={"enabled": False})
    assert needed(discarded, noop()) == {"a"}


NAMES = st.sampled_from(["a", "b", "x", "c.p", "c.n.m", "d.q", "y"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(NAMES, EXPRESSIONS), min_size=1, max_size=3),
    st.booleans(),
    st.lists(st.sampled_from(["a", "b", "c.p", "d.p", "missing"]), max_size=2),
    records(),
)
def test_columns_are_mapped_as_rows_are(mappings, keeps, dropped, given_):
    dropped = [name for name in dropped if all(name not in target for target, _ in mappings)]
    node_ = xmap(*mappings, keepFields={"enabled": keeps, "except": dropped})
    made = [passed(node_, given_, columnar=columnar) for columnar in (False, True)]
    assert canonical(made[0][0]["out"]) == canonical(made[1][0]["out"])
    assert outcome(made[0][1]) == outcome(made[1][1])


STRANGE = ["*", "^.*$", "a b", 'q"', "x\u202ey", "literal", "c0", "", "{", "é" * 300]


@pytest.mark.parametrize("name", STRANGE, ids=ascii)
def test_a_strange_name_of_a_field_is_only_a_name(name):
    other = "plain"
    given_ = [{name: n, other: f"t{n % 2}"} for n in range(400)]
    renamed = [{"f": n, other: f"t{n % 2}"} for n in range(400)]
    expressions = [("v", "plain + '-x'"), ("w", "upper(plain)")]
    found = []
    for given_records, field in ((given_, name), (renamed, "f")):
        node_ = xmap(*expressions, keepFields={"enabled": True, "except": [other]})
        made, _ = passed(node_, given_records, columnar=True)
        found.append([{("f" if k == field else k): v for k, v in r.items()} for r in made["out"]])
    assert canonical(found[0]) == canonical(found[1])


@pytest.mark.parametrize("name", ["*", "^.*$", "a b", "x\u202ey", "c0", "é"], ids=ascii)
def test_a_strange_name_in_an_expression_is_only_a_name(name):
    given_ = [{name: n, "other": 5} for n in range(3)]
    made, _ = passed(xmap(("v", f"@{{payload.{name}}} * 2")), given_, columnar=True)
    assert made["out"] == [{"v": 0}, {"v": 2}, {"v": 4}]


# ---------------------------------------------------------------- real exports

FOLDER = Path(os.environ.get("METERHOUSE_TEST_DATA", ""), "reference", "stream_graphs")
needs_exports = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="METERHOUSE_TEST_DATA does not name a folder with stream_graphs"
)


def exported() -> list[dict]:
    """The xmap nodes of all real exports."""
    graphs = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))]
    return [n for graph in graphs for n in graph["nodes"] if n["type"] == "transforms/xmap"]


@needs_exports
def test_the_xmap_nodes_of_real_exports_are_understood():
    nodes = exported()
    assert len(nodes) == 3
    for stored in nodes:
        graph, found = read_graph(chain(reader(), stored, noop()))
        assert not found
        assert graph is not None
        params = graph.nodes[1].params
        assert isinstance(params, XmapParams)
        stored_texts = [mapping["expression"] for mapping in stored["params"]["mappings"]]
        assert [mapping.expression.text for mapping in params.mappings] == stored_texts


@needs_exports
@FORMS
def test_the_xmap_nodes_of_real_exports_do_what_their_expressions_say(columnar):
    given_ = records_of(
        '{"name": "Ann", "email": "a@x", "country": "SE", "birth_year": 1999, "nudge_msg": "N",'
        '"metrics_msg": "M", "view_duration": 2, "full_duration": 3, "ServiceFee": 12.5,'
        '"httpResponse": {"rates": {"USD": 1.08765}}}'
    )
    made = {n["name"]: passed(n, given_, columnar=columnar)[0]["out"][0] for n in exported()}
    kept = dict(given_[0])
    assert json_text(made["Format email message"]["message"]) == json_text(
        "Hi dear Ann, Your email is a@x, your country is SE, and you were born on 1999. N M  Best "
        "regards, Cultflicks"
    )
    assert canonical_text(made["Calculate view percent"]) == canonical_text(
        kept | {"view_percent": 67}
    )
    del kept["httpResponse"]
    rates = records_of('{"USD Exchange Rate": 1.08765, "Service Fee (USD)": 13.5956}')[0]
    assert canonical_text(made["Convert Fees"]) == canonical_text(kept | rates)
