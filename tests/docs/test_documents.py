"""The handbook is held to the code: its blocks parse and run, its links lead somewhere."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterhouse.core import guiding_rule, meter, meter_type, threshold
from meterhouse.core.suspense import Reason
from meterhouse.streams import schedule, schedule_rule
from meterhouse.streams.graph import load_graph
from meterhouse.streams.nodes.catalogue import NODE_TYPES

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/**/README.md"),
    ]
)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return [block for name, block in _BLOCK.findall(text) if name == language]


def section(page: str, heading: str) -> str:
    """The text under a heading, up to the next one of the same level."""
    _, found, rest = text_of(page).partition(f"\n{heading}\n")
    assert found, f"{page} has no {heading}"
    level = heading.partition(" ")[0]
    return rest.partition(f"\n{level} ")[0]


def bash(script: str, *, cwd: Path, seconds: int = 60) -> str:
    scripts = Path(sys.executable).parent
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "HOME": str(cwd), "PYTHONUTF8": "1"}
    environment.pop("METERHOUSE_DATA", None)
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---------------------------------------------------------------- blocks


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_json_block_parses(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8"), "json"):
        json.loads(block)


def _json_after(page: str, heading: str, number: int = 0) -> dict:
    return json.loads(blocks(section(page, heading), "json")[number])


def test_the_meter_type_shown_is_one_and_has_every_field() -> None:
    body = _json_after("docs/definitions.md", "## Meter types")
    meter_type.MeterType.from_api(body, id="x", at=0)
    assert set(body) == set(meter_type._WRITABLE)


def test_the_meter_shown_is_one() -> None:
    body = _json_after("docs/definitions.md", "## Meters")
    assert meter.NewMeter.from_api(body)[1] == []


def test_the_stream_shown_is_one() -> None:
    assert len(load_graph(_json_after("docs/definitions.md", "## Streams")).nodes) == 4


def test_the_schedules_shown_are_all_that_there_are() -> None:
    bodies = [json.loads(b) for b in blocks(section("docs/definitions.md", "## Schedules"), "json")]
    rules = [schedule.read_schedule(body)[0] for body in bodies]
    assert [rule.body["interval"] for rule in rules] == list(schedule_rule._FIELDS)


def test_the_guiding_rule_shown_is_one() -> None:
    body = _json_after("docs/definitions.md", "## Guiding rules")
    assert guiding_rule.read_rules([body])[1] == []


@pytest.mark.parametrize("name", NODE_TYPES)
def test_the_parameters_shown_of_a_node_are_understood(name: str) -> None:
    params = _json_after("docs/nodes.md", f"## {name}")
    nodes = [{"id": "node", "type": name, "params": params}]
    edges = []
    if not name.startswith("readers/"):
        nodes.append({"id": "in", "type": "readers/counter", "params": {"max": 1}})
        edges.append({"from": "in", "to": "node"})
    graph = load_graph({"name": "shown", "nodes": nodes, "edges": edges})
    assert graph.node("node") is not None


# ---------------------------------------------------------------- running


def test_the_first_case_of_the_readme_runs_and_then_its_server_and_its_library_lines(
    tmp_path: Path,
) -> None:
    part = section("README.md", "## Your own first case")
    (case,) = blocks(part, "sh")
    printed = bash(case, cwd=tmp_path)
    golden = json.loads(printed.splitlines()[-1])
    assert (golden["userId"], golden["value"]) == ("ann", 3.1)
    assert "no_meter_found" in printed
    folder = tmp_path / "first-case"
    (written,) = (folder / "out").glob("golden-*.csv")
    assert written.stem != "golden-"
    (server,) = blocks(section("README.md", "## As a server"), "sh")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    settings = 'export METERHOUSE_DATA=./data; trap "kill %1" EXIT\n'
    answered = bash(settings + server.replace("8080", port), cwd=folder)
    assert '"userId":"ann"' in answered
    (library,) = blocks(section("README.md", "## As a library"), "python")
    assert _python(library, cwd=folder).startswith("2 [SuspendedRecord(")


def test_the_complete_example_of_the_definitions_runs(tmp_path: Path) -> None:
    (example,) = blocks(text_of("docs/definitions.md"), "sh")
    lines = bash(example, cwd=tmp_path).splitlines()
    chat, rest = (json.loads(line) for line in lines[-2:])
    assert (chat["value"], rest["value"]) == (52.5, 1)
    assert "reachedAt" in chat["thresholds"][0]


def test_the_library_page_runs() -> None:
    code = "\n".join(blocks(text_of("docs/library.md"), "python"))
    printed = _python(code, cwd=ROOT).splitlines()
    assert printed == re.findall(r"print\(.*\)  # (.*)$", code, re.MULTILINE)


@pytest.mark.parametrize(
    ("example", "shown"),
    [
        ("aura", "LICEO_ESP_202610_LICEO-2026-000001_v01.xlsx"),
        ("botbot", "L"),
        ("files", '"meterTypeName":"'),
        ("printing", "Pay-Per-Print"),
        ("streaming", ","),
    ],
)
def test_the_commands_of_an_example_run_as_its_readme_shows_them(
    example: str, shown: str, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (console, *_) = blocks(text_of(f"examples/{example}/README.md"), "console")
    assert shown in bash(_typed(console), cwd=tmp_path, seconds=300).splitlines()[-1]


def _typed(console: str) -> str:
    """What a reader types: the lines after the prompts, with the key that the import shows."""
    commands = [line.strip() for line in re.findall(r"^\$ ((?:.*\\\n)*.*)$", console, re.M)]
    lines = []
    for command in commands:
        line = command.replace("THE-KEY", '"$KEY"').replace(".venv/bin/python", "python")
        if line.startswith("meterhouse stream import"):
            imported, key = line.partition("#")[0], r"s/^meter key of .* //p"
            line = f"IMPORTED=$({imported}); KEY=$(sed -n '{key}' <<< \"$IMPORTED\")"
        lines.append(line)
    return "\n".join(lines)


def _python(code: str, *, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---------------------------------------------------------------- completeness


def test_every_node_type_is_in_the_table_with_its_version() -> None:
    table = re.findall(
        r"^\| \[`([a-z_/]+)`\]\(#\w+\) \| ([\d, ]+) \|", text_of("docs/nodes.md"), re.M
    )
    known = {name: type_.versions for name, type_ in NODE_TYPES.items()}
    assert {name: frozenset(map(int, versions.split(","))) for name, versions in table} == known


def test_every_reason_code_has_its_row_in_order_of_precedence() -> None:
    part = section("docs/records.md", "### Reason codes")
    assert re.findall(r"^\| `(\w+)` \|", part, re.M) == [reason.value for reason in Reason]


def test_every_meter_type_field_and_limit_is_named() -> None:
    part = section("docs/definitions.md", "## Meter types")
    rows = set(re.findall(r"^\| `(\w+)` \|", part, re.M))
    assert set(meter_type._WRITABLE) <= rows
    assert {"minute", "hour", "day", "month", "weekday"} <= rows
    assert all(f"`{name}`" in part for name in meter_type._READ_ONLY if name != "accountId")
    limits = (
        meter_type.NAME_CHARS_MAX,
        meter_type.DESCRIPTION_CHARS_MAX,
        meter_type.EXTERNAL_REF_CHARS_MAX,
        threshold.THRESHOLDS_MAX,
    )
    assert all(f"at most {limit}" in part for limit in limits)


def test_every_meter_field_is_named() -> None:
    part = section("docs/definitions.md", "## Meters")
    assert [name for name in meter._CREATABLE if f"`{name}`" not in part] == []


# ---------------------------------------------------------------- links


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _broken(page: Path) -> Iterator[str]:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert list(_broken(page)) == []


def test_the_pages_are_reached_from_the_readme_and_the_handbook() -> None:
    names = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    for start in ("README.md", "docs/README.md"):
        linked = {Path(link).name for link in _LINK.findall(text_of(start))}
        assert names <= linked, start
