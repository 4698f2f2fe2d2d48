"""Evolution against the library: what we let pass, it reads; what we refuse has an example each."""

from __future__ import annotations

import copy
import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from meterhouse.datasets.evolution import evolution_problems
from meterhouse.datasets.schema import DatasetSchema, read_schema

PRIMITIVES = ("boolean", "int", "long", "float", "double", "bytes", "string")
VALUES: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "int": 5,
    "long": 5_000_000_000,
    "float": 1.5,
    "double": 2.5,
    "bytes": b"ab",
    "string": "ab",
}
DEFAULTS = VALUES | {"bytes": "ab"}


def document(fields: list[dict[str, Any]], version: str = "1.0.0") -> dict[str, Any]:
    key = {"name": "ID", "type": "string", "x-fp-unique-constraint": 1}
    return {
        "type": "record",
        "name": "A",
        "namespace": "x.y",
        "x-fp-version": version,
        "fields": [key, *fields],
    }


def schema_of(*fields: dict[str, Any], version: str = "1.0.0") -> DatasetSchema:
    return read_schema(document(list(fields), version))


def value_of(kind: Any, named: dict[str, Any], *, branch: int = 0) -> Any:
    """Return a value of a type; ``branch`` chooses among those of unions."""
    if isinstance(kind, list):
        return value_of(kind[branch % len(kind)], named, branch=branch)
    if isinstance(kind, str):
        return VALUES[kind] if kind in VALUES else value_of(named[kind], named, branch=branch)
    named.setdefault(kind.get("name", ""), kind)
    match kind["type"]:
        case "enum":
            return kind["symbols"][branch % len(kind["symbols"])]
        case "fixed":
            return b"z" * kind["size"]
        case "array":
            return [value_of(kind["items"], named, branch=branch)] * 2
        case "map":
            return {"k": value_of(kind["values"], named, branch=branch)}
        case "record":
            return {f["name"]: value_of(f["type"], named, branch=branch) for f in kind["fields"]}
        case base:
            return VALUES[base]


def rows_of(doc: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rows in which each branch and each symbol occurs."""
    rows = []
    for branch in range(4):
        named: dict[str, Any] = {}
        rows.append({f["name"]: value_of(f["type"], named, branch=branch) for f in doc["fields"]})
    return rows


def read_by(new: dict[str, Any], old: dict[str, Any]) -> list[Any]:
    """Write rows by one schema and read them by another, as the library does."""
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(copy.deepcopy(old)), rows_of(old))
    out.seek(0)
    return list(fastavro.reader(out, fastavro.parse_schema(copy.deepcopy(new))))


# ------------------------------------------------------------------ generated schemas

_numbers = iter(range(10**9))


@st.composite
def types(draw: st.DrawFn, depth: int = 2) -> Any:
    kinds = ["primitive", "marked", "enum", "fixed"]
    kinds += ["array", "map", "record", "union", "nullable"] if depth else []
    match draw(st.sampled_from(kinds)):
        case "primitive":
            return draw(st.sampled_from(PRIMITIVES))
        case "marked":
            return {
                "type": "string",
                "logicalType": draw(st.sampled_from(["datetime", "iso-date"])),
            }
        case "enum":
            symbols = draw(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True))
            name = f"E{next(_numbers)}"
            return {"type": "enum", "name": name, "symbols": symbols, "default": symbols[0]}
        case "fixed":
            return {"type": "fixed", "name": f"X{next(_numbers)}", "size": draw(st.integers(1, 4))}
        case "array":
            return {"type": "array", "items": draw(types(depth - 1))}
        case "map":
            return {"type": "map", "values": draw(types(depth - 1))}
        case "record":
            inner = draw(st.lists(types(depth - 1), min_size=1, max_size=3))
            fields = [{"name": f"f{n}", "type": kind} for n, kind in enumerate(inner)]
            return {"type": "record", "name": f"R{next(_numbers)}", "fields": fields}
        case "union":
            branches = draw(st.lists(st.sampled_from(PRIMITIVES), min_size=2, unique=True))
            return [*branches[:3], {"type": "enum", "name": f"E{next(_numbers)}", "symbols": ["a"]}]
        case _:
            kind = draw(types(depth - 1))
            return kind if isinstance(kind, list) else ["null", kind]


@st.composite
def changed_types(draw: st.DrawFn, kind: Any) -> Any:
    """Return the type as it is, or changed in a way that may or may not be read."""
    if draw(st.booleans()):
        return kind
    if isinstance(kind, list):
        return draw(changed_unions(kind))
    choice = draw(st.integers(0, 5))
    if choice == 0:
        return draw(types(1))
    if choice == 1:
        return ["null", kind] if kind != "null" else kind
    if isinstance(kind, str):
        return draw(st.sampled_from(PRIMITIVES))
    return draw(changed_parts(kind))


@st.composite
def changed_unions(draw: st.DrawFn, kind: list[Any]) -> Any:
    changed = [draw(changed_types(branch)) for branch in kind]
    changed = [branch for branch in changed if not isinstance(branch, list)]
    more = draw(st.lists(st.sampled_from(["null", *PRIMITIVES]), max_size=2))
    changed += [branch for branch in more if branch not in changed]
    return changed[draw(st.integers(0, 1)) :] or kind


@st.composite
def changed_parts(draw: st.DrawFn, kind: dict[str, Any]) -> Any:
    changed = dict(kind)
    match kind["type"]:
        case "enum":
            more = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=4))
            kept = kind["symbols"] if draw(st.booleans()) else kind["symbols"][:1]
            changed["symbols"] = list(dict.fromkeys([*kept, *more]))
            if draw(st.booleans()):
                changed |= {"name": f"E{next(_numbers)}", "aliases": [kind["name"]]}
        case "fixed":
            changed["size"] = draw(st.integers(1, 4))
        case "array":
            changed["items"] = draw(changed_types(kind["items"]))
        case "map":
            changed["values"] = draw(changed_types(kind["values"]))
        case "record":
            changed["fields"] = draw(changed_fields(kind["fields"]))
        case _:
            changed["logicalType"] = draw(st.sampled_from(["datetime", "iso-date"]))
    return changed


@st.composite
def changed_fields(draw: st.DrawFn, fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for field in fields:
        change = draw(st.integers(0, 9))
        if change == 0:
            continue
        changed = field | {"type": draw(changed_types(field["type"]))}
        if change == 1:
            changed |= {"name": f"r{next(_numbers)}", "aliases": [field["name"]]}
        made.append(changed)
    if draw(st.booleans()):
        kind = draw(st.sampled_from(PRIMITIVES))
        added: dict[str, Any] = {"name": f"n{next(_numbers)}", "type": ["null", kind]}
        if draw(st.integers(0, 4)):
            added["default"] = None
        if draw(st.booleans()):
            added = {"name": added["name"], "type": kind, "default": DEFAULTS[kind]}
        made.append(added)
    order = draw(st.permutations(made)) if draw(st.booleans()) else made
    return list(order) or [fields[0]]


@st.composite
def two_versions(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    kinds = draw(st.lists(types(), min_size=1, max_size=4))
    fields = [{"name": f"f{number}", "type": kind} for number, kind in enumerate(kinds)]
    if draw(st.booleans()):
        named = {"type": "enum", "name": "Shared", "symbols": ["a", "b"], "default": "a"}
        fields += [{"name": "s1", "type": named}, {"name": "s2", "type": ["null", "Shared"]}]
    after = draw(changed_fields(fields))
    return document(fields), document(after, "1.1.0")


def _readable(doc: dict[str, Any]) -> DatasetSchema:
    try:
        fastavro.parse_schema(copy.deepcopy(doc))
        return read_schema(doc)
    except Exception:
        assume(False)
        raise


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(two_versions())
def test_what_may_follow_reads_what_was_written_before(versions):
    old, new = versions
    before, after = _readable(old), _readable(new)
    refused = evolution_problems(before, after)
    event("refused" if refused else "may follow")
    if refused:
        return
    rows = read_by(new, old)
    assert len(rows) == 4
    names = {field["name"]: field for field in new["fields"]}
    assert all(set(row) == set(names) for row in rows)
    for field, wrote in zip(
        old["fields"], zip(*[r.values() for r in rows_of(old)], strict=True), strict=True
    ):
        now = next(f for f in new["fields"] if field["name"] in (f["name"], *f.get("aliases", [])))
        if isinstance(field["type"], str):
            assert [row[now["name"]] for row in rows] == list(wrote)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(two_versions())
def test_a_schema_may_follow_itself_and_any_other_major(versions):
    old, new = versions
    before = _readable(old)
    assert evolution_problems(before, before) == []
    assert evolution_problems(before, _readable(new | {"x-fp-version": "2.0.0"})) == []


# ------------------------------------------------------------------ what is refused

STRING = {"name": "F", "type": "string"}
ENUM = {"type": "enum", "name": "E", "symbols": ["a", "b"], "default": "a"}
INNER = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}
DAY = {"type": "string", "logicalType": "iso-date"}


def typed(kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": "F", "type": kind, **more}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ([STRING], [], "F: is removed"),
        ([STRING], [{"name": "G", "type": "string"}], "F: is removed"),
        ([], [STRING], "F: is added without a default"),
        ([STRING], [typed("int")], "F: is int, and was string"),
        ([typed("long")], [typed("int")], "F: is int, and was long"),
        ([typed("long")], [typed("double")], "F: is double, and was long"),
        ([typed("int")], [typed("float")], "F: is float, and was int"),
        ([typed("string")], [typed("bytes")], "F: is bytes, and was string"),
        ([typed(["null", "string"])], [STRING], "F: may be null in old files"),
        ([typed(["int", "string"])], [typed(["null", "int"])], "F: may be string in old files"),
        ([typed("string")], [typed(DAY)], "marked otherwise"),
        ([typed(ENUM)], [typed(ENUM | {"symbols": ["a"]})], "F: has lost the symbols b"),
        ([typed(ENUM)], [typed(ENUM | {"default": "b"})], "F: has the default b, and had a"),
        ([typed(ENUM)], [typed(ENUM | {"name": "G"})], "F: is enum G, and was enum E"),
        (
            [typed({"type": "fixed", "name": "X", "size": 2})],
            [typed({"type": "fixed", "name": "X", "size": 3})],
            "F: has 3 bytes, and had 2",
        ),
        (
            [typed({"type": "array", "items": "string"})],
            [typed({"type": "array", "items": "int"})],
            "F[]: is int, and was string",
        ),
        (
            [typed(INNER)],
            [typed(INNER | {"fields": [{"name": "y", "type": "int", "default": 1}]})],
            "F.x: is removed",
        ),
        ([typed("int", default=1)], [typed("int")], "F: has lost its default"),
        (
            [typed("int"), {"name": "G", "type": "int"}],
            [typed("int", aliases=["G"])],
            "G: becomes F, as F does",
        ),
        ([STRING], [STRING | {"x-fp-unique-constraint": 1}], "key 1: is ID, F, and was ID"),
        (
            [typed(DAY)],
            [typed(DAY, **{"x-fp-partition-key": True})],
            "partition: is F, and was none",
        ),
    ],
)
def test_each_kind_of_refusal(old: list[Any], new: list[Any], said: str):
    found = evolution_problems(schema_of(*old), schema_of(*new, version="1.1.0"))
    assert any(said in str(problem) for problem in found), found
    assert all(problem.hint for problem in found)


def test_all_refusals_are_told_at_once():
    old = schema_of(STRING, {"name": "G", "type": "long"}, {"name": "H", "type": "int"})
    new = schema_of({"name": "G", "type": "int"}, {"name": "N", "type": "int"}, version="1.1.0")
    found = [problem.place for problem in evolution_problems(old, new)]
    assert found == ["F", "G", "H", "N"]


def test_another_name_is_another_dataset():
    other = read_schema(document([]) | {"name": "B"})
    [found] = evolution_problems(schema_of(), other)
    assert found.place == "name"


def test_a_key_may_be_renamed_by_an_alias():
    new = document([])
    new["fields"][0] |= {"name": "KEY", "aliases": ["ID"]}
    assert evolution_problems(schema_of(), read_schema(new | {"x-fp-version": "1.1.0"})) == []
    assert [row["KEY"] for row in read_by(new, document([]))] == ["ab"] * 4


def test_json_of_generated_schemas_is_json():
    json.dumps(document([typed(ENUM), typed(INNER)]))
