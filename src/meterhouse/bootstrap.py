"""Wiring: the adapters, the clock, ids and chance.

The one place that reads the clock and makes ids and seeds; the environment is read in ``config``,
the processes of this machine in ``processes``; ``bootstrap_places`` wires the places where files
are kept, and ``bootstrap_server`` the server. Adapters are imported when they are first needed: a
command that only lists meters never loads the script engine.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from meterhouse.bootstrap_places import (
    archive_of,
    containers,
    dataset_storage_of,
    guard,
)
from meterhouse.config import (
    FILES_ALLOW_VARIABLE,
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    data_directory,
    delivered_days,
    files_allowed,
    home_directory,
    http_timeout,
    invoice_formats,
    mail_server,
    secrets_key,
    secrets_key_file,
)
from meterhouse.core.instant import Instant
from meterhouse.core.problem import MeterhouseError
from meterhouse.processes import is_dead, living_processes, this_host, this_process, this_user

if TYPE_CHECKING:
    from meterhouse.app.access_ports import (
        ClientSecretHasher,
        SealedValues,
        Sealer,
        TokenAuthority,
    )
    from meterhouse.app.billing.archive_ports import ArchiveStore, LinkSigner
    from meterhouse.app.billing.files import FileMeans
    from meterhouse.app.billing.price_books import Document
    from meterhouse.app.billing.price_import import ImportedPrices, PriceImport
    from meterhouse.app.datasets.ports import Containers, DatasetStorage
    from meterhouse.app.diagnosis import Finding
    from meterhouse.app.forward_ports import Claim
    from meterhouse.app.forwarding import ForwardMeans
    from meterhouse.app.ports import Lease, Ledger
    from meterhouse.app.running import Means
    from meterhouse.app.script_syntax import ScriptChecker
    from meterhouse.app.table_ports import TableFiles
    from meterhouse.connectors import AllowedFolders
    from meterhouse.connectors.http import HttpClient
    from meterhouse.core.invoice import Invoice
    from meterhouse.core.secret import Credentials
    from meterhouse.security import KeyFile
    from meterhouse.streams.world import Progress

    Lend = Callable[..., AbstractContextManager[Ledger]]

#: Seeds stay below this, so that any JSON reader keeps them exact.
_SEED_LIMIT = 2**53
#: What the formats of invoices import, by the extra that installs it.
_EXTRA_LIBRARIES = {"pdf": "typst", "einvoice": "facturx"}


def _unseen(*_: object) -> None:
    return None


def http_client(*, own_urls: Sequence[str] = ()) -> HttpClient:
    """Return the client of streams. ``own_urls`` are base URLs of this server: always allowed."""
    from meterhouse.connectors.http import HttpClient, Limits

    return HttpClient(guard(own_urls=own_urls), limits=Limits(whole_seconds=http_timeout()))


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


def price_book_documents(text: str, *, what: str) -> list[Document]:
    """Return the documents of price books in a file, which ``what`` names."""
    from meterhouse.connectors.price_book_files import read_documents

    return read_documents(text, what=what)


def imported_llm_prices(text: str, wanted: PriceImport, *, what: str) -> ImportedPrices:
    """Return the price books that a published table of prices becomes; ``what`` names its file."""
    from meterhouse.connectors.llm_prices import import_llm_prices

    return import_llm_prices(text, wanted, what=what)


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
        return new_id()

    def new_seed(self) -> int:
        """Return a seed for a run that was given none."""
        return new_seed()

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
            credentials=self._credentials_for_threads,
            lend=lambda: nullcontext(self.ledger),
            own_urls=own_urls,
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

        ledger = open_ledger(self.directory, dead=is_dead)
        try:
            return credentials_of(ledger, sealer_of(self.directory, ledger), secret_id)
        finally:
            ledger.close()

    def credentials(self, secret_id: str) -> Credentials:
        """Return the values of a secret of the wallet."""
        from meterhouse.app.secrets import credentials_of

        return credentials_of(self.ledger, self.sealer(), secret_id)

    def has_mail_server(self) -> bool:
        """Whether a mail server is configured that sends to notification groups."""
        return mail_server() is not None

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

    def software(self) -> dict[str, str]:
        """Return what invoices say of the program that made them."""
        return software()

    def invoice_formats(self, given: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return the formats that files of invoices are made in: those given, else the usual."""
        return checked_formats(given)

    def file_means(self) -> FileMeans:
        """Return what making files of invoices needs."""
        return file_means(self.archive(), actor=this_user())

    def client_secrets(self) -> ClientSecretHasher:
        """Return what makes, hashes and compares client secrets."""
        return client_secrets_of(lambda: nullcontext(self.ledger), self.sealer())

    def archive(self) -> ArchiveStore:
        """Return the archive of invoices."""
        return archive_of(self.directory, credentials=self.credentials)

    def datasets(self) -> DatasetStorage:
        """Return where the files of the catalogue are."""
        return dataset_storage_of(self.directory, credentials=self.credentials)

    def common_storage(self) -> DatasetStorage:
        """Return where uploaders put files of datasets."""
        return dataset_storage_of(self.directory, credentials=self.credentials, common=True)

    def containers(self) -> Containers:
        """Return what reads and writes Avro containers."""
        return containers()

    def links(self) -> LinkSigner:
        """Return what makes and knows links to downloads."""
        return links_of(lambda: nullcontext(self.ledger), self.sealer())

    def authority(self, public_urls: Sequence[str]) -> TokenAuthority:
        """Return what issues and checks tokens for a service; its first URL is the issuer."""
        return authority_of(
            lambda: nullcontext(self.ledger), self.sealer(), public_urls=public_urls
        )


def _now() -> Instant:
    return time.time_ns() // 1000


def new_id() -> str:
    """Return an id that was never used."""
    # A UUID of version 4, as the library makes it in three times as long: bulks want a million.
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def software() -> dict[str, str]:
    """Return what invoices say of the program that made them."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return {"software": f"meterhouse {version('meterhouse')}"}
    except PackageNotFoundError:
        return {"software": "meterhouse"}


def checked_formats(given: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return formats of invoices, those configured unless some are given.

    ``NotFoundError`` where there is none such, and an error where its library is missing.
    """
    from meterhouse.documents import format_named

    formats = [format_named(name) for name in dict.fromkeys(given or invoice_formats())]
    for format in formats:
        for extra in filter(None, format.extra.split(",")):
            library = _EXTRA_LIBRARIES.get(extra)
            if library is not None and find_spec(library) is None:
                message = f"The format {format.name} needs a library that is not installed"
                hint = f"Install it: pip install 'meterhouse[{extra}]'"
                raise MeterhouseError(message, hint=hint, code="extra_missing")
    return tuple(format.name for format in formats)


def write_csv(records: Path, target: Path) -> None:
    """Bring records, a line of JSON each, into CSV that no spreadsheet runs anything of."""
    from meterhouse.connectors.export import to_csv

    to_csv(records, target, formula_safe=True)


def file_means(archive: ArchiveStore, *, actor: str) -> FileMeans:
    """Return what making files of invoices needs."""
    from meterhouse.app.billing.archiving import Document
    from meterhouse.app.billing.files import FileMeans
    from meterhouse.documents import format_named

    def render(name: str, invoice: Invoice) -> Document:
        format = format_named(name)
        suffix = format.suffix.removeprefix(".")
        return Document(suffix, format.media_type, format.render(invoice), format.name)

    return FileMeans(render, archive, _now, actor)


def new_seed() -> int:
    """Return a seed that nobody can foretell."""
    return secrets.randbelow(_SEED_LIMIT)


def _means(
    directory: Path,
    *,
    folders: AllowedFolders,
    http: HttpClient,
    credentials: Callable[[str], Credentials],
    lend: Lend,
    own_urls: Sequence[str] = (),
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
    from meterhouse.connectors.dataset_reading import catalogues
    from meterhouse.connectors.kernel import KernelMeans
    from meterhouse.connectors.remote import RemotePlaces
    from meterhouse.connectors.scratch import Scratch
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
        collectors=CollectorKinds(judge, folders=folders),
        credentials=credentials,
        wait=time.sleep,
        stopwatch=lambda: int(time.monotonic()),
        checkpoint=checkpoint,
        tables=TableFolder(directory, home=home),
        check_path=folders.check_pattern,
        datasets=catalogues(
            lend,
            storage=lambda: dataset_storage_of(directory, credentials=credentials),
            guard=guard(own_urls=own_urls),
            clients=KernelMeans(new_id, time.sleep, Scratch(directory)),
        ),
    )
    delivery = FileDelivery(directory, home=home, folders=folders, places=places)
    means = Means(services, delivery, _lease(), living_processes, _now, Path.cwd())
    days = delivered_days()
    return means if days is None else replace(means, delivered_days=days)


def script_checker() -> ScriptChecker:
    """Return who knows whether scripts are valid, without an installation."""
    from meterhouse.sandbox import Sandbox

    return Sandbox()


def served_means(
    directory: Path,
    *,
    http: HttpClient,
    credentials: Callable[[str], Credentials],
    lend: Lend,
    own_urls: Sequence[str] = (),
) -> Callable[..., Means]:
    """Return what makes the means of runs in a server, where documents come from others."""
    folders = _folders(directory, served=True)
    return partial(
        *(_means, directory),
        folders=folders,
        http=http,
        credentials=credentials,
        lend=lend,
        own_urls=own_urls,
    )


def tables_of(directory: Path) -> TableFiles:
    """Return what keeps the rows of look-up tables in a data directory."""
    from meterhouse.connectors import TableFolder

    return TableFolder(directory, home=home_directory())


def forward_means(
    directory: Path,
    *,
    credentials: Callable[[str], Credentials],
    own_urls: Sequence[str] = (),
    served: bool = False,
    clock: Callable[[], Instant] = _now,
) -> ForwardMeans:
    """Return what forwarding records from the outbox needs; any thread may ask ``credentials``."""
    from meterhouse.app.forwarding import ForwardMeans
    from meterhouse.connectors.forwarders import ForwarderKinds, MailMeans
    from meterhouse.connectors.spooled_records import SpoolRecords

    folders = _folders(directory, served=served)
    server = mail_server()
    # The operator has named it; streams may still not connect to it.
    mail = MailMeans(server, guard(own_urls=[] if server is None else [server.url]))
    return ForwardMeans(
        forwarders=ForwarderKinds(
            guard(own_urls=own_urls), clock=clock, mail=mail, folders=folders
        ),
        records=SpoolRecords(directory),
        credentials=credentials,
        claim=_claim,
        living=living_processes,
        clock=clock,
        chance=secrets.randbelow,
    )


def _claim() -> Claim:
    from meterhouse.app.forward_ports import Claim

    return Claim(this_host(), this_process(), new_id())


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

    return Authority(lend, sealer, public_urls=public_urls, new_id=new_id)


def links_of(lend: Lend, sealer: Sealer) -> LinkSigner:
    """Return what makes and knows links to downloads; ``lend`` gives a thread its ledger."""
    from meterhouse.security import LinkKey, LinkTokens

    return LinkTokens(LinkKey(lend, sealer, secrets.token_bytes))


@contextmanager
def open_installation(given: Path | None = None) -> Iterator[Installation]:
    """Open the data directory that is given or configured; it is made where there is none."""
    from meterhouse.app.access_ports import Acting
    from meterhouse.store import open_ledger

    directory = data_directory(given)
    ledger = open_ledger(directory, dead=is_dead)
    ledger.acting = Acting(this_user(), _now)
    try:
        yield Installation(directory, ledger)
    finally:
        ledger.close()


def diagnose(given: Path | None = None) -> list[Finding]:
    """Examine everything that the program stands on, without changing anything."""
    from meterhouse.app.diagnosis import (
        clock_finding,
        directory_findings,
        disk_finding,
        impossible_directory,
        wallet_finding,
        zones_finding,
    )
    from meterhouse.sandbox import examine as examine_scripts
    from meterhouse.store import examine as examine_ledger

    directory = data_directory(given)
    try:
        there = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    except (OSError, ValueError) as error:
        return [
            impossible_directory(str(directory), getattr(error, "strerror", None) or str(error))
        ]
    if not there.is_dir():
        return [impossible_directory(str(directory), f"{there} is a file")]
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
