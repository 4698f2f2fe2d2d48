"""Which secrets a stream uses: entries inside parameters of nodes, however deep, nothing else."""

import pytest

from meterhouse.streams.secret_use import secrets_of

ENTRY = {"secretsWalletEntry": {"secretId": "s-1", "secretType": "oauth2"}}


def document(*params: object) -> dict:
    nodes = [{"id": str(n), "params": value} for n, value in enumerate(params)]
    return {"name": "s-9", "nodes": nodes}


def test_entries_are_found_however_deep():
    other = {"secretsWalletEntry": {"secretId": "s-2"}}
    deep = {"rules": [{"a": [[other]]}], "auth": {"profile": ENTRY}}
    assert secrets_of(document(ENTRY, deep, {})) == {"s-1", "s-2"}


@pytest.mark.parametrize(
    "params",
    [
        {"text": '{"secretsWalletEntry": {"secretId": "s-1"}}'},
        {"secretId": "s-1"},
        {"secretsWalletEntry": "s-1"},
        {"secretsWalletEntry": {"secretId": 5}},
        {"secretsWalletEntry": None},
        "s-1",
        None,
    ],
)
def test_what_only_looks_like_one_is_none(params: object):
    assert secrets_of(document(params)) == frozenset()


@pytest.mark.parametrize("document", [None, [], {}, {"nodes": {}}, {"nodes": ["s-1"]}, ENTRY])
def test_a_document_without_nodes_uses_none(document: object):
    assert secrets_of(document) == frozenset()
