"""Clients of Kernel in the ledger: their secrets and tokens are hashes, and end with them."""

from dataclasses import replace

import pytest

from meterhouse.app.access_ports import Acting, ClientSecretHashes
from meterhouse.app.datasets.client_ports import KernelToken
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.datasets.kernel_client import KernelClient
from meterhouse.store import SqliteLedger

AT = 1_790_000_000_000_000
HASH = b"h" * 32


def a_client(client_id: str = "aura-bot-test", **changes: object) -> KernelClient:
    client = KernelClient(
        f"id-{client_id}", client_id, ("data:read", "data:A:6:read"), "why", "ES", AT, AT
    )
    return replace(client, **changes)


def test_a_client_is_found_as_it_was_added(ledger: SqliteLedger):
    client = a_client()
    ledger.add_kernel_client(client, HASH)
    assert ledger.kernel_client(client.id) == client
    assert ledger.kernel_client(client.client_id) == client
    assert ledger.kernel_client("other") is None
    assert ledger.kernel_secret_hashes(client.client_id) == ClientSecretHashes(HASH)
    assert ledger.kernel_secret_hashes("other") == ClientSecretHashes()


def test_an_id_goes_before_a_client_id(ledger: SqliteLedger):
    first, second = a_client("first"), a_client("id-first", id="second")
    ledger.add_kernel_client(second, HASH)
    ledger.add_kernel_client(first, HASH)
    assert ledger.kernel_client("id-first") == first


def test_a_client_id_is_taken_once(ledger: SqliteLedger):
    ledger.add_kernel_client(a_client(), HASH)
    with pytest.raises(ConflictError, match="aura-bot-test"):
        ledger.add_kernel_client(a_client(id="another"), HASH)


def test_clients_are_listed_in_the_order_of_their_creation(ledger: SqliteLedger):
    names = ["c", "a", "b"]
    for name in names:
        ledger.add_kernel_client(a_client(name), HASH)
    page = ledger.kernel_clients(limit=2)
    rest = ledger.kernel_clients(limit=2, after=page.next_cursor)
    assert [client.client_id for client in (*page.items, *rest.items)] == names
    assert rest.next_cursor is None


def test_a_change_is_written_and_told_unless_there_is_none(ledger: SqliteLedger):
    ledger.add_kernel_client(a_client(), HASH)
    ledger.acting = Acting("somebody", lambda: AT)
    changed = ledger.update_kernel_client(
        "id-aura-bot-test", lambda c: replace(c, scopes=("data:write",), ob=None, purpose=None)
    )
    assert ledger.kernel_client("aura-bot-test") == changed
    ledger.update_kernel_client(changed.id, lambda present: present)
    [activity] = ledger.activities().items
    assert (activity.action, activity.kind) == ("update", "kernelClient")
    assert activity.detail == {"clientId": "aura-bot-test", "scopes": ["data:write"]}
    with pytest.raises(NotFoundError):
        ledger.update_kernel_client("other", lambda present: present)


def test_a_new_secret_stands_beside_the_old_one_for_a_while(ledger: SqliteLedger):
    ledger.add_kernel_client(a_client(), HASH)
    ledger.rotate_kernel_secret("id-aura-bot-test", b"n" * 32, old_until=AT + 5, at=AT)
    found = ledger.kernel_secret_hashes("aura-bot-test")
    assert found == ClientSecretHashes(b"n" * 32, HASH, AT + 5)


def test_a_token_is_found_with_its_client_as_it_is_now(ledger: SqliteLedger):
    client = a_client()
    ledger.add_kernel_client(client, HASH)
    token = KernelToken(b"t" * 32, ("data:read",), AT, AT + 10)
    assert ledger.add_kernel_token(client.id, token)
    assert ledger.kernel_token(token.hash) == (token, client)
    now = ledger.update_kernel_client(client.id, lambda c: replace(c, scopes=("data:write",)))
    assert ledger.kernel_token(token.hash) == (token, now)
    assert ledger.kernel_token(b"x" * 32) is None


def test_tokens_end_with_their_client(ledger: SqliteLedger):
    client = a_client()
    ledger.add_kernel_client(client, HASH)
    token = KernelToken(b"t" * 32, ("data:read",), AT, AT + 10)
    ledger.add_kernel_token(client.id, token)
    ledger.delete_kernel_client(client.id)
    assert ledger.kernel_token(token.hash) is None
    assert not ledger.add_kernel_token(client.id, token)
    with pytest.raises(NotFoundError):
        ledger.delete_kernel_client(client.id)


def test_tokens_are_forgotten_at_their_end(ledger: SqliteLedger):
    client = a_client()
    ledger.add_kernel_client(client, HASH)
    for number in range(3):
        token = KernelToken(bytes([number]) * 32, ("data:read",), AT, AT + number)
        ledger.add_kernel_token(client.id, token)
    assert ledger.purge_kernel_tokens(at=AT + 1) == 2
    assert ledger.kernel_token(bytes([2]) * 32) is not None
