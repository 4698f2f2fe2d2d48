"""Guiding rules: when they hold, how they are read, and what is wrong with refused ones."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meterhouse.core.guiding_rule import (
    Carry,
    Condition,
    GuidingRule,
    Operation,
    read_rules,
    rule_to_api,
)
from meterhouse.core.json_text import parse_json
from tests.core.definitions import said

A = {"field": "a", "value": 1}
B = {"field": "b", "value": "x"}


def a_rule(**changed: Any) -> dict[str, Any]:
    """A rule as a stored meter node holds it."""
    rule = {
        "customName": "L1",
        "ignoreCondition": False,
        "conditionRelation": "and",
        "conditions": [{"customName": "", "field": "apiCallsType", "value": "L1"}],
        "matchCategory": "L1_API_Requests",
        "groupBy": [{"fields": ["region", "status"]}, {"fields": ["status"]}],
        "otherOperations": [
            {"field": "caseNumber", "operation": "carry-last"},
            {"field": "sessionId", "operation": "carry-first"},
        ],
    }
    return rule | changed


def rule(**changed: Any) -> GuidingRule:
    rules, problems = read_rules([a_rule(**changed)])
    assert problems == []
    return rules[0]


def faults(*items: object) -> list[str]:
    return said(read_rules(list(items))[1])


def test_a_rule_is_read():
    assert rule() == GuidingRule(
        "L1",
        "L1_API_Requests",
        (Condition("apiCallsType", "L1"),),
        "and",
        (("region", "status"), ("status",)),
        (Operation("caseNumber", Carry.LAST), Operation("sessionId", Carry.FIRST)),
    )


def test_rules_keep_their_order():
    rules, _ = read_rules([a_rule(customName=name) for name in "zay"])

    assert [each.name for each in rules] == ["z", "a", "y"]


def test_a_minimal_rule_holds_for_every_record():
    rules, problems = read_rules([{"matchCategory": "API", "ignoreCondition": True}])

    assert problems == []
    assert rules == (GuidingRule("Rule 1", "API"),)
    assert rules[0].holds({})


def test_a_rule_without_a_name_is_called_by_its_place():
    rules, _ = read_rules([a_rule(), a_rule(customName=""), a_rule(customName=None)])

    assert [each.name for each in rules] == ["L1", "Rule 2", "Rule 3"]


def test_conditions_that_are_ignored_are_not_even_read():
    dummy = [{"customName": "", "field": "", "value": ""}]

    assert rule(ignoreCondition=True, conditions=dummy).conditions == ()


@pytest.mark.parametrize("relation", [None, "", "and"])
def test_and_is_the_usual_relation(relation):
    assert rule(conditionRelation=relation).relation == "and"


@pytest.mark.parametrize(
    ("expected", "value", "holds"),
    [
        ("L1", "L1", True),
        ("L1", "l1", False),
        ("L1", " L1", False),
        ("", "", True),
        (5, 5, True),
        (5, Decimal("5.0"), True),
        (Decimal("5.0"), 5, True),
        (5, "5", False),
        ("5", 5, False),
        ("5", "5", True),
        (Decimal("0.1"), Decimal("0.10"), True),
        (True, True, True),
        (True, 1, False),
        (True, "true", False),
        (1, True, False),
        (False, False, True),
        (False, 0, False),
        ("null", None, False),
        ("[1]", [1], False),
        ("{}", {}, False),
        (0, Decimal("-0.0"), True),
        (10**150, Decimal("1E+150"), True),
    ],
)
def test_a_condition_compares_value_and_type(expected, value, holds):
    assert Condition("f", expected).holds({"f": value}) is holds


@pytest.mark.parametrize(
    ("record", "holds"),
    [
        ({"a": {"b": 1}}, True),
        ({"a.b": 1}, True),
        ({"a": 1}, False),
        ({"a": {"b": None}}, False),
        ({}, False),
        ({"A": {"b": 1}}, False),
    ],
)
def test_a_condition_may_name_a_nested_field_and_an_absent_one_never_holds(record, holds):
    assert Condition("a.b", 1).holds(record) is holds


@pytest.mark.parametrize(
    ("relation", "record", "holds"),
    [
        ("and", {"a": 1, "b": "x"}, True),
        ("and", {"a": 1}, False),
        ("and", {}, False),
        ("or", {"a": 1}, True),
        ("or", {"b": "x"}, True),
        ("or", {"a": 2, "b": "y"}, False),
        ("or", {}, False),
    ],
)
def test_all_or_any_of_the_conditions_must_hold(relation, record, holds):
    assert rule(conditionRelation=relation, conditions=[A, B]).holds(record) is holds


@pytest.mark.parametrize(
    ("items", "said_of_them"),
    [(None, "is missing"), ([], "is []"), ({}, "is {}"), ("x", 'is "x"'), (5, "is 5")],
)
def test_a_meter_needs_rules(items, said_of_them):
    rules, problems = read_rules(items)

    assert rules == ()
    assert said(problems) == [f"guidingRules: {said_of_them} (give a list of 1 to 10 rules)"]


def test_ten_rules_are_the_most():
    assert faults(*[a_rule()] * 10) == []
    assert faults(*[a_rule()] * 11) == ["guidingRules: has 11 rules (at most 10 are allowed)"]


def fields(count: int) -> list[dict[str, list[str]]]:
    return [{"fields": [f"f{n}"]} for n in range(count)]


@pytest.mark.parametrize(
    ("name", "greatest"),
    [
        ("conditions", [{"field": f"f{n}", "value": n} for n in range(20)]),
        ("groupBy", fields(5)),
        ("groupBy", [{"fields": list("abcde")}]),
        ("otherOperations", [{"field": f"f{n}", "operation": "carry-last"} for n in range(10)]),
    ],
)
def test_the_greatest_numbers_of_things_are_accepted(name, greatest):
    assert faults(a_rule(**{name: greatest})) == []


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"matchCategory": ""}, "matchCategory: is missing (give it a text)"),
        ({"matchCategory": 5}, "matchCategory: is 5, not a text (write it between double quotes)"),
        ({"customName": 5}, "customName: is 5, not a text (write it between double quotes)"),
        ({"conditionRelation": "xor"}, 'conditionRelation: is "xor" (use "and" or "or")'),
        ({"conditionRelation": "AND"}, 'conditionRelation: is "AND" (use "and" or "or")'),
        (
            {"conditionRelation": 1},
            "conditionRelation: is 1, not a text (write it between double quotes)",
        ),
        ({"ignoreCondition": "no"}, 'ignoreCondition: is "no" (use true or false)'),
        (
            {"conditions": []},
            'conditions: is empty (add a condition, or set ignoreCondition to true for "no '
            'condition")',
        ),
        (
            {"conditions": None},
            'conditions: is empty (add a condition, or set ignoreCondition to true for "no '
            'condition")',
        ),
        ({"conditions": "x"}, 'conditions: is "x", not a list (write it between [ and ])'),
        (
            {"conditions": [{"field": f"f{n}", "value": n} for n in range(21)]},
            "conditions: has 21 items (at most 20 are allowed)",
        ),
        ({"conditions": [{"value": 1}]}, "conditions[0].field: is missing (give it a text)"),
        (
            {"conditions": [{"field": "a"}]},
            "conditions[0].value: is missing (use a text, a number, true or false)",
        ),
        (
            {"conditions": [{"field": "a", "value": [1]}]},
            "conditions[0].value: is [1] (use a text, a number, true or false)",
        ),
        (
            {"conditions": [{"field": "a", "value": 0.5}]},
            "conditions[0].value: is 0.5 (use a text, a number, true or false)",
        ),
        (
            {"conditions": [A, 5]},
            "conditions[1]: is 5, not a JSON object (write the object between { and })",
        ),
        ({"groupBy": fields(6)}, "groupBy: has 6 items (at most 5 are allowed)"),
        ({"groupBy": {}}, "groupBy: is {}, not a list (write it between [ and ])"),
        (
            {"groupBy": [["a"]]},
            'groupBy[0]: is ["a"], not a JSON object (write the section between { and })',
        ),
        (
            {"groupBy": ["region"]},
            'groupBy[0]: is the text "region" (write a section as {"fields": ["region"]})',
        ),
        (
            {"groupBy": [{"fields": ["a"], "limit": 5}]},
            "groupBy[0].limit: is not a known field (fields of a section are fields)",
        ),
        (
            {"matchcategory": "x"},
            "matchcategory: is not a known field (did you mean matchCategory? fields of a guiding "
            "rule are conditionRelation, conditions, customName, groupBy, ignoreCondition, "
            "matchCategory, otherOperations)",
        ),
        (
            {"conditions": [{"field": "value", "operator": ">", "value": 4}]},
            "conditions[0].operator: is not a known field (a condition holds where field equals "
            "value: equality is the only comparison)",
        ),
        (
            {"otherOperations": [{"field": "a", "operation": "carry-last", "as": "b"}]},
            "otherOperations[0].as: is not a known field (fields of an operation are field, "
            "operation)",
        ),
        (
            {"groupBy": [{"fields": list("abcdefghijklm")}]},
            "groupBy[0].fields: has 13 items (at most 12 are allowed)",
        ),
        (
            {"groupBy": [{"fields": ["a", ""]}]},
            'groupBy[0].fields: is ["a",""] (name fields by non-empty texts)',
        ),
        (
            {"groupBy": [{"fields": ["a", 5]}]},
            'groupBy[0].fields: is ["a",5] (name fields by non-empty texts)',
        ),
        (
            {"groupBy": [{"fields": [["a"]]}]},
            'groupBy[0].fields: is [["a"]] (name fields by non-empty texts)',
        ),
        (
            {"groupBy": [{"fields": ["a", "b", "a"]}]},
            'groupBy[0].fields: is ["a","b","a"] (name each field once)',
        ),
        (
            {"groupBy": [{"fields": ["a"]}, {"fields": ["a"]}]},
            'groupBy[1].fields: is ["a"] again (drop one of the two sections)',
        ),
        (
            {"otherOperations": [{"field": f"f{n}", "operation": "carry-last"} for n in range(11)]},
            "otherOperations: has 11 items (at most 10 are allowed)",
        ),
        (
            {"otherOperations": [{"field": "a"}]},
            "otherOperations[0].operation: is missing (use carry-first or carry-last)",
        ),
        (
            {"otherOperations": [{"field": "a", "operation": "sum"}]},
            'otherOperations[0].operation: is "sum" (use carry-first or carry-last)',
        ),
        (
            {"otherOperations": [{"operation": "carry-last"}]},
            "otherOperations[0].field: is missing (give it a text)",
        ),
    ],
)
def test_each_fault_is_told_with_place_value_and_remedy(changed, problem):
    assert faults(a_rule(**changed)) == [f"guidingRules[0].{problem}"]


def test_a_rule_that_is_no_object_is_told_so():
    assert faults(a_rule(), "L2") == [
        'guidingRules[1]: is "L2", not a JSON object (write the guiding rule between { and })'
    ]


def test_all_faults_of_all_rules_are_listed_at_once():
    rules = [
        a_rule(matchCategory=None, conditions=[{"field": 1}, {"value": 1}]),
        a_rule(groupBy=[*fields(6), 5], otherOperations=[{}]),
        *[a_rule()] * 9,
    ]

    assert [problem.split(":")[0] for problem in faults(*rules)] == [
        "guidingRules",
        "guidingRules[0].matchCategory",
        "guidingRules[0].conditions[0].field",
        "guidingRules[0].conditions[0].value",
        "guidingRules[0].conditions[1].field",
        "guidingRules[1].groupBy",
        "guidingRules[1].otherOperations[0].field",
        "guidingRules[1].otherOperations[0].operation",
    ]


def test_too_many_items_do_not_hide_the_faults_of_the_first_ones():
    assert faults(a_rule(groupBy=[{"fields": ["a", "a"]}, *fields(5)]))[1].startswith(
        "guidingRules[0].groupBy[0].fields: "
    )


def test_a_faulty_rule_is_not_among_those_that_are_read():
    rules, _ = read_rules([a_rule(), a_rule(matchCategory=5), a_rule(customName="L3")])

    assert [each.name for each in rules] == ["L1", "L3"]


def test_a_section_without_fields_groups_nothing():
    assert rule(groupBy=[{"fields": []}, {}, {"fields": ["a"]}]).group_by == (("a",),)


def test_the_same_fields_in_another_order_are_another_section():
    sections = [{"fields": ["a", "b"]}, {"fields": ["b", "a"]}]

    assert rule(groupBy=sections).group_by == (("a", "b"), ("b", "a"))


def test_an_operation_that_is_repeated_is_kept_once():
    last, first = ({"field": "a", "operation": f"carry-{which}"} for which in ("last", "first"))

    assert rule(otherOperations=[last, first, last]).operations == (
        Operation("a", Carry.LAST),
        Operation("a", Carry.FIRST),
    )


@pytest.mark.parametrize(
    "stored",
    [
        a_rule(),
        a_rule(ignoreCondition=True, conditions=[]),
        a_rule(
            conditionRelation="or",
            conditions=[
                {"customName": "", "field": "a.b", "value": Decimal("0.5")},
                {"customName": "", "field": "c", "value": False},
                {"customName": "", "field": "d", "value": 7},
            ],
            groupBy=[],
            otherOperations=[],
        ),
    ],
)
def test_a_rule_is_written_as_it_was_read(stored):
    rules, _ = read_rules([stored])

    assert rule_to_api(rules[0]) == stored


def real_rules() -> list[Any]:
    """The rules of every meter node among the real exports."""
    folder = os.environ.get("METERHOUSE_TEST_DATA")
    if not folder:
        pytest.skip("METERHOUSE_TEST_DATA is unset: there are no real exports to read")
    graphs = sorted((Path(folder) / "reference" / "stream_graphs").glob("*.json"))
    nodes = [node for graph in graphs for node in parse_json(graph.read_bytes())["nodes"]]
    return [n["params"]["guidingRules"] for n in nodes if n["type"] == "transforms/meter"]


def test_the_rules_of_real_exports_are_accepted():
    stored = real_rules()

    assert len(stored) >= 2
    assert [said(read_rules(rules)[1]) for rules in stored] == [[]] * len(stored)


def test_the_rules_of_real_exports_survive_reading_and_writing():
    for stored in real_rules():
        rules, _ = read_rules(stored)
        written = json.loads(json.dumps([rule_to_api(each) for each in rules]))

        assert read_rules(written) == (rules, [])
