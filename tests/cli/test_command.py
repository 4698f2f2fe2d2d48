"""What declaring a command adds to it."""

from typing import Annotated

import pytest
import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.options import new_group

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The name.")]
_Loud = Annotated[bool, typer.Option("--loud", help="Say it loud.")]


def _group(said: list[object], *, lists: bool) -> typer.Typer:
    group = new_group("A group.")
    group.callback()(lambda: None)

    @command(group, "meterhouse thing greet Ann", lists=lists)
    def greet_(call: Call, name: _Name, *, loud: _Loud = False) -> None:
        """Greet somebody."""
        said.extend([name, loud, call.data, call.as_json, call.limit])

    return group


def _run(group: typer.Typer, *words: str) -> None:
    group(args=["greet", *words], standalone_mode=False)


def test_a_command_has_a_data_directory_and_json_beside_its_own_options() -> None:
    said: list[object] = []
    _run(_group(said, lists=False), "Ann", "--loud", "--json")
    assert said == ["Ann", True, None, True, None]


def test_a_list_asks_for_one_more_than_its_limit() -> None:
    said: list[object] = []
    _run(_group(said, lists=True), "Ann", "--limit", "7")
    assert said[-1] == 8


def test_a_list_asked_for_all_has_no_limit() -> None:
    said: list[object] = []
    _run(_group(said, lists=True), "Ann", "--limit", "7", "--all")
    assert said[-1] is None


def test_a_command_that_is_no_list_refuses_a_limit() -> None:
    with pytest.raises(typer.exceptions.TyperException, match="No such option"):
        _run(_group([], lists=False), "Ann", "--limit", "7")
