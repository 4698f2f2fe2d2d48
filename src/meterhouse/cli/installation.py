"""Opening the installation that a command works on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from meterhouse.bootstrap import Installation


@contextmanager
def opened(context: typer.Context, data: Path | None) -> Iterator[Installation]:
    """Open the data directory given on the command, before the noun, or by default."""
    from meterhouse import bootstrap

    with bootstrap.open_installation(data_option(context, data)) as installation:
        yield installation


def data_option(context: typer.Context, data: Path | None) -> Path | None:
    """Return the data directory given on the command, or before the noun."""
    return data or context.find_root().obj
