"""Ids by their first characters, as people type them."""

from __future__ import annotations

from collections.abc import Sequence

from meterhouse.app.ports import IdKind
from meterhouse.store.connection import Database
from meterhouse.store.sql_text import queries

_SQL = queries("prefixes")
#: No id has a character beyond this one.
_LAST = "\U0010ffff"


class PrefixTable:
    """The part of the ledger that completes ids."""

    _database: Database

    def ids_beginning(self, prefix: str, *, kind: IdKind) -> Sequence[str]:
        """Return ids that begin so, two at most: a second one says that there are several."""
        values = {"prefix": prefix, "beyond": prefix + _LAST}
        with self._database.read():
            return [id for (id,) in self._database.rows(_SQL[kind], values)]
