"""The files of datasets that usage was read from: what runs have read, of whatever catalogue.

A reader of datasets leaves the address of each file in the catalogue, its hash and its number of
records. Files that were read as plain files are told where this installation's catalogue has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from meterhouse.app.billing.usage import Gathered
from meterhouse.app.datasets.ports import DatasetFile
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import BillingPeriod
from meterhouse.core.instant import instant_text
from meterhouse.core.invoice import SourceFile
from meterhouse.core.problem import DefinitionError
from meterhouse.datasets.naming import parse_catalogue_path
from meterhouse.streams.dataset_ports import DATASET_URI
from meterhouse.streams.record import ConsumedFile

_HASH = "sha256:"


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read; ``ob`` and ``day`` are as its place in the catalogue says."""

    source: SourceFile
    ob: str | None
    day: date | None


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
    consumed = ledger.files_that_fed(gathered.runs, start=start)
    found = {one.source.name: one for file in consumed for one in _reads(ledger, file)}
    first, last = instant_text(start)[:10], instant_text(period.end - 1)[:10]
    return tuple(
        one.source
        for one in _of((found[name] for name in sorted(found)), users)
        if one.day is None or first <= one.day.isoformat() <= last
    )


def _reads(ledger: Ledger, file: ConsumedFile) -> Iterator[_Read]:
    """Yield what a consumed file is of a catalogue, if it is of any."""
    known = ledger.dataset_files_called(file.path.rpartition("/")[2])
    if file.path.startswith(DATASET_URI):
        yield _of_dataset(file, known)
        return
    for one in known:
        if file.path == one.path or file.path.endswith(f"/{one.path}"):
            version = str(one.version)
            source = SourceFile(one.path, one.dataset, version, one.rows, one.sha256)
            yield _Read(source, one.ob, one.day)


def _of_dataset(file: ConsumedFile, known: Iterable[DatasetFile]) -> _Read:
    """Return what a reader of datasets left; the whole version is known of our own catalogue."""
    path, sha256 = file.path.removeprefix(DATASET_URI), (file.etag or "").removeprefix(_HASH)
    dataset, major = path.split("/")[:2]
    same = [one for one in known if (one.path, one.sha256) == (path, sha256)]
    version = str(same[0].version) if same else major
    source = SourceFile(path, dataset, version, file.records, sha256)
    try:
        parsed = parse_catalogue_path(path)
    except DefinitionError:  # another catalogue may name files as it likes
        return _Read(source, None, None)
    return _Read(source, parsed.file.ob, parsed.day)


def _of(files: Iterable[_Read], users: set[str]) -> list[_Read]:
    """Leave out files of others, where the names of files say users at all."""
    files = list(files)
    named = any(file.ob in users for file in files)
    return [file for file in files if not named or file.ob is None or file.ob in users]
