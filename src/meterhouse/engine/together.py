"""Independent steps at the same time: the columnar engine lets go of Python's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

First = TypeVar("First")
Second = TypeVar("Second")
Item = TypeVar("Item")
Result = TypeVar("Result")


def together(first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    """Return what two steps return; what one raises is raised. The first stays in this thread.

    The steps must not touch anything that the other one changes.

    >>> together(lambda: 1, lambda: "b")
    (1, 'b')
    """
    with ThreadPoolExecutor(1, thread_name_prefix="together") as thread:
        waiting = thread.submit(second)
        return first(), waiting.result()


def for_each(items: Iterable[Item], step: Callable[[Item], Result]) -> list[Result]:
    """Return the step's result for every item, in their order, worked out side by side.

    >>> for_each([1, 2, 3], abs)
    [1, 2, 3]
    """
    listed = list(items)
    if len(listed) < 2:
        return [step(item) for item in listed]
    with ThreadPoolExecutor(2, thread_name_prefix="for-each") as threads:
        return list(threads.map(step, listed))
