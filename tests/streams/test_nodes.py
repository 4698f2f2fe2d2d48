"""The nodes that shape and sort records, in both forms."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.instant import DAY
from meterhouse.core.json_text import canonical_text, field_value
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from tests.streams.documents import (
    AT,
    chain,
    counts,
    document,
    edge,
    node,
    noop,
    passed,
    reader,
    run,
)
from tests.streams.generated import canonical, outcome, records
from tests.streams.twins import Batches, Snapshot, Spools, records_of

FORMS = pytest.mark.parametrize("columnar", [False, True], ids=["rows", "columns"])

# ---------------------------------------------------------------- map


def organizer(*mappings: dict) -> dict:
    return node("map", "transforms/map", mappings=list(mappings))


@FORMS
def test_only_mapped_fields_leave_under_their_new_names(columnar):
    given_ = records_of('{"calls": 5, "user": "ann", "x": 1}\n{"user": 7}')
    mapped, result = passed(
        organizer({"userId": "user"}, {"value": "calls"}), given_, columnar=columnar
    )
    assert mapped["out"] == [{"userId": "ann", "value": 5}, {"userId": 7}]
    assert counts(result, "map") == {"in": 2, "out": {"out": 2}}


@FORMS
def test_dotted_sources_reach_into_objects_and_dotted_targets_make_them(columnar):
    given_ = records_of('{"f": {"a": {"b": 1}}, "x": "t"}\n{"f": {"a": 2}}')
    mapped, _ = passed(
        organizer({"o.p.q": "f.a.b"}, {"o.x": "x"}, {"plain": "f.a"}), given_, columnar=columnar
    )
    assert canonical(mapped["out"]) == [
        '{"o":{"p":{"q":1},"x":"t"},"plain":{"b":1}}',
        '{"plain":2}',
    ]


@FORMS
def test_where_two_mappings_name_one_target_the_last_one_that_has_a_value_wins(columnar):
    given_ = records_of('{"a": 1, "b": "two"}\n{"a": 1}\n{"b": "three"}\n{}')
    mapped, _ = passed(organizer({"t": "a"}, {"t": "b"}), given_, columnar=columnar)
    assert mapped["out"] == [{"t": "two"}, {"t": 1}, {"t": "three"}, {}]


PATHS = st.sampled_from(["a", "b", "c", "d", "a.p", "b.q", "missing", "d.p.x"])
TARGETS = st.sampled_from(["a", "x", "y", "z.u", "z.v", "w.s.t"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(TARGETS, PATHS), min_size=1, max_size=5), records())
def test_columns_are_mapped_as_rows_are(pairs, given_):
    mapping = organizer(*({target: source} for target, source in pairs))
    both = [passed(mapping, given_, columnar=columnar)[0]["out"] for columnar in (False, True)]
    assert canonical(both[0]) == canonical(both[1])


# ---------------------------------------------------------------- split


def split(*rules: tuple[str, str, str, str], no_match: str = "discard", **more) -> dict:
    ids = dict.fromkeys(rule[3] for rule in rules)
    outputs = [{"id": id_, "name": id_.upper()} for id_ in ids]
    made = [
        {"key": f"@{{payload.{key}}}", "op": op, "value": value, "output": output}
        for key, op, value, output in rules
    ]
    multi = {"configurable": {"outputs": outputs}} | more
    return node("split", "transforms/split", rules=made, multiOutput=multi, onNoMatch=no_match)


@FORMS
def test_the_first_rule_that_holds_decides(columnar):
    stream = split(("n", "gt", "90", "high"), ("n", "gt", "50", "mid"), ("n", "lt", "10", "high"))
    given_ = [{"n": n} for n in (95, 60, 5, 20, "text")]
    left, result = passed(stream, given_, "high", "mid", columnar=columnar)
    assert left == {"high": [{"n": 95}, {"n": 5}], "mid": [{"n": 60}]}
    assert counts(result, "split") == {"in": 5, "out": {"HIGH": 2, "MID": 1}, "filtered": 2}


@FORMS
@pytest.mark.parametrize("no_match", ["default", "defaultOutput"])
def test_the_rest_may_leave_by_a_default_output(columnar, no_match):
    fixed = {"defaultOutput": {"id": "rest-id"}}
    stream = split(("n", "eq", "1", "one"), no_match=no_match, fixed=fixed)
    left, result = passed(stream, [{"n": 1}, {"n": 2}], "one", "rest-id", columnar=columnar)
    assert left == {"one": [{"n": 1}], "rest-id": [{"n": 2}]}
    assert counts(result, "split") == {"in": 2, "out": {"ONE": 1, "default": 1}}


RULES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "a.p", "none"]),
        st.sampled_from(["eq", "ne", "lt", "gte", "regex", "list_gt"]),
        st.sampled_from(["a", "5", "1", "true", "abcd"]),
        st.sampled_from(["one", "two"]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(RULES, records())
def test_columns_are_split_as_rows_are(rules, given_):
    ports = list(dict.fromkeys(rule[3] for rule in rules))
    both = [passed(split(*rules), given_, *ports, columnar=form) for form in (False, True)]
    first, second = ({p: canonical(rs) for p, rs in left.items()} for left, _ in both)
    assert first == second
    assert outcome(both[0][1]) == outcome(both[1][1])


def test_outputs_of_one_name_are_counted_apart():
    outputs = [{"id": "a", "name": "Same"}, {"id": "b", "name": "Same"}]
    rules = [
        {"key": "${payload.n}", "op": "eq", "value": "1", "output": "a"},
        {"key": "${payload.n}", "op": "eq", "value": "2", "output": "b"},
    ]
    multi = {"configurable": {"outputs": outputs}}
    stream = node("split", "transforms/split", rules=rules, multiOutput=multi, onNoMatch="discard")
    _, result = passed(stream, [{"n": 1}, {"n": 2}, {"n": 2}], "a", "b")
    assert counts(result, "split")["out"] == {"Same": 1, "Same (2)": 2}


@pytest.mark.parametrize(
    ("value", "left"), [(5, [5]), (True, [True]), ("5", [5]), (Decimal("5.50"), [Decimal("5.5")])]
)
def test_the_value_of_a_rule_may_be_a_number_or_a_boolean_too(value, left):
    stream = split(("n", "eq", value, "one"))
    records, _ = passed(stream, [{"n": n} for n in (5, True, Decimal("5.5"), None)], "one")
    assert [record["n"] for record in records["one"]] == left


def test_timestamps_of_typed_input_compare_as_texts():
    instants = pl.Series([1767312000000000, 1768521600000000]).cast(pl.Datetime("us", "UTC"))
    column = Column(ColumnKind.TIMESTAMP, instants)
    batch = UsageBatch.from_columns({"t": column}, length=2)
    stream = split(("t", "lt", "2026-01-10", "early"))
    left, _ = passed(stream, Batches(batch), "early")
    assert [record["t"] for record in left["early"]] == ["2026-01-02T00:00:00.000Z"]


# ---------------------------------------------------------------- deduplicate


def dedup(key: str = "${payload.id}", **params) -> dict:
    return node("dedup", "transforms/deduplicate", key=key, **params)


@FORMS
@pytest.mark.parametrize("chunk_records", [1, 2, 100])
def test_the_first_record_of_a_key_stays(columnar, chunk_records):
    given_ = [{"id": i, "n": n} for n, i in enumerate([7, "7", 7, None, None, "7"])]
    left, result = passed(dedup(), given_, "unique", columnar=columnar, chunk_records=chunk_records)
    assert [record["n"] for record in left["unique"]] == [0, 1, 3]
    assert counts(result, "dedup") == {"in": 6, "out": {"unique": 3}, "duplicates": 3}
    assert [len(keys.digests) for keys in result.duplicate_keys] == [3]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=150), st.integers(1, 20))
def test_keys_of_many_chunks_are_all_known(ids, chunk_records):
    left, result = passed(dedup(), [{"id": i} for i in ids], "unique", chunk_records=chunk_records)
    assert [record["id"] for record in left["unique"]] == list(dict.fromkeys(ids))
    assert sum(len(set(keys.digests)) for keys in result.duplicate_keys) == len(set(ids))


@FORMS
def test_duplicates_may_leave_by_a_port_and_are_then_no_loss(columnar):
    outputs = {"fixed": {"unique": {"id": "u"}, "duplicate": {"id": "d"}}}
    left, result = passed(
        dedup(multiOutput=outputs), [{"id": 1}, {"id": 1}], "u", "d", columnar=columnar
    )
    assert left == {"u": [{"id": 1}], "d": [{"id": 1}]}
    assert counts(result, "dedup") == {"in": 2, "out": {"unique": 1, "duplicate": 1}}


def test_keys_are_remembered_by_digests_until_they_are_too_old():
    _, first = passed(dedup(lifeTimeDays=2), [{"id": 1}, {"id": 2}], "unique")
    (keys,) = first.duplicate_keys
    assert keys.expires_at == AT + 2 * DAY
    assert {len(digest) for digest in keys.digests} == {16}
    known = {"dedup": dict.fromkeys(keys.digests, keys.expires_at)}
    again, _ = passed(dedup(), [{"id": 2}, {"id": 3}], "unique", snapshot=Snapshot(known=known))
    assert again["unique"] == [{"id": 3}]
    later, _ = passed(
        dedup(), [{"id": 2}], "unique", snapshot=Snapshot(known=known), at=keys.expires_at
    )
    assert later["unique"] == [{"id": 2}]


def test_a_run_without_new_keys_remembers_nothing_more():
    _, first = passed(dedup(), [{"id": 1}], "unique")
    known = {"dedup": dict.fromkeys(first.duplicate_keys[0].digests, AT + DAY)}
    _, second = passed(dedup(), [{"id": 1}], "unique", snapshot=Snapshot(known=known))
    assert second.duplicate_keys == []


def test_two_nodes_keep_their_keys_apart():
    second = dedup() | {"id": "dedup2", "name": "dedup2"}
    result = run(chain(reader(), dedup(), second, noop()), [{"id": 1}])
    first_keys, second_keys = (list(keys.digests) for keys in result.duplicate_keys)
    assert first_keys != second_keys


KEYS = st.sampled_from(
    ["${payload}", "${payload.a}", "@{payload.a}-${payload.b}", "${payload.c.p}"]
)


@settings(max_examples=100, deadline=None)
@given(KEYS, records(), st.integers(1, 5))
def test_columns_are_deduplicated_as_rows_are_and_as_a_set_would(key, given_, chunk_records):
    both = [
        passed(dedup(key), given_, "unique", columnar=form, chunk_records=chunk_records)
        for form in (False, True)
    ]
    first, second = (canonical(left["unique"]) for left, _ in both)
    assert first == second
    assert outcome(both[0][1]) == outcome(both[1][1])
    seen, expected = set(), []
    for record in given_:
        text = _key(key, record)
        expected += [] if text in seen else [record]
        seen.add(text)
    assert first == canonical(expected)


def _key(key: str, record: dict) -> str:
    if key == "${payload}":
        return canonical([record])[0]
    paths = {"${payload.a}": ["a"], "${payload.c.p}": ["c.p"]}.get(key, ["a", "b"])
    return canonical_text([field_value(record, path) for path in paths])


# ---------------------------------------------------------------- counter, writers


@pytest.mark.parametrize("chunk_records", [3, 100])
def test_a_counter_counts_from_one(chunk_records):
    spools = Spools()
    stream = chain(node("c", "readers/counter", max=7), node("w", "writers/file", path="x.csv"))
    result = run(stream, spools=spools, chunk_records=chunk_records)
    assert spools.opened["w"].records == [{"value": n} for n in range(1, 8)]
    assert counts(result, "c") == {"in": 7, "out": {"out": 7}}
    assert counts(result, "w") == {"in": 7, "out": {"written": 7}}


def test_a_counter_may_count_nothing():
    result = run(chain(node("c", "readers/counter", max=0), noop()))
    assert counts(result, "c") == {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("out/bill.ndjson", "out/bill-run-1.ndjson"),
        ("bill.tar.csv", "bill-run-1.tar.csv"),
        ("out/{run}/bill.csv", "out/run-1/bill.csv"),
        ("out.d/.hidden", "out.d/.hidden-run-1"),
        ("~/bill.parquet", "~/bill-run-1.parquet"),
    ],
)
def test_a_file_writer_makes_one_file_a_run(path, expected):
    writer = node("w", "writers/file", path=path, format="csv")
    result = run(chain(reader(), writer), [{"a": 1}])
    (entry,) = result.outbox
    assert (entry.destination, entry.spool, entry.node_id) == (expected, "spool.csv", "w")


def test_a_file_writer_that_writes_nothing_makes_no_file():
    result = run(chain(reader(), node("w", "writers/file", path="x.csv")), [])
    assert result.outbox == []


def test_fan_out_brings_every_record_to_every_node_and_counts_it_once():
    stream = document(
        [reader(), noop("x"), noop("y"), organizer({"b": "a"}), noop("z")],
        "in -> x",
        "in -> y",
        "in -> map",
        "map -> z",
    )
    result = run(stream, [{"a": 1}, {"a": 2}])
    assert counts(result, "in") == {"in": 2, "out": {"out": 2}}
    assert [counts(result, id_)["in"] for id_ in "xyz"] == [2, 2, 2]


def test_edges_are_merged_in_order_of_arrival():
    spools = Spools()
    writer = node("w", "writers/file", path="x.csv")
    stream = document(
        [reader(), split(("n", "lt", "3", "low"), ("n", "ge", "3", "high")), writer],
        "in -> split",
    )
    # The edge of the high records comes first, and yet the records come in their order.
    stream["edges"] += [edge("split:high -> w"), edge("split:low -> w")]
    run(stream, [{"n": n} for n in (5, 1, 4, 2)], spools=spools, columnar=True)
    assert [record["n"] for record in spools.opened["w"].records] == [5, 1, 4, 2]


def test_records_of_one_origin_come_in_the_order_of_the_edges_in_the_document():
    spools = Spools()
    one, two = (node(i, "transforms/map", mappings=[{i: "n"}]) for i in ("one", "two"))
    stream = document([reader(), one, two, node("w", "writers/file", path="x.csv")])
    stream["edges"] = [edge(path) for path in ("two -> w", "in -> one", "one -> w", "in -> two")]
    run(stream, [{"n": 1}, {"n": 2}], spools=spools)
    assert spools.opened["w"].records == [{"two": 1}, {"one": 1}, {"two": 2}, {"one": 2}]
