"""Client secrets: kept as keyed hashes, compared alike whether anything matches or not."""

import base64
import sys
from collections import Counter
from contextlib import nullcontext
from types import FrameType

import pytest

from meterhouse.app.access_ports import PEPPER, ClientSecretHashes
from meterhouse.app.applications import authenticate
from meterhouse.app.refusal import AccessFault, AccessRefused
from meterhouse.security import ClientSecrets, Pepper
from meterhouse.store import SqliteLedger
from tests.security.house import AT, a_client, a_key, an_envelope, chance


def test_a_secret_has_256_random_bits(client_secrets: ClientSecrets):
    secrets = {client_secrets.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        mark, text = secret[:4], secret[4:]
        assert mark == "mhs_"
        assert len(base64.urlsafe_b64decode(text + "=")) == 32


def test_chance_is_an_argument(ledger: SqliteLedger):
    fixed = ClientSecrets(lambda: bytes(32), lambda count: bytes(count))
    assert fixed.new_secret() == "mhs_" + "A" * 43


def test_the_hash_needs_the_key_that_is_sealed(ledger: SqliteLedger, client_secrets: ClientSecrets):
    other = ClientSecrets(lambda: bytes(32), chance)
    assert client_secrets.hash("x") != other.hash("x")
    sealed = ledger.sealed_value(PEPPER, "all")
    assert sealed is not None
    assert len(an_envelope(a_key(1)).open(sealed)) == 32


def test_all_processes_have_one_key_of_hashes(ledger: SqliteLedger, client_secrets: ClientSecrets):
    second = ClientSecrets(
        Pepper(lambda: nullcontext(ledger), an_envelope(a_key(1)), chance), chance
    )
    assert client_secrets.hash("x") == second.hash("x")


def test_the_old_secret_matches_until_its_instant(client_secrets: ClientSecrets):
    hashes = ClientSecretHashes(client_secrets.hash("new"), client_secrets.hash("old"), AT)
    assert client_secrets.matches("new", hashes, at=AT + 1)
    assert client_secrets.matches("old", hashes, at=AT - 1)
    assert not client_secrets.matches("old", hashes, at=AT)
    assert not client_secrets.matches("neither", hashes, at=AT - 1)


@pytest.mark.parametrize("given", ["", "mhs_", "\x00" * 32, "\ud800", "é"])
def test_nothing_matches_where_there_is_no_hash(client_secrets: ClientSecrets, given: str):
    assert not client_secrets.matches(given, ClientSecretHashes(), at=AT)


def calls_of_refusal(ledger: SqliteLedger, hasher: ClientSecrets, client: str, secret: str):
    """Count every call, Python's and C's, from the credentials to the refusal."""
    calls: Counter[tuple[str, str]] = Counter()

    def seen(frame: FrameType, event: str, argument: object) -> None:
        name = getattr(argument, "__qualname__", frame.f_code.co_qualname)
        calls[event, name] += 1

    fault = None
    sys.setprofile(seen)
    try:
        authenticate(ledger, hasher, client_id=client, client_secret=secret, at=AT)
    except AccessRefused as error:
        fault = error.fault
    finally:
        sys.setprofile(None)
    assert fault is AccessFault.CLIENT_INVALID
    return calls


def test_an_unknown_client_takes_the_same_steps_as_a_wrong_secret(
    ledger: SqliteLedger, client_secrets: ClientSecrets
):
    client = a_client(ledger, client_secrets)
    id, wrong = client.application.client_id, client_secrets.new_secret()
    unknown = id[::-1]
    calls_of_refusal(ledger, client_secrets, unknown, wrong)  # Statements are prepared once.
    of_unknown = calls_of_refusal(ledger, client_secrets, unknown, wrong)
    of_wrong = calls_of_refusal(ledger, client_secrets, id, wrong)
    assert of_unknown == of_wrong
    assert of_wrong["c_call", "compare_digest"] == 2


def test_a_rotated_client_takes_the_same_steps_too(
    ledger: SqliteLedger, client_secrets: ClientSecrets
):
    client = a_client(ledger, client_secrets).application
    ledger.rotate_client_secret(client.id, client_secrets.hash("n"), old_until=AT + 9, at=AT)
    wrong = client_secrets.new_secret()
    calls_of_refusal(ledger, client_secrets, "unknown", wrong)
    first = calls_of_refusal(ledger, client_secrets, "unknown", wrong)
    assert first == calls_of_refusal(ledger, client_secrets, client.client_id, wrong)


def test_no_repr_shows_the_secret_or_the_key(ledger: SqliteLedger, client_secrets: ClientSecrets):
    client = a_client(ledger, client_secrets)
    key = client_secrets._key
    shown = repr(client) + repr(client_secrets) + repr(ledger.client_secret_hashes("x"))
    assert client.client_secret not in shown
    assert key is not None and repr(key) not in shown
