"""Connections that write to databases: the same servers and files, judged in the same way.

A file of SQLite has to exist, and to lie where streams may write.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from meterhouse.connectors.sending import brief
from meterhouse.connectors.sql.database import Database, library

#: A file that another writes to is asked for again after so long, which lets a lane be stopped.
_LOCK_SECONDS = 0.2


class WritableDatabase(Database):
    """A database whose connections write."""

    def said(self, error: object) -> str:
        """Return what went wrong as a reason: which database, and its words without secrets."""
        return brief(self.failed(getattr(error, "orig", None) or error).args[0])

    def _reading(self, connection: Any) -> Any:
        return connection

    def _file_engine(self) -> Any:
        from pysqlite3 import dbapi2

        sa = library()
        path = self._judged_file(Path(self._settings["file"]))

        def open_file() -> Any:
            uri = f"file:{quote(str(path))}?mode=rw"
            connection = dbapi2.connect(
                uri, uri=True, check_same_thread=False, timeout=_LOCK_SECONDS
            )
            connection.execute("PRAGMA foreign_keys=ON")
            return connection

        return sa.create_engine(
            "sqlite+pysqlite://",
            creator=open_file,
            module=dbapi2,
            poolclass=sa.pool.NullPool,
            hide_parameters=True,
        )


def cut(connection: Any) -> None:
    """End whatever a thread waits for at a connection: its socket is of no more use."""
    with suppress(Exception):  # It may be closed already.
        driver = connection.connection.driver_connection
        if not hasattr(driver, "fileno"):
            return  # A file: nobody waits there for long.
        with socket.socket(fileno=os.dup(driver.fileno())) as raw:
            raw.shutdown(socket.SHUT_RDWR)
