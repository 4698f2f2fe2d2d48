"""Configuration: the environment, read once and turned into values.

Decides where the data directory is. Nothing else in the product reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

#: The environment variable that names the data directory.
DATA_VARIABLE = "METERHOUSE_DATA"
_WALLET_VARIABLES = ("METERHOUSE_SECRETS_KEY", "METERHOUSE_SECRETS_KEY_FILE")


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


def wallet_variable(*, environment: Mapping[str, str] | None = None) -> str | None:
    """Return the variable that gives the wallet's key, where one does.

    >>> wallet_variable(environment={"METERHOUSE_SECRETS_KEY": "x"})
    'METERHOUSE_SECRETS_KEY'
    """
    variables = os.environ if environment is None else environment
    return next((name for name in _WALLET_VARIABLES if variables.get(name)), None)


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
