"""Schemas: what they say, and everything that may be wrong with them at once."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest

from meterhouse.core.problem import DefinitionError
from meterhouse.datasets.evolution import publishing_problems
from meterhouse.datasets.schema import BUILT_IN, read_schema
from meterhouse.datasets.version import Version

ID = {"name": "ID", "type": "string", "x-fp-unique-constraint": 1}


def schema(*fields: Any, **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "A", "x-fp-version": "1.0.0", "fields": list(fields)} | more


def problems(document: Any) -> list[str]:
    with pytest.raises(DefinitionError) as raised:
        read_schema(document)
    return [f"{problem.place}: {problem.message}" for problem in raised.value.problems]


@pytest.mark.parametrize("name", BUILT_IN)
def test_schemas_of_the_package_can_be_published_and_the_library_writes_them(name: str):
    found = BUILT_IN[name]
    assert (found.name, publishing_problems(found)) == (name, [])
    assert len(found.key) >= 1
    assert found.is_dimension == name.startswith("D_")
    assert (found.timestamp is None) == found.is_dimension
    fastavro.parse_schema(json.loads(json.dumps(found.document)))


def test_the_package_has_the_datasets_of_the_billing_module():
    dimensions = ("App", "Channel", "Component", "Preset", "Recognizer", "Skill")
    assert set(BUILT_IN) == {
        *("Aura_Audit", "Aura_Gateway_Message", "Aura_Atria_Message"),
        *(f"D_Aura_{name}" for name in dimensions),
        *(f"D_Gbl_{name}" for name in ("Brand", "Contact_Channel", "Country")),
    }


def test_no_schema_of_the_package_has_texts_of_users():
    names = {field.name for found in BUILT_IN.values() for field in found.fields}
    assert not names & {"INPUT_QUERY_DESC", "OUTPUT_DESC"}


def test_what_the_audit_says():
    audit = BUILT_IN["Aura_Audit"]
    assert (audit.version, audit.major) == (Version(6, 0, 0), 6)
    assert audit.key == ("INTERACTION_ID", "AURA_COMPONENT_ID")
    assert (audit.partition, audit.timestamp) == ("DAY_DT", "AURA_TM")
    assert audit.country == "COUNTRY_3_ALPHA_CD"
    assert str(audit.references["AURA_APP_ID"]) == "D_Aura_App.AURA_APP_ID"
    service = audit.field("AURA_SERVICE_NAME_CD")
    assert service is not None and service.symbol_default == "other"


def test_a_country_that_is_the_key_or_may_be_null_is_not_that_of_the_ob():
    assert BUILT_IN["D_Gbl_Country"].country is None
    assert BUILT_IN["D_Gbl_Brand"].country is None


def test_two_fields_with_one_number_are_one_key_and_others_are_another():
    found = read_schema(
        schema(
            ID,
            {"name": "B", "type": "string", "x-fp-unique-constraint": 2},
            {"name": "C", "type": "long", "x-fp-unique-constraint": 1},
        )
    )
    assert (found.key, dict(found.keys)) == (("ID", "C"), {1: ("ID", "C"), 2: ("B",)})


def test_every_problem_is_told_at_once():
    document = schema(
        {"name": "ID", "type": ["null", "string"], "x-fp-unique-constraint": 1},
        {"name": "ID", "type": "text"},
        {"name": "E", "type": {"type": "enum", "name": "E", "symbols": ["a"], "default": "b"}},
        {"name": "N", "type": ["null", "string"], "default": "x"},
        {"name": "P", "type": "string", "x-fp-partition-key": True},
        {"name": "R", "type": "string", "x-fp-reference": "nowhere"},
        {"name": "U", "type": "string", "x-fp-unique-constraint": 0},
        {"name": "9", "type": "string"},
        {"name": "V"},
        **{"x-fp-version": "6.0"},
    )
    found = problems(document)
    assert [line.partition(":")[0] for line in found] == [
        "fields[1](ID).type",
        "fields[2](E).type.default",
        "fields[3](N).default",
        "fields[7].name",
        "fields[8](V).type",
        "fields",
        "ID",
        "R.x-fp-reference",
        "U.x-fp-unique-constraint",
        "x-fp-version",
        "P",
    ]
    assert found[0].endswith('is "text", which is no type')


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (5, "is 5, not a JSON object"),
        ({}, "type: is missing"),
        ({"type": "enum", "name": "E", "symbols": ["a"]}, 'type: is "enum"'),
        (schema(), "fields: is empty"),
        (schema(ID, name="1A"), 'name: is "1A"'),
        (schema(ID, name="_A"), 'name: is "_A"'),
        (schema(ID, namespace="1.2"), 'namespace: is "1.2"'),
        (schema({"name": "F", "type": ["A", "null"]}), "contains itself"),
        (schema({"name": "F", "type": []}), "a union of nothing"),
        (schema({"name": "F", "type": ["null", ["int"]]}), "a union within a union"),
        (schema({"name": "F", "type": ["int", "int"]}), "has a type twice"),
        (schema({"name": "F", "type": {"type": "fixed", "name": "X"}}), "size: is missing"),
        (schema({"name": "F", "type": "int", "aliases": ["F"]}), 'has "F" twice'),
        (schema({"name": "F", "type": "int", "default": 1 << 40}), "default: is 1099511627776"),
        (schema({"name": "F", "type": {"type": "array"}}), "items: is missing"),
        (
            schema({"name": "F", "type": {"type": "array", "items": "int"}, "default": ["x"]}),
            '["x"',
        ),
    ],
)
def test_what_is_no_schema_is_refused(document: Any, said: str):
    assert any(said in line for line in problems(document)), problems(document)


def test_types_that_nest_without_end_are_refused():
    kind: Any = "int"
    for _ in range(60):
        kind = {"type": "array", "items": kind}
    assert any("nests deeper" in line for line in problems(schema({"name": "F", "type": kind})))


def test_a_named_type_may_be_used_again():
    enum = {"type": "enum", "name": "Kind", "symbols": ["a", "b"], "default": "a"}
    found = read_schema(
        schema({"name": "F", "type": enum}, {"name": "G", "type": ["null", "Kind"]})
    )
    assert [field.symbols for field in found.fields] == [("a", "b"), ("a", "b")]


def test_enums_need_a_default_to_be_published():
    enum = {"type": "enum", "name": "Kind", "symbols": ["a", "b"]}
    [found] = publishing_problems(read_schema(schema({"name": "F", "type": enum})))
    assert (found.place, found.message) == ("enum Kind", "has no default")


def test_a_schema_that_the_library_has_rewritten_says_the_same():
    """Other writers fold the namespace into names, and put attributes in another order."""
    audit = BUILT_IN["Aura_Audit"]
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(json.loads(json.dumps(audit.document))), [])
    out.seek(0)
    again = read_schema(fastavro.reader(out).writer_schema)
    assert (again.type, again.keys, again.partition) == (audit.type, audit.keys, audit.partition)
    assert (again.version, again.references) == (audit.version, audit.references)
