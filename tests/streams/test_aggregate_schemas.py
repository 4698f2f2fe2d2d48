"""The schemas of these node types and the readers of their parameters say the same."""

import copy
import json
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pytest

from meterhouse.core.problem import DefinitionError
from meterhouse.streams.graph import load_graph
from tests.streams.documents import chain, node, noop, reader

VERSIONS = {"transforms/date": 1, "transforms/data_aggregate": 3, "transforms/script_aggregate": 2}


def schema(type_: str) -> dict[str, Any]:
    name = f"schemas/{type_.replace('/', '.')}.json"
    return json.loads((files("meterhouse.streams.nodes") / name).read_text("utf-8"))


def is_read(type_: str, params: Any) -> bool:
    made = {**node("n", type_), "params": params, "schemaVersion": VERSIONS[type_]}
    try:
        load_graph(chain(reader(), made, noop()))
    except DefinitionError:
        return False
    return True


def changed(value: Any, wrong: Any):
    """The same value with each of its inner values changed in turn."""
    if isinstance(value, dict):
        for name in value:
            yield {**value, name: wrong}
            yield from ({**value, name: inner} for inner in changed(value[name], wrong))
            if name not in ("alias", "mode"):
                yield {key: item for key, item in value.items() if key != name}
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield [*value[:place], wrong, *value[place + 1 :]]
            for inner in changed(item, wrong):
                yield [*value[:place], inner, *value[place + 1 :]]


@pytest.mark.parametrize("type_", VERSIONS)
@pytest.mark.parametrize("wrong", [{}, -5, "no such word", [7], True])
def test_examples_with_one_value_changed_are_judged_alike(type_, wrong):
    whole = schema(type_)
    validator = jsonschema_rs.validator_for(whole["params"])
    assert whole["title"] and whole["summary"] and whole["kind"] == "processor"
    seen = set()
    for example in whole["params"]["examples"]:
        assert is_read(type_, example) and validator.is_valid(example)
        for params in changed(copy.deepcopy(example), wrong):
            seen.add(is_read(type_, params))
            # Formats are read by the reader alone: the schema knows that they are texts.
            if f'Format": {json.dumps(wrong)}' not in json.dumps(params):
                assert validator.is_valid(params) == is_read(type_, params), params
    assert False in seen
