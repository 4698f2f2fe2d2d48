import polars as pl
import pytest

from meterhouse.core.json_text import parse_json
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.streams.placeholder import Template
from tests.streams.twins import as_columns, records_of

RECORDS = records_of("""
{"a": 1, "b": "x", "c": {"d": true}, "e": "é\\"1\\""}
{"a": 12.50, "b": "", "c": {"d": [1, {"y": 2, "x": 1}]}}
{"a": "1", "c": null}
""")


@pytest.fixture(params=[False, True], ids=["rows", "columns"])
def batch(request) -> UsageBatch:
    rows = UsageBatch.from_rows(RECORDS)
    return as_columns(rows) if request.param else rows


def values(text: str, batch: UsageBatch) -> list:
    return Template.parse(text).column(batch).to_values()


def test_a_whole_value_that_is_one_placeholder_keeps_its_type(batch):
    assert values("${payload.a}", batch) == [1, parse_json("12.5"), "1"]


def test_both_marks_mean_the_same(batch):
    assert values("@{payload.b}", batch) == values("${payload.b}", batch) == ["x", "", None]


def test_paths_lead_into_objects(batch):
    assert values("${payload.c.d}", batch) == [True, [1, {"x": 1, "y": 2}], None]


def test_anything_else_becomes_text_and_absent_fields_nothing(batch):
    assert values("<${payload.a}-@{payload.c.d}>", batch) == [
        "<1-true>",
        '<12.5-[1,{"x":1,"y":2}]>',
        "<1->",
    ]


def test_payload_alone_is_the_whole_record(batch):
    whole = values("${payload}", batch)
    assert whole[2] == {"a": "1"}
    assert whole[0] == RECORDS[0]


def test_keys_keep_values_apart_that_read_alike(batch):
    texts = Template.parse("${payload.a}").key_texts(batch).to_list()
    assert texts == ["1", "12.5", '"1"']


def test_keys_of_several_fields_do_not_run_together():
    batch = UsageBatch.from_rows(records_of('{"a": 1, "b": 12}\n{"a": 11, "b": 2}\n{"b": 2}'))
    texts = Template.parse("${payload.a}${payload.b}").key_texts(batch).to_list()
    assert texts == ["1,12", "11,2", "null,2"]


def test_the_key_of_a_whole_record_leaves_out_absent_fields_and_nulls(batch):
    assert Template.parse("${payload}").key_texts(batch).to_list() == [
        '{"a":1,"b":"x","c":{"d":true},"e":"é\\"1\\""}',
        '{"a":12.5,"b":"","c":{"d":[1,{"x":1,"y":2}]}}',
        '{"a":"1"}',
    ]


def test_records_without_fields_have_a_key_too():
    batch = UsageBatch.from_rows([{}, {"a": None}])
    template = Template.parse("${payload}")
    assert template.key_texts(batch).to_list() == ["{}", "{}"]
    assert template.key_texts(as_columns(batch)).to_list() == ["{}", "{}"]


@pytest.mark.parametrize("text", ["${secret.x}", "a ${payload", "${payload.}", "${payload x}"])
def test_what_looks_like_a_placeholder_and_is_none_is_refused(text):
    with pytest.raises(ValueError, match="no placeholder"):
        Template.parse(text)


def test_a_text_without_a_placeholder_is_refused():
    with pytest.raises(ValueError, match="names no field"):
        Template.parse("constant")


def test_the_fields_it_names():
    assert Template.parse("${payload.a.b}-${payload.c}").fields == ("a.b", "c")
    assert Template.parse("${payload}${payload.c}").fields is None


def test_typed_columns_read_in_texts_as_their_json_values_do():
    instants = pl.Series([0, None]).cast(pl.Datetime("us", "UTC"))
    columns = {
        "t": Column(ColumnKind.TIMESTAMP, instants),
        "n": Column.from_values([parse_json("1.50"), 2]),
        "b": Column.from_values([True, None]),
    }
    batch = UsageBatch.from_columns(columns, length=2)
    text = "${payload.t} ${payload.n} ${payload.b}"
    assert values(text, batch) == ["1970-01-01T00:00:00.000Z 1.5 true", " 2 "]
    assert values(text, batch) == values(text, UsageBatch.from_rows(batch.rows()))
