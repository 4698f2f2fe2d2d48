"""What the doctor says of accounts of uploads: files that are gone, and rows that were rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from meterhouse.app.aura.upload_accounts import (
    LOOK_BACK_DAYS,
    RESTORE,
    lost_files,
    rejecting_accounts,
)
from meterhouse.app.datasets.ports import DatasetStorage
from meterhouse.app.diagnosis import Finding, Grade
from meterhouse.core.counted import counted
from meterhouse.core.instant import Instant
from meterhouse.datasets.atria_log import DATASET as ATRIA
from meterhouse.datasets.audit import DATASET as AUDIT

#: What findings about uploads are called.
UPLOADS = "aura uploads"
_REJECTED = "aura rejected rows"


def lost_findings(
    storage: DatasetStorage, *, at: Instant, catalogued: Callable[[str], bool]
) -> list[Finding]:
    """Tell of files that uploads have written, and that are neither here nor in the catalogue."""
    remedy = f'make it again by "{RESTORE}", then import it'
    return [
        Finding(UPLOADS, Grade.FAIL, f"{lost.path} {lost.text}", remedy)
        for lost in lost_files(storage, at=at, catalogued=catalogued)
    ]


def rejected_findings(storage: DatasetStorage, *, at: Instant) -> list[Finding]:
    """Tell how many rows of logs were rejected, of each OB: they are in no dataset."""
    by_ob: dict[str, Counter[str]] = {}
    for account in rejecting_accounts(storage, at=at):
        # Rows of the gateway are rejected for two datasets: the one that is billed has them all.
        counts = by_ob.setdefault(account.ob, Counter())
        counts.update(account.rejected(AUDIT) + account.rejected(ATRIA))
    return [
        Finding(
            _REJECTED,
            Grade.WARN,
            f"{ob}: {counted(counts.total(), 'row')} of logs of the last {LOOK_BACK_DAYS} days: "
            + ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items())),
            f"see rejected/{ob} in common storage for each row and why; mend what logs it",
        )
        for ob, counts in sorted(by_ob.items())
        if counts
    ]
