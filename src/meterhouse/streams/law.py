"""The conservation law: a node accounts for every record that came in.

``in = sum of out per port + filtered + duplicates + suspended + metered``, for nodes that neither
create nor fold records. Of a meter the outputs are records that it made, so they do not count.
"""

from __future__ import annotations

from collections.abc import Iterable

from meterhouse.core.problem import MeterhouseError
from meterhouse.streams.record import NodeCount

#: Nodes that create or fold records: they report what came in and what left, without the law.
CREATES = frozenset(
    {"transforms/script", "transforms/data_aggregate", "transforms/script_aggregate"}
)
#: Nodes whose outputs are records of their own.
FOLDS = frozenset({"transforms/meter"})


class RecordsUnaccounted(MeterhouseError):
    """A node lost or multiplied records: a fault of this program, and the run fails."""

    code = "records_unaccounted"


def unaccounted(count: NodeCount) -> int:
    """Return how many records came in and are not accounted for; below 0: too many are."""
    if count.type in CREATES:
        return 0
    left = 0 if count.type in FOLDS else sum(count.out.values())
    found = left + count.filtered + count.duplicates + count.suspended + count.metered
    return count.records_in - found


def lawful(count: NodeCount) -> bool:
    """Whether a node kept the law."""
    return unaccounted(count) == 0


def check_law(counts: Iterable[NodeCount]) -> None:
    """Raise ``RecordsUnaccounted`` where a node broke the law."""
    for count in counts:
        if not lawful(count):
            raise RecordsUnaccounted(
                f'node "{count.name}" ({count.type}) took {count.records_in} records and cannot '
                f"account for {unaccounted(count)} of them",
                hint=f"nothing of this run is kept; the counts were {count.to_api()}",
            )
