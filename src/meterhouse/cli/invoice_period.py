"""Whose invoices are meant, and of which period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from meterhouse.app.billing.periods import Days

CustomersOption = Annotated[
    list[str] | None,
    typer.Option("--customer", metavar="C", help="Whose; may be given several times."),
]
MonthOption = Annotated[
    str | None, typer.Option("--period", metavar="M", help="The month, such as 2026-10.")
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="D", help="The first day, such as 2026-10-01.")
]
ToOption = Annotated[
    str | None, typer.Option("--to", metavar="D", help="The day after the last one.")
]


@dataclass(frozen=True, slots=True)
class PeriodOptions:
    """The period that is billed."""

    month: MonthOption = None
    first: FromOption = None
    end: ToOption = None

    def days(self) -> Days:
        """Return the days that were asked for."""
        from meterhouse.app.billing.periods import read_days

        return read_days(self.month, first=self.first, end=self.end)
