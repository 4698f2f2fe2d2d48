"""The catalogue of an operation that Kernel has: its address, and the secret of who asks there.

The document of the operation names both once. The streams that are made for it get them, and so
does what the operation asks itself: no business may be judged by another catalogue than the one
that its usage was read from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

from meterhouse.app.access_ports import Secrets
from meterhouse.app.aura.operation import KernelAccess, Operation
from meterhouse.app.ports import Streams
from meterhouse.app.secrets import find_secret
from meterhouse.core.problem import DefinitionError, NotFoundError, Problem
from meterhouse.core.reading import shown
from meterhouse.core.secret import Secret, SecretType
from meterhouse.streams.dataset_ports import KernelPlace

_READER = "readers/dataset"
_TYPES = (SecretType.OAUTH2, SecretType.BASIC)


class AccessLedger(Streams, Secrets, Protocol):
    """Streams and secrets."""


@dataclass(frozen=True, slots=True)
class OpenedKernel:
    """Where Kernel is, and the secret of the wallet that has the client's id and its secret."""

    place: KernelPlace
    secret: Secret

    @property
    def parameter(self) -> dict[str, Any]:
        """What a reader of datasets has as ``kernel``."""
        entry = {"secretId": self.secret.id, "secretType": self.secret.type.value}
        place = {"url": self.place.url, "tokenUrl": self.place.token_url}
        return {**place, "secretsWalletEntry": entry}


def opened_kernel(secrets: Secrets, access: KernelAccess) -> OpenedKernel:
    """Find the secret that an operation names. Raises ``DefinitionError`` where it will not do."""
    problem = None
    try:
        secret = find_secret(secrets, access.secret)
    except NotFoundError as error:
        hint = "keep it: meterhouse secret create --name Kernel --type oauth2 --file client.json"
        problem = Problem("kernel.secret", error.args[0], hint)
    else:
        if secret.type in _TYPES:
            return OpenedKernel(access.place, secret)
        hint = f"name one of type {' or '.join(type_.value for type_ in _TYPES)}"
        message = f"names {shown(access.secret)}, of type {secret.type.value}"
        problem = Problem("kernel.secret", message, hint)
    raise DefinitionError([problem], what="The operation")


def with_kernel(document: Mapping[str, Any], kernel: OpenedKernel | None) -> Mapping[str, Any]:
    """Return the document of a stream whose readers of datasets ask Kernel; else it is the same."""
    if kernel is None:
        return document
    changed = deepcopy(dict(document))
    for node in _readers(changed):
        node["params"]["kernel"] = kernel.parameter
    return changed


def check_readers(streams: Streams, operation: Operation) -> None:
    """Refuse streams that read another catalogue than the operation asks. ``DefinitionError``."""
    wanted = None if operation.kernel is None else operation.kernel.place.url
    problems = []
    for name in operation.streams:
        stream = streams.stream(name)
        for node in [] if stream is None else _readers(stream.document):
            url = (node["params"].get("kernel") or {}).get("url")
            url = None if url is None else url.rstrip("/")
            if url != wanted:
                message = f"reads {_called(url)}, and the operation asks {_called(wanted)}"
                hint = "write the same into kernel of the operation and of the node"
                problems.append(Problem(f"stream {name}, node {node['name']}", message, hint))
    if problems:
        raise DefinitionError(problems, what="The operation")


def _readers(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    return (node for node in document["nodes"] if node["type"] == _READER)


def _called(url: str | None) -> str:
    return "the catalogue of this installation" if url is None else url
