"""Accounts of uploads, held against what there is: files that were written and are nowhere.

Theory of operation. An account is put after its files, which go from ``avro`` to ``processed``, or
to the rejected ones, and to the catalogue. So whoever lists accounts first, and then these places
in their order, and asks the catalogue last, finds each file of each account, whatever else runs
meanwhile: one that is not found was taken away. Most are in the catalogue already, which is asked
first, too, as that costs least. Which files an upload has is in the list of uploads, by names; an
account is read only where one of them is missing, or where an older version has put it without.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from meterhouse.app.aura.gathering import DATASETS
from meterhouse.app.aura.rejecting import REJECTED
from meterhouse.app.aura.upload_plans import (
    ACCOUNT,
    REJECTED_ROWS,
    ROWS,
    UPLOADS,
    WRITTEN,
    damaged,
    read_object,
)
from meterhouse.app.datasets.ports import DatasetStorage
from meterhouse.core.counted import counted
from meterhouse.core.instant import DAY, Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError
from meterhouse.datasets.naming import AVRO, PROCESSED, EntityFile, parse_file_name
from meterhouse.datasets.schema import BUILT_IN

#: For how many days after its upload a file is looked for: until any month is billed that it is of.
LOOK_BACK_DAYS = 92
#: How files that are gone are had again.
RESTORE = "meterhouse aura restore --logs DIR"


@dataclass(frozen=True, slots=True)
class UploadAccount:
    """What an upload says of the rows of its datasets."""

    path: str
    ob: str
    hour: Instant
    datasets: Mapping[str, Mapping[str, JsonValue]]

    def written(self, dataset: str) -> int:
        """Return how many rows it has written."""
        return int(self.datasets.get(dataset, {}).get("written", 0))

    def days(self, dataset: str) -> Mapping[str, int] | None:
        """Return these by day; ``None`` where the account does not say."""
        found = self.datasets.get(dataset, {}).get("days")
        return None if found is None else {str(day): int(rows) for day, rows in found.items()}

    def rejected(self, dataset: str) -> Counter[str]:
        """Return how many rows of its logs were rejected, by reason."""
        return Counter(self.datasets.get(dataset, {}).get("rejected", {}))

    def is_of(self, span: Span) -> bool:
        """Whether it has written rows of a span of days; else by its hour, if nobody knows."""
        days = [self.days(dataset) for dataset in self.datasets]
        return span.has({day for some in days if some for day in some} or None, hour=self.hour)


@dataclass(frozen=True, slots=True)
class Span:
    """Days as texts, both included, and the hours in which uploads have rows of them mostly."""

    first: str
    last: str
    start: Instant
    end: Instant

    def has(self, days: Iterable[str] | None, *, hour: Instant) -> bool:
        """Whether some of the days are among these; where none is known, by the hour."""
        if days is None:
            return self.start <= hour < self.end
        return any(self.first <= day <= self.last for day in days)


@dataclass(frozen=True, slots=True)
class LostFile:
    """A file that an upload has written, and that is neither in common storage nor catalogued."""

    file: EntityFile
    rows: int
    days: Mapping[str, int] | None
    account: str

    @property
    def path(self) -> str:
        """Where the upload has put it."""
        return self.file.common_path(BUILT_IN[self.file.dataset].version)

    @property
    def text(self) -> str:
        """What became of it, in words."""
        rows = counted(self.rows, "row")
        return f"is gone: {self.file.ob} has uploaded it with {rows}, and it was not imported"

    @property
    def hint(self) -> str:
        """How it is had again."""
        return (
            f"make it again of its logs, where they are still there: `{RESTORE}`; or do without "
            "it: `meterhouse aura reject FILE --reason ...`"
        )

    def is_of(self, span: Span) -> bool:
        """Whether it has rows of a span of days; else by its hour, if nobody knows."""
        return span.has(self.days, hour=self.file.hour)

    def to_api(self) -> dict[str, JsonValue]:
        """Return the error that the report of an import has."""
        said = {"ob": self.file.ob, "rows": self.rows, "account": self.account}
        error = f"{self.text}\n  hint: {self.hint}"
        return {"file": self.path, "code": "dataset_file_lost", "error": error, **said}


@dataclass(frozen=True, slots=True)
class UploadsTold:
    """What accounts of uploads tell the operation: files that are gone, who has rejected rows."""

    lost: Sequence[LostFile] = ()
    rejecting: Sequence[UploadAccount] = ()

    def rejected(self, ob: str, span: Span, *, datasets: Iterable[str]) -> dict[str, int]:
        """Return the rows that uploads with rows of a span have rejected, by reason.

        They are counted by the datasets that they would have been of.
        """
        found: Counter[str] = Counter()
        accounts = [one for one in self.rejecting if one.ob == ob and one.is_of(span)]
        for dataset in datasets:
            for account in accounts:
                found += account.rejected(dataset)
        return dict(sorted(found.items()))


def rejection_notes(ob: str, rejected: Mapping[str, int]) -> list[str]:
    """Say how many rows of logs were rejected, by reason; nothing where none were.

    >>> rejection_notes("ES", {"missing": 2})
    ['2 rows of logs were rejected by uploads (missing 2): see rejected/ES in common storage']
    """
    if not rejected:
        return []
    number = sum(rejected.values())
    rows = f"{counted(number, 'row')} of logs {'was' if number == 1 else 'were'} rejected"
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in rejected.items())
    return [f"{rows} by uploads ({reasons}): see rejected/{ob} in common storage"]


def uploads_told(
    storage: DatasetStorage, *, at: Instant, catalogued: Callable[[str], bool]
) -> UploadsTold:
    """Read what the accounts of the last 92 days tell."""
    lost = lost_files(storage, at=at, catalogued=catalogued)
    return UploadsTold(lost, rejecting_accounts(storage, at=at))


def upload_accounts(names: Iterable[str], *, since: Instant) -> Iterator[tuple[str, EntityFile]]:
    """Yield the accounts of uploads since an hour: the path, and the file of the first dataset.

    ``names`` are those of the list of uploads.
    """
    for path in names:
        name = path.rpartition("/")[2]
        if not name.endswith(ACCOUNT):
            continue
        ob, _, hour = name.removesuffix(ACCOUNT).partition("_")
        try:
            file = parse_file_name(f"{ob}_{DATASETS[0]}_{hour}.avro")
        except DefinitionError:
            continue  # Somebody else's file.
        if isinstance(file, EntityFile) and file.hour >= since:
            yield path, file


def read_account(storage: DatasetStorage, path: str, file: EntityFile) -> UploadAccount:
    """Read an account."""
    body = read_object(storage, path)
    datasets = body.get("datasets")
    if not isinstance(datasets, Mapping):
        raise damaged(path)
    return UploadAccount(path, file.ob, file.hour, datasets)


def lost_files(
    storage: DatasetStorage, *, at: Instant, catalogued: Callable[[str], bool]
) -> list[LostFile]:
    """Return the files that are gone, by account; ``catalogued`` says whether a name is imported.

    Those that were uploaded more than 92 days ago are not looked for.
    """
    found = []
    unseen = _unseen(storage, since=at - LOOK_BACK_DAYS * DAY, catalogued=catalogued)
    for path, files in groupby(unseen, key=itemgetter(0)):
        some = [file for _, file in files]
        account = read_account(storage, path, some[0])
        for file in some:
            # It may have been imported, and cleared away, since the catalogue was asked.
            if (rows := account.written(file.dataset)) and not catalogued(file.name):
                found.append(LostFile(file, rows, account.days(file.dataset), path))
    return found


def _unseen(
    storage: DatasetStorage, *, since: Instant, catalogued: Callable[[str], bool]
) -> list[tuple[str, EntityFile]]:
    """Return the files that are nowhere, as far as names tell, each after its account's path."""
    names = _names(storage, UPLOADS)
    said = _datasets_said(names)
    unseen = []
    for path, first in upload_accounts(names, since=since):
        datasets = said.get(path.removesuffix(ACCOUNT), DATASETS)
        files = (EntityFile(first.ob, name, first.hour) for name in DATASETS if name in datasets)
        unseen += [(path, file) for file in files if not catalogued(file.name)]
    for root in (AVRO, PROCESSED, REJECTED):
        if unseen:
            stored = {name.rpartition("/")[2] for name in _names(storage, root)}
            unseen = [one for one in unseen if one[1].name not in stored]
    return unseen


def _datasets_said(names: Iterable[str]) -> dict[str, set[str]]:
    """Return of which datasets uploads have rows, by the path of the upload, as names say.

    Of two uploaders that make one plan, each may say it: the account is one of the two.
    """
    said: dict[str, set[str]] = {}
    for name in names:
        if name.endswith(WRITTEN):
            upload, _, datasets = name.removesuffix(WRITTEN).rpartition(".")
            said.setdefault(upload, set()).update(datasets.split("-"))
    return said


def _names(storage: DatasetStorage, root: str) -> list[str]:
    return [file.name for file in storage.list(root)]


def rejecting_accounts(storage: DatasetStorage, *, at: Instant) -> list[UploadAccount]:
    """Return the accounts of uploads of the last 92 days that have rejected rows."""
    rejecting = {name.rpartition("/")[2] for name in _names(storage, REJECTED_ROWS)}
    since = at - LOOK_BACK_DAYS * DAY
    return [
        read_account(storage, path, file)
        for path, file in upload_accounts(_names(storage, UPLOADS), since=since)
        if path.rpartition("/")[2].removesuffix(ACCOUNT) + ROWS in rejecting
    ]
