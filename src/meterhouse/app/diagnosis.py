"""What can be said of an installation: findings of the doctor, and what operators watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from meterhouse.core.instant import MINUTE, Instant, instant_text, parse_instant
from meterhouse.core.timezone import zone_names

MEBIBYTE = 1024 * 1024
_FREE_BYTES_MIN, _FREE_BYTES_GOOD = 100 * MEBIBYTE, 1024 * MEBIBYTE
_EARLIEST, _LATEST = "2026-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
_ZONES_MIN = 400
_OTHERS = 0o077


class Grade(Enum):
    """How good or bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined, how it is, and what to do about it."""

    name: str
    grade: Grade
    message: str
    remedy: str = ""

    def to_api(self) -> dict[str, Any]:
        """Return the object of ``doctor --json``."""
        head = {"check": self.name, "status": self.grade.value, "message": self.message}
        return head | {"remedy": self.remedy or None}


@dataclass(frozen=True, slots=True)
class Tallies:
    """What is in the ledger, counted: runs by status, suspended records by reason.

    ``pending_since`` is when the run ended whose output has waited longest.
    """

    runs: Mapping[str, int] = field(default_factory=dict)
    suspended: Mapping[str, int] = field(default_factory=dict)
    meters: int = 0
    meter_types: int = 0
    pending: int = 0
    pending_since: Instant | None = None
    dead_letters: int = 0


class Health(Protocol):
    """The part of the ledger that says how it is."""

    def tallies(self) -> Tallies:
        """Count what operators watch."""
        ...

    def check_writable(self) -> None:
        """Write something that changes nothing; raises where that is impossible."""
        ...


def directory_findings(directory: str, *, exists: bool, writable: bool, mode: int) -> list[Finding]:
    """Judge the rights of the data directory, or of the one that it is to be made in."""
    name = "data directory"
    if not writable:
        remedy = "give this user the right to write there, or use another one (--data DIR)"
        return [Finding(name, Grade.FAIL, f"{directory} cannot be written", remedy)]
    if not exists:
        message = f"{directory} does not exist yet"
        return [Finding(name, Grade.WARN, message, "the first command makes it")]
    if mode & _OTHERS:
        message = f"{directory} has the mode {mode:o}: others may read usage and customers"
        return [Finding(name, Grade.WARN, message, f"chmod 700 {directory}")]
    return [Finding(name, Grade.OK, directory)]


def impossible_directory(directory: str, why: str) -> Finding:
    """Say that there can be no such data directory.

    >>> impossible_directory("/etc/passwd", "it is a file").message
    '/etc/passwd cannot be the data directory: it is a file'
    """
    message = f"{directory} cannot be the data directory: {why}"
    return Finding("data directory", Grade.FAIL, message, "use another one (--data DIR)")


def disk_finding(free_bytes: int) -> Finding:
    """Judge the room on the disk.

    >>> disk_finding(5 * MEBIBYTE).grade.value
    'fail'
    """
    message = f"{free_bytes // MEBIBYTE:,} MiB free"
    if free_bytes < _FREE_BYTES_MIN:
        return Finding("disk", Grade.FAIL, message, "make room: runs cannot commit on a full disk")
    if free_bytes < _FREE_BYTES_GOOD:
        return Finding("disk", Grade.WARN, message, "make room before the next large run")
    return Finding("disk", Grade.OK, message)


def wallet_finding(source: str | None) -> Finding:
    """Judge whether there is a key that seals secrets."""
    if source is None:
        return Finding("wallet key", Grade.WARN, "there is none yet", "the first secret makes it")
    return Finding("wallet key", Grade.OK, f"from {source}")


def zones_finding() -> Finding:
    """Judge the time zone data."""
    count = len(zone_names())
    if count < _ZONES_MIN:
        remedy = "install the package tzdata anew"
        return Finding("time zones", Grade.FAIL, f"only {count} are known", remedy)
    return Finding("time zones", Grade.OK, f"{count} are known")


def clock_finding(now: Instant, *, ledger_touched: Instant | None) -> Finding:
    """Judge the clock of this machine; the ledger must not come from the future."""
    earliest, latest = parse_instant(_EARLIEST), parse_instant(_LATEST)
    assert earliest is not None and latest is not None
    remedy = "set the clock, best by NTP"
    if not earliest <= now <= latest:
        return Finding("clock", Grade.FAIL, f"it says {instant_text(now)}", remedy)
    if ledger_touched is not None and ledger_touched > now + MINUTE:
        message = f"it says {instant_text(now)}, before the ledger was written last"
        return Finding("clock", Grade.FAIL, message, remedy)
    return Finding("clock", Grade.OK, instant_text(now))
