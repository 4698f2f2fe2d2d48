"""``writers/log``: records go to the log of the run, one line of JSON each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from meterhouse.core.json_text import json_text
from meterhouse.core.reading import Reading
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.nodes.node import (
    NO_PORT,
    WRITTEN,
    NodeParams,
    NodeRun,
    NodeSite,
    NodeType,
    Outputs,
    Ports,
)


@dataclass(frozen=True, slots=True)
class LogParams(NodeParams):
    """There are none."""

    def ports(self) -> Ports:
        """Records end here."""
        return NO_PORT

    def open(self, site: NodeSite) -> NodeRun:
        """Start writing."""
        return _Log(site)


def _read(reading: Reading) -> LogParams:
    return LogParams()


TYPE = NodeType("writers/log", frozenset({1}), _read)


class _Log(NodeRun):
    def __init__(self, site: NodeSite) -> None:
        self._site = site
        self._silent = 0

    def take(self, batch: UsageBatch) -> Outputs:
        # The first lines of a run say what its records look like; all of them would only fill
        # the ledger. One line of room is kept for saying how many are missing.
        room = max(self._site.world.log.room(self._site.id) - 1, 0)
        for record in batch.slice(0, room).rows():
            self._site.log(json_text(record))
        self._silent += max(len(batch) - room, 0)
        return {WRITTEN: batch}

    def end(self) -> Iterator[Outputs]:
        if self._silent:
            self._site.log(f"{self._silent} more records are not shown here")
        return iter(())
