"""What a node type is: parameters read from a document, ports, and what it does in a run.

Each type is one file beside this one. It knows nothing of the graph around it: records come in
as batches, and leave as batches by port.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.record import NodeCount, RunResult
from meterhouse.streams.suspension import Guard, SuspensePolicy
from meterhouse.streams.world import Services, World

#: How the names of types begin: records come in, are worked on, and end.
READERS = "readers/"
TRANSFORMS = "transforms/"
WRITERS = "writers/"
#: The port of a node that has only one.
OUT = "out"
#: Under this port writers count what they took.
WRITTEN = "written"

#: What leaves a node at one time, by port.
Outputs = dict[str, UsageBatch]
#: Fields of a record that are looked at further on; ``None`` means all.
Needed = frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Ports:
    """The output ports of a node.

    ``ids`` are what edges call them; ``default`` is for edges that name none.
    """

    names: tuple[str, ...]
    default: str | None = None
    ids: Mapping[str, str] = field(default_factory=dict)

    def named(self, output: str | None) -> str | None:
        """Return the port that an edge means, ``None`` where there is no such port."""
        if output is None:
            return self.default
        return self.ids.get(output, output if output in self.names else None)


ONE_PORT = Ports((OUT,), OUT)
NO_PORT = Ports(())


@dataclass(frozen=True, slots=True)
class NodeSite:
    """Where a node works during one run. ``needed`` is what is looked at after it."""

    count: NodeCount
    world: World
    needed: Needed = None

    @property
    def id(self) -> str:
        """The id of the node."""
        return self.count.id

    @property
    def name(self) -> str:
        """The name of the node."""
        return self.count.name

    def guard(self, policy: SuspensePolicy) -> Guard:
        """Return what sets this node's bad records aside."""
        world = self.world
        return Guard(policy, self.count, book=world.suspense, sources=world.sources)

    def log(self, text: str, *, level: str = "info") -> None:
        """Write a line to the log of the run."""
        self.world.log.add(self.id, self.name, level=level, text=text)


class NodeRun:
    """A node during one run. Every method has a default that does nothing."""

    def start(self) -> Iterator[Outputs]:
        """Yield what leaves before the first record comes in."""
        return iter(())

    def chunks(self) -> Iterator[UsageBatch]:
        """Yield the records that a reader reads."""
        return iter(())

    def take(self, batch: UsageBatch) -> Outputs:
        """Take records in, in order of arrival, and return what leaves."""
        return {OUT: batch}

    def end(self) -> Iterator[Outputs]:
        """Yield what leaves after the last record has come in."""
        return iter(())

    def commit(self, result: RunResult) -> None:
        """Put what the node keeps into the result of the run."""

    def discard(self) -> None:
        """The run failed: let go of what was prepared outside."""


class NodeParams:
    """The parameters of a node; each type has its own frozen dataclass."""

    def ports(self) -> Ports:
        """Return the output ports."""
        return ONE_PORT

    def open(self, site: NodeSite) -> NodeRun:
        """Start work in a run."""
        raise NotImplementedError

    def obstacles(self, services: Services) -> Sequence[Problem]:
        """Return what keeps the node from running, such as a secret that is missing."""
        return ()

    def needs(self, after: Callable[[str], Needed]) -> Needed:
        """Return the fields of incoming records that matter; ``after`` tells it for a port."""
        return None

    def expects(self) -> Sequence[str]:
        """Return the fields that some record should have, or a name is probably wrong."""
        return ()


@dataclass(frozen=True, slots=True)
class NodeType:
    """A type of node: its stored name, the schema versions understood, and how to read it.

    ``read`` notes problems in the reading; it returns ``None`` only where there are some. A type
    of another package carries its ``schema``; those of ours lie in ``schemas/``.
    """

    name: str
    versions: frozenset[int]
    read: Callable[[Reading], NodeParams | None]
    schema: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def writes(self) -> bool:
        """Whether records end in it."""
        return self.name.startswith(WRITERS)


def record_fields(paths: tuple[str, ...] | None) -> Needed:
    """Return the fields of the record that hold what the paths name."""
    if paths is None:
        return None
    return frozenset(name for path in paths for name in (path, path.partition(".")[0]))


def joined(*needed: Needed) -> Needed:
    """Return what any of them needs."""
    known = [fields for fields in needed if fields is not None]
    return frozenset().union(*known) if len(known) == len(needed) else None
