"""Applications: credentials, tokens, scopes, and what is refused as 401 or 403."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from meterhouse.app.access_ports import TokenAuthority
from meterhouse.app.applications import (
    NewClient,
    Principal,
    authenticate,
    authorize,
    create_application,
    delete_application,
    find_application,
    issue_token,
    rotate_client_secret,
    update_application,
)
from meterhouse.app.refusal import AccessFault, AccessRefused
from meterhouse.bootstrap import (
    Installation,
    authority_of,
    client_secrets_of,
    open_installation,
)
from meterhouse.core.instant import SECOND
from meterhouse.core.problem import NotFoundError
from meterhouse.core.revision import StaleRevision
from meterhouse.core.scope import SCOPES
from meterhouse.store import SqliteLedger, open_ledger

AT = 1_768_003_200_000_000
URL = "https://meter.example"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with open_installation(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def authority(house: Installation) -> TokenAuthority:
    return house.authority([URL])


@pytest.fixture
def client(house: Installation) -> NewClient:
    body = {"name": "CRM", "scopes": ["read:meters", "create:meters"]}
    return create_application(
        house.ledger, house.client_secrets(), body, new_id=house.new_id, at=AT
    )


def token_of(house: Installation, authority: TokenAuthority, client: NewClient) -> str:
    application = find_application(house.ledger, client.application.id)
    return issue_token(authority, application, id="j", at=AT).access_token


def refusal(
    house: Installation, authority: TokenAuthority, token: str | None, **asked
) -> AccessRefused:
    asked = {"scope": "read:meters", "at": AT} | asked
    with pytest.raises(AccessRefused) as caught:
        authorize(house.ledger, authority, token=token, **asked)
    return caught.value


def let_in(house: Installation, client: NewClient, secret: str, *, at: int = AT) -> bool:
    hasher = house.client_secrets()
    given = {"client_id": client.application.client_id, "client_secret": secret, "at": at}
    try:
        return authenticate(house.ledger, hasher, **given) == find_application(
            house.ledger, client.application.id
        )
    except AccessRefused as error:
        return error.fault is not AccessFault.CLIENT_INVALID


def test_a_client_gets_in_with_its_secret_alone(house: Installation, client: NewClient):
    assert let_in(house, client, client.client_secret)
    assert not let_in(house, client, client.client_secret + "x")
    assert not let_in(house, client, "")


def test_the_secret_is_shown_once(client: NewClient):
    assert client.to_api() == {
        "id": client.application.id,
        "name": "CRM",
        "clientId": client.application.client_id,
        "clientSecret": client.client_secret,
        "scopes": ["create:meters", "read:meters"],
    }
    assert client.client_secret not in repr(client)


def test_the_old_secret_works_until_its_instant(house: Installation, client: NewClient):
    new = rotate_client_secret(
        house.ledger, house.client_secrets(), "CRM", old_until=AT + 10, at=AT
    )
    assert new.client_secret != client.client_secret
    assert let_in(house, client, new.client_secret, at=AT + 99)
    assert let_in(house, client, client.client_secret, at=AT + 9)
    assert not let_in(house, client, client.client_secret, at=AT + 10)


def test_a_token_has_all_scopes_or_those_that_are_asked_for(
    house: Installation, authority: TokenAuthority, client: NewClient
):
    whole = issue_token(authority, client.application, id="j", at=AT)
    body = whole.to_api()
    assert (body["scope"], body["expires_in"]) == ("create:meters read:meters", 3600)
    assert (body["token_type"], body["access_token"]) == ("Bearer", whole.access_token)
    assert whole.access_token not in repr(whole)
    part = issue_token(
        authority, client.application, id="j", at=AT, scope="read:meters", audience=URL + "/"
    )
    assert part.scope == "read:meters"
    principal = authorize(
        house.ledger, authority, token=part.access_token, scope="read:meters", at=AT
    )
    assert principal == Principal(client.application.client_id, frozenset({"read:meters"}))


@pytest.mark.parametrize(
    ("asked", "fault", "said"),
    [
        ({"scope": "read:meters delete:meters"}, AccessFault.SCOPE_NOT_GRANTED, "delete:meters"),
        ({"scope": "x"}, AccessFault.SCOPE_NOT_GRANTED, "There are others"),
        ({"audience": "https://evil.example"}, AccessFault.AUDIENCE_UNKNOWN, f"Give {URL}/"),
    ],
)
def test_a_token_is_not_issued_for_more_than_was_given(
    authority: TokenAuthority, client: NewClient, asked, fault: AccessFault, said: str
):
    with pytest.raises(AccessRefused, match=said) as caught:
        issue_token(authority, client.application, id="j", at=AT, **asked)
    assert caught.value.fault is fault


def test_a_scope_that_is_missing_is_403_and_named(
    house: Installation, authority: TokenAuthority, client: NewClient
):
    token = token_of(house, authority, client)
    for scope in set(SCOPES) - client.application.scopes:
        refused = refusal(house, authority, token, scope=scope)
        assert (refused.fault, refused.authenticated) == (AccessFault.SCOPE_MISSING, True)
        assert f"It needs the scope {scope}" in str(refused)
    assert authorize(house.ledger, authority, token=token, scope=None, at=AT)


@pytest.mark.parametrize(
    ("token", "fault"),
    [(None, AccessFault.MISSING), ("", AccessFault.MISSING), ("a.b.c", AccessFault.MALFORMED)],
)
def test_no_token_or_a_bad_one_is_401(
    house: Installation, authority: TokenAuthority, token, fault: AccessFault
):
    refused = refusal(house, authority, token)
    assert (refused.fault, refused.authenticated, refused.code) == (fault, False, fault.value)


def test_a_token_ends_after_an_hour(
    house: Installation, authority: TokenAuthority, client: NewClient
):
    token = token_of(house, authority, client)
    refused = refusal(house, authority, token, at=AT + 3600 * SECOND)
    assert (refused.fault, refused.authenticated) == (AccessFault.EXPIRED, False)


def test_a_deleted_client_loses_its_tokens_at_once(
    house: Installation, authority: TokenAuthority, client: NewClient
):
    token = token_of(house, authority, client)
    delete_application(house.ledger, "CRM")
    refused = refusal(house, authority, token)
    assert (refused.fault, refused.authenticated) == (AccessFault.CLIENT_GONE, False)
    assert not let_in(house, client, client.client_secret)


def test_a_scope_that_was_taken_away_ends_in_tokens_too(
    house: Installation, authority: TokenAuthority, client: NewClient
):
    token = token_of(house, authority, client)
    update_application(house.ledger, "CRM", patch={"scopes": ["create:meters"]}, at=AT)
    assert refusal(house, authority, token).fault is AccessFault.SCOPE_MISSING
    update_application(house.ledger, "CRM", patch={"scopes": list(SCOPES)}, at=AT)
    principal = authorize(house.ledger, authority, token=token, scope="read:meters", at=AT)
    assert principal.scopes == {"read:meters", "create:meters"}


def test_a_token_of_another_installation_is_refused(
    house: Installation, authority: TokenAuthority, client: NewClient, tmp_path: Path
):
    with open_installation(tmp_path / "other") as other:
        token = issue_token(other.authority([URL]), client.application, id="j", at=AT)
    assert refusal(house, authority, token.access_token).fault is AccessFault.UNKNOWN_KEY


def test_a_stale_revision_stops_a_change(house: Installation, client: NewClient):
    revision = client.application.revision
    update_application(house.ledger, "CRM", patch={"name": "B"}, at=AT, revision=revision)
    with pytest.raises(StaleRevision):
        update_application(house.ledger, "B", patch={"name": "C"}, at=AT, revision=revision)
    with pytest.raises(StaleRevision):
        delete_application(house.ledger, "B", revision=revision)
    with pytest.raises(NotFoundError, match="`meterhouse access list`"):
        find_application(house.ledger, "CRM")
    assert find_application(house.ledger, "B").client_id == client.application.client_id


def test_a_new_wallet_key_keeps_clients_and_tokens(
    house: Installation, authority: TokenAuthority, client: NewClient
):
    token = token_of(house, authority, client)
    assert house.rotate_wallet_key() == 2
    assert let_in(house, client, client.client_secret)
    for present in (authority, house.authority([URL])):
        assert authorize(house.ledger, present, token=token, scope="read:meters", at=AT)


def test_threads_share_an_authority_each_with_a_ledger_of_its_own(
    house: Installation, client: NewClient
):
    @contextmanager
    def lend() -> Iterator[SqliteLedger]:
        ledger = open_ledger(house.directory)
        try:
            yield ledger
        finally:
            ledger.close()

    sealer = house.sealer()
    authority = authority_of(lend, sealer, public_urls=[URL])
    hasher = client_secrets_of(lend, sealer)

    def request(_: int) -> Principal:
        given = {"client_id": client.application.client_id, "client_secret": client.client_secret}
        with lend() as ledger:
            application = authenticate(ledger, hasher, **given, at=AT)
            token = issue_token(authority, application, id="j", at=AT).access_token
            return authorize(ledger, authority, token=token, scope="read:meters", at=AT)

    with ThreadPoolExecutor(8) as threads:
        principals = set(threads.map(request, range(32)))
    assert principals == {Principal(client.application.client_id, client.application.scopes)}
    assert len(authority.public_keys(at=AT)["keys"]) == 1
