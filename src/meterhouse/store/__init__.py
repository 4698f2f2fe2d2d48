"""The ledger: SQL only here."""

from meterhouse.store.connection import StoreError
from meterhouse.store.ledger import SqliteLedger, open_ledger

__all__ = ["SqliteLedger", "StoreError", "open_ledger"]
