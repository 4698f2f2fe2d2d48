"""The uploader: logs of the last days, and the configuration, become files in common storage.

What was uploaded is known by the content of each log (see ``upload_plans``). Logs are looked for
among those that were changed in the last 30 days; older ones are told, and left. One that cannot
be read at the moment is told too, and tried again by the next upload.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from meterhouse.app.aura.gathering import DATASETS, Gathered
from meterhouse.app.aura.ports import LogFault, LogFile, LogPutOff, UploadMeans
from meterhouse.app.aura.snapshots import (
    MadeFile,
    Snapshots,
    country_of_ob,
    put_file,
    put_snapshots,
)
from meterhouse.app.aura.upload_plans import (
    FreshLog,
    Plan,
    Uploads,
    missed_by,
    new_plans,
    put_text,
    put_too_old,
    uploads_of,
)
from meterhouse.app.datasets.ports import DatasetStorageConflict
from meterhouse.core.instant import DAY, Instant, instant_text
from meterhouse.core.json_text import JsonValue, json_text
from meterhouse.core.problem import MeterhouseError, Problem
from meterhouse.datasets.naming import EntityFile

#: For how many days after its last change a log is looked for.
LOOK_BACK_DAYS = 30


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What one upload of an OB came to: its files, and the account of its rows."""

    plan: Plan
    files: tuple[MadeFile, ...]
    account: dict[str, JsonValue]


@dataclass(slots=True)
class ObUpload:
    """What became of an OB: ``error`` says why it, or what is left of it, must wait."""

    ob: str
    snapshots: tuple[MadeFile, ...] = ()
    uploads: list[Uploaded] = field(default_factory=list)
    problems: tuple[Problem, ...] = ()
    too_old: tuple[str, ...] = ()
    put_off: list[JsonValue] = field(default_factory=list)
    error: MeterhouseError | None = None

    @property
    def unreadable(self) -> list[JsonValue]:
        """The logs that could not be read, now or at all."""
        made = [one for upload in self.uploads for one in upload.account["unreadable"]]
        return [*self.put_off, *made]

    @property
    def is_complete(self) -> bool:
        """Whether every log of the OB is uploaded."""
        return self.error is None and not self.unreadable and not self.too_old

    def to_api(self) -> dict[str, JsonValue]:
        """Return the report as JSON."""
        return {
            "ob": self.ob,
            "snapshots": [file.to_json() for file in self.snapshots],
            "uploads": [one.account for one in self.uploads],
            "problems": [str(problem) for problem in self.problems],
            "tooOld": list(self.too_old),
            "putOff": list(self.put_off),
            "error": None if self.error is None else str(self.error),
        }


def upload(
    means: UploadMeans, *, at: Instant, obs: Sequence[str] = (), days: int = LOOK_BACK_DAYS
) -> list[ObUpload]:
    """Upload what is new of some OBs, or of all that have logs. One that fails stops no other."""
    return [_upload_ob(means, ob, at=at, days=days) for ob in obs or means.logs.obs()]


def _upload_ob(means: UploadMeans, ob: str, *, at: Instant, days: int) -> ObUpload:
    report = ObUpload(ob)
    try:
        country_of_ob(ob)
        snapshots = put_snapshots(means, ob, at=at)
        report.snapshots, report.problems = snapshots.files, snapshots.problems
        _upload_logs(means, report, snapshots, at=at, days=days)
    except MeterhouseError as error:
        report.error = error
    return report


def _upload_logs(
    means: UploadMeans, report: ObUpload, snapshots: Snapshots, *, at: Instant, days: int
) -> None:
    for plan in uploads_of(means.storage, report.ob).unfinished:
        report.uploads.append(_make(means, plan, snapshots, at=at))
    for plan in _planned(means, report, at=at, days=days):
        report.uploads.append(_make(means, plan, snapshots, at=at))
    put_too_old(means.storage, report.ob, report.too_old, scratch=means.scratch)


def _planned(means: UploadMeans, report: ObUpload, *, at: Instant, days: int) -> list[Plan]:
    """Put plans of all that is new. Where another uploader was first, plan without what it has."""
    planned: list[Plan] = []
    while True:
        uploads = uploads_of(means.storage, report.ob)
        fresh = _fresh(means, report, uploads, since=at - days * DAY)
        taken = [plan.hour for plan in uploads.plans]
        try:
            terms = {"at": at, "rules": means.rules, "latest": at + means.ahead}
            for plan in new_plans(report.ob, fresh, taken=taken, **terms):
                put_text(means.storage, plan.path, plan.to_text(), scratch=means.scratch)
                planned.append(plan)
        except DatasetStorageConflict:
            continue
        return planned


def _fresh(
    means: UploadMeans, report: ObUpload, uploads: Uploads, *, since: Instant
) -> list[FreshLog]:
    """Return the logs that no upload has; the report has those that must wait, or are too old."""
    known, hashes = uploads.known, set(uploads.hashes)
    fresh: list[FreshLog] = []
    too_old: list[str] = []
    report.put_off = []
    for file in means.logs.files(report.ob):
        if file in known:
            continue
        try:
            sha256 = means.logs.sha256(file.name)
            if sha256 is None or sha256 in hashes:
                continue
            hashes.add(sha256)
            if file.modified_at < since:
                too_old.append(file.name)
            else:
                fresh.append(FreshLog(file, sha256, means.logs.unpacked_size(file.name)))
        except LogPutOff as error:
            report.put_off.append(_unread(file, error))
    report.too_old = tuple(too_old)
    return fresh


def _make(means: UploadMeans, plan: Plan, snapshots: Snapshots, *, at: Instant) -> Uploaded:
    """Make the files of a plan, those that are not there, and then its account."""
    country = country_of_ob(plan.ob)
    rules = plan.rules or means.rules
    gathered = Gathered(snapshots.names, country=country, rules=rules, latest=plan.latest)
    logs, unreadable = _read_logs(means, plan, gathered)
    files = [_put_dataset(means, plan, dataset, gathered) for dataset in DATASETS]
    account: dict[str, JsonValue] = {
        "upload": plan.name,
        "at": instant_text(at),
        "logs": logs,
        "unreadable": unreadable,
        "datasets": {name: one.to_json() for name, one in gathered.accounts.items()},
        "conflicts": gathered.conflicts(),
        "unknownChannels": gathered.channels_by_count(),
    }
    if gathered.rejected:
        text = "".join(f"{json_text(one)}\n" for one in gathered.rejected)
        _put_once(means, plan.rejected_path, text)
        account["rejectedRows"] = plan.rejected_path
    written = [dataset for dataset in DATASETS if gathered.accounts[dataset].written]
    _put_once(means, plan.written_path(written), json_text(written) + "\n")
    _put_once(means, plan.account_path, json_text(account) + "\n")
    return Uploaded(plan, tuple(file for file in files if file is not None), account)


def _read_logs(
    means: UploadMeans, plan: Plan, gathered: Gathered
) -> tuple[list[JsonValue], list[JsonValue]]:
    """Read the logs of a plan; returns those that were read, and those that could not be.

    One that is not what was planned is missed, and so is one that cannot be read at the moment:
    what it is now, or is again, is uploaded later. What was missed once stays so, as it may have
    been planned anew.
    """
    logs: list[JsonValue] = []
    unreadable: list[JsonValue] = []
    before = missed_by(means.storage, plan)
    missed = set(before)
    for file, sha256 in plan.logs:
        try:
            if sha256 in before:
                raise LogPutOff(f"{file.name} was missed", hint="the next upload tries it again")
            _check_same(file, sha256, found=means.logs.sha256(file.name))
            logs.append({"name": file.name, "rows": gathered.read(file, means.logs)})
        except LogPutOff as error:
            missed.add(sha256)
            unreadable.append(_unread(file, error))
        except LogFault as error:
            unreadable.append(_unread(file, error))
    if missed - before:
        _put_once(means, plan.missed_path, json_text({"sha256": sorted(missed)}) + "\n")
    return logs, unreadable


def _unread(file: LogFile, error: LogFault) -> dict[str, JsonValue]:
    return {"name": file.name, "error": str(error)}


def _check_same(file: LogFile, sha256: str, *, found: str | None) -> None:
    if found == sha256:
        return
    what = "is gone" if found is None else "was changed"
    hint = "what it is now is uploaded" if found else "put it back: it is uploaded then"
    raise LogPutOff(f"{file.name} {what} after its upload was planned", hint=hint)


def _put_dataset(
    means: UploadMeans, plan: Plan, dataset: str, gathered: Gathered
) -> MadeFile | None:
    """Put the file of a dataset; ``None`` where there are no rows, or it is there already."""
    rows = gathered.rows(dataset)
    if not rows:
        return None
    return put_file(means, EntityFile(plan.ob, dataset, plan.hour), rows)


def _put_once(means: UploadMeans, path: str, text: str) -> None:
    """Put a text unless there is one: an upload that is made again has its first account."""
    with suppress(DatasetStorageConflict):  # Another uploader makes the same plan: its text stays.
        if means.storage.find(path) is None:
            put_text(means.storage, path, text, scratch=means.scratch)
