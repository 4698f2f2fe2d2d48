"""The uploader: logs of the last days, and the configuration, become files in common storage.

What was uploaded is known by the content of each log (see ``upload_plans``). Logs are looked for
among those that were changed in the last 30 days; older ones are told, and left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from meterhouse.app.aura.gathering import DATASETS, Gathered
from meterhouse.app.aura.ports import LogFault, LogFile, UploadMeans
from meterhouse.app.aura.snapshots import (
    MadeFile,
    Snapshots,
    country_of_ob,
    put_file,
    put_snapshots,
)
from meterhouse.app.aura.upload_plans import Plan, new_plans, put_text, uploads_of
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
    error: MeterhouseError | None = None

    @property
    def unreadable(self) -> list[JsonValue]:
        """The logs that could not be read."""
        return [one for upload in self.uploads for one in upload.account["unreadable"]]

    def to_api(self) -> dict[str, JsonValue]:
        """Return the report as JSON."""
        return {
            "ob": self.ob,
            "snapshots": [file.to_json() for file in self.snapshots],
            "uploads": [one.account for one in self.uploads],
            "problems": [str(problem) for problem in self.problems],
            "tooOld": list(self.too_old),
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
    uploads = uploads_of(means.storage, report.ob)
    for plan in uploads.unfinished:
        report.uploads.append(_make(means, plan, snapshots, at=at))
    if uploads.unfinished:
        uploads = uploads_of(means.storage, report.ob)
    known, hashes = uploads.known, set(uploads.hashes)
    fresh: list[tuple[LogFile, str]] = []
    too_old: list[str] = []
    for file in means.logs.files(report.ob):
        if file in known:
            continue
        if file.modified_at < at - days * DAY:
            too_old.append(file.name)
            continue
        sha256 = means.logs.sha256(file.name)
        if sha256 is not None and sha256 not in hashes:
            hashes.add(sha256)
            fresh.append((file, sha256))
    report.too_old = tuple(too_old)
    taken = [plan.hour for plan in uploads.plans]
    for plan in new_plans(report.ob, fresh, taken=taken, at=at):
        put_text(means.storage, plan.path, plan.to_text(), scratch=means.scratch)
        report.uploads.append(_make(means, plan, snapshots, at=at))


def _make(means: UploadMeans, plan: Plan, snapshots: Snapshots, *, at: Instant) -> Uploaded:
    """Make the files of a plan, those that are not there, and then its account."""
    country = country_of_ob(plan.ob)
    gathered = Gathered(snapshots.names, country=country, rules=means.rules)
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
    _put_once(means, plan.account_path, json_text(account) + "\n")
    return Uploaded(plan, tuple(file for file in files if file is not None), account)


def _read_logs(
    means: UploadMeans, plan: Plan, gathered: Gathered
) -> tuple[list[JsonValue], list[JsonValue]]:
    """Read the logs of a plan; returns those that were read, and those that could not be.

    One that is not what was planned is missed: what it is now, or is again, is uploaded later.
    """
    logs: list[JsonValue] = []
    unreadable: list[JsonValue] = []
    missed: list[JsonValue] = []
    for file, sha256 in plan.logs:
        try:
            found = means.logs.sha256(file.name)
            if found != sha256:
                missed.append(sha256)
                raise _missed(file, found)
            with means.logs.lines(file.name) as lines:
                logs.append({"name": file.name, "rows": gathered.read(file, lines)})
        except LogFault as error:
            unreadable.append({"name": file.name, "error": str(error)})
    if missed:
        _put_once(means, plan.missed_path, json_text({"sha256": missed}) + "\n")
    return logs, unreadable


def _missed(file: LogFile, found: str | None) -> LogFault:
    what = "is gone" if found is None else "was changed"
    hint = "what it is now is uploaded" if found else "put it back: it is uploaded then"
    return LogFault(f"{file.name} {what} after its upload was planned", hint=hint)


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
    if means.storage.find(path) is None:
        put_text(means.storage, path, text, scratch=means.scratch)
