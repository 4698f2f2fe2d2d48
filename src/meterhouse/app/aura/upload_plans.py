"""The list of uploads, in common storage beside the files: what was uploaded, and out of what.

An upload is planned before it is made: its plan names the logs with their hashes, the rules by
which they are read, and an hour that no other upload of the OB has, by which its files are named.
Plans are numbered, and each is put where there is none, and never changed: of two uploaders that
plan at one time, one has the number, and the other plans anew, knowing what the first has. Whoever
finds a plan without its account makes it; the same plan gives the same files. So a process may be
killed anywhere, no log is handled twice, and a new release, which has the same storage, goes on
where the old one was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from meterhouse.app.aura.ports import LogFile
from meterhouse.app.datasets.ports import DatasetStorage
from meterhouse.core.instant import Instant, instant_text, parse_instant, to_datetime
from meterhouse.core.json_text import JsonValue, json_text, parse_json
from meterhouse.core.problem import MeterhouseError
from meterhouse.datasets.audit import AuditRules

HOUR = 3_600_000_000
#: So many bytes of unpacked logs become one upload: its rows take some 13 times as much memory.
BATCH_BYTES = 48 << 20
#: Where the list lies in common storage.
UPLOADS = "uploads"
#: Where rows are that were rejected, and what the names of their files end with.
REJECTED_ROWS, ROWS = "rejected", ".ndjson"
#: What the name of an account ends with.
ACCOUNT = ".account.json"
#: What names of files end with that say of which datasets an upload has written rows.
WRITTEN = ".written.json"
_PLAN, _MISSED = ".plan.json", ".missed.json"
_TOO_OLD = "too-old.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """An upload of an OB: its logs by hash, in the order in which they are read.

    ``number`` is its place in the list, of which there is one only. A plan that has no rules is
    made by those of whoever makes it. ``latest``: rows that are dated after it are rejected.
    """

    ob: str
    hour: Instant
    logs: tuple[tuple[LogFile, str], ...]
    number: int = 1
    rules: AuditRules | None = None
    latest: Instant | None = None

    @property
    def name(self) -> str:
        """What the upload is called, as its files are."""
        return f"{self.ob}_{to_datetime(self.hour):%Y%m%dT%H0000Z}"

    @property
    def path(self) -> str:
        """Where the plan lies."""
        return f"{UPLOADS}/{self.ob}/{self.ob}_{self.number:06}{_PLAN}"

    @property
    def account_path(self) -> str:
        """Where the account of what came of it lies."""
        return f"{UPLOADS}/{self.ob}/{self.name}{ACCOUNT}"

    def written_path(self, datasets: Iterable[str]) -> str:
        """Return where it says that it has rows of some datasets: a list of files tells it."""
        return f"{UPLOADS}/{self.ob}/{self.name}.{'-'.join(datasets) or 'none'}{WRITTEN}"

    @property
    def missed_path(self) -> str:
        """Where hashes of logs lie that were gone or changed when the upload was made."""
        return f"{UPLOADS}/{self.ob}/{self.name}{_MISSED}"

    @property
    def rejected_path(self) -> str:
        """Where the rows lie that were rejected."""
        return f"{REJECTED_ROWS}/{self.ob}/{self.name}{ROWS}"

    def to_text(self) -> str:
        """Write the plan."""
        logs = [file.to_json() | {"sha256": sha256} for file, sha256 in self.logs]
        body: dict[str, JsonValue] = {"ob": self.ob, "hour": instant_text(self.hour), "logs": logs}
        if self.rules is not None:
            rules = {"action": self.rules.action, "byMessage": self.rules.by_message}
            body["rules"] = rules
        if self.latest is not None:
            body["latest"] = instant_text(self.latest)
        return json_text(body) + "\n"


@dataclass(frozen=True, slots=True)
class Uploads:
    """All uploads of an OB: which are not made yet, and by plan what it missed."""

    plans: tuple[Plan, ...]
    unfinished: tuple[Plan, ...]
    missed: Mapping[Instant, frozenset[str]]

    @property
    def hashes(self) -> frozenset[str]:
        """The contents that were planned, and not missed."""
        return frozenset(sha256 for _, sha256 in self._logs())

    @property
    def known(self) -> frozenset[LogFile]:
        """The files that were planned, and not missed, as they stood."""
        return frozenset(file for file, _ in self._logs())

    def _logs(self) -> Iterator[tuple[LogFile, str]]:
        for plan in self.plans:
            missed = self.missed.get(plan.hour, frozenset())
            yield from (one for one in plan.logs if one[1] not in missed)


def uploads_of(storage: DatasetStorage, ob: str) -> Uploads:
    """Read the list of uploads of an OB."""
    names = {file.name for file in storage.list(f"{UPLOADS}/{ob}")}
    listed = [name for name in sorted(names) if name.endswith(_PLAN)]
    plans = [_read_plan(storage, name, number) for number, name in enumerate(listed, start=1)]
    missed = {plan.hour: missed_by(storage, plan) for plan in plans if plan.missed_path in names}
    unfinished = tuple(plan for plan in plans if plan.account_path not in names)
    return Uploads(tuple(plans), unfinished, missed)


def missed_by(storage: DatasetStorage, plan: Plan) -> frozenset[str]:
    """Return the hashes of logs that could not be read when a plan was made."""
    if storage.find(plan.missed_path) is None:
        return frozenset()
    return frozenset(map(str, read_object(storage, plan.missed_path)["sha256"]))


@dataclass(frozen=True, slots=True)
class FreshLog:
    """A log that no upload has: its hash, and how many bytes it has when it is unpacked."""

    file: LogFile
    sha256: str
    size: int


def new_plans(
    ob: str,
    logs: Sequence[FreshLog],
    *,
    taken: Sequence[Instant],
    at: Instant,
    rules: AuditRules,
    latest: Instant | None = None,
) -> Iterator[Plan]:
    """Plan logs that no upload has, so many together as fit into memory.

    ``taken`` are the hours of all plans that there are, whose numbers the new ones go on from.
    Each plan has an hour of its own: this one, or the last before it that no other upload has. So
    files never bear an hour to come, and the second upload of an hour overwrites nothing.
    """
    hours = set(taken)
    hour = at - at % HOUR
    for number, batch in enumerate(_batches(logs), start=len(taken) + 1):
        while hour in hours:
            hour -= HOUR
        hours.add(hour)
        planned = tuple((one.file, one.sha256) for one in batch)
        yield Plan(ob, hour, planned, number, rules, latest)


def _batches(logs: Sequence[FreshLog]) -> Iterator[list[FreshLog]]:
    batch: list[FreshLog] = []
    size = 0
    for log in logs:
        if batch and size + log.size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(log)
        size += log.size
    if batch:
        yield batch


def put_text(storage: DatasetStorage, name: str, text: str, *, scratch: Path) -> bool:
    """Put a text where there is none; ``False`` where the same one is there."""
    path = scratch / "text"
    path.write_text(text, encoding="utf-8")
    try:
        return storage.put(name, path)
    finally:
        path.unlink(missing_ok=True)


def put_too_old(storage: DatasetStorage, ob: str, names: Sequence[str], *, scratch: Path) -> None:
    """Keep which logs of an OB are too old to be looked for, for whoever examines the storage."""
    path, text = f"{UPLOADS}/{ob}/{_TOO_OLD}", json_text({"logs": list(names)}) + "\n"
    if storage.find(path) is not None:
        if names and b"".join(storage.read(path)) == text.encode():
            return
        storage.delete(path)
    if names:
        put_text(storage, path, text, scratch=scratch)


def too_old(storage: DatasetStorage) -> dict[str, list[str]]:
    """Return the logs of each OB that the last upload found too old; none that has none."""
    return {
        file.name.split("/")[1]: [str(name) for name in read_object(storage, file.name)["logs"]]
        for file in storage.list(UPLOADS)
        if file.name.endswith(f"/{_TOO_OLD}")
    }


def read_object(storage: DatasetStorage, name: str) -> Mapping[str, JsonValue]:
    """Read a JSON object that this program has put."""
    text = b"".join(storage.read(name))
    try:
        body = parse_json(text.decode())
    except ValueError as error:
        raise damaged(name) from error
    if not isinstance(body, Mapping):
        raise damaged(name)
    return body


def _read_plan(storage: DatasetStorage, name: str, number: int) -> Plan:
    body = read_object(storage, name)
    try:
        logs = tuple(
            (
                LogFile(
                    body["ob"],
                    one["kind"],
                    one["name"],
                    int(one["size"]),
                    _instant(one["modifiedAt"]),
                ),
                str(one["sha256"]),
            )
            for one in body["logs"]
        )
        said = body.get("rules")
        rules = None if said is None else AuditRules(str(said["action"]), bool(said["byMessage"]))
        latest = None if body.get("latest") is None else _instant(body["latest"])
        return Plan(body["ob"], _instant(body["hour"]), logs, number, rules, latest)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(name) from error


def _instant(text: str) -> Instant:
    instant = parse_instant(text)
    if instant is None:
        raise ValueError(text)
    return instant


def damaged(name: str) -> MeterhouseError:
    """Return the error of a file of the list of uploads that is not as it was put."""
    hint = "put it back as it was; without it, logs would be uploaded twice"
    return MeterhouseError(f"{name} in common storage is damaged", hint=hint, code="upload_damaged")
