"""Wiring: the adapters, the clock, ids and chance, and who this process is.

The one place that reads the clock, makes ids and seeds and knows the operating system's processes;
the environment is read in ``config``. Adapters are imported when they are first needed: a command
that only lists meters never loads the script engine.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from meterhouse.config import data_directory, home_directory, wallet_variable
from meterhouse.core.instant import Instant

if TYPE_CHECKING:
    from meterhouse.api import Authority, Context, Limits
    from meterhouse.app.diagnosis import Finding
    from meterhouse.app.ports import Lease, Ledger
    from meterhouse.app.running import Means
    from meterhouse.streams.world import Progress

_PROC = Path("/proc")
#: Seeds stay below this, so that any JSON reader keeps them exact.
_SEED_LIMIT = 2**53
#: Where, after the name in parentheses, /proc/PID/stat has the state and the start time.
_STATE_FIELD, _START_FIELD = 0, 19
_DEAD_STATES = frozenset("ZXx")


#: Files of the data directory beside the ledger.
_CURSOR_KEY_FILE, _WALLET_FILE = "cursor.key", "secrets.key"
_CURSOR_KEY_BYTES = 32


def _unseen(*_: object) -> None:
    return None


def _write_line(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@dataclass(frozen=True, slots=True)
class Installation:
    """A data directory that is open, with all that use cases need from the world."""

    directory: Path
    ledger: Ledger

    def clock(self) -> Instant:
        """Return the present instant."""
        return time.time_ns() // 1000

    def new_id(self) -> str:
        """Return an id that was never used."""
        return str(uuid.uuid4())

    def new_seed(self) -> int:
        """Return a seed for a run that was given none."""
        return secrets.randbelow(_SEED_LIMIT)

    def means(
        self,
        *,
        progress: Callable[[Progress], None] = _unseen,
        log: Callable[[str, str, str], None] = _unseen,
    ) -> Means:
        """Return what running a stream needs; ``progress`` and ``log`` see it run."""
        from meterhouse.app.ports import Lease
        from meterhouse.app.running import Means
        from meterhouse.connectors import FileDelivery, SpoolFolder, UsageFiles
        from meterhouse.sandbox import JavaScriptSandbox
        from meterhouse.streams.world import Services

        home = home_directory()
        services = Services(
            files=UsageFiles(home=home),
            spools=SpoolFolder(self.directory),
            scripts=JavaScriptSandbox(),
            progress=progress,
            log=log,
        )
        lease = Lease(this_host(), this_process())
        delivery = FileDelivery(self.directory, home=home)
        return Means(services, delivery, lease, living_processes, self.clock, Path.cwd())


@contextmanager
def open_installation(given: Path | None = None) -> Iterator[Installation]:
    """Open the data directory that is given or configured; it is made where there is none."""
    from meterhouse.store import open_ledger

    directory = data_directory(given)
    ledger = open_ledger(directory, dead=_is_dead)
    try:
        yield Installation(directory, ledger)
    finally:
        ledger.close()


@contextmanager
def open_context(
    given: Path | None = None,
    *,
    public_url: str,
    authority: Authority | None = None,
    limits: Limits | None = None,
    log: Callable[[str], None] = _write_line,
) -> Iterator[Context]:
    """Open a data directory for the API; many threads use it."""
    from meterhouse.api import Context, Limits, RunThreads
    from meterhouse.app.ports import Lease
    from meterhouse.store import LedgerPool

    directory = data_directory(given)
    pool = LedgerPool(directory, dead=_is_dead)
    try:
        # The ledger is made or brought up to date now, and not by the first request.
        with pool.ledger() as ledger:
            house = Installation(directory, ledger)
        yield Context(
            ledger=pool.ledger,
            authority=authority or first_authority(),
            runs=RunThreads(pool.ledger_of_run, house.means, log=log),
            means=house.means,
            lease=Lease(this_host(), this_process()),
            living=living_processes,
            clock=house.clock,
            new_id=house.new_id,
            new_seed=house.new_seed,
            cursor_key=_cursor_key(directory),
            public_url=public_url.rstrip("/"),
            free_bytes=lambda: shutil.disk_usage(directory).free,
            log=log,
            limits=limits or Limits(),
        )
    finally:
        pool.close()


def first_authority() -> Authority:
    """Return who checks tokens; where there is no application yet, nobody gets in.

    The first start is where an application for administrators is made and shown, once.
    """
    from meterhouse.api import Closed

    return Closed()


def _cursor_key(directory: Path) -> bytes:
    """Return the key that signs cursors; every server of a data directory has the same."""
    path = directory / _CURSOR_KEY_FILE
    if not path.exists():
        made = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        made.touch(mode=0o600)
        made.write_bytes(secrets.token_bytes(_CURSOR_KEY_BYTES))
        try:
            os.link(made, path)
        except FileExistsError:
            pass  # Another server was faster: its key is ours, too.
        finally:
            made.unlink()
    return path.read_bytes()


def serve(
    given: Path | None = None,
    *,
    host: str,
    port: int,
    public_url: str | None = None,
    grace_seconds: float,
    ready: Callable[[str], None],
    authority: Authority | None = None,
) -> None:
    """Serve the API until a signal comes. ``ready`` is told where it listens, once it does."""
    from meterhouse.api import Address, create_app
    from meterhouse.api import serve as serve_app

    with Address(host, port).listen() as listening:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listening.getsockname()[1]}"
        with open_context(given, public_url=public_url or url, authority=authority) as context:
            serve_app(
                create_app(context),
                listening,
                runs=context.runs,
                grace_seconds=grace_seconds,
                ready=lambda: ready(url),
            )


def diagnose(given: Path | None = None) -> list[Finding]:
    """Examine everything that the program stands on, without changing anything."""
    from meterhouse.app.diagnosis import (
        clock_finding,
        directory_findings,
        disk_finding,
        wallet_finding,
        zones_finding,
    )
    from meterhouse.sandbox import examine as examine_scripts
    from meterhouse.store import examine as examine_ledger

    directory = data_directory(given)
    there = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    ledger = directory / "ledger.sqlite"
    touched = ledger.stat().st_mtime_ns // 1000 if ledger.exists() else None
    wallet = directory / _WALLET_FILE
    return [
        *directory_findings(
            str(directory),
            exists=directory.exists(),
            writable=os.access(there, os.W_OK | os.X_OK),
            mode=there.stat().st_mode & 0o777,
        ),
        disk_finding(shutil.disk_usage(there).free),
        *examine_ledger(directory),
        wallet_finding(wallet_variable() or (wallet.name if wallet.exists() else None)),
        zones_finding(),
        examine_scripts(),
        clock_finding(time.time_ns() // 1000, ledger_touched=touched),
    ]


def _is_dead(lease: Lease) -> bool:
    """Whether a lease is of a process of this host that has ended."""
    return lease.host == this_host() and lease.process not in living_processes()


def this_host() -> str:
    """Name this machine, and the process table in it that our process numbers belong to."""
    namespace = _PROC / "self" / "ns" / "pid"
    table = str(namespace.readlink()) if namespace.is_symlink() else ""
    return f"{socket.gethostname()} {table}".strip()


def this_process() -> str:
    """Name this process so that a later one with the same number is told apart."""
    return _living()[os.getpid()]


def living_processes() -> frozenset[str]:
    """Return the names of all processes of this host that live now."""
    return frozenset(_living().values())


def _living() -> dict[int, str]:
    return _living_of_proc() if (_PROC / "self" / "stat").exists() else _living_of_ps()


def _living_of_proc() -> dict[int, str]:
    boot = _boot_id()
    living: dict[int, str] = {}
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text("utf-8", "replace")
        except OSError:
            continue  # It ended meanwhile.
        # The name in parentheses may hold spaces and parentheses of its own.
        fields = stat.rpartition(")")[2].split()
        if fields[_STATE_FIELD] not in _DEAD_STATES:
            living[int(folder.name)] = f"{boot}{folder.name}-{fields[_START_FIELD]}"
    return living


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
