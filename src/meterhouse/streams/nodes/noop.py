"""``writers/noop``: records end here, and nothing is done with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from meterhouse.core.reading import Reading
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.nodes.node import (
    NO_PORT,
    WRITTEN,
    Needed,
    NodeParams,
    NodeRun,
    NodeSite,
    NodeType,
    Outputs,
    Ports,
)


@dataclass(frozen=True, slots=True)
class NoopParams(NodeParams):
    """There are none."""

    def ports(self) -> Ports:
        """Records end here."""
        return NO_PORT

    def open(self, site: NodeSite) -> NodeRun:
        """Do nothing."""
        return _Noop()

    def needs(self, after: Callable[[str], Needed]) -> Needed:
        """No field is looked at."""
        return frozenset()


def _read(reading: Reading) -> NoopParams:
    return NoopParams()


TYPE = NodeType("writers/noop", frozenset({1}), _read)


class _Noop(NodeRun):
    def take(self, batch: UsageBatch) -> Outputs:
        return {WRITTEN: batch}
