"""Restoring: files of uploads that are gone are made again, of logs that are still there.

The plan of the upload says which logs it had, and its account how many rows it wrote. A file is put
only where that many rows come of the logs: a shorter one would bill less, and nobody would see it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from meterhouse.app.aura.gathering import Gathered
from meterhouse.app.aura.ports import LogFault, UploadMeans
from meterhouse.app.aura.snapshots import country_of_ob, put_file, put_snapshots
from meterhouse.app.aura.upload_accounts import LostFile, lost_files
from meterhouse.app.aura.upload_plans import Plan, missed_by, uploads_of
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import MeterhouseError


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a file that was gone; ``error`` says why it cannot be made again."""

    file: LostFile
    error: str | None = None

    def to_api(self) -> dict[str, JsonValue]:
        """Return it as JSON."""
        said: dict[str, JsonValue] = {"ob": self.file.file.ob, "path": self.file.path}
        return said | {"rows": self.file.rows, "error": self.error}


def restore(
    means: UploadMeans, *, at: Instant, catalogued: Callable[[str], bool], obs: Sequence[str] = ()
) -> list[Restored]:
    """Make the files again that are gone, of some OBs or of all. One that fails stops no other."""
    lost = [
        file
        for file in lost_files(means.storage, at=at, catalogued=catalogued)
        if not obs or file.file.ob in obs
    ]
    lost.sort(key=lambda one: (one.file.ob, one.file.hour))
    done: list[Restored] = []
    for ob, some in groupby(lost, key=lambda one: one.file.ob):
        files = list(some)
        try:
            done += _restore_ob(means, ob, files, at=at)
        except MeterhouseError as error:
            told = {one.file.path for one in done}
            done += [Restored(one, str(error)) for one in files if one.path not in told]
    return done


def _restore_ob(
    means: UploadMeans, ob: str, files: Sequence[LostFile], *, at: Instant
) -> list[Restored]:
    names, country = put_snapshots(means, ob, at=at).names, country_of_ob(ob)
    plans = {plan.hour: plan for plan in uploads_of(means.storage, ob).plans}
    done: list[Restored] = []
    for hour, some in groupby(files, key=lambda one: one.file.hour):
        plan = plans.get(hour)
        if plan is None:
            done += [Restored(one, "its plan is gone from the list of uploads") for one in some]
            continue
        rules = plan.rules or means.rules
        gathered = Gathered(names, country=country, rules=rules, latest=plan.latest)
        unread = _read(means, plan, gathered)
        done += [_put(means, one, gathered, unread) for one in some]
    return done


def _read(means: UploadMeans, plan: Plan, gathered: Gathered) -> list[str]:
    """Read the logs that the upload had; returns what is wrong with those that cannot be."""
    missed = missed_by(means.storage, plan)
    unread: list[str] = []
    for file, sha256 in plan.logs:
        if sha256 in missed:
            continue
        try:
            found = means.logs.sha256(file.name)
            if found == sha256:
                gathered.read(file, means.logs)
            else:
                unread.append(f"{file.name} {'is gone' if found is None else 'was changed'}")
        except LogFault as error:
            unread.append(str(error.args[0]))
    return unread


def _put(means: UploadMeans, lost: LostFile, gathered: Gathered, unread: list[str]) -> Restored:
    rows = gathered.rows(lost.file.dataset)
    if len(rows) != lost.rows:
        why = "; ".join(unread) or "they are not what they were"
        return Restored(lost, f"its logs have {len(rows):,} of its {lost.rows:,} rows now: {why}")
    put_file(means, lost.file, rows)
    return Restored(lost)
