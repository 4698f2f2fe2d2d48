"""Reading ahead: the next part of an input is read while the one before is worked on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def _nothing() -> None:
    return None


def ahead(items: Iterator[Item], *, meanwhile: Callable[[], None] = _nothing) -> Generator[Item]:
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
