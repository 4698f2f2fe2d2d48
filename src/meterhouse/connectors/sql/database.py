"""Databases that streams may connect to, and connections that change nothing there.

A server has to pass the guard, and the connection goes to an address that was judged. A file of
SQLite is opened for reading only, and never one of the product's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from meterhouse.connectors.broker import Server, judged
from meterhouse.connectors.collectors import ExtraMissing
from meterhouse.connectors.folders import AllowedFolders
from meterhouse.connectors.http.guard import Guard
from meterhouse.connectors.sql.value import json_column
from meterhouse.core.json_text import JsonValue
from meterhouse.core.secret import Credentials
from meterhouse.streams.ports import InputError

PATIENCE_SECONDS = 10
#: The driver that is meant where none is named.
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_LIBPQ = frozenset({"psycopg", "psycopg2"})
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}
#: What makes the next transaction one that reads, where SQLAlchemy has no option for it.
_READ_ONLY = dict.fromkeys(("mysql", "mariadb", "oracle"), "SET TRANSACTION READ ONLY")


def library() -> Any:
    """Return SQLAlchemy. Raises ``ExtraMissing``."""
    try:
        import sqlalchemy
    except ImportError as error:
        raise ExtraMissing("sql", what="SQL") from error
    return sqlalchemy


class Database:
    """One database as a document names it, and who connects."""

    def __init__(
        self,
        settings: Mapping[str, JsonValue],
        credentials: Credentials | None,
        *,
        guard: Guard,
        folders: AllowedFolders,
    ) -> None:
        self._settings = settings
        self._guard = guard
        self._folders = folders
        self._user = settings.get("user")
        self._password: str | None = None
        if credentials is not None:
            self._user, self._password = credentials["username"], credentials["password"]
        self._driver = _DRIVERS.get(settings["driver"], settings["driver"])
        self._dialect = self._driver.partition("+")[0]

    @property
    def address(self) -> str:
        """The database as messages name it."""
        if (file := self._settings.get("file")) is not None:
            return f"SQLite file {file}"
        return f"{self._server}, database {self._settings['database']}"

    @property
    def source(self) -> str:
        """The name of what is read, for places of records."""
        if (file := self._settings.get("file")) is not None:
            return f"sql:{file}"
        return f"sql:{self._server}/{self._settings['database']}"

    @property
    def _server(self) -> Server:
        port = self._settings.get("port") or _PORTS.get(self._dialect, 0)
        return Server(self._settings["host"], port)

    def connect(self) -> Any:
        """Return a connection whose transaction only reads. Raises ``InputError``."""
        sa = library()
        try:
            engine = self._file_engine() if "file" in self._settings else self._server_engine()
            connection = engine.connect()
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise self.failed(error) from error
        return self._reading(connection)

    def _reading(self, connection: Any) -> Any:
        if self._dialect == "postgresql":
            return connection.execution_options(postgresql_readonly=True)
        if (statement := _READ_ONLY.get(self._dialect)) is not None:
            connection.exec_driver_sql(statement)
        return connection

    def failed(self, error: object, *, hint: str = "") -> InputError:
        """Return the error of a database that cannot be read; it never has the password."""
        said = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
        if self._password:
            said = said.replace(self._password, "...")
        hint = hint or "Check url, secret and query; nothing of this run is kept"
        return InputError(f"{self.address}: {' '.join(said.split()).rstrip('.')}", hint=hint)

    # ------------------------------------------------------------ engines

    def _server_engine(self) -> Any:
        sa = library()
        [server] = judged([self._server], self._guard)
        options = {**self._settings["options"]}
        arguments: dict[str, Any] = {}
        host = server.addresses[0]
        if self._driver.partition("+")[2] in _LIBPQ:
            # The name is what certificates are checked for, the address is what was judged.
            names = [server.host] * len(server.addresses)
            arguments = {"host": ",".join(names), "hostaddr": ",".join(server.addresses)}
            arguments |= {"port": str(server.port), "connect_timeout": PATIENCE_SECONDS}
        url = sa.URL.create(
            self._driver,
            self._user,
            self._password,
            host,
            server.port or None,
            self._settings["database"],
            options,
        )
        json = {"json_deserializer": json_column} if self._dialect == "postgresql" else {}
        try:
            return sa.create_engine(
                url,
                poolclass=sa.pool.NullPool,
                connect_args=arguments,
                hide_parameters=True,
                **json,
            )
        except ImportError as error:
            if self._driver == _DRIVERS["postgresql"]:
                raise ExtraMissing("sql", what="PostgreSQL") from error
            hint = f"Install the Python package of {self._driver}"
            raise self.failed(f"its driver is not installed ({error})", hint=hint) from error

    def _file_engine(self) -> Any:
        from pysqlite3 import dbapi2

        sa = library()
        path = self._judged_file(Path(self._settings["file"]))

        def open_file() -> Any:
            # One library for all files of a process: two would undo each other's locks.
            uri = f"file:{quote(str(path))}?mode=ro"
            connection = dbapi2.connect(uri, uri=True, check_same_thread=False)
            connection.text_factory = _text
            return connection

        return sa.create_engine(
            "sqlite+pysqlite://", creator=open_file, module=dbapi2, poolclass=sa.pool.NullPool
        )

    def _judged_file(self, file: Path) -> Path:
        self._folders.check(str(file))
        try:
            path = file.resolve(strict=True)
        except OSError as error:
            raise self.failed(f"cannot be opened: {error.strerror}") from error
        if not path.is_file():
            raise self.failed("is no file")
        if any(kept.samefile(path) for kept in self._own_files()):
            # A second name of the same file, wherever that lies.
            hint = "Read records and runs over the API or the command line"
            raise self.failed("lies in the data directory", hint=hint)
        return path

    def _own_files(self) -> Iterator[Path]:
        for closed in self._folders.closed:
            inside = closed.iterdir() if closed.is_dir() else iter([closed])
            yield from (path for path in inside if path.is_file())


def _text(raw: bytes) -> str | bytes:
    """Read a text; one that is no UTF-8 stays bytes, which no record can hold."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
