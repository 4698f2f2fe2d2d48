"""Order in a graph: what is reached, what goes in a circle, and who comes before whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """An edge between two ids."""

    source: str
    port: str
    target: str


def reached(starts: Iterable[str], links: Sequence[Link]) -> set[str]:
    """Return everything that can be reached from the starts, themselves included.

    >>> sorted(reached(["a"], [Link("a", "", "b"), Link("c", "", "d")]))
    ['a', 'b']
    """
    after = _after(links)
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        id_ = waiting.pop()
        if id_ not in found:
            found.add(id_)
            waiting += after.get(id_, [])
    return found


def cycle(ids: Sequence[str], links: Sequence[Link]) -> list[str]:
    """Return a cycle, its first member again at its end; empty where there is none.

    >>> cycle(["a", "b"], [Link("a", "", "b"), Link("b", "", "a")])
    ['a', 'b', 'a']
    """
    after = _after(links)
    done: set[str] = set()
    for start in ids:
        path: list[str] = []
        # Each entry: a node, and how deep in the path it is.
        waiting = [(start, 0)]
        while waiting:
            id_, depth = waiting.pop()
            done.update(path[depth:])
            del path[depth:]
            if id_ in path:
                return [*path[path.index(id_) :], id_]
            if id_ not in done:
                path.append(id_)
                waiting += [(next_, depth + 1) for next_ in reversed(after.get(id_, []))]
        done.update(path)
    return []


def topological(ids: Sequence[str], links: Sequence[Link]) -> list[str]:
    """Return the ids so that every link goes forward; otherwise in their order. No cycles.

    >>> topological(["a", "b", "c"], [Link("c", "", "a")])
    ['b', 'c', 'a']
    """
    after = _after(links)
    missing = dict.fromkeys(ids, 0)
    for link in links:
        missing[link.target] += 1
    order: list[str] = []
    left = list(ids)
    while left:
        ready = next(id_ for id_ in left if not missing[id_])
        left.remove(ready)
        order.append(ready)
        for next_ in after.get(ready, []):
            missing[next_] -= 1
    return order


def _after(links: Sequence[Link]) -> dict[str, list[str]]:
    after: dict[str, list[str]] = {}
    for link in links:
        after.setdefault(link.source, []).append(link.target)
    return after
