"""Configuration: the environment, read once and turned into values.

Decides where the data directory is and where the wallet's keys come from. Nothing else in the
product reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from meterhouse.core.problem import MeterhouseError

#: The environment variable that names the data directory.
DATA_VARIABLE = "METERHOUSE_DATA"
#: The environment variables that have the wallet's keys, or name the file that has them.
KEY_VARIABLE, KEY_FILE_VARIABLE = "METERHOUSE_SECRETS_KEY", "METERHOUSE_SECRETS_KEY_FILE"
#: The environment variable that names hosts which streams may call beside public ones.
HTTP_ALLOW_VARIABLE = "METERHOUSE_HTTP_ALLOW"
#: The environment variable that names folders which streams of a server may use.
FILES_ALLOW_VARIABLE = "METERHOUSE_FILES_ALLOW"
#: The environment variable that limits one HTTP exchange of a stream, in seconds.
HTTP_TIMEOUT_VARIABLE = "METERHOUSE_HTTP_TIMEOUT"
HTTP_TIMEOUT_SECONDS, HTTP_TIMEOUT_SECONDS_MAX = 60, 3_600


def data_directory(given: Path | None, *, environment: Mapping[str, str] | None = None) -> Path:
    """Return the data directory: as given, else METERHOUSE_DATA, else one of the user's own.

    >>> str(data_directory(None, environment={"HOME": "/home/ann"}))
    '/home/ann/.local/share/meterhouse'
    """
    variables = os.environ if environment is None else environment
    if given is not None:
        return given
    if named := variables.get(DATA_VARIABLE):
        return Path(named)
    if shared := variables.get("XDG_DATA_HOME"):
        return Path(shared) / "meterhouse"
    return home_directory(environment=variables) / ".local" / "share" / "meterhouse"


def home_directory(*, environment: Mapping[str, str] | None = None) -> Path:
    """Return the user's home directory."""
    variables = os.environ if environment is None else environment
    home = variables.get("HOME")
    return Path(home) if home else Path.home()


def secrets_key(*, environment: Mapping[str, str] | None = None) -> str | None:
    """Return the wallet's keys as they are written in the environment; they go before a file.

    >>> secrets_key(environment={})
    """
    variables = os.environ if environment is None else environment
    return variables.get(KEY_VARIABLE) or None


def secrets_key_file(*, environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the file of the wallet's keys that the environment names.

    >>> secrets_key_file(environment={"METERHOUSE_SECRETS_KEY_FILE": "/run/secrets/wallet"})
    PosixPath('/run/secrets/wallet')
    """
    variables = os.environ if environment is None else environment
    named = variables.get(KEY_FILE_VARIABLE)
    return Path(named) if named else None


def http_allowed(*, environment: Mapping[str, str] | None = None) -> str:
    """Return what streams may call beside public addresses: hosts and networks with commas."""
    variables = os.environ if environment is None else environment
    return variables.get(HTTP_ALLOW_VARIABLE, "")


def files_allowed(*, environment: Mapping[str, str] | None = None) -> str | None:
    """Return which folders streams of a server may use, with commas; ``None`` where it is unsaid.

    >>> files_allowed(environment={})
    >>> files_allowed(environment={"METERHOUSE_FILES_ALLOW": "/srv/usage,/srv/bills"})
    '/srv/usage,/srv/bills'
    """
    variables = os.environ if environment is None else environment
    return variables.get(FILES_ALLOW_VARIABLE)


def http_timeout(*, environment: Mapping[str, str] | None = None) -> int:
    """Return how many seconds one HTTP exchange of a stream may take.

    >>> http_timeout(environment={}), http_timeout(environment={"METERHOUSE_HTTP_TIMEOUT": "5"})
    (60, 5)
    """
    variables = os.environ if environment is None else environment
    text = variables.get(HTTP_TIMEOUT_VARIABLE) or str(HTTP_TIMEOUT_SECONDS)
    seconds = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= seconds <= HTTP_TIMEOUT_SECONDS_MAX:
        problem = f'{HTTP_TIMEOUT_VARIABLE} is "{text}"'
        hint = f"Use whole seconds from 1 to {HTTP_TIMEOUT_SECONDS_MAX}"
        raise MeterhouseError(problem, hint=hint, code="configuration_invalid")
    return seconds


def keep_freed_memory() -> None:
    """Let the columnar engine keep memory that it has freed, for its next column.

    First touch of memory is dear, and a run uses and frees columns of one size over and over. To be
    called before the engine is imported, which reads this variable once; the user's own choice
    stands.
    """
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:-1,muzzy_decay_ms:-1")


def colours(out: TextIO, *, environment: Mapping[str, str] | None = None) -> bool:
    """Whether to write in colour there: on a terminal, unless NO_COLOR or TERM=dumb says no."""
    variables = os.environ if environment is None else environment
    return out.isatty() and not variables.get("NO_COLOR") and variables.get("TERM") != "dumb"
