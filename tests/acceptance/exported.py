"""Real exports of the original: their scripts were emptied, and are filled in from the folder.

``exports/<export>/<node in kebab case>.js`` is the script of a node of that export;
``<node>.onFlush.js`` is that parameter of it.
"""

import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Meterhouse

FOLDER = Path(os.environ.get("METERHOUSE_TEST_DATA", ""), "reference", "stream_graphs")
SCRIPTS = Path(__file__).parent / "exports"
needs_exports = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="METERHOUSE_TEST_DATA does not name a folder with stream_graphs"
)
JANUARY, FEBRUARY = "2026-01-20T12:00:00Z", "2026-02-01T00:00:00Z"
SEED = 7

#: Where the script of a node type stands.
_SCRIPT = {"transforms/script": "transform", "transforms/script_aggregate": "onTransform"}
#: These make or fold records; of all others, what came in is what became of it.
_FREE = {"transforms/script", "transforms/data_aggregate", "transforms/script_aggregate"}


def exported(name: str) -> dict[str, Any]:
    """An export as it is."""
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def filled(name: str, *taps: str, **replaced: str) -> dict[str, Any]:
    """An export with scripts. What its ends take is logged, and so is what the ``taps`` let out.

    ``replaced`` stand in the scripts in capitals.
    """
    document = exported(name)
    files = {file.name: file for file in (SCRIPTS / name).iterdir()}
    for node in document["nodes"]:
        if node["type"] in _SCRIPT:
            stem = re.sub(r"[^a-z0-9]+", "-", node["name"].lower()).strip("-")
            node["params"][_SCRIPT[node["type"]]] = _script(files.pop(f"{stem}.js"), replaced)
            if f"{stem}.onFlush.js" in files:
                node["params"]["onFlush"] = _script(files.pop(f"{stem}.onFlush.js"), replaced)
        if node["type"] == "writers/noop":
            node["type"] = "writers/log"
    assert not files, "every script has its node"
    for tap in taps:
        [tapped] = [node for node in document["nodes"] if node["name"] == tap]
        end = {"id": f"tap-{tap}", "type": "writers/log", "schemaVersion": 1, "params": {}}
        document["nodes"].append(end | {"name": f"After {tap}"})
        document["edges"].append({"id": end["id"], "from": tapped["id"], "to": end["id"]})
    return document


def _script(file: Path, replaced: dict[str, str]) -> str:
    text = file.read_text("utf-8")
    for name, value in replaced.items():
        text = text.replace(name.upper(), value)
    return text


def named(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A node by its name."""
    [node] = [node for node in document["nodes"] if node["name"] == name]
    return node


@dataclass(frozen=True)
class Ran:
    """A run that is complete: the counts of its nodes, and what was logged, by name of node."""

    id: str
    nodes: dict[str, dict[str, Any]]
    logged: dict[str, list[Any]]

    def figures(self, name: str) -> tuple[int, int, int, int]:
        """In, duplicates, suspended, metered."""
        node = self.nodes[name]
        return node["in"], node["duplicates"], node["suspended"], node["metered"]


def import_document(
    meterhouse: Meterhouse, document: dict[str, Any], *options: str
) -> dict[str, str]:
    """Import a document; the keys of its meter nodes."""
    return meterhouse.import_stream("-", *options, given=json.dumps(document))


def run(
    meterhouse: Meterhouse, document: dict[str, Any], *, at: str = JANUARY, seed: int = SEED
) -> Ran:
    """Run an imported document; no record is lost or made up, neither at nodes nor between them."""
    words = ("stream", "run", document["name"], "--at", at, "--seed", seed)
    [ended] = meterhouse.json(*words)
    assert (ended["status"], ended["error"]) == ("complete", None)
    _conserve(document, ended["nodes"])
    logged: dict[str, list[Any]] = defaultdict(list)
    for line in meterhouse.json("run", "show", ended["id"], "--log"):
        if line["text"].startswith(("{", "[")):
            logged[line["node"]].append(json.loads(line["text"]))
    return Ran(ended["id"], {node["name"]: node for node in ended["nodes"]}, logged)


def _conserve(document: dict[str, Any], counts: list[dict[str, Any]]) -> None:
    by_id = {count["id"]: count for count in counts}
    assert set(by_id) == {node["id"] for node in document["nodes"]}
    for count in counts:
        if count["type"] not in _FREE:
            set_aside = sum(count[kind] for kind in ("filtered", "duplicates", "suspended"))
            left = 0 if count["type"] == "transforms/meter" else sum(count["out"].values())
            assert count["in"] == left + set_aside + count["metered"], count
    given: dict[str, int] = defaultdict(int)
    for edge in document["edges"]:
        [source] = [node for node in document["nodes"] if node["id"] == edge["from"]]
        given[edge["to"]] += by_id[source["id"]]["out"][_port(source, edge.get("output"))]
    for node in document["nodes"]:
        if not node["type"].startswith("readers/"):
            assert by_id[node["id"]]["in"] == given[node["id"]], node["name"]


def _port(node: dict[str, Any], output: str | None) -> str:
    """The name of the port that an edge leaves by."""
    outputs = node["params"].get("multiOutput", {})
    names = {port["id"]: name for name, port in outputs.get("fixed", {}).items()}
    given = outputs.get("configurable", {}).get("outputs", [])
    names |= {port["id"]: port["name"] for port in given}
    if output is not None:
        return names[output]
    first = {"transforms/validate": "valid", "transforms/deduplicate": "unique"}
    return first.get(node["type"], "out")
