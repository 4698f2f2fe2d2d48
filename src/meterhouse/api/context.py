"""What the API needs from the world; ``bootstrap`` gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial

from meterhouse.api.authority import Authority
from meterhouse.api.kernel_access import KernelAccess
from meterhouse.api.run_threads import RunThreads
from meterhouse.app.access_ports import Acting, ClientSecretHasher, Sealer
from meterhouse.app.billing.archive_ports import ArchiveStore, LinkSigner
from meterhouse.app.billing.files import FileMeans
from meterhouse.app.billing.price_import import PriceImporter
from meterhouse.app.datasets.ports import Containers, DatasetStorage
from meterhouse.app.forwarding import ForwardMeans
from meterhouse.app.ports import Lease, Ledger
from meterhouse.app.running import Means
from meterhouse.app.script_syntax import ScriptChecker
from meterhouse.app.table_ports import TableFiles
from meterhouse.core.instant import Instant

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may send, and how often it may ask for a token."""

    body_bytes: int = 10 * MEBIBYTE
    #: of operations that are open to all
    open_bytes: int = 64 * 1024
    bulk_bytes: int = 1024 * MEBIBYTE
    line_bytes: int = MEBIBYTE
    #: what of a bulk is created in one transaction, and how much of it is kept until then
    slice_items: int = 50_000
    slice_bytes: int = 32 * MEBIBYTE
    token_requests: int = 1_000
    token_seconds: int = 300
    free_bytes_min: int = 100 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class Context:
    """The world, as the API sees it.

    ``ledger`` lends a ledger to one thread. ``public_url`` is where clients find this server,
    without a slash at its end. ``log`` takes one line of JSON. ``sealer`` seals secrets;
    ``client_secrets`` makes and hashes those of applications; ``tables`` keeps rows of look-ups.
    ``forwarding`` delivers outputs. ``archive`` keeps files of invoices, ``links`` opens them.
    """

    ledger: Callable[..., AbstractContextManager[Ledger]]
    authority: Authority
    runs: RunThreads
    means: Callable[[], Means]
    lease: Lease
    living: Callable[[], frozenset[str]]
    clock: Callable[[], Instant]
    new_id: Callable[[], str]
    new_seed: Callable[[], int]
    cursor_key: bytes
    public_url: str
    free_bytes: Callable[[], int]
    log: Callable[[str], None]
    sealer: Sealer
    client_secrets: ClientSecretHasher
    tables: TableFiles
    forwarding: ForwardMeans
    archive: ArchiveStore
    links: LinkSigner
    #: who lets clients of Kernel in
    kernel: KernelAccess
    #: where files of the catalogue are, and what reads them
    datasets: DatasetStorage
    containers: Containers
    #: what knows whether scripts are valid
    scripts: ScriptChecker
    #: what making files of invoices needs, for who asks
    file_means: Callable[[str], FileMeans]
    #: makes price books of published tables
    price_importer: PriceImporter
    #: the formats that files of invoices are made in
    invoice_formats: tuple[str, ...] = ()
    #: what invoices say of the program
    software: Mapping[str, str] = field(default_factory=dict)
    #: a mail server is configured
    mails: bool = False
    limits: Limits = field(default_factory=Limits)

    def of(self, actor: str) -> Context:
        """Return the same world as a client sees it: its acts are written down as its own."""
        return replace(self, ledger=partial(self.ledger, Acting(actor, self.clock)))
