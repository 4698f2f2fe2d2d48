"""Configuration: the environment, read once and turned into values.

Decides where the data directory is and where the wallet's keys come from. Nothing else in the
product reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from meterhouse.core.json_text import JsonValue
from meterhouse.core.mail_server import ADDRESS, HOST, PORT_MAX, SECURITY, MailServer
from meterhouse.core.problem import DefinitionError, MeterhouseError, Problem

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
#: The environment variable that says for how many days delivered outputs are remembered.
DELIVERED_DAYS_VARIABLE = "METERHOUSE_DELIVERED_DAYS"
DELIVERED_DAYS_MAX = 3_660
_DIGITS_MAX = 10
#: The environment variable that names the formats of files of invoices.
INVOICE_FORMATS_VARIABLE = "METERHOUSE_INVOICE_FORMATS"
INVOICE_FORMATS = ("xlsx", "json", "csv", "focus")
#: The environment variables of the mail server that sends to notification groups.
SMTP_HOST_VARIABLE, SMTP_FROM_VARIABLE = "METERHOUSE_SMTP_HOST", "METERHOUSE_SMTP_FROM"
SMTP_PORT_VARIABLE, SMTP_SECURITY_VARIABLE = "METERHOUSE_SMTP_PORT", "METERHOUSE_SMTP_SECURITY"
SMTP_USER_VARIABLE = "METERHOUSE_SMTP_USER"
SMTP_PASSWORD_VARIABLE = "METERHOUSE_SMTP_PASSWORD"  # noqa: S105 (its name)
SMTP_PASSWORD_FILE_VARIABLE = "METERHOUSE_SMTP_PASSWORD_FILE"  # noqa: S105 (its name)
#: The environment variables of the archive of invoices: where it is, and how that is reached.
ARCHIVE_VARIABLE = "METERHOUSE_ARCHIVE"
#: The environment variables of the storages of datasets: the catalogue, and what uploaders share.
DATASETS_VARIABLE, COMMON_STORAGE_VARIABLE = "METERHOUSE_DATASETS", "METERHOUSE_COMMON_STORAGE"
_PLACE_FIELDS = ("endpoint", "region", "account")


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


def invoice_formats(*, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the formats that files of invoices are made in, with commas between them.

    >>> invoice_formats(environment={"METERHOUSE_INVOICE_FORMATS": "xlsx, pdf"})
    ('xlsx', 'pdf')
    """
    variables = os.environ if environment is None else environment
    given = variables.get(INVOICE_FORMATS_VARIABLE, "").split(",")
    return tuple(name.strip() for name in given if name.strip()) or INVOICE_FORMATS


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
    return _whole(HTTP_TIMEOUT_VARIABLE, text, unit="seconds", most=HTTP_TIMEOUT_SECONDS_MAX)


def delivered_days(*, environment: Mapping[str, str] | None = None) -> int | None:
    """Return for how many days delivered outputs are remembered; ``None`` where it is unsaid.

    >>> delivered_days(environment={})
    >>> delivered_days(environment={"METERHOUSE_DELIVERED_DAYS": "7"})
    7
    """
    variables = os.environ if environment is None else environment
    text = variables.get(DELIVERED_DAYS_VARIABLE)
    if not text:
        return None
    return _whole(DELIVERED_DAYS_VARIABLE, text, unit="days", most=DELIVERED_DAYS_MAX)


def _whole(name: str, text: str, *, unit: str, most: int) -> int:
    """Return the whole number of a variable, from 1 on."""
    digits = text.isascii() and text.isdecimal() and len(text) < _DIGITS_MAX
    number = int(text) if digits else 0
    if not 1 <= number <= most:
        hint = f"Use whole {unit} from 1 to {most}"
        raise MeterhouseError(f'{name} is "{text}"', hint=hint, code="configuration_invalid")
    return number


def mail_server(*, environment: Mapping[str, str] | None = None) -> MailServer | None:
    """Return the mail server that sends to notification groups; ``None`` where none is named.

    Raises ``DefinitionError`` listing everything that is wrong with its variables.

    >>> mail_server(environment={})
    """
    variables = os.environ if environment is None else environment
    host = variables.get(SMTP_HOST_VARIABLE)
    if not host:
        return None
    problems: list[Problem] = []
    if not HOST.fullmatch(host):
        hint = f"write a name or an address; the port goes into {SMTP_PORT_VARIABLE}"
        problems.append(Problem(SMTP_HOST_VARIABLE, f'is "{host}"', hint))
    security = variables.get(SMTP_SECURITY_VARIABLE) or "starttls"
    if security not in SECURITY:
        hint = f"use one of {', '.join(SECURITY)}"
        problems.append(Problem(SMTP_SECURITY_VARIABLE, f'is "{security}"', hint))
    port = variables.get(SMTP_PORT_VARIABLE) or str(SECURITY.get(security, 0))
    number = int(port) if port.isascii() and port.isdecimal() and len(port) < _DIGITS_MAX else 0
    if security in SECURITY and not 1 <= number <= PORT_MAX:
        problems.append(Problem(SMTP_PORT_VARIABLE, f'is "{port}"', f"use 1 to {PORT_MAX}"))
    sender = variables.get(SMTP_FROM_VARIABLE) or ""
    if not ADDRESS.fullmatch(sender):
        said = f'is "{sender}"' if sender else "is missing"
        problems.append(Problem(SMTP_FROM_VARIABLE, said, "write one address of e-mail"))
    user = variables.get(SMTP_USER_VARIABLE) or None
    password = _smtp_password(variables, problems)
    problems += _login_problems(user, password, security)
    if problems:
        raise DefinitionError(problems, what="The configuration of the mail server")
    return MailServer(host, number, security, sender, user, password)


def _smtp_password(variables: Mapping[str, str], problems: list[Problem]) -> str | None:
    """Return the password, from its variable or its file; what it is, no problem says."""
    if given := variables.get(SMTP_PASSWORD_VARIABLE):
        return given
    named = variables.get(SMTP_PASSWORD_FILE_VARIABLE)
    if not named:
        return None
    try:
        return Path(named).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8"
        message = f'names "{named}", which cannot be read: {reason}'
        hint = "name a file that has the password alone"
        problems.append(Problem(SMTP_PASSWORD_FILE_VARIABLE, message, hint))
        return None


def _login_problems(user: str | None, password: str | None, security: str) -> list[Problem]:
    if (user is None) != (password is None):
        missing = SMTP_USER_VARIABLE if user is None else SMTP_PASSWORD_VARIABLE
        return [Problem(missing, "is missing", "give a user name and a password, or neither")]
    if password is not None and security == "none":
        hint = "use starttls or tls, or log in nowhere"
        said = "is none, and a password would be sent in the open"
        return [Problem(SMTP_SECURITY_VARIABLE, said, hint)]
    return []


def variable_names(*, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the names of all variables, without their values.

    >>> variable_names(environment={"HOME": "/home/ann"})
    ('HOME',)
    """
    return tuple(os.environ if environment is None else environment)


def storage_place(variable: str, *, environment: Mapping[str, str] | None = None) -> str | None:
    """Return where something is kept: a folder, or a path with a scheme.

    >>> storage_place(ARCHIVE_VARIABLE, environment={"METERHOUSE_ARCHIVE": "s3://invoices"})
    's3://invoices'
    """
    variables = os.environ if environment is None else environment
    return variables.get(variable) or None


def storage_access(
    variable: str, *, environment: Mapping[str, str] | None = None
) -> dict[str, JsonValue]:
    """Return how such a place is reached, with the names that parameters of a writer have.

    ``METERHOUSE_ARCHIVE_SECRET`` is the id of a secret of the wallet; ``..._ENDPOINT``,
    ``..._REGION`` and ``..._ACCOUNT`` are what they say. So are those of the other variables.

    >>> storage_access(ARCHIVE_VARIABLE, environment={"METERHOUSE_ARCHIVE_REGION": "eu-west-1"})
    {'region': 'eu-west-1'}
    """
    variables = os.environ if environment is None else environment
    names = {name: f"{variable}_{name.upper()}" for name in _PLACE_FIELDS}
    given: dict[str, JsonValue] = {
        name: variables[named] for name, named in names.items() if variables.get(named)
    }
    if secret := variables.get(f"{variable}_SECRET"):
        given["secretsWalletEntry"] = {"secretId": secret}
    return given


def allocator_settings() -> str:
    """Return how the columnar engine's allocator (jemalloc) is to go about freed memory.

    First touch of memory is dear, and a run uses and frees columns of one size over and over: it is
    kept for two seconds, large pieces too, which by default go at once. What one arena has freed
    no other one may use; one for each core wastes less than the default's four.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"dirty_decay_ms:2000,muzzy_decay_ms:0,oversize_threshold:0,narenas:{cores or 1}"


def keep_freed_memory() -> None:
    """Let the columnar engine keep memory that it has freed for a while, for its next column.

    To be called before the engine is imported, which reads this variable once; the user's own
    choice stands.
    """
    os.environ.setdefault("_RJEM_MALLOC_CONF", allocator_settings())


def colours(out: TextIO, *, environment: Mapping[str, str] | None = None) -> bool:
    """Whether to write in colour there: on a terminal, unless NO_COLOR or TERM=dumb says no."""
    variables = os.environ if environment is None else environment
    return out.isatty() and not variables.get("NO_COLOR") and variables.get("TERM") != "dumb"
