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

    before_noun = context.find_root().obj
    with bootstrap.open_installation(data or before_noun) as installation:
        yield installation
