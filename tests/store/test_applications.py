"""Applications in the ledger: found three ways, hashes rotated, names unique."""

from dataclasses import replace

import pytest

from meterhouse.app.access_ports import ClientSecretHashes, SealedValue
from meterhouse.core.application import Application
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store import SqliteLedger, open_ledger
from tests.store.factories import AT, an_application


@pytest.fixture
def crm(ledger: SqliteLedger) -> Application:
    application = an_application()
    ledger.add_application(application, b"hash")
    return application


def test_an_application_is_found_by_id_client_id_and_name(ledger: SqliteLedger, crm: Application):
    for reference in (crm.id, crm.client_id, "CRM"):
        assert ledger.application(reference) == crm
    assert ledger.application_of_client(crm.client_id) == crm
    assert ledger.application_of_client(crm.id) is None
    assert ledger.application("none") is None


@pytest.mark.parametrize("client_id", ["", "none", "\ud800", "a\x00b", "'"])
def test_an_unknown_client_has_empty_hashes(ledger: SqliteLedger, crm: Application, client_id: str):
    assert ledger.client_secret_hashes(client_id) == ClientSecretHashes()
    assert ledger.application_of_client(client_id) is None


def test_a_new_secret_keeps_the_present_one_and_drops_the_one_before(
    ledger: SqliteLedger, crm: Application
):
    assert ledger.client_secret_hashes(crm.client_id) == ClientSecretHashes(b"hash")
    ledger.rotate_client_secret(crm.id, b"2", old_until=AT + 5, at=AT + 2)
    ledger.rotate_client_secret(crm.id, b"3", old_until=AT + 9, at=AT + 3)
    assert ledger.client_secret_hashes(crm.client_id) == ClientSecretHashes(b"3", b"2", AT + 9)
    assert ledger.application(crm.id).updated_at == AT + 3
    with pytest.raises(NotFoundError):
        ledger.rotate_client_secret("none", b"2", old_until=AT, at=AT)


def test_names_are_unique_also_when_changed(ledger: SqliteLedger, crm: Application):
    with pytest.raises(ConflictError, match="An application is named 'CRM'"):
        ledger.add_application(an_application(), b"h")
    other = an_application("B")
    ledger.add_application(other, b"h")
    with pytest.raises(ConflictError):
        ledger.update_application(other.id, lambda a: replace(a, name="CRM"))
    changed = ledger.update_application(other.id, lambda a: replace(a, scopes=frozenset()))
    assert ledger.application("B") == changed == replace(other, scopes=frozenset())


def test_a_deleted_application_is_gone(ledger: SqliteLedger, crm: Application):
    ledger.delete_application(crm.id, lambda _: None)
    assert ledger.application_of_client(crm.client_id) is None
    with pytest.raises(NotFoundError, match="There is no application"):
        ledger.delete_application(crm.id, lambda _: None)
    with pytest.raises(NotFoundError):
        ledger.update_application(crm.id, lambda a: a)


def test_the_key_of_hashes_is_made_once(ledger: SqliteLedger):
    def made(id: str) -> SealedValue:
        return SealedValue("client secrets", id, 1, b"first")

    def again(id: str) -> SealedValue:
        raise AssertionError("it is there")

    assert ledger.client_secret_pepper(made).content == b"first"
    assert ledger.client_secret_pepper(again).content == b"first"


def test_the_key_of_hashes_is_one_when_another_process_was_faster(ledger: SqliteLedger, tmp_path):
    other = open_ledger(tmp_path / "data")
    rows = ledger._database.row

    def slow(sql: str, values: object = ()):
        found = rows(sql, values)
        if found is None:  # Between our look and our turn to write, the other one writes.
            ledger._database.row = rows
            other.client_secret_pepper(lambda id: SealedValue("client secrets", id, 1, b"theirs"))
        return found

    ledger._database.row = slow
    mine = ledger.client_secret_pepper(lambda id: SealedValue("client secrets", id, 1, b"mine"))
    assert mine.content == b"theirs"
    other.close()
