from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.json_text import canonical_text, parse_json
from meterhouse.core.problem import DefinitionError
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.streams.json_schema import SchemaCheck, SchemaError
from meterhouse.streams.schema_mask import schema_mask
from tests.streams.documents import counts, node, passed
from tests.streams.generated import TEXTS, canonical, outcome, records
from tests.streams.twins import Batches, as_columns, records_of

FORMS = pytest.mark.parametrize("columnar", [False, True], ids=["rows", "columns"])


def validate(schema: dict, **params) -> dict:
    return node("check", "transforms/validate", schema=schema, **params)


REGION = {"properties": {"region": {"enum": ["EU", "US"]}}, "required": ["region"]}


@FORMS
def test_records_that_break_the_schema_are_suspended_as_they_came(columnar):
    given_ = records_of('{"region": "EU"}\n{"region": "unknown", "n": 1.50}\n{"n": 2}')
    left, result = passed(validate(REGION), given_, columnar=columnar)
    assert left["out"] == [{"region": "EU"}]
    assert [(s.reason, s.offset, s.detail) for s in result.suspended] == [
        (
            Reason.SCHEMA_INVALID,
            1,
            'region: "unknown" is not one of "EU" or "US" (rule enum)',
        ),
        (Reason.SCHEMA_INVALID, 2, 'record: "region" is a required property (rule required)'),
    ]
    assert canonical([result.suspended[0].record]) == ['{"n":1.5,"region":"unknown"}']
    assert counts(result, "check") == {"in": 3, "out": {"valid": 1}, "suspended": 2}


@FORMS
def test_all_broken_rules_are_named_up_to_ten(columnar):
    schema = {"properties": {"a": {"type": "string", "minLength": 3, "pattern": "^x"}}}
    _, result = passed(validate(schema), [{"a": "q"}], columnar=columnar)
    assert [s.detail for s in result.suspended] == [
        'a: "q" is shorter than 3 characters (rule minLength); '
        'a: "q" does not match "^x" (rule pattern)'
    ]
    schema = {"required": [f"f{number:02}" for number in range(20)]}
    _, result = passed(validate(schema), [{"a": "q"}], columnar=columnar)
    [one] = result.suspended
    assert one.detail.count("is a required property") == 10
    assert one.detail.endswith("; and more")


def test_a_schema_that_is_none_tells_where():
    schema = {"properties": {"a": {"type": "intger"}}}
    with pytest.raises(DefinitionError, match=r"is no JSON Schema: properties\.a\.type: \"intger"):
        passed(validate(schema), [{"a": 1}])


@FORMS
@pytest.mark.parametrize(
    ("type_", "value", "left"),
    [
        ("integer", "101", "101"),
        ("integer", "5.0", "5"),
        ("number", "1.50", "1.5"),
        ("number", "1e2", "100"),
        ("number", "+5", "5"),
        ("string", Decimal("1.50"), '"1.5"'),
        ("string", 7, '"7"'),
        (["string", "null"], 7, '"7"'),
        (["integer", "null"], "7", "7"),
        (["integer", "string"], "7", '"7"'),
        (["number", "integer", "null"], 7, "7"),
        ("boolean", True, "true"),
    ],
)
def test_what_converts_without_loss_leaves_converted(columnar, type_, value, left):
    schema = {"properties": {"a": {"type": type_}}}
    records, _ = passed(validate(schema), [{"a": value}], columnar=columnar)
    assert canonical(records["out"]) == [f'{{"a":{left}}}']


@FORMS
@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("integer", "5.5"),
        ("integer", "abc"),
        ("number", ""),
        ("number", "NaN"),
        ("boolean", "true"),
        ("string", True),
        (["number", "integer"], "7"),
        ("object", "{}"),
    ],
)
def test_everything_else_breaks_the_rule(columnar, type_, value):
    schema = {"properties": {"a": {"type": type_}}}
    records, result = passed(validate(schema), [{"a": value}], columnar=columnar)
    assert records["out"] == []
    assert [s.record for s in result.suspended] == [{"a": value}]


@FORMS
def test_conversion_reaches_into_objects_and_lists(columnar):
    schema = {
        "properties": {
            "a": {"type": "object", "properties": {"n": {"type": "number"}}},
            "l": {"type": "array", "items": {"type": "string"}},
        }
    }
    given_ = [{"a": {"n": "1", "m": "2"}, "l": [1, "x"]}, {"a": {"n": 1}, "l": ["x"]}]
    records, _ = passed(validate(schema), given_, columnar=columnar)
    assert canonical(records["out"]) == [
        '{"a":{"m":"2","n":1},"l":["1","x"]}',
        '{"a":{"n":1},"l":["x"]}',
    ]


@FORMS
def test_numbers_are_compared_exactly(columnar):
    schema = {"properties": {"a": {"maximum": Decimal("0.1")}}}
    values = [Decimal("0.1"), Decimal("0.100000000000000001")]
    records, _ = passed(validate(schema), [{"a": v} for v in values], columnar=columnar)
    assert canonical(records["out"]) == ['{"a":0.1}']


@FORMS
def test_a_null_field_is_an_absent_one(columnar):
    schema = {"properties": {"a": {"type": "string"}}, "required": ["b"]}
    given_ = [{"a": None, "b": 1}, {"a": "x", "b": None}]
    records, result = passed(validate(schema), given_, columnar=columnar)
    assert len(records["out"]) == len(result.suspended) == 1


@FORMS
def test_without_data_correction_bad_records_are_discarded(columnar):
    off = validate(REGION, suspenseManagement={"enabled": False, "eventThreshold": 1})
    given_ = [{"region": "x"}, {"region": "EU"}, {}]
    records, result = passed(off, given_, columnar=columnar)
    assert records["out"] == [{"region": "EU"}]
    assert result.suspended == []
    assert counts(result, "check") == {"in": 3, "out": {"valid": 1}, "filtered": 2}


OUTPUTS = {"fixed": {"valid": {"id": "v-id"}, "invalid": {"id": "i-id"}}}


@FORMS
def test_bad_records_may_leave_by_a_port(columnar):
    two = validate(REGION, multiOutput=OUTPUTS)
    records, result = passed(two, [{"a": 1}, {"region": "EU"}], "v-id", "i-id", columnar=columnar)
    assert records == {"v-id": [{"region": "EU"}], "i-id": [{"a": 1}]}
    assert result.suspended == []
    assert counts(result, "check") == {"in": 2, "out": {"valid": 1, "invalid": 1}}


def test_bad_records_may_leave_by_a_port_and_be_suspended_too():
    two = validate(REGION, multiOutput=OUTPUTS, suspenseManagement={"enabled": True})
    records, result = passed(two, [{"a": 1}], "v-id", "i-id")
    assert records["i-id"] == [{"a": 1}]
    assert len(result.suspended) == 1
    assert counts(result, "check") == {"in": 1, "out": {"invalid": 1}}


def test_order_is_kept_where_some_records_are_converted_one_by_one():
    schema = {"properties": {"a": {"type": "number"}}}
    values = ["1", "1e1", "2", "bad", "+3", "4"]
    given_ = [{"a": value, "n": n} for n, value in enumerate(values)]
    records, _ = passed(validate(schema), given_, columnar=True)
    assert [record["n"] for record in records["out"]] == [0, 1, 2, 4, 5]


def test_a_lone_half_of_a_surrogate_pair_is_no_text():
    detail = SchemaCheck({"properties": {"a": {"pattern": "^x"}}}).check({"a": "\ud800"})[1]
    assert detail is not None
    assert "surrogate" in detail


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"properties": {"a": {"pattern": "("}}},
        {"$ref": "http://localhost:1/x"},
        {"properties": 5},
    ],
)
def test_what_is_no_schema_is_refused_without_fetching_anything(schema):
    with pytest.raises(SchemaError):
        SchemaCheck(schema)


def test_a_pattern_that_explodes_counts_as_broken():
    check = SchemaCheck({"properties": {"a": {"pattern": "^(a+)+(?!c)$"}}})
    assert check.check({"a": "a" * 60 + "b"})[1] is not None


def test_a_whole_number_is_one_however_it_is_written_in_draft_4_too():
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "properties": {"a": {"type": "integer"}},
    }
    for columnar in (False, True):
        given_ = [{"a": 5}, {"a": Decimal("5.5")}, {"a": Decimal("6.0")}]
        left, _ = passed(validate(schema), given_, columnar=columnar)
        assert canonical(left["out"]) == ['{"a":5}', '{"a":6}']


@pytest.mark.parametrize(
    ("schema", "valid"),
    [
        ({"type": "string"}, 2),
        ({"type": "string", "pattern": "^2026-01-0"}, 1),
        ({"minLength": 25}, 1),
        ({"enum": ["2026-01-02T00:00:00.000Z"]}, 1),
        ({"type": "number"}, 0),
        ({"minimum": 5}, 2),
        ({"multipleOf": 5}, 2),
    ],
)
def test_timestamps_of_typed_input_are_texts(schema, valid):
    instants = pl.Series([1767312000000000, 1768521600000001]).cast(pl.Datetime("us", "UTC"))
    column = Column(ColumnKind.TIMESTAMP, instants)
    batch = UsageBatch.from_columns({"a": column}, length=2)
    columns = passed(validate({"properties": {"a": schema}}), Batches(batch))
    rows = passed(validate({"properties": {"a": schema}}), batch.rows())
    assert canonical(columns[0]["out"]) == canonical(rows[0]["out"])
    assert outcome(columns[1]) == outcome(rows[1])
    assert len(columns[0]["out"]) == valid


def test_the_mask_is_not_for_every_schema():
    assert schema_mask({"properties": {}, "oneOf": []}) is None
    assert schema_mask({"type": "array"}) is None
    assert schema_mask({"properties": []}) is None


@pytest.mark.parametrize("schema", [{"minimum": True}, {"minLength": "3"}, False, {"pattern": 5}])
def test_of_keywords_that_it_does_not_understand_the_mask_is_not_sure(schema):
    mask = schema_mask({"properties": {"a": schema}})
    assert mask is not None
    sure, _ = mask.apply(as_columns(UsageBatch.from_rows([{"a": "x"}, {"b": 1}])))
    assert sure.to_list() == [False, True]


# ---------------------------------------------------------------- columns = rows

LIMITS = st.one_of(st.integers(-2, 8), st.decimals(-2, 8, places=1), st.just(10**30))
KEYWORDS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["string", "number", "integer", "boolean", ["string", "integer"], "object", "array"]
        ),
        "enum": st.lists(st.one_of(TEXTS, LIMITS, st.booleans()), min_size=1, max_size=4),
        "const": st.one_of(TEXTS, LIMITS),
        "pattern": st.sampled_from(
            ["^a", "A.", "^(.*)$", "b|5", "^[0-9]+$", "^(?!x)", r"\d", r"^a\.b$", "^$", "[^a]"]
        ),
        "minimum": LIMITS,
        "maximum": LIMITS,
        "exclusiveMinimum": LIMITS,
        "exclusiveMaximum": LIMITS,
        "minLength": st.integers(0, 4),
        "maxLength": st.integers(0, 4),
        "multipleOf": st.just(2),
        "title": st.just("A title"),
    },
)


@st.composite
def schemas(draw) -> dict:
    names = st.sampled_from(["a", "b", "c"])
    some = draw(st.dictionaries(names, st.one_of(KEYWORDS, KEYWORDS, st.booleans()), max_size=3))
    schema: dict = {"properties": some}
    schema["required"] = draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=2))
    extra = draw(st.sampled_from([{}, {}, {}, {"type": "object"}, {"minProperties": 2}]))
    return schema | extra


@settings(max_examples=120, deadline=None)
@given(schemas(), records())
def test_columns_are_validated_as_rows_are(schema, given_):
    both = [passed(validate(schema), given_, columnar=columnar) for columnar in (False, True)]
    assert canonical(both[0][0]["out"]) == canonical(both[1][0]["out"])
    assert outcome(both[0][1]) == outcome(both[1][1])


@settings(max_examples=120, deadline=None)
@given(schemas(), records())
def test_what_the_mask_lets_pass_keeps_the_schema_and_leaves_with_the_same_values(schema, given_):
    mask = schema_mask(parse_json(canonical_text(schema)))
    check = SchemaCheck(schema)
    batch = as_columns(UsageBatch.from_rows(given_))
    if mask is None:
        return
    sure, converted = mask.apply(batch)
    left = batch.with_columns(batch.columns() | converted).rows()
    for position in sure.arg_true():
        kept, detail = check.check(given_[position])
        assert detail is None
        assert canonical([left[position]]) == canonical([kept])


def test_the_mask_is_sure_of_plain_records():
    schema = {
        "type": "object",
        "properties": {
            "region": {"enum": ["EU"], "type": "string"},
            "user": {"pattern": "^user-.*", "minLength": 3},
            "n": {"type": "integer", "minimum": 0},
            "free": {"description": "anything"},
        },
        "required": ["region"],
    }
    mask = schema_mask(schema)
    assert mask is not None
    given_ = records_of("""
    {"region": "EU", "user": "user-1", "n": 3, "free": {"x": 1}}
    {"region": "EU", "n": 3, "free": 1}
    """)
    sure, converted = mask.apply(as_columns(UsageBatch.from_rows(given_)))
    assert sure.to_list() == [True, True]
    assert converted == {}
