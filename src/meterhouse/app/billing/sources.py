"""The files of datasets that usage was read from: what runs have read, and the catalogue knows."""

from __future__ import annotations

from collections.abc import Iterable

from meterhouse.app.billing.usage import Gathered
from meterhouse.app.datasets.ports import DatasetFile
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import BillingPeriod
from meterhouse.core.instant import instant_text
from meterhouse.core.invoice import SourceFile


def source_files(
    ledger: Ledger, gathered: Gathered, *, period: BillingPeriod
) -> tuple[SourceFile, ...]:
    """Return the files of datasets that usage was read from, each once, by dataset and name.

    Of files that say whose they are, those of the customer's users alone; of files of days, those
    of the days of the usage, late usage included. Other files are not told: nobody has their hash.
    """
    late = [one.corrects.start for one in gathered.late]
    start = min([period.start, *late])
    users = {one.user for one in gathered.usage}
    users |= {usage.user for one in gathered.late for usage in one.usage}
    read = ledger.files_that_fed(gathered.runs, start=start)
    found = {}
    for name in read:
        for file in ledger.dataset_files_called(name.rpartition("/")[2]):
            if name == file.path or name.endswith(f"/{file.path}"):
                found[file.path] = file
    first, last = instant_text(start)[:10], instant_text(period.end - 1)[:10]
    return tuple(
        SourceFile(file.path, file.dataset, str(file.version), file.rows, file.sha256)
        for file in _of(sorted(found.values(), key=lambda file: file.path), users)
        if file.day is None or first <= file.day.isoformat() <= last
    )


def _of(files: Iterable[DatasetFile], users: set[str]) -> list[DatasetFile]:
    """Leave out files of others, where the names of files say users at all."""
    files = list(files)
    named = any(file.ob in users for file in files)
    return [file for file in files if not named or file.ob is None or file.ob in users]
