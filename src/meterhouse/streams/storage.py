"""Where files lie: the scheme of a path, and how what it names is reached.

``s3://``, ``az://`` and ``gs://`` are object storage, ``sftp://`` is a server, and a path without a
scheme lies in the file system. A document names the secret, and never holds a value of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from meterhouse.core.problem import MeterhouseError, Problem
from meterhouse.core.reading import Reading, shown
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.secret_use import ENTRY

#: The schemes of paths, and the types of secrets that each takes.
SECRET_TYPES: dict[str, tuple[SecretType, ...]] = {
    "s3": (SecretType.AWS,),
    "az": (SecretType.AZURE_SAS,),
    "gs": (SecretType.BEARER,),
    "sftp": (SecretType.SSH_KEY, SecretType.BASIC),
}
#: The largest files that can be put in a place, or moved there. S3 gives an object a name that
#: nobody else has, or copies it, in one request, which takes no more than 5 GiB.
FILE_BYTES_MAX: dict[str, int] = {"s3": 5 << 30}
#: Parameters that say how a place is reached, beside the path.
STORAGE_FIELDS = (ENTRY, "endpoint", "region", "account", "hostKey")
#: The schemes that each of them has a meaning for.
_MEANT_FOR = {
    "endpoint": ("s3", "az", "gs"),
    "region": ("s3",),
    "account": ("az",),
    "hostKey": ("sftp",),
}
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(?:/(.*))?", re.DOTALL)
_CONTAINERS = {
    "s3": re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    "az": re.compile(r"\$root|[a-z0-9](?:-?[a-z0-9]){2,62}"),
    "gs": re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"),
    "sftp": re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::[1-9][0-9]{0,4})?"),
}
_CONTAINER_HINTS = {
    "s3": "write s3://bucket/folder/name",
    "az": "write az://container/folder/name, and the account in the secret or in account",
    "gs": "write gs://bucket/folder/name",
    "sftp": "write sftp://host/folder/name or sftp://host:22/name; the secret has the user",
}
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_ENDPOINT = re.compile(r"https?://[^\s?#@\\]+", re.IGNORECASE)
_HOST_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}")
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True)
class Storage:
    """How a place is reached; nothing of it is secret. The default is the local file system.

    ``host_key`` is the public key of an SFTP server, as ``known_hosts`` has it.
    """

    secret_id: str | None = None
    endpoint: str | None = None
    region: str | None = None
    account: str | None = None
    host_key: str | None = None

    def to_json(self) -> dict[str, str]:
        """Return what is not absent.

        >>> Storage.from_json(Storage(region="eu-west-1").to_json())
        Storage(secret_id=None, endpoint=None, region='eu-west-1', account=None, host_key=None)
        """
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Storage:
        """Return what ``to_json`` wrote."""
        return cls(**value)


#: The file system of this machine.
LOCAL = Storage()


@dataclass(frozen=True, slots=True)
class Location:
    """A path with a scheme, in its parts. ``container`` is a bucket, a container, or a host."""

    scheme: str
    container: str
    key: str

    @property
    def uri(self) -> str:
        """The path as it is written."""
        return f"{self.scheme}://{self.container}/{self.key}"

    def at(self, key: str) -> Location:
        """Return another path of the same container."""
        return Location(self.scheme, self.container, key)


def location(path: str) -> Location | None:
    """Return the parts of a path with a scheme; ``None`` for one of the local file system.

    Raises ``ValueError`` where there is no such scheme or container.

    >>> location("s3://usage/2026/*.csv")
    Location(scheme='s3', container='usage', key='2026/*.csv')
    >>> location("usage/*.csv")
    """
    found = _URI.fullmatch(path)
    if found is None:
        return None
    scheme, container, key = found[1].lower(), found[2], found[3] or ""
    if scheme not in SECRET_TYPES:
        known = ", ".join(f"{name}://" for name in SECRET_TYPES)
        raise ValueError(f"has the scheme {shown(scheme)}; known are {known} and none")
    if not _CONTAINERS[scheme].fullmatch(container) or ".." in container:
        raise ValueError(f"names {shown(container)}: {_CONTAINER_HINTS[scheme]}")
    if _UNFIT.search(key) or any(part in (".", "..") for part in key.split("/")):
        raise ValueError("has a part that is . or .., or a character that names do not have")
    return Location(scheme, container, key)


def is_remote(path: str) -> bool:
    """Whether a path has a scheme.

    >>> is_remote("gs://bucket/a"), is_remote("C/a://b"), is_remote("out/a.csv")
    (True, False, False)
    """
    return _URI.fullmatch(path) is not None


def read_location(reading: Reading, field: str, path: str | None) -> Location | None:
    """Return the parts of the path in a field, noting what is wrong with it."""
    if path is None:
        return None
    try:
        return location(path)
    except ValueError as error:
        reading.fail(field, f"is {shown(path)}, and {error}", "mend the path")
        return None


def read_storage(reading: Reading, path: str | None, place: Location | None) -> Storage:
    """Read how a path is reached, noting every parameter that has no meaning for it."""
    scheme = place.scheme if place is not None else None
    # Of a path that cannot be read, nothing is known.
    if path is not None and (scheme is not None or not is_remote(path)):
        for name, schemes in _MEANT_FOR.items():
            if reading.body.get(name) is not None and scheme not in schemes:
                needed = " and ".join(f"{one}://" for one in schemes)
                reading.fail(name, f"is only for {needed}", "leave it out")
    return Storage(
        secret_id=_secret_id(reading, scheme),
        endpoint=_matching(
            reading, "endpoint", _ENDPOINT, "write https://host or https://host:9000"
        ),
        region=_matching(reading, "region", _REGION, "write it as eu-west-1"),
        account=_matching(reading, "account", _ACCOUNT, "3 to 24 small letters and digits"),
        host_key=_matching(
            reading, "hostKey", _HOST_KEY, "write it as known_hosts has it: ssh-ed25519 AAAA..."
        ),
    )


def _matching(reading: Reading, name: str, form: re.Pattern[str], hint: str) -> str | None:
    value = reading.text(name)
    if value is not None and not form.fullmatch(value):
        reading.fail(name, f"is {shown(value)}", hint)
        return None
    return value


def _secret_id(reading: Reading, scheme: str | None) -> str | None:
    entry = reading.json_object(ENTRY)
    if not entry:
        return None
    if scheme is None:
        reading.fail(ENTRY, "is only for paths with a scheme", "leave it out")
        return None
    types = [type_.value for type_ in SECRET_TYPES[scheme]]
    inner = Reading(entry, known=("secretId", "secretType"), what="secretsWalletEntry")
    id_ = inner.text("secretId", required=True)
    given = inner.text("secretType")
    if given is not None and given not in types:
        inner.fail("secretType", f"is {shown(given)}", f"{scheme}:// takes {' or '.join(types)}")
    reading.problems += [problem.at(ENTRY) for problem in inner.problems]
    return id_


def storage_obstacle(
    storage: Storage, scheme: str | None, wallet: Callable[[str], Credentials] | None
) -> Problem | None:
    """Say what keeps a place from being reached as it should be: a secret that is not there."""
    if storage.secret_id is None or scheme is None:
        return None
    remedy = "name a secret that there is in params.secretsWalletEntry"
    text = f"names the secret {shown(storage.secret_id)}"
    if wallet is None:
        return Problem(ENTRY, "needs a secret, and there is no wallet", remedy)
    try:
        found = wallet(storage.secret_id)
    except MeterhouseError as error:
        return Problem(ENTRY, f"{text}: {error.args[0]}", error.hint or remedy)
    if found.type not in SECRET_TYPES[scheme]:
        types = " or ".join(type_.value for type_ in SECRET_TYPES[scheme])
        return Problem(ENTRY, f"{text}, of type {found.type.value}", f"{scheme}:// takes {types}")
    return None
