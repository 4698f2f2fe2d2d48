"""``transforms/split`` (route): the first rule that holds for a record decides its output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from meterhouse.core.quantity import number_text
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.comparison import SPELLINGS, Comparison, Operator
from meterhouse.streams.mask import uniform
from meterhouse.streams.nodes.node import (
    Needed,
    NodeParams,
    NodeRun,
    NodeSite,
    NodeType,
    Outputs,
    Ports,
    joined,
    record_fields,
)
from meterhouse.streams.parameters import fixed_outputs, template
from meterhouse.streams.placeholder import Template

RULES_MAX = 100
OUTPUTS_MAX = 100
#: The port of records for which no rule holds, where they are not discarded.
DEFAULT = "default"
_DEFAULTS = ("default", "defaultOutput")


@dataclass(frozen=True, slots=True)
class SplitRule:
    """What is compared, how, and the port of records for which it holds."""

    key: Template
    comparison: Comparison
    port: str


@dataclass(frozen=True, slots=True)
class SplitParams(NodeParams):
    """``rules`` in order, ``outputs`` by id; ``discard`` is what becomes of all else."""

    rules: tuple[SplitRule, ...]
    outputs: tuple[tuple[str, str], ...]
    discard: bool

    def ports(self) -> Ports:
        """The named outputs, and the default one where nothing is discarded."""
        names = tuple(dict.fromkeys(name for _, name in self.outputs))
        if not self.discard:
            return Ports((*names, DEFAULT), DEFAULT, dict(self.outputs))
        return Ports(names, names[0] if len(names) == 1 else None, dict(self.outputs))

    def open(self, site: NodeSite) -> NodeRun:
        """Start sorting records."""
        return _Split(self, site)

    def needs(self, after: Callable[[str], Needed]) -> Needed:
        """The fields that the rules compare, and what is needed after it."""
        keys = [record_fields(rule.key.fields) for rule in self.rules]
        return joined(*keys, *(after(port) for port in self.ports().names))


def _read(reading: Reading) -> SplitParams | None:
    outputs = _read_outputs(reading)
    names = dict(outputs)
    rules: list[SplitRule] = []
    for position, item in enumerate(reading.json_list("rules", items_max=RULES_MAX)):
        inner = Reading(item, what="rule")
        rule = _read_rule(inner, names)
        reading.problems += [fault.at(f"rules[{position}]") for fault in inner.problems]
        if rule is not None:
            rules.append(rule)
    fixed = {} if reading.body.get("onNoMatch") == "discard" else fixed_outputs(reading)
    discard = _read_no_match(reading, fixed)
    if not outputs and not reading.problems:
        reading.fail("multiOutput.configurable.outputs", "is empty", "name at least one output")
    if not discard:
        outputs += [(id_, DEFAULT) for id_, name in fixed.items() if name in _DEFAULTS]
    return None if reading.problems else SplitParams(tuple(rules), tuple(outputs), discard)


def _read_outputs(reading: Reading) -> list[tuple[str, str]]:
    place = "multiOutput.configurable"
    outer = Reading(reading.body.get("multiOutput") or {})
    inner = Reading(outer.body.get("configurable") or {})
    outputs: list[tuple[str, str]] = []
    for position, item in enumerate(inner.json_list("outputs", items_max=OUTPUTS_MAX)):
        output = Reading(item, what="output")
        id_, name = output.text("id", required=True), output.text("name")
        if id_ in dict(outputs):
            output.fail("id", f"is {shown(id_)} a second time", "give each output its own id")
        elif id_ is not None:
            outputs.append((id_, _unused(name or id_, [known for _, known in outputs])))
        inner.problems += [fault.at(f"outputs[{position}]") for fault in output.problems]
    reading.problems += [fault.at(place) for fault in inner.problems]
    return outputs


def _unused(name: str, known: list[str]) -> str:
    """Counts are kept by name, so two outputs of one name are told apart by a number."""
    taken = {*known, DEFAULT}
    candidates = (name if n == 1 else f"{name} ({n})" for n in range(1, len(taken) + 2))
    return next(candidate for candidate in candidates if candidate not in taken)


def _read_rule(reading: Reading, names: dict[str, str]) -> SplitRule | None:
    key = template(reading, "key")
    op = reading.body.get("op")
    operator = SPELLINGS.get(op.lower()) if isinstance(op, str) else None
    if operator is None:
        known = ", ".join(operator.value for operator in Operator)
        reading.fail("op", missing_or_shown(op), f"use one of {known}")
    value = _value_text(reading)
    output = reading.body.get("output")
    port = names.get(output) if isinstance(output, str) else None
    if port is None:
        hint = "give the id of an output: " + ", ".join(names) if names else "name outputs first"
        reading.fail("output", missing_or_shown(output), hint)
    if key is None or operator is None or value is None or port is None:
        return None
    comparison = Comparison(operator, value)
    if operator is Operator.REGEX and (fault := _regex_fault(value)):
        reading.fail("value", f"is {shown(value)}: {fault}", "look-around is not supported")
        return None
    return SplitRule(key, comparison, port)


def _value_text(reading: Reading) -> str | None:
    value = reading.body.get("value")
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is not None and (number := reading.number("value")) is not None:
        return number_text(number)
    if value is None:
        reading.fail("value", "is missing", "give what the field is compared with")
    return None


def _regex_fault(pattern: str) -> str | None:
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        lines = [line for line in str(error).splitlines() if line.startswith("error:")]
        return lines[0].removeprefix("error:").strip() if lines else "is no regular expression"
    return None


def _read_no_match(reading: Reading, fixed: dict[str, str]) -> bool:
    """Whether records for which no rule holds are discarded."""
    action = reading.body.get("onNoMatch")
    if action is None:
        return not set(fixed.values()) & set(_DEFAULTS)
    if action not in ("discard", *_DEFAULTS):
        reading.fail("onNoMatch", f"is {shown(action)}", 'use "discard" or "default"')
    return action == "discard"


TYPE = NodeType("transforms/split", frozenset({3}), _read)


class _Split(NodeRun):
    def __init__(self, params: SplitParams, site: NodeSite) -> None:
        self._params = params
        self._site = site

    def take(self, batch: UsageBatch) -> Outputs:
        masks = self._masks(batch)
        outputs = {port: batch.filter(mask) for port, mask in masks.items() if mask.any()}
        self._site.count.filtered += len(batch) - sum(map(len, outputs.values()))
        return outputs

    def _masks(self, batch: UsageBatch) -> dict[str, pl.Series]:
        """Which records leave by which port; a record is taken by the first rule that holds."""
        masks: dict[str, pl.Series] = {}
        left = uniform(len(batch), value=True)
        for rule in self._params.rules:
            held = rule.comparison.mask(rule.key.column(batch)) & left
            left &= ~held
            earlier = masks.get(rule.port)
            masks[rule.port] = held if earlier is None else earlier | held
        if not self._params.discard:
            masks[DEFAULT] = left
        return masks
