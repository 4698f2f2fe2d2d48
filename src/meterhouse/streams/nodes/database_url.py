"""``url`` of a node: a database, and never who connects to it with which password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from meterhouse.core.json_text import JsonValue
from meterhouse.core.reading import Reading, shown

URL_CHARS_MAX = 2_000
#: Options of a URL that say how to talk to the server, and neither to which nor as whom.
OPTIONS = ("sslmode", "channel_binding", "application_name", "charset", "driver")
_OPTION = re.compile(r"[A-Za-z0-9 ._-]{1,100}")
#: Databases that are files, whatever host is named: they would get round what is refused.
_NO_SERVERS = frozenset({"sqlite", "duckdb", "chdb", "access", "shillelagh"})
_EXAMPLE = "write it as postgresql://db.example.com:5432/billing or sqlite:///usage.db"
_FILE = re.compile(r"(sqlite)(?:\+pysqlite)?:///([^?#\x00-\x1f]+)")
_SERVER = re.compile(
    r"(?P<driver>[a-z][a-z0-9_]*(?:\+[a-z][a-z0-9_]*)?)://(?:(?P<user>[^@/?#:]+)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"/(?P<database>[^/?#\s\\]+)(?:\?(?P<options>[^#\s]*))?"
)
_PASSWORD = re.compile(r"://[^@/?#:]*:[^@]*@|(?:password|passwd|pwd)\s*=|[?&]user=", re.I)
_PORT_MAX = 65_535


def read_database_url(reading: Reading, name: str = "url") -> Mapping[str, JsonValue]:
    """Read a required URL; problems are noted.

    Returns ``driver`` and ``file``, or ``driver``, ``user``, ``host``, ``port``, ``database`` and
    ``options``; nothing where it is wrong.
    """
    text = reading.text(name, required=True)
    if text is None:
        return {}
    if len(text) > URL_CHARS_MAX:
        reading.fail(name, f"has {len(text)} characters", f"at most {URL_CHARS_MAX}")
    elif _PASSWORD.search(text):
        # It is shown nowhere: not in this message either.
        hint = "take it out, and name a secret of type basic in secretsWalletEntry"
        reading.fail(name, "has a password in it, which everybody could read", hint)
    elif "${" in text or "@{" in text:
        reading.fail(name, f"is {shown(text)}", "there is no record: no placeholders here")
    elif (file := _FILE.fullmatch(text)) is not None:
        return {"driver": file[1], "file": file[2]}
    elif (found := _SERVER.fullmatch(text)) is None or dialect_of(found["driver"]) in _NO_SERVERS:
        reading.fail(name, f"is {shown(text)}", _EXAMPLE)
    elif found["port"] and int(found["port"]) > _PORT_MAX:
        reading.fail(name, f"has the port {found['port']}", f"at most {_PORT_MAX}")
    else:
        return _server(reading, name, found)
    return {}


def dialect_of(driver: str) -> str:
    """Return the database of a driver.

    >>> dialect_of("postgresql+psycopg")
    'postgresql'
    """
    return driver.partition("+")[0]


def _server(reading: Reading, name: str, found: re.Match[str]) -> Mapping[str, JsonValue]:
    options = dict(parse_qsl(found["options"] or "", keep_blank_values=True))
    for option, value in options.items():
        if option not in OPTIONS:
            known = ", ".join(OPTIONS)
            reading.fail(name, f"has the option {shown(option)}", f"these may be given: {known}")
        elif not _OPTION.fullmatch(value):
            reading.fail(name, f"has {option}={value}", "use letters, digits, spaces and . _ -")
    return {
        "driver": found["driver"],
        "user": unquote(found["user"]) if found["user"] else None,
        "host": found["host"].strip("[]").lower(),
        "port": int(found["port"]) if found["port"] else None,
        "database": unquote(found["database"]),
        "options": options,
    }
