"""``meterhouse dead-letter``: records that a receiver refused, and what to do about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.correction_filter import NodeOption, RunOption
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import StreamOption, new_group
from meterhouse.cli.output import Cell, Listing, columns
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.app.forward_ports import ChosenLetters, DeadLetter, DeadLetterFilter
    from meterhouse.app.ports import Ledger

app = new_group("Dead letters: records that a receiver refused, or that were tried too often.")

LetterId = Annotated[int, typer.Argument(metavar="ID", help="The number of the dead letter.")]
LetterIds = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]...", help="The numbers of the dead letters.")
]
EveryOption = Annotated[
    bool, typer.Option("--all", help="All that the filters leave, 100,000 at most.")
]


@command(
    app,
    "meterhouse dead-letter list --stream Botbot",
    "meterhouse dead-letter list --node Hook --json",
    lists=True,
)
def list_(
    call: Call, *, stream: StreamOption = None, node: NodeOption = None, run: RunOption = None
) -> None:
    """List dead letters, oldest first, each with the reason."""
    from meterhouse.app.dead_letters import list_letters

    with call.opened() as house:
        wanted = _filter(house.ledger, stream, node, run)
        call.show(list_letters(house.ledger, wanted=wanted, limit=call.limit), LISTING)


@command(app, "meterhouse dead-letter show 3")
def show(call: Call, id: LetterId) -> None:
    """Show one dead letter with its record."""
    from meterhouse.app.dead_letters import find_letter, letter_to_api

    with call.opened() as house:
        call.write(letter_to_api(find_letter(house.ledger, id)))


@command(app, "meterhouse dead-letter redrive 3 4", "meterhouse dead-letter redrive --all")
def redrive(
    call: Call,
    ids: LetterIds = None,
    *,
    every: EveryOption = False,
    stream: StreamOption = None,
    node: NodeOption = None,
    run: RunOption = None,
) -> None:
    """Send dead letters again, all or none, with the keys that they had."""
    from meterhouse.app import dead_letters

    _check(ids, every, stream, node, run)
    with call.opened() as house:
        done = dead_letters.redrive(house.ledger, _chosen(house.ledger, ids, stream, node, run))
    text = f"redriven: {len(done)}; `meterhouse delivery run` sends them now"
    call.tell({"redriven": done}, text)


@command(app, "meterhouse dead-letter drop 3", "meterhouse dead-letter drop --all --run 5e1c…")
def drop(
    call: Call,
    ids: LetterIds = None,
    *,
    every: EveryOption = False,
    stream: StreamOption = None,
    node: NodeOption = None,
    run: RunOption = None,
) -> None:
    """Delete dead letters for good, all or none."""
    from meterhouse.app import dead_letters

    _check(ids, every, stream, node, run)
    with call.opened() as house:
        done = dead_letters.drop(house.ledger, _chosen(house.ledger, ids, stream, node, run))
    call.tell({"dropped": done}, f"dropped: {len(done)}")


def _check(ids: list[int] | None, every: bool, *filters: str | None) -> None:
    """Refuse a command that names no dead letter, or names them in two ways."""
    hint = "give the numbers, or --all, which --stream, --node and --run narrow down"
    if not ids and not every:
        raise WrongUsage("no dead letter is named", hint=hint)
    if ids and (every or any(given is not None for given in filters)):
        raise WrongUsage("they are named both by number and by --all or a filter", hint=hint)


def _chosen(ledger: Ledger, ids: list[int] | None, *filters: str | None) -> ChosenLetters:
    return ids or _filter(ledger, *filters)


def _filter(
    ledger: Ledger, stream: str | None, node: str | None, run: str | None
) -> DeadLetterFilter:
    from meterhouse.app.completing import completed
    from meterhouse.app.forward_ports import DeadLetterFilter
    from meterhouse.app.streams import find_stream

    return DeadLetterFilter(
        stream_id=None if stream is None else find_stream(ledger, stream).id,
        node=node,
        run_id=None if run is None else completed(ledger, run, kind="run"),
    )


def _row(letter: DeadLetter) -> list[Cell]:
    from meterhouse.core.instant import instant_text

    row: list[Cell] = [letter.id, letter.stream_name, letter.node_name, instant_text(letter.at)]
    return [*row, letter.attempts, letter.reason, letter.key]


def _to_json(letter: DeadLetter) -> str:
    from meterhouse.app.dead_letters import letter_to_api

    return json_text(letter_to_api(letter))


LISTING = Listing(
    "dead letters",
    columns("#Id", "Stream", "Node", "At", "#Attempts", "Reason", "@Key"),
    _row,
    _to_json,
)
