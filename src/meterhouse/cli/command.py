"""Declaring commands: the options that every command has are given to it, and to lists two more.

A command is a function of a ``Call`` and of its own arguments and options. Its docstring is its
help; ``--data`` and ``--json`` are added, and ``--limit`` and ``--all`` where it is a list. Options
that several commands share are a dataclass: a parameter of that type stands for all its fields.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from meterhouse.cli.installation import data_option, opened
from meterhouse.cli.options import LIMIT, AllOption, DataOption, JsonOption, LimitOption, examples
from meterhouse.cli.output import (
    Cell,
    Listing,
    limit_of,
    show_list,
    write_document,
    write_json,
    write_pairs,
    write_text,
)

if TYPE_CHECKING:
    from meterhouse.bootstrap import Installation

Item = TypeVar("Item")
_Command = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a command: the data directory it works on, and how its answer is written.

    ``limit`` is how many items a list asks for: see ``limit_of``.
    """

    context: typer.Context
    data: Path | None
    as_json: bool
    limit: int | None = None

    @property
    def directory(self) -> Path | None:
        """The data directory given on the command, or before the noun."""
        return data_option(self.context, self.data)

    def opened(self) -> AbstractContextManager[Installation]:
        """Open the installation; a command does so after it has read what it was given."""
        return opened(self.context, self.data)

    def show(self, items: Iterable[Item], listing: Listing[Item]) -> None:
        """Write a list as it was asked for."""
        show_list(items, listing, limit=self.limit, as_json=self.as_json)

    def write(self, body: Any) -> None:
        """Write one object: a line of JSON, or a document for people."""
        if self.as_json:
            write_json(body)
        else:
            write_document(body)

    def write_pairs(self, body: Any, pairs: Mapping[str, Cell]) -> None:
        """Write one object: a line of JSON, or names and values for people."""
        if self.as_json:
            write_json(body)
        else:
            write_pairs(pairs)

    def tell(self, body: Any, text: str) -> None:
        """Say what was done: a line of JSON, or a line for people."""
        if self.as_json:
            write_json(body)
        else:
            write_text(text)


def command(group: typer.Typer, *shown: str, lists: bool = False) -> Callable[[_Command], _Command]:
    """Declare a command of a group, named as its function; ``shown`` are examples of its use."""

    def declare(function: _Command) -> _Command:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

        def run(context: typer.Context, **given: Any) -> None:
            data, as_json = given.pop("data"), given.pop("as_json")
            limit = limit_of(given.pop("limit"), every=given.pop("every")) if lists else None
            function(Call(context, data, as_json, limit), **_gathered(own, given))

        shared = inspect.signature(_of_list if lists else _of_any, eval_str=True).parameters
        context, *rest = shared.values()
        _look_like(run, function, [context, *_spread(own), *rest])
        # One at the end is needed where the name is Python's own.
        name = function.__name__.rstrip("_").replace("_", "-")
        group.command(name, epilog=examples(*shown))(run)
        return function

    return declare


def _fields_of(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """Return the options that a parameter stands for; none where it is one itself."""
    if not is_dataclass(parameter.annotation):
        return []
    shared = inspect.signature(parameter.annotation, eval_str=True).parameters.values()
    return [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in shared]


def _spread(own: Iterable[inspect.Parameter]) -> list[inspect.Parameter]:
    """Return the parameters of a command as the parser sees them."""
    return [option for given in own for option in (_fields_of(given) or [given])]


def _gathered(own: Iterable[inspect.Parameter], given: dict[str, Any]) -> dict[str, Any]:
    """Return what the parser has read as the command takes it."""
    for parameter in own:
        if options := _fields_of(parameter):
            values = {option.name: given.pop(option.name) for option in options}
            given[parameter.name] = parameter.annotation(**values)
    return given


def _of_any(
    context: typer.Context, *, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """What every command has."""


def _of_list(
    context: typer.Context,
    *,
    limit: LimitOption = LIMIT,
    every: AllOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """What every list has."""


def _look_like(run: Any, function: _Command, parameters: list[inspect.Parameter]) -> None:
    """Give what is run the name, help and parameters that the parser is made from."""
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    run.__signature__ = inspect.Signature(parameters)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
