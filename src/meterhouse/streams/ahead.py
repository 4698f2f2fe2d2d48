"""Reading ahead: the next part of an input is read while the one before is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Work = TypeVar("Work")
Item = TypeVar("Item")


def nothing() -> None:
    """Do nothing."""


def side_by_side(
    function: Callable[[Work], Item], items: Iterable[Work], *, threads: int, waiting: int
) -> Generator[Item]:
    """Yield what the function makes of each item, in order; up to so many are waiting.

    What it raises is raised here, in its place.

    >>> list(side_by_side(abs, [-1, 2, -3], threads=2, waiting=2))
    [1, 2, 3]
    """
    pending: deque[Future[Item]] = deque()
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="read-ahead") as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > waiting:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


#: Files of columns up to this size are read side by side, so many at once; so many bytes wait.
_SMALL_BYTES_MAX = 4_000_000
_SMALL_AT_ONCE = 2
_WAITING_BYTES = 16_000_000


def are_small(sizes: Sequence[int]) -> bool:
    """Whether files of these sizes are several, and small enough to be read side by side."""
    return len(sizes) > 1 and max(sizes) <= _SMALL_BYTES_MAX


def read_small(
    function: Callable[[Work], Item], files: Iterable[Work], *, sizes: Sequence[int]
) -> Generator[Item]:
    """Yield what the function makes of each small file, in order; a few are read at once."""
    mean = max(1, sum(sizes) // len(sizes))
    waiting = max(_SMALL_AT_ONCE, min(len(sizes), _WAITING_BYTES // mean))
    return side_by_side(function, files, threads=_SMALL_AT_ONCE, waiting=waiting)


def ahead(items: Iterator[Item], *, meanwhile: Callable[[], None] = nothing) -> Generator[Item]:
    """Yield the same items in the same order, one of them read ahead in a thread of its own.

    What the source raises is raised here, in its place. At most one item waits. ``meanwhile`` is
    done while the first item is read.

    >>> list(ahead(iter([1, 2, 3]), meanwhile=lambda: print("ready")))
    ready
    [1, 2, 3]
    """
    end = object()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as thread:
        waiting = thread.submit(next, items, end)
        meanwhile()
        while (item := waiting.result()) is not end:
            waiting = thread.submit(next, items, end)
            yield item  # type: ignore[misc]
