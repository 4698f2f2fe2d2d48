"""Which records in Data Correction a command means: by number, or by options that filter."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.arguments import read_instant, read_reason
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import ReasonOption, StreamOption

if TYPE_CHECKING:
    from meterhouse.app.correction_ports import Chosen, SuspenseFilter
    from meterhouse.app.ports import Ledger

NodeOption = Annotated[
    str | None, typer.Option("--node", metavar="N", help="Only of the node of this name.")
]
RunOption = Annotated[
    str | None,
    typer.Option("--run", metavar="ID", help="Only of this run: id or its first 6 characters."),
]
StateOption = Annotated[
    str | None, typer.Option("--state", metavar="STATE", help="Only open or queued ones.")
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="INSTANT", help="Only what was set aside then or later."),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="INSTANT", help="Only what was set aside before.")
]
SearchOption = Annotated[
    str | None,
    typer.Option("--search", metavar="TEXT", help="Only where the detail has this text in it."),
]
_HINT = "give the numbers of records, or --all, which --stream, --reason and others narrow down"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options that filter, as they were given."""

    stream: StreamOption = None
    reason: ReasonOption = None
    node: NodeOption = None
    run: RunOption = None
    state: StateOption = None
    since: SinceOption = None
    until: UntilOption = None
    search: SearchOption = None

    @property
    def given(self) -> bool:
        """Whether any of them was."""
        return any(getattr(self, field.name) is not None for field in fields(self))

    def check(self, ids: list[int] | None, *, every: bool) -> None:
        """Refuse a command that names no record, or names them in two ways."""
        if not ids and not every:
            raise WrongUsage("no record is named", hint=_HINT)
        if ids and (every or self.given):
            message = "records are named both by number and by --all or a filter"
            raise WrongUsage(message, hint=_HINT)

    def filter(self, ledger: Ledger) -> SuspenseFilter:
        """Return the filter that the options mean."""
        from meterhouse.app.completing import completed
        from meterhouse.app.correction_ports import OPEN, QUEUED, SuspenseFilter
        from meterhouse.app.streams import find_stream

        if self.state not in (None, OPEN, QUEUED):
            raise WrongUsage(f"--state: {self.state!r} is no state", hint=f"use {OPEN} or {QUEUED}")
        return SuspenseFilter(
            stream_id=None if self.stream is None else find_stream(ledger, self.stream).id,
            node=self.node,
            reason=read_reason(self.reason),
            run_id=None if self.run is None else completed(ledger, self.run, kind="run"),
            state=self.state,
            since=read_instant(self.since, option="--since"),
            until=read_instant(self.until, option="--until"),
            text=self.search,
        )

    def chosen(self, ledger: Ledger, ids: list[int] | None) -> Chosen:
        """Return what an action is to take."""
        return ids or self.filter(ledger)
