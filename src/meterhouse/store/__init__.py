"""The ledger: SQL only here."""

from meterhouse.store.connection import StoreError
from meterhouse.store.health import examine
from meterhouse.store.ledger import SqliteLedger, open_ledger
from meterhouse.store.pool import LedgerPool

__all__ = ["LedgerPool", "SqliteLedger", "StoreError", "examine", "open_ledger"]
