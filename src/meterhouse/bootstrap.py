"""Wiring: the adapters, the clock, ids and chance, and who this process is.

The one place that reads the clock, makes ids and seeds and knows the operating system's processes;
the environment is read in ``config``. Adapters are imported when they are first needed: a command
that only lists meters never loads the script engine.
"""

from __future__ import annotations

import os
import pwd
import secrets
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from meterhouse.config import (
    HTTP_ALLOW_VARIABLE,
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    data_directory,
    home_directory,
    http_allowed,
    http_timeout,
    secrets_key,
    secrets_key_file,
)
from meterhouse.core.instant import Instant

if TYPE_CHECKING:
    from meterhouse.app.access_ports import (
        ClientSecretHasher,
        SealedValues,
        Sealer,
        TokenAuthority,
    )
    from meterhouse.app.ports import Lease, Ledger
    from meterhouse.app.running import Means
    from meterhouse.connectors.http import HttpClient
    from meterhouse.core.secret import Credentials
    from meterhouse.security import KeyFile
    from meterhouse.streams.world import Progress

    Lend = Callable[[], AbstractContextManager[Ledger]]

_PROC = Path("/proc")
#: Seeds stay below this, so that any JSON reader keeps them exact.
_SEED_LIMIT = 2**53
#: Where, after the name in parentheses, /proc/PID/stat has the state and the start time.
_STATE_FIELD, _START_FIELD = 0, 19
_DEAD_STATES = frozenset("ZXx")


def _unseen(*_: object) -> None:
    return None


def http_client(*, own_urls: Sequence[str] = ()) -> HttpClient:
    """Return the client of streams. ``own_urls`` are base URLs of this server: always allowed."""
    from meterhouse.connectors.http import AllowList, Guard, HttpClient, Limits

    allowed = AllowList.parse(http_allowed(), what=HTTP_ALLOW_VARIABLE).with_servers(own_urls)
    return HttpClient(Guard(allowed), limits=Limits(whole_seconds=http_timeout()))


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

    def user(self) -> str:
        """Return who this process belongs to."""
        return this_user()

    def means(
        self,
        *,
        progress: Callable[[Progress], None] = _unseen,
        log: Callable[[str, str, str], None] = _unseen,
        own_urls: Sequence[str] = (),
        checkpoint: Callable[[], None] = _unseen,
    ) -> Means:
        """Return what running a stream needs; ``progress`` and ``log`` see it run.

        ``own_urls`` are base URLs of this server, which streams may always call. ``checkpoint`` is
        called before each chunk; what it raises ends the run.
        """
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
            http=http_client(own_urls=own_urls),
            credentials=self.credentials,
            wait=time.sleep,
            stopwatch=lambda: int(time.monotonic()),
            checkpoint=checkpoint,
        )
        lease = Lease(this_host(), this_process())
        delivery = FileDelivery(self.directory, home=home)
        return Means(services, delivery, lease, living_processes, self.clock, Path.cwd())

    def credentials(self, secret_id: str) -> Credentials:
        """Return the values of a secret of the wallet."""
        from meterhouse.app.secrets import credentials_of

        return credentials_of(self.ledger, self.sealer(), secret_id)

    def sealer(self) -> Sealer:
        """Return what seals with the wallet's key."""
        return sealer_of(self.directory, self.ledger)

    def rotate_wallet_key(self) -> int:
        """Seal everything by the first key of the wallet, which is a new one where it is our own.

        Returns how many values were sealed anew.
        """
        from meterhouse.app.secrets import reseal_all

        sealer = self.sealer()
        if secrets_key() or secrets_key_file():
            return reseal_all(self.ledger, sealer)
        with _key_file(self.directory).changed():
            return reseal_all(self.ledger, sealer)

    def client_secrets(self) -> ClientSecretHasher:
        """Return what makes, hashes and compares client secrets."""
        return client_secrets_of(lambda: nullcontext(self.ledger), self.sealer())

    def authority(self, public_urls: Sequence[str]) -> TokenAuthority:
        """Return what issues and checks tokens for a service; its first URL is the issuer."""
        return authority_of(
            lambda: nullcontext(self.ledger), self.sealer(), public_urls=public_urls
        )


def sealer_of(directory: Path, ledger: SealedValues) -> Sealer:
    """Return what seals with the wallet's key: the one configured, else the directory's own.

    Threads may share it. ``ledger`` says whether anything was sealed before, and no more.
    """
    from meterhouse.security import Envelope, given_keys, key_file

    if text := secrets_key():
        keys = given_keys(text, source=KEY_VARIABLE)
        return Envelope(lambda: keys, secrets.token_bytes)
    if path := secrets_key_file():
        source = f"{KEY_FILE_VARIABLE} ({path})"
        return Envelope(lambda: key_file(path, source=source), secrets.token_bytes)
    own = _key_file(directory)
    own.make_once(in_use=ledger.has_sealed_values)
    return Envelope(own.keys, secrets.token_bytes)


def _key_file(directory: Path) -> KeyFile:
    from meterhouse.security import WALLET_FILE, KeyFile

    return KeyFile(directory / WALLET_FILE, secrets.token_bytes)


def client_secrets_of(lend: Lend, sealer: Sealer) -> ClientSecretHasher:
    """Return what makes, hashes and compares client secrets; ``lend`` gives a thread its ledger."""
    from meterhouse.security import ClientSecrets, Pepper

    return ClientSecrets(Pepper(lend, sealer, secrets.token_bytes), secrets.token_bytes)


def authority_of(lend: Lend, sealer: Sealer, *, public_urls: Sequence[str]) -> TokenAuthority:
    """Return what issues and checks tokens; ``lend`` gives each thread its ledger."""
    from meterhouse.security import Authority

    return Authority(lend, sealer, public_urls=public_urls, new_id=lambda: str(uuid.uuid4()))


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


def _is_dead(lease: Lease) -> bool:
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
