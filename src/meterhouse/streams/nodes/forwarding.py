"""What writers have in common whose records leave one after another, by lanes, from the outbox.

A writer spools each record as ``[idempotency key, order mark, record]``; delivery reads the first
two without looking into the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from meterhouse.core.json_text import JsonValue, Record
from meterhouse.core.reading import Reading
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.forward import (
    ATTEMPTS_DEFAULT,
    ATTEMPTS_MAX,
    HOURS_DEFAULT,
    HOURS_MAX,
    LANES_DEFAULT,
    LANES_MAX,
    Forward,
    Patience,
    idempotency_key,
    order_mark,
    place_key,
)
from meterhouse.streams.nodes.node import (
    NO_PORT,
    WRITTEN,
    NodeParams,
    NodeRun,
    NodeSite,
    Outputs,
    Ports,
)
from meterhouse.streams.parameters import whole_number
from meterhouse.streams.ports import Spool
from meterhouse.streams.record import OutboxEntry, RunResult

#: The parameters that every such writer has.
PATIENCE = ("lanes", "maxAttempts", "giveUpAfterHours")
#: So many records of a columnar batch are turned into rows at a time.
_SLICE_RECORDS = 50_000


class ForwarderParams(NodeParams):
    """Parameters of a writer whose records are forwarded."""

    def ports(self) -> Ports:
        """Records end here."""
        return NO_PORT

    def forward(self, node: str) -> Forward:
        """Return where the records go; ``node`` is the name of the writer."""
        raise NotImplementedError

    def destination(self) -> str:
        """Return where they go as people read it, without anything secret."""
        raise NotImplementedError

    def open(self, site: NodeSite) -> NodeRun:
        """Start writing; nothing is sent before the run has committed."""
        return _ForwardingWriter(self, site)


def read_patience(reading: Reading) -> Patience:
    """Read ``lanes``, ``maxAttempts`` and ``giveUpAfterHours``; problems are noted."""
    lanes = whole_number(reading, "lanes", lowest=1, highest=LANES_MAX)
    attempts = whole_number(reading, "maxAttempts", lowest=1, highest=ATTEMPTS_MAX)
    hours = whole_number(reading, "giveUpAfterHours", lowest=1, highest=HOURS_MAX)
    return Patience(lanes or LANES_DEFAULT, attempts or ATTEMPTS_DEFAULT, hours or HOURS_DEFAULT)


class _ForwardingWriter(NodeRun):
    def __init__(self, params: ForwarderParams, site: NodeSite) -> None:
        self._params = params
        self._site = site
        self._spool: Spool | None = None
        self._places = count()
        self._written = 0
        #: The keys that are records' own. A second record of the same id has another one: what a
        #: script makes of one golden record is several records.
        self._keys: set[str] = set()

    def take(self, batch: UsageBatch) -> Outputs:
        if self._spool is None:
            world = self._site.world
            self._spool = world.services.spools.open(world.facts.id, self._site.id)
        for start in range(0, len(batch), _SLICE_RECORDS):
            self._spool.write(self._lines(batch.slice(start, _SLICE_RECORDS).rows()))
        self._written += len(batch)
        return {WRITTEN: batch}

    def _lines(self, records: Sequence[Record]) -> list[JsonValue]:
        run_id, node_id = self._site.world.facts.id, self._site.id
        lines: list[JsonValue] = []
        for record, place in zip(records, self._places, strict=False):
            key = idempotency_key(record, run_id=run_id, node_id=node_id, place=place)
            if "recordId" in record:
                if key in self._keys:
                    key = place_key(run_id=run_id, node_id=node_id, place=place)
                self._keys.add(key)
            lines.append([key, order_mark(record, place), record])
        return lines

    def commit(self, result: RunResult) -> None:
        if self._spool is None or not self._written:
            self.discard()
            return
        spool = self._spool.finish(format="ndjson")
        forward = self._params.forward(self._site.name)
        where = self._params.destination()
        entry = OutboxEntry(self._site.id, spool, where, forward=forward, records=self._written)
        result.outbox.append(entry)

    def discard(self) -> None:
        if self._spool is not None:
            self._spool.discard()
