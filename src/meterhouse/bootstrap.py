"""Wiring: the adapters, the clock, ids and chance, and who this process is.

The one place that reads the clock, makes ids and seeds and knows the operating system's processes;
the environment is read in ``config``. Adapters are imported when they are first needed: a command
that only lists meters never loads the script engine.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from meterhouse.config import (
    FILES_ALLOW_VARIABLE,
    HTTP_ALLOW_VARIABLE,
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    data_directory,
    files_allowed,
    home_directory,
    http_allowed,
    http_timeout,
    secrets_key,
    secrets_key_file,
)
from meterhouse.core.instant import Instant

if TYPE_CHECKING:
    from meterhouse.api import Access, Authority, Context, Limits
    from meterhouse.app.access_ports import (
        ClientSecretHasher,
        SealedValues,
        Sealer,
        TokenAuthority,
    )
    from meterhouse.app.applications import NewClient
    from meterhouse.app.diagnosis import Finding
    from meterhouse.app.forward_ports import Claim
    from meterhouse.app.forwarding import ForwardMeans
    from meterhouse.app.ports import Lease, Ledger
    from meterhouse.app.running import Means
    from meterhouse.app.table_ports import TableFiles
    from meterhouse.connectors import AllowedFolders
    from meterhouse.connectors.http import Guard, HttpClient
    from meterhouse.core.secret import Credentials
    from meterhouse.security import KeyFile
    from meterhouse.streams.world import Progress

    Lend = Callable[..., AbstractContextManager[Ledger]]

_PROC = Path("/proc")
#: Seeds stay below this, so that any JSON reader keeps them exact.
_SEED_LIMIT = 2**53
#: Where, after the name in parentheses, /proc/PID/stat has the state and the start time.
_STATE_FIELD, _START_FIELD = 0, 19
_DEAD_STATES = frozenset("ZXx")

#: The file of the data directory that has the key of cursors.
_CURSOR_KEY_FILE = "cursor.key"
_CURSOR_KEY_BYTES = 32


def _unseen(*_: object) -> None:
    return None


def http_client(*, own_urls: Sequence[str] = ()) -> HttpClient:
    """Return the client of streams. ``own_urls`` are base URLs of this server: always allowed."""
    from meterhouse.connectors.http import HttpClient, Limits

    return HttpClient(guard(own_urls=own_urls), limits=Limits(whole_seconds=http_timeout()))


def guard(*, own_urls: Sequence[str] = ()) -> Guard:
    """Return what judges the servers that streams connect to."""
    from meterhouse.connectors.http import AllowList, Guard

    allowed = AllowList.parse(http_allowed(), what=HTTP_ALLOW_VARIABLE)
    return Guard(allowed.with_servers(own_urls))


def _folders(directory: Path, *, served: bool = False) -> AllowedFolders:
    """Return which files streams may use: on a server, where documents come from others, few."""
    from meterhouse.connectors import AllowedFolders, parse_folders, working_folder

    home = home_directory()
    given = (directory, secrets_key_file())
    closed = tuple(path.absolute() for path in given if path is not None)
    if not served:
        return AllowedFolders(closed, home=home)
    text = files_allowed()
    if text is None:
        return AllowedFolders(closed, working_folder(Path.cwd()), home=home)
    allowed = parse_folders(text, what=FILES_ALLOW_VARIABLE, home=home)
    return AllowedFolders(closed, tuple(allowed), home=home)


def _write_line(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@dataclass(frozen=True, slots=True)
class Installation:
    """A data directory that is open, with all that use cases need from the world."""

    directory: Path
    ledger: Ledger

    def clock(self) -> Instant:
        """Return the present instant."""
        return _now()

    def new_id(self) -> str:
        """Return an id that was never used."""
        return _new_id()

    def new_seed(self) -> int:
        """Return a seed for a run that was given none."""
        return _new_seed()

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
        means = _means(
            self.directory,
            folders=_folders(self.directory),
            http=http_client(own_urls=own_urls),
            credentials=self.credentials,
            progress=progress,
            log=log,
            checkpoint=checkpoint,
        )
        return replace(means, forwarding=self.forwarding(own_urls=own_urls))

    def forwarding(
        self, *, own_urls: Sequence[str] = (), clock: Callable[[], Instant] | None = None
    ) -> ForwardMeans:
        """Return what forwarding records from the outbox needs.

        Another clock than the real one is for trying out what happens in days.
        """
        return forward_means(
            self.directory,
            credentials=self._credentials_for_threads,
            own_urls=own_urls,
            clock=clock or _now,
        )

    def _credentials_for_threads(self, secret_id: str) -> Credentials:
        """Return the values of a secret by a ledger of its own: ours is for one thread."""
        from meterhouse.app.secrets import credentials_of
        from meterhouse.store import open_ledger

        ledger = open_ledger(self.directory, dead=_is_dead)
        try:
            return credentials_of(ledger, sealer_of(self.directory, ledger), secret_id)
        finally:
            ledger.close()

    def credentials(self, secret_id: str) -> Credentials:
        """Return the values of a secret of the wallet."""
        from meterhouse.app.secrets import credentials_of

        return credentials_of(self.ledger, self.sealer(), secret_id)

    def tables(self) -> TableFiles:
        """Return what keeps the rows of look-up tables."""
        return tables_of(self.directory)

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


def _now() -> Instant:
    return time.time_ns() // 1000


def _new_id() -> str:
    # A UUID of version 4, as the library makes it in three times as long: bulks want a million.
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _new_seed() -> int:
    return secrets.randbelow(_SEED_LIMIT)


def _means(
    directory: Path,
    *,
    folders: AllowedFolders,
    http: HttpClient,
    credentials: Callable[[str], Credentials],
    progress: Callable[[Progress], None] = _unseen,
    log: Callable[[str, str, str], None] = _unseen,
    checkpoint: Callable[[], None] = _unseen,
) -> Means:
    from meterhouse.app.running import Means
    from meterhouse.connectors import (
        CollectorKinds,
        FileDelivery,
        SpoolFolder,
        TableFolder,
        UsageFiles,
    )
    from meterhouse.connectors.remote import RemotePlaces
    from meterhouse.sandbox import Sandbox
    from meterhouse.streams.world import Services

    home = home_directory()
    judge = guard()
    places = RemotePlaces(judge, credentials=credentials, home=home)
    services = Services(
        files=UsageFiles(home=home, folders=folders, data=directory, places=places),
        spools=SpoolFolder(directory),
        scripts=Sandbox(),
        progress=progress,
        log=log,
        http=http,
        collectors=CollectorKinds(judge),
        credentials=credentials,
        wait=time.sleep,
        stopwatch=lambda: int(time.monotonic()),
        checkpoint=checkpoint,
        tables=TableFolder(directory, home=home),
        check_path=folders.check_pattern,
    )
    delivery = FileDelivery(directory, home=home, folders=folders, places=places)
    return Means(services, delivery, _lease(), living_processes, _now, Path.cwd())


def tables_of(directory: Path) -> TableFiles:
    """Return what keeps the rows of look-up tables in a data directory."""
    from meterhouse.connectors import TableFolder

    return TableFolder(directory, home=home_directory())


def forward_means(
    directory: Path,
    *,
    credentials: Callable[[str], Credentials],
    own_urls: Sequence[str] = (),
    clock: Callable[[], Instant] = _now,
) -> ForwardMeans:
    """Return what forwarding records from the outbox needs; any thread may ask ``credentials``."""
    from meterhouse.app.forwarding import ForwardMeans
    from meterhouse.connectors.forwarders import ForwarderKinds
    from meterhouse.connectors.spooled_records import SpoolRecords

    return ForwardMeans(
        forwarders=ForwarderKinds(guard(own_urls=own_urls), clock=clock),
        records=SpoolRecords(directory),
        credentials=credentials,
        claim=_claim,
        living=living_processes,
        clock=clock,
        chance=secrets.randbelow,
    )


def _claim() -> Claim:
    from meterhouse.app.forward_ports import Claim

    return Claim(this_host(), this_process(), _new_id())


def _lease() -> Lease:
    from meterhouse.app.ports import Lease

    return Lease(this_host(), this_process())


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

    return Authority(lend, sealer, public_urls=public_urls, new_id=_new_id)


@contextmanager
def open_installation(given: Path | None = None) -> Iterator[Installation]:
    """Open the data directory that is given or configured; it is made where there is none."""
    from meterhouse.app.access_ports import Acting
    from meterhouse.store import open_ledger

    directory = data_directory(given)
    ledger = open_ledger(directory, dead=_is_dead)
    ledger.acting = Acting(this_user(), _now)
    try:
        yield Installation(directory, ledger)
    finally:
        ledger.close()


@contextmanager
def open_context(
    given: Path | None = None,
    *,
    public_url: str,
    own_urls: Sequence[str] = (),
    authority: Authority | None = None,
    limits: Limits | None = None,
    log: Callable[[str], None] = _write_line,
) -> Iterator[Context]:
    """Open a data directory for the API; many threads use it.

    ``own_urls`` are further base URLs of this server, beside the public one.
    """
    from meterhouse.api import Context, Limits, RunThreads
    from meterhouse.app.secrets import credentials_of
    from meterhouse.store import LedgerPool

    directory = data_directory(given)
    urls = list(dict.fromkeys(url.rstrip("/") for url in (public_url, *own_urls)))
    folders = _folders(directory, served=True)
    pool = LedgerPool(directory, dead=_is_dead)
    http = http_client(own_urls=urls)

    def credentials(secret_id: str) -> Credentials:
        with pool.ledger() as ledger:
            return credentials_of(ledger, sealer, secret_id)

    try:
        # The ledger is made or brought up to date now, and not by the first request.
        with pool.ledger() as ledger:
            sealer = sealer_of(directory, ledger)
        client_secrets = client_secrets_of(pool.ledger, sealer)
        means = partial(_means, directory, folders=folders, http=http, credentials=credentials)
        yield Context(
            ledger=pool.ledger,
            authority=authority or _access_of(pool.ledger, sealer, client_secrets, urls=urls),
            runs=RunThreads(pool.ledger_of_run, means, log=log),
            means=means,
            lease=_lease(),
            living=living_processes,
            clock=_now,
            new_id=_new_id,
            new_seed=_new_seed,
            cursor_key=_cursor_key(directory),
            public_url=urls[0],
            free_bytes=lambda: shutil.disk_usage(directory).free,
            log=log,
            sealer=sealer,
            client_secrets=client_secrets,
            tables=tables_of(directory),
            limits=limits or Limits(),
            forwarding=forward_means(directory, credentials=credentials, own_urls=urls),
        )
    finally:
        http.close()
        pool.close()


def _access_of(
    lend: Lend, sealer: Sealer, client_secrets: ClientSecretHasher, *, urls: Sequence[str]
) -> Access:
    """Return who lets clients of the API in; there is a key that signs tokens from now on."""
    from meterhouse.api import Access

    tokens = authority_of(lend, sealer, public_urls=urls)
    tokens.renew_keys(at=_now())
    return Access(lend, tokens, client_secrets, clock=_now, new_id=_new_id)


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
    introduce: Callable[[NewClient], None] = _unseen,
    authority: Authority | None = None,
) -> None:
    """Serve the API and run what is due, until a signal comes.

    ``ready`` is told where it listens, once it does. ``introduce`` is given the client that may do
    everything, where there was none before; nobody ever sees its secret again.
    """
    from meterhouse.api import Access, Address, Deliverer, Scheduler, create_app
    from meterhouse.api import serve as serve_app

    with Address(host, port).listen() as listening:
        url = _shown_url(host, listening.getsockname()[1])
        opening = open_context(
            given, public_url=public_url or url, own_urls=[url], authority=authority
        )
        with opening as context:
            access = context.authority
            if isinstance(access, Access) and (first := access.first_client()) is not None:
                introduce(first)
            serve_app(
                create_app(context),
                listening,
                runs=context.runs,
                loops=(Scheduler(context), Deliverer(context)),
                grace_seconds=grace_seconds,
                ready=lambda: ready(url),
            )


def _shown_url(host: str, port: int) -> str:
    """Return how this machine reaches what listens there."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (it is read)
    shown = f"[{reached}]" if ":" in reached else reached
    return f"http://{shown}:{port}"


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
    return [
        *directory_findings(
            str(directory),
            exists=directory.exists(),
            writable=os.access(there, os.W_OK | os.X_OK),
            mode=there.stat().st_mode & 0o777,
        ),
        disk_finding(shutil.disk_usage(there).free),
        *examine_ledger(directory, at=_now()),
        wallet_finding(_wallet_source(directory)),
        zones_finding(),
        examine_scripts(),
        clock_finding(time.time_ns() // 1000, ledger_touched=touched),
    ]


def _wallet_source(directory: Path) -> str | None:
    """Say where the wallet's key comes from; ``None`` where there is none yet."""
    from meterhouse.security import WALLET_FILE

    if secrets_key():
        return KEY_VARIABLE
    if path := secrets_key_file():
        return f"{KEY_FILE_VARIABLE} ({path})"
    return WALLET_FILE if (directory / WALLET_FILE).exists() else None


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
