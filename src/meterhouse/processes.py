"""Who this process is, and which processes of this host live: what leases are held by.

A killed process is dead at once, and its number may come again: names have the start in them.
"""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meterhouse.app.ports import Lease

_PROC = Path("/proc")
#: Where, after the name in parentheses, /proc/PID/stat has the state and the start time.
_STATE_FIELD, _START_FIELD = 0, 19
_DEAD_STATES = frozenset("ZXx")


def is_dead(lease: Lease) -> bool:
    """Whether a lease is of a process of this host that has ended."""
    return lease.host == this_host() and lease.process not in living_processes()


def this_host() -> str:
    """Name this machine, and the process table in it that our process numbers belong to."""
    namespace = _PROC / "self" / "ns" / "pid"
    table = str(namespace.readlink()) if namespace.is_symlink() else ""
    return f"{socket.gethostname()} {table}".strip()


def this_user() -> str:
    """Name the user of the operating system; by number where it has no name."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def this_process() -> str:
    """Name this process so that a later one with the same number is told apart."""
    own = _PROC / str(os.getpid())
    # The scheduler asks each second: it looks at this one alone.
    if (found := _named_process(own, boot=_boot_id())) is not None:
        return found
    return _living_of_ps()[os.getpid()]


def living_processes() -> frozenset[str]:
    """Return the names of all processes of this host that live now."""
    return frozenset(_living().values())


def _living() -> dict[int, str]:
    return _living_of_proc() if (_PROC / "self" / "stat").exists() else _living_of_ps()


def _living_of_proc() -> dict[int, str]:
    boot = _boot_id()
    living: dict[int, str] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (name := _named_process(folder, boot=boot)) is not None:
            living[int(folder.name)] = name
    return living


def _named_process(folder: Path, *, boot: str) -> str | None:
    """Name the process that a folder of /proc is of; ``None`` where it has ended."""
    try:
        stat = (folder / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name in parentheses may hold spaces and parentheses of its own.
    fields = stat.rpartition(")")[2].split()
    return (
        None
        if fields[_STATE_FIELD] in _DEAD_STATES
        else f"{boot}{folder.name}-{fields[_START_FIELD]}"
    )


def _boot_id() -> str:
    """Name this boot: start times count from it."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii")[:8] + "-"
    except OSError:
        return ""


def _living_of_ps() -> dict[int, str]:
    """Ask ps, on systems without /proc."""
    command = ["/bin/ps", "-axo", "pid=,stat=,lstart="]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = (line.split(maxsplit=2) for line in lines)
    return {
        int(pid): f"{pid}-{start}" for pid, state, start in rows if state[0] not in _DEAD_STATES
    }
