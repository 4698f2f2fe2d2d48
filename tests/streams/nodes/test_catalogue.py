"""The catalogue of node types: every type is described, documented, tested, and says what is so."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from meterhouse.core.problem import DefinitionError, NotFoundError
from meterhouse.core.reading import Reading
from meterhouse.streams.graph import load_graph
from meterhouse.streams.nodes import catalogue
from meterhouse.streams.nodes.catalogue import NODE_TYPES, described_type, described_types
from meterhouse.streams.nodes.description import type_id
from meterhouse.streams.nodes.packages import NodePackageBroken
from meterhouse.streams.nodes.parameter_names import read_params
from meterhouse.streams.parameters import exact

ROOT = Path(__file__).parents[3]
NODES = ROOT / "src" / "meterhouse" / "streams" / "nodes"
GRAPHS = Path(os.environ.get("METERHOUSE_TEST_DATA", "")) / "reference" / "stream_graphs"
ALL = pytest.mark.parametrize("name", sorted(NODE_TYPES))

# ---------------------------------------------------------------- nothing is missing


def _lacks() -> Iterator[str]:
    """What node types lack, one line each."""
    documented = (ROOT / "docs" / "nodes.md").read_text("utf-8")
    listed = (NODES / "README.md").read_text("utf-8")
    tests = [
        path.read_text("utf-8")
        for path in (ROOT / "tests").rglob("test_*.py")
        if path != Path(__file__) and path.name not in ("test_documents.py", "test_graph.py")
    ]
    for name in NODE_TYPES:
        schema = NODES / "schemas" / f"{type_id(name)}.json"
        if not schema.exists():
            yield f"{name} has no schema: write {schema.relative_to(ROOT)}"
        if f"\n## {name}\n" not in documented:
            yield f'{name} has no section in docs/nodes.md: write one below "## {name}"'
        if f"(#{name.replace('/', '')})" not in documented:
            yield f"{name} has no line in the table of docs/nodes.md"
        if f"`{name}`" not in listed:
            yield f"{name} has no line in {(NODES / 'README.md').relative_to(ROOT)}"
        if not any(f'"{name}"' in text for text in tests):
            yield f'{name} has no test: no tests/**/test_*.py runs a node of type "{name}"'


def test_every_node_type_has_a_schema_a_section_of_the_handbook_and_a_test():
    lacks = list(_lacks())
    assert not lacks, "\n".join(lacks)


def test_every_schema_is_of_a_node_type():
    known = {f"{type_id(name)}.json" for name in NODE_TYPES}
    assert {path.name for path in (NODES / "schemas").glob("*.json")} <= known


# ---------------------------------------------------------------- schema and reader agree

#: One value of each type that JSON has.
VALUES: tuple[Any, ...] = (None, True, 7, -1, 1.5, "x", [], ["x"], {}, {"x": "x"})
#: Where the reader knows more of types than the schema can say: type, place, and why.
KNOWN_TO_READER = {
    ("transforms/validate", "schema"): "what is a JSON Schema is said by its own meta-schema",
}


def _json_type(value: Any) -> str:
    if isinstance(value, float):
        return "fraction"
    return type(value).__name__


def _reader_fault(name: str, params: Any) -> str | None:
    reading = Reading(exact(params), what="parameters")
    read = read_params(NODE_TYPES[name], reading)
    assert (read is None) == bool(reading.problems), f"{name} gives both or neither: {params}"
    return "; ".join(map(str, reading.problems)) or None


def _schema_fault(name: str, params: Any) -> str | None:
    schema = described_type(name).params
    validator = jsonschema_rs.validator_for(json.dumps(schema), offline=True)
    try:
        validator.validate(params)
    except jsonschema_rs.ValidationError as error:
        return f"{'.'.join(map(str, error.instance_path))}: {error.message}"
    return None


def _without_nulls(value: Any) -> Any:
    """A member that is null counts as absent."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value inside of a value, with the way to it."""
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*place, step), inner
            yield from _places(inner, (*place, step))


def _changed(params: Any, place: tuple[Any, ...], value: Any) -> Any:
    made = inner = deepcopy(params)
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return made


def _changes(name: str) -> Iterator[tuple[tuple[Any, ...], Any, Any, Any]]:
    for example in described_type(name).params["examples"]:
        for place, old in _places(example):
            for new in VALUES:
                if new != old:
                    yield place, old, new, _changed(example, place, new)


def _disagreement(name: str, change: tuple[tuple[Any, ...], Any, Any, Any]) -> str | None:
    place, old, new, params = change
    reader, schema = _reader_fault(name, params), _schema_fault(name, _without_nulls(params))
    if (reader is None) == (schema is None):
        return None
    what = f"{'.'.join(map(str, place))} = {json.dumps(new)} instead of {json.dumps(old)}"
    if reader is None:
        return f"{what}: the reader takes it, the schema says {schema}"
    # Of one value with another, and of what a text says, the reader may know more.
    free = _json_type(old) == _json_type(new) or new is None
    if free or (name, str(place[0])) in KNOWN_TO_READER:
        return None
    return f"{what}: the schema takes it, the reader says {reader}"


@ALL
def test_the_examples_of_a_schema_are_taken_by_the_reader_and_by_the_schema(name: str):
    faults = [
        (example, _reader_fault(name, example), _schema_fault(name, example))
        for example in described_type(name).params["examples"]
    ]
    assert [fault for fault in faults if fault[1:] != (None, None)] == []


@ALL
def test_every_parameter_is_in_some_example(name: str):
    params = described_type(name).params
    shown = {key for example in params["examples"] for key in example}
    deprecated = {k for k, v in params.get("properties", {}).items() if v.get("deprecated")}
    assert set(params.get("properties", {})) - deprecated == shown


@ALL
def test_every_parameter_has_a_title(name: str):
    properties = described_type(name).params.get("properties", {})
    untitled = [k for k, v in properties.items() if "title" not in v and "$ref" not in v]
    assert untitled == []


@ALL
def test_the_reader_and_the_schema_agree_on_examples_with_one_value_changed(name: str):
    found = [said for change in _changes(name) if (said := _disagreement(name, change))]
    assert not found, f"{name}:\n" + "\n".join(found)


def _misspelt(params: Any, place: tuple[Any, ...], name: str) -> Any:
    """The parameters with the last name of a place written otherwise."""
    made = inner = deepcopy(params)
    for step in place[:-1]:
        inner = inner[step]
    inner[name] = inner.pop(place[-1])
    return made


@ALL
def test_a_misspelt_version_of_every_parameter_is_refused(name: str):
    taken = []
    known = described_type(name).params.get("properties", {})
    for example in described_type(name).params["examples"]:
        for key in example:
            for wrong in {key.swapcase(), f"{key}s", key[:-1] or f"{key}x"} - set(known):
                fault = _reader_fault(name, _misspelt(example, (key,), wrong)) or ""
                if f"{wrong}: is not a known field (did you mean " not in fault:
                    taken.append((wrong, fault))
    assert taken == []


@ALL
def test_a_parameter_that_no_node_has_is_refused(name: str):
    (example, *_) = described_type(name).params["examples"]
    assert "qqqqq: is not a known field" in (_reader_fault(name, {**example, "qqqqq": 1}) or "")


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        (
            "transforms/filter",
            {"condition": "true", "suspenseManagement": {"eventTreshold": 5}},
            "suspenseManagement.eventTreshold: is not a known field (did you mean eventThreshold?",
        ),
        (
            "transforms/data_aggregate",
            {"groupKeys": [{"field": "a", "operationtype": "MONTH"}], "operations": []},
            "groupKeys[0].operationtype: is not a known field (did you mean operationType?",
        ),
        (
            "transforms/data_aggregate",
            {
                "groupKeys": [{"field": "a"}],
                "operations": [{"field": "b", "type": "SUM", "Alias": "c"}],
            },
            "operations[0].Alias: is not a known field (did you mean alias?",
        ),
        (
            "transforms/date",
            {"items": [{"field": "a", "mode": "modify", "outputformat": "YYYY"}]},
            "items[0].outputformat: is not a known field (did you mean outputFormat?",
        ),
        (
            "transforms/xmap",
            {"mappings": [], "keepFields": {"enabled": True, "Except": ["a"]}},
            "keepFields.Except: is not a known field (did you mean except?",
        ),
        (
            "transforms/script_aggregate",
            {"groupByRules": [{"fields": ["a"], "field": "b"}], "onTransform": "x"},
            "groupByRules[0].field: is not a known field (did you mean fields?",
        ),
    ],
)
def test_a_misspelt_name_inside_of_a_parameter_is_refused(name: str, params: Any, said: str):
    assert said in (_reader_fault(name, params) or "")


@pytest.mark.skipif(not GRAPHS.is_dir(), reason="METERHOUSE_TEST_DATA has no stream graphs")
def test_the_parameters_of_real_exports_satisfy_the_schemas():
    nodes = [
        (path.name, node)
        for path in sorted(GRAPHS.glob("*.json"))
        for node in json.loads(path.read_text("utf-8"))["nodes"]
        if node["type"] in NODE_TYPES
    ]
    assert len(nodes) > 100
    faults = [
        (file, node["name"], fault)
        for file, node in nodes
        if (fault := _schema_fault(node["type"], _without_nulls(node["params"])))
    ]
    assert faults == []


@pytest.mark.skipif(not GRAPHS.is_dir(), reason="METERHOUSE_TEST_DATA has no stream graphs")
def test_real_exports_are_read_with_all_names_that_they_hold():
    for path in sorted(GRAPHS.glob("*.json")):
        load_graph(json.loads(path.read_text("utf-8")))


def test_a_type_is_found_by_its_name_and_by_its_name_with_a_dot():
    assert described_type("transforms/meter") is described_type("transforms.meter")
    with pytest.raises(NotFoundError, match=re.escape('no node type "transforms/metre"')):
        described_type("transforms.metre")


# ---------------------------------------------------------------- other packages

(MODULE,) = re.findall(
    r"^```python\n(.*?)^```$",
    (ROOT / "docs" / "nodes.md").read_text("utf-8").partition("## Types of your own")[2],
    re.MULTILINE | re.DOTALL,
)
STREAM: dict[str, Any] = {
    "name": "Doubled",
    "nodes": [
        {"id": "in", "type": "readers/counter", "params": {"max": 3}},
        {"id": "twice", "type": "transforms/double", "params": {"field": "value"}},
        {"id": "out", "type": "writers/log"},
    ],
    "edges": [{"from": "in", "to": "twice"}, {"from": "twice", "to": "out"}],
}


class Packages:
    """A folder on the path of modules, into which distributions are put as installers do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, module: str = MODULE, *, point: str = "transforms.double") -> None:
        code = name.replace("-", "_")
        (self.folder / f"{code}.py").write_text(module, "utf-8")
        dist = self.folder / f"{code}-1.2.dist-info"
        dist.mkdir()
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n"
        (dist / "METADATA").write_text(head, "utf-8")
        points = f"[meterhouse.nodes]\n{point} = {code}:TYPE\n"
        (dist / "entry_points.txt").write_text(points, "utf-8")
        (dist / "RECORD").write_text("", "utf-8")
        (dist / "INSTALLER").write_text("pip\n", "utf-8")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield Packages(folder)
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(folder)):
            del sys.modules[name]


def _process(packages: Packages, *words: str) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(packages.folder), *filter(None, sys.path)])
    data = str(packages.folder.parent / "data")
    return subprocess.run(
        [sys.executable, "-m", "meterhouse", "--data", data, *words],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_type_of_a_package_runs_and_is_shown_like_our_own(packages: Packages):
    packages.install("acme-nodes")
    document = packages.folder / "stream.json"
    document.write_text(json.dumps(STREAM), "utf-8")
    imported = _process(packages, "stream", "import", str(document))
    assert imported.returncode == 0, imported.stderr
    ran = _process(packages, "stream", "run", "Doubled")
    assert [json.loads(line) for line in re.findall(r"{.*}", ran.stderr)] == [
        {"value": 2},
        {"value": 4},
        {"value": 6},
    ], ran.stderr
    shown = json.loads(
        _process(packages, "node-type", "show", "transforms/double", "--json").stdout
    )
    assert (shown["title"], shown["package"]) == ("Double", "acme-nodes 1.2")
    assert [found.type.name for found in described_types()][-1] == "transforms/double"


def test_the_parameters_of_a_packaged_type_are_read_by_its_own_reader(packages: Packages):
    packages.install("acme-nodes")
    stream = deepcopy(STREAM)
    stream["nodes"][1]["params"] = {"field": 5}
    with pytest.raises(DefinitionError, match=r"params\.field: is 5, not a text"):
        load_graph(stream)


BROKEN = {
    "raises": ("import nowhere_at_all", "cannot be imported: ModuleNotFoundError"),
    "no type": ("TYPE = 5", "which is a int, no NodeType"),
    "no schema": (MODULE.replace(", read, SCHEMA)", ", read)"), "whose schema is wrong"),
    "bad schema": (
        MODULE.replace('"type": "string"', '"type": "strong"'),
        "params: is no JSON Schema",
    ),
    "bad example": (
        MODULE.replace('"examples": [{"field": "value"}]', '"examples": [{"field": 5}]'),
        "params: refuses its own example",
    ),
    "no example": (MODULE.replace('"examples": [{"field": "value"}],', ""), "has no examples"),
    "other kind": (MODULE.replace("processor", "collector"), 'kind: is "collector"'),
    "other name": (MODULE.replace("transforms/double", "transforms/x"), 'named "transforms/x"'),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_package_is_named_and_breaks_no_stream_that_does_without_it(
    packages: Packages, fault: str
):
    module, said = BROKEN[fault]
    packages.install("acme-nodes", module)
    with pytest.raises(NodePackageBroken, match=re.escape(said)) as raised:
        described_types()
    assert "acme-nodes 1.2" in str(raised.value)
    with pytest.raises(DefinitionError, match=re.escape(said)):
        load_graph(STREAM)
    plain = deepcopy(STREAM)
    plain["nodes"][1] = {
        "id": "twice",
        "type": "transforms/map",
        "params": {"mappings": [{"value": "value"}]},
    }
    assert len(load_graph(plain).nodes) == 3


def test_two_packages_with_one_type_are_both_named(packages: Packages):
    packages.install("acme-nodes")
    packages.install("zeta-nodes")
    message = "transforms.double is offered by acme-nodes 1.2 and zeta-nodes 1.2"
    with pytest.raises(NodePackageBroken, match=re.escape(message)):
        described_types()
    with pytest.raises(DefinitionError, match=re.escape(message)):
        load_graph(STREAM)


def test_a_package_cannot_take_the_place_of_our_own_type(packages: Packages):
    packages.install("acme-nodes", MODULE.replace("/double", "/map"), point="transforms.map")
    with pytest.raises(NodePackageBroken, match="a type of Meterhouse itself") as raised:
        described_types()
    assert "acme-nodes 1.2" in str(raised.value)
    assert catalogue.node_type("transforms/map") is NODE_TYPES["transforms/map"]


def test_help_imports_no_package(packages: Packages):
    packages.install("acme-nodes", "raise SystemExit('imported')")
    helped = _process(packages, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "node-type" in helped.stdout
