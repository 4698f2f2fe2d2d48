"""Whether the scripts of a stream are texts of their languages; none of them is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from meterhouse.core.problem import MeterhouseError, Problem
from meterhouse.streams.graph import Node, StreamGraph
from meterhouse.streams.nodes.script import ScriptParams
from meterhouse.streams.nodes.script_aggregate import ScriptAggregateParams
from meterhouse.streams.ports import JAVASCRIPT

#: A longer line is not shown.
_LINE_CHARS_MAX = 120


class ScriptChecker(Protocol):
    """Knows the languages of scripts."""

    def check_syntax(
        self, source: str, *, language: str, aggregates: bool
    ) -> Sequence[tuple[int, int, str]]:
        """Return lines and columns, from 1, where a text is no script, and why."""
        ...


def script_problems(graph: StreamGraph, checker: ScriptChecker) -> list[Problem]:
    """List the scripts that are not valid, each with its line.

    What cannot be checked here, because a language is not installed, the run will say.
    """
    problems = []
    for number, node in _by_place(graph):
        for part, source, language, aggregates in _scripts(node):
            try:
                faults = checker.check_syntax(source, language=language, aggregates=aggregates)
            except MeterhouseError:
                continue
            if faults:
                place = f"nodes[{number}].params.{part}"
                problems.append(Problem(place, _said(node, source, language, faults[0])))
    return problems


def script_warnings(graph: StreamGraph, checker: ScriptChecker) -> list[Problem]:
    """List what keeps scripts from doing anything: a stream with such scripts is kept as it is."""
    silent = [
        Problem(
            f"nodes[{number}].params",
            f'the script of node "{node.name}" is empty: no record leaves it',
            "push(payload) lets each go on",
        )
        for number, node in _by_place(graph)
        if is_silent(node)
    ]
    return [*script_problems(graph, checker), *silent]


def is_silent(node: Node) -> bool:
    """Whether it is a script that no record leaves, because it is empty."""
    return isinstance(node.params, ScriptParams | ScriptAggregateParams) and node.params.silent


def _by_place(graph: StreamGraph) -> list[tuple[int, Node]]:
    places = {item["id"]: number for number, item in enumerate(graph.document["nodes"])}
    return [(places[node.id], node) for node in graph.nodes]


def _scripts(node: Node) -> Iterator[tuple[str, str, str, bool]]:
    """Yield parts, sources, languages, and whether they are those of an aggregator."""
    params = node.params
    if isinstance(params, ScriptParams):
        yield "transform", params.transform, params.language, False
        if params.flush is not None:
            yield "onFlush", params.flush, params.language, False
    elif isinstance(params, ScriptAggregateParams):
        for part, source in params.scripts.items():
            if source is not None:
                yield part, source, JAVASCRIPT, True


def _said(node: Node, source: str, language: str, fault: tuple[int, int, str]) -> str:
    line, column, message = fault
    kind = "JavaScript" if language == JAVASCRIPT else "Python"
    text = f'is no valid {kind} in node "{node.name}": {message}, line {line}, column {column}'
    lines = source.splitlines()
    shown = lines[line - 1].replace("\t", " ") if 0 < line <= len(lines) else ""
    if not shown or len(shown) > _LINE_CHARS_MAX:
        return text
    return f"{text}\n    {shown}\n    {' ' * (column - 1)}^"
