"""Work on several items at a time, results in the order of the items."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from meterhouse.streams.ahead import side_by_side

T = TypeVar("T")
R = TypeVar("R")

_WORKERS_MAX = 8


def ordered_map(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield ``function(item)`` for each item, in order, computed by a few threads.

    Items are taken only a little ahead of what was yielded, so memory stays bounded.

    >>> list(ordered_map(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    workers = min(os.cpu_count() or 1, _WORKERS_MAX)
    return side_by_side(function, items, threads=workers, waiting=workers)
