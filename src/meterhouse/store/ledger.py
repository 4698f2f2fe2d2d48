"""The ledger: one SQLite file in the data directory, and the parts that keep something in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from meterhouse.app.ports import Lease
from meterhouse.store.activities import ActivityTable
from meterhouse.store.applications import ApplicationTable
from meterhouse.store.billing_records import BillingRecordTable
from meterhouse.store.connection import (
    BUSY_SECONDS,
    CACHE_KIB,
    Database,
    StoreError,
    check_version,
)
from meterhouse.store.corrections import CorrectionTable
from meterhouse.store.credits import CreditTable
from meterhouse.store.customers import CustomerTable
from meterhouse.store.datasets import DatasetTable
from meterhouse.store.dead_letters import DeadLetterTable
from meterhouse.store.findings import FindingTable
from meterhouse.store.forwards import ForwardTable
from meterhouse.store.health import HealthTable
from meterhouse.store.idempotency import IdempotencyTable
from meterhouse.store.invoice_history import InvoiceHistoryTable
from meterhouse.store.invoices import InvoiceTable
from meterhouse.store.invoices_issued import IssuedInvoiceTable
from meterhouse.store.issuers import IssuerTable
from meterhouse.store.kernel_clients import KernelClientTable
from meterhouse.store.lookup_tables import LookupTableTable
from meterhouse.store.meter_types import MeterTypeTable
from meterhouse.store.meters import MeterTable
from meterhouse.store.migration import migrate
from meterhouse.store.notifications import NotificationTable
from meterhouse.store.outbox import OutboxTable
from meterhouse.store.positions import PositionTable
from meterhouse.store.prefixes import PrefixTable
from meterhouse.store.price_books import PriceBookTable
from meterhouse.store.records import RecordTable
from meterhouse.store.runs import RunTable
from meterhouse.store.schedules import ScheduleTable
from meterhouse.store.sealed_values import SealedValueTable
from meterhouse.store.secrets import SecretTable
from meterhouse.store.sessions import SessionTable
from meterhouse.store.signing_keys import SigningKeyTable
from meterhouse.store.stream_groups import StreamGroupTable
from meterhouse.store.stream_versions import StreamVersionTable
from meterhouse.store.streams import StreamTable
from meterhouse.store.usage import UsageTable
from meterhouse.store.usage_audit import UsageAuditTable

FILE_NAME = "ledger.sqlite"


class SqliteLedger(
    MeterTypeTable,
    MeterTable,
    StreamTable,
    StreamVersionTable,
    StreamGroupTable,
    LookupTableTable,
    ScheduleTable,
    RunTable,
    PositionTable,
    SessionTable,
    UsageAuditTable,
    UsageTable,
    RecordTable,
    CorrectionTable,
    OutboxTable,
    ForwardTable,
    DeadLetterTable,
    NotificationTable,
    PrefixTable,
    SealedValueTable,
    SecretTable,
    ApplicationTable,
    SigningKeyTable,
    IssuerTable,
    CustomerTable,
    BillingRecordTable,
    InvoiceTable,
    IssuedInvoiceTable,
    CreditTable,
    ActivityTable,
    IdempotencyTable,
    InvoiceHistoryTable,
    HealthTable,
    PriceBookTable,
    KernelClientTable,
    DatasetTable,
    FindingTable,
):
    """The whole ledger: each part adds its methods, all share one connection."""

    def __init__(self, database: Database, dead: Callable[[Lease], bool]) -> None:
        self._database = database
        self._dead = dead

    def close(self) -> None:
        """Close the connection. Snapshots have their own."""
        self._database.close()


def open_ledger(
    directory: Path,
    *,
    dead: Callable[[Lease], bool] = lambda _: False,
    cache_kib: int = CACHE_KIB,
    busy_seconds: float = BUSY_SECONDS,
    turns: Lock | None = None,
) -> SqliteLedger:
    """Open the ledger of a data directory; both are made where they do not exist.

    ``dead`` tells leases whose process is known to be gone: they protect nothing any more.
    ``turns`` is shared by the ledgers that threads of this process have of one directory.
    """
    check_version()
    path = directory / FILE_NAME
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Usage and customers are nobody else's business; the log files take the mode over.
        path.touch(mode=0o600)
    except OSError as error:
        hint = "Give another data directory (--data DIR), or the right to write there"
        message = f"The data directory {directory} cannot be used: {error.strerror}"
        raise StoreError(message, hint=hint) from error
    database = Database(path, cache_kib=cache_kib, busy_seconds=busy_seconds, turns=turns)
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return SqliteLedger(database, dead)
