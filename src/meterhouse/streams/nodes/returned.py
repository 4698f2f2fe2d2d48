"""Records that come back from Data Correction into a reader: their fields are not typed yet."""

from __future__ import annotations

from collections.abc import Mapping

from meterhouse.core.json_text import Record
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import Origin, UsageBatch
from meterhouse.streams.declared import Misfit, typed_record
from meterhouse.streams.nodes.node import NodeSite
from meterhouse.streams.suspension import Bad, Guard


def retyped(
    batch: UsageBatch, declared: Mapping[str, str], *, site: NodeSite, guard: Guard
) -> UsageBatch:
    """Return a batch whose records have their declared types; what has not is set aside."""
    sources = site.world.sources
    if not declared or not sources.place(batch.slice(0, 1).origins()[0]).returned:
        return batch
    records: list[Record] = []
    origins: list[Origin] = []
    bad: list[Bad] = []
    for position, (record, origin) in enumerate(zip(batch.rows(), batch.origins(), strict=True)):
        try:
            records.append(typed_record(record, declared))
            origins.append(origin)
        except Misfit as misfit:
            bad.append((position, Reason.NOT_READABLE, str(misfit)))
    guard.screen(batch, bad)
    return UsageBatch.from_rows(records, origins)
