"""Which secrets a stream uses: every ``secretsWalletEntry`` inside the parameters of its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from meterhouse.core.json_text import JsonValue

ENTRY = "secretsWalletEntry"


def secrets_of(document: JsonValue) -> frozenset[str]:
    """Return the ids of the secrets that a stream document names.

    >>> node = {"params": {"auth": {"secretsWalletEntry": {"secretId": "s"}}}}
    >>> secrets_of({"nodes": [node]})
    frozenset({'s'})
    """
    nodes = document.get("nodes") if isinstance(document, Mapping) else None
    if not isinstance(nodes, list):
        return frozenset()
    found = (_ids(node.get("params")) for node in nodes if isinstance(node, Mapping))
    return frozenset(id for ids in found for id in ids)


def _ids(value: JsonValue) -> Iterator[str]:
    if isinstance(value, Mapping):
        entry = value.get(ENTRY)
        id = entry.get("secretId") if isinstance(entry, Mapping) else None
        if isinstance(id, str):
            yield id
        for inner in value.values():
            yield from _ids(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _ids(inner)
