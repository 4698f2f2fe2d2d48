"""Watching a run: its log on standard error, and a bar there where it takes long.

The bar appears on a terminal only, and only after a second; Rich draws it.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from meterhouse.cli.output import fitted

if TYPE_CHECKING:
    from rich.progress import TaskID

    from meterhouse.streams.world import Progress

_PATIENCE_SECONDS = 1.0


class Watch:
    """Sees the progress and the log lines of a run; use it in ``with``."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._started = time.monotonic()
        self._bar: Any = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def log(self, node: str, level: str, text: str) -> None:
        """Show a line of the run's log."""
        if self._quiet:
            return
        line = fitted(f"{level} {node}: {text}", stream=sys.stderr)
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            sys.stderr.write(line + "\n")

    def progress(self, progress: Progress) -> None:
        """Show how far the run has come."""
        if self._bar is None and not self._is_due():
            return
        if self._bar is None:
            self._bar = _new_bar()
            self._task = self._bar.add_task("", total=None)
        # Bytes are counted by whole files: of one file they would say nothing until its end.
        total = progress.bytes_all if progress.files_all > 1 else None
        files = f"file {progress.files}/{progress.files_all}, " if progress.files_all > 1 else ""
        text = f"{files}{progress.records:,} records"
        self._bar.update(self._task, completed=progress.bytes, total=total, description=text)

    def _is_due(self) -> bool:
        waited = time.monotonic() - self._started
        return not self._quiet and sys.stderr.isatty() and waited > _PATIENCE_SECONDS


def _new_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    bar = Progress(
        *(SpinnerColumn(), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn()),
        console=Console(stderr=True),
        transient=True,
    )
    bar.start()
    return bar
