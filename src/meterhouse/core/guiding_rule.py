"""Guiding rules: which records go to which category, and what is kept of them there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from meterhouse.core.json_text import Record, canonical_text, field_value
from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading, missing_or_shown, shown

RULES_MAX = 10
CONDITIONS_MAX = 20
SECTIONS_MAX = 5
SECTION_FIELDS_MAX = 12
OPERATIONS_MAX = 10
_RULE_FIELDS = (
    "customName ignoreCondition conditionRelation conditions matchCategory groupBy otherOperations"
).split()
_CONDITION_FIELDS = ("customName", "field", "value")


class Carry(Enum):
    """Which record of the period a carried field is taken from."""

    FIRST = "carry-first"
    LAST = "carry-last"


@dataclass(frozen=True, slots=True)
class Condition:
    """A field equals a value, of the same JSON type: number 5 is not the text "5"."""

    field: str
    value: str | int | Decimal | bool

    @property
    def expected(self) -> str:
        """The canonical JSON text that the field must have."""
        return canonical_text(self.value)

    def holds(self, record: Record) -> bool:
        """Whether a record meets the condition; an absent field never does."""
        value = field_value(record, self.field)
        return value is not None and canonical_text(value) == self.expected


@dataclass(frozen=True, slots=True)
class Operation:
    """Carry one field of the first or the last record."""

    field: str
    carry: Carry


@dataclass(frozen=True, slots=True)
class GuidingRule:
    """One rule. Without conditions it holds for every record."""

    name: str
    category: str
    conditions: tuple[Condition, ...] = ()
    relation: str = "and"
    group_by: tuple[tuple[str, ...], ...] = ()
    operations: tuple[Operation, ...] = ()

    def holds(self, record: Record) -> bool:
        """Whether the conditions of this rule hold for a record."""
        if not self.conditions:
            return True
        combine = all if self.relation == "and" else any
        return combine(condition.holds(record) for condition in self.conditions)


def read_rules(items: object) -> tuple[tuple[GuidingRule, ...], list[Problem]]:
    """Read ``guidingRules`` of a stored meter node (usage-metering facts 3.9); all problems."""
    if not isinstance(items, list) or not items:
        hint = f"give a list of 1 to {RULES_MAX} rules"
        return (), [Problem("guidingRules", missing_or_shown(items), hint)]
    problems: list[Problem] = []
    if len(items) > RULES_MAX:
        message = f"has {len(items)} rules"
        problems.append(Problem("guidingRules", message, f"at most {RULES_MAX} are allowed"))
    rules: list[GuidingRule] = []
    for position, item in enumerate(items[:RULES_MAX]):
        rule, faults = _read_rule(item, position)
        problems += [fault.at(f"guidingRules[{position}]") for fault in faults]
        if rule is not None:
            rules.append(rule)
    return tuple(rules), problems


def _read_rule(item: object, position: int) -> tuple[GuidingRule | None, list[Problem]]:
    reading = Reading(item, known=_RULE_FIELDS, what="guiding rule")
    name = reading.text("customName") or f"Rule {position + 1}"
    category = reading.text("matchCategory", required=True)
    relation = reading.text("conditionRelation") or "and"
    if relation not in ("and", "or"):
        reading.fail("conditionRelation", f"is {shown(relation)}", 'use "and" or "or"')
    ignore = reading.boolean("ignoreCondition", default=False)
    conditions = () if ignore else _read_conditions(reading)
    sections = _read_sections(reading)
    operations = _read_operations(reading)
    if reading.problems or category is None:
        return None, reading.problems
    rule = GuidingRule(name, category, conditions, relation, sections, operations)
    return rule, []


def _read_conditions(reading: Reading) -> tuple[Condition, ...]:
    conditions: list[Condition] = []
    items = reading.json_list("conditions", items_max=CONDITIONS_MAX)
    if not items and reading.body.get("conditions") in (None, []):
        hint = 'add a condition, or set ignoreCondition to true for "no condition"'
        reading.fail("conditions", "is empty", hint)
    for position, item in enumerate(items):
        inner = Reading(item)
        # What is not read would still be meant: an operator, say, that changes who pays.
        hint = "a condition holds where field equals value: equality is the only comparison"
        inner.only(_CONDITION_FIELDS, what="condition", hint=hint)
        field = inner.text("field", required=True)
        value = inner.body.get("value")
        if not isinstance(value, str | int | Decimal | bool):
            inner.fail("value", missing_or_shown(value), "use a text, a number, true or false")
        elif field is not None:
            conditions.append(Condition(field, value))
        reading.problems += [fault.at(f"conditions[{position}]") for fault in inner.problems]
    return tuple(conditions)


def _read_sections(reading: Reading) -> tuple[tuple[str, ...], ...]:
    sections: list[tuple[str, ...]] = []
    for position, item in enumerate(reading.json_list("groupBy", items_max=SECTIONS_MAX)):
        if isinstance(item, str):
            hint = f'write a section as {{"fields": [{shown(item)}]}}'
            reading.fail(f"groupBy[{position}]", f"is the text {shown(item)}", hint)
            continue
        inner = Reading(item, known=("fields",), what="section")
        names = inner.json_list("fields", items_max=SECTION_FIELDS_MAX)
        if not all(isinstance(name, str) and name for name in names):
            inner.fail("fields", f"is {shown(names)}", "name fields by non-empty texts")
        elif len(set(names)) < len(names):
            inner.fail("fields", f"is {shown(names)}", "name each field once")
        elif names and tuple(names) in sections:
            inner.fail("fields", f"is {shown(names)} again", "drop one of the two sections")
        elif names:
            sections.append(tuple(names))
        reading.problems += [fault.at(f"groupBy[{position}]") for fault in inner.problems]
    return tuple(sections)


def _read_operations(reading: Reading) -> tuple[Operation, ...]:
    operations: list[Operation] = []
    items = reading.json_list("otherOperations", items_max=OPERATIONS_MAX)
    for position, item in enumerate(items):
        inner = Reading(item, known=("field", "operation"), what="operation")
        field = inner.text("field", required=True)
        text = inner.body.get("operation")
        carry = next((member for member in Carry if member.value == text), None)
        if carry is None:
            inner.fail("operation", missing_or_shown(text), "use carry-first or carry-last")
        elif field is not None and Operation(field, carry) not in operations:
            operations.append(Operation(field, carry))
        reading.problems += [fault.at(f"otherOperations[{position}]") for fault in inner.problems]
    return tuple(operations)


def rule_to_api(rule: GuidingRule) -> Mapping[str, Any]:
    """Write a rule as a stored meter node holds it."""
    return {
        "customName": rule.name,
        "ignoreCondition": not rule.conditions,
        "conditionRelation": rule.relation,
        "conditions": [
            {"customName": "", "field": c.field, "value": c.value} for c in rule.conditions
        ],
        "matchCategory": rule.category,
        "groupBy": [{"fields": list(section)} for section in rule.group_by],
        "otherOperations": [
            {"field": o.field, "operation": o.carry.value} for o in rule.operations
        ],
    }
