"""What a run has left that somebody should look at: records set aside, refused, or on their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meterhouse.app.correction_ports import SuspenseCount
from meterhouse.app.forward_ports import DeadLetterCount
from meterhouse.app.ports import Ledger, PendingDelivery


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What of a run is in Data Correction, among the dead letters, and in the outbox.

    It is what is there now: what was corrected or sent again is not.
    """

    suspended: Sequence[SuspenseCount] = ()
    dead: Sequence[DeadLetterCount] = ()
    waiting: Sequence[PendingDelivery] = ()

    @property
    def dead_letters(self) -> int:
        """How many dead letters there are."""
        return sum(count.count for count in self.dead)


def aftermath(ledger: Ledger, run_id: str) -> Aftermath:
    """Return what a run has left."""
    waiting = [pending for pending in ledger.pending() if pending.run_id == run_id]
    return Aftermath(ledger.suspense_counts(run_id), ledger.dead_letter_counts(run_id), waiting)
