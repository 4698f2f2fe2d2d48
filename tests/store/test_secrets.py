"""Secrets in the ledger: their sealed credentials, their names, and the streams that use them."""

from dataclasses import replace
from typing import Any

import pytest

from meterhouse.app.access_ports import SECRET, SealedValue
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.secret import SecretType
from meterhouse.store import SqliteLedger
from meterhouse.streams.record import StreamDefinition
from tests.store.factories import AT, a_secret


def add(ledger: SqliteLedger, name: str = "Billing", **changes: Any):
    secret = a_secret(name, **changes)
    ledger.add_secret(secret, lambda added: f"sealed {added.version}".encode())
    return secret


def a_stream(name: str, *params: object) -> StreamDefinition:
    nodes = [{"id": str(n), "params": given} for n, given in enumerate(params)]
    return StreamDefinition(name, name, {"name": name, "nodes": nodes}, {}, AT, AT)


def entry(id: str) -> dict[str, Any]:
    return {"auth": [{"secretsWalletEntry": {"secretId": id, "secretType": "basic"}}]}


def test_a_secret_is_found_by_id_and_by_name_the_id_first(ledger: SqliteLedger):
    one = add(ledger, "one", id="two", description="first")
    two = add(ledger, "two", id="2")
    assert ledger.secret("one") == ledger.secret("two") == one
    assert ledger.secret("2") == two
    assert ledger.secret("none") is None
    assert ledger.sealed_secret("two") == (one, SealedValue(SECRET, "two", 1, b"sealed 1"))
    assert ledger.sealed_secret("one") is None


def test_names_are_unique_also_when_changed(ledger: SqliteLedger):
    one = add(ledger, "one")
    add(ledger, "two")
    with pytest.raises(ConflictError, match="A secret is named 'two'"):
        add(ledger, "two")
    with pytest.raises(ConflictError, match="A secret is named 'two'"):
        ledger.update_secret(one.id, lambda s: (replace(s, name="two"), None))
    ledger.update_secret(one.id, lambda s: (replace(s, description="d"), None))
    assert ledger.secret("one").description == "d"


def test_a_search_finds_parts_of_names_in_any_case(ledger: SqliteLedger):
    for name in ("Ärger 1", "ärger 2", "50%", "a_b"):
        add(ledger, name, type=SecretType.AWS if name == "a_b" else SecretType.BASIC)

    def names(**filters: Any) -> list[str]:
        return [secret.name for secret, _ in ledger.secrets(**filters).items]

    assert names(name="ÄRG") == ["Ärger 1", "ärger 2"]
    assert names(name="%") == ["50%"]
    assert names(name="_") == ["a_b"]
    assert names(type=SecretType.AWS) == ["a_b"]
    assert names(type=SecretType.AWS, name="x") == []


def test_streams_are_found_by_what_their_documents_say(ledger: SqliteLedger):
    secret = add(ledger, id="s-1")
    ledger.add_stream(a_stream("uses", entry("s-1")))
    ledger.add_stream(a_stream("twice", entry("s-1"), entry("s-1")))
    ledger.add_stream(a_stream("another", entry("s-10")))
    ledger.add_stream(a_stream("words", {"text": '"secretsWalletEntry": {"secretId": "s-1"}'}))
    assert ledger.streams_of_secret("s-1") == ["uses", "twice"]
    assert ledger.secrets().items == [(secret, 2)]


def test_a_secret_in_use_is_not_deleted_and_the_streams_are_named(ledger: SqliteLedger):
    add(ledger, id="s-1")
    ledger.add_stream(a_stream("uses", entry("s-1")))
    with pytest.raises(ConflictError, match="'Billing' is used by the stream 'uses'"):
        ledger.delete_secret("s-1", lambda _: None)
    for n in range(6):
        ledger.add_stream(a_stream(f"n{n}", entry("s-1")))
    with pytest.raises(ConflictError, match=r"used by 7 streams: 'uses', .*'n3' and 2 more\."):
        ledger.delete_secret("s-1", lambda _: None)
    assert ledger.secret("s-1") is not None


def test_a_secret_is_deleted_with_what_was_sealed(ledger: SqliteLedger):
    add(ledger, id="s-1")
    ledger.delete_secret("s-1", lambda _: None)
    assert not ledger.has_sealed_values()
    assert ledger.secrets().items == []
    for act in (
        lambda: ledger.delete_secret("s-1", lambda _: None),
        lambda: ledger.update_secret("s-1", lambda s: (s, None)),
    ):
        with pytest.raises(NotFoundError, match="There is no secret 's-1'"):
            act()


def test_new_credentials_take_the_place_of_the_old(ledger: SqliteLedger):
    add(ledger, id="s-1")
    ledger.update_secret("s-1", lambda s: (replace(s, version=2), b"sealed 2"))
    assert ledger.sealed_secret("s-1")[1] == SealedValue(SECRET, "s-1", 2, b"sealed 2")
    assert ledger._database.value("SELECT count(*) FROM sealed_value") == 1


def test_what_goes_wrong_while_sealing_leaves_nothing(ledger: SqliteLedger):
    def fails(*_: object) -> Any:
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        ledger.add_secret(a_secret(), fails)
    assert ledger.secrets().items == []
    add(ledger, id="s-1")
    for act in (lambda: ledger.update_secret("s-1", fails), lambda: ledger.reseal_values(fails)):
        with pytest.raises(ConflictError):
            act()
    with pytest.raises(ConflictError):
        ledger.delete_secret("s-1", fails)
    assert ledger.sealed_secret("s-1")[1].content == b"sealed 1"


def test_all_that_is_sealed_is_sealed_anew_at_once(ledger: SqliteLedger):
    assert not ledger.has_sealed_values()
    add(ledger, "one", id="1")
    add(ledger, "two", id="2")
    assert ledger.has_sealed_values()
    assert ledger.reseal_values(lambda value: value.id.encode() + value.content) == 2
    assert ledger.sealed_value(SECRET, "1").content == b"1sealed 1"
    assert ledger.sealed_value(SECRET, "2").content == b"2sealed 1"
    assert ledger.sealed_value("signing key", "1") is None
