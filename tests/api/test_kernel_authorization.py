"""Every operation of Kernel against every way of not being allowed."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from meterhouse.api import KernelAccess, create_app
from meterhouse.app.datasets.access import TOKEN_SECONDS
from meterhouse.app.datasets.clients import delete_client, update_client
from meterhouse.core.instant import SECOND
from meterhouse.core.scope import SCOPES
from meterhouse.security import OpaqueTokens
from tests.api.kernel_world import KernelHouse, kernel_house
from tests.audit_files import AUDIT

PLACES = {"{name}": AUDIT, "{major}": "6", "{id}": "1"}


@dataclass(frozen=True)
class Operation:
    """A guarded operation of Kernel, and the scopes that it needs for this dataset."""

    method: str
    path: str
    scopes: tuple[str, ...]


def kernel_operations(description: dict[str, Any]) -> Iterator[Operation]:
    """Yield the operations of Kernel that the description has, for one dataset."""
    for path, item in description["paths"].items():
        for method, operation in item.items():
            for needed in operation["security"] or ():
                if "kernel" in needed:
                    scopes = (scope.replace("{name}", AUDIT) for scope in needed["kernel"])
                    place = re.sub(r"\{\w+\}", lambda found: PLACES[found[0]], path)
                    yield Operation(method.upper(), place, tuple(scopes))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelHouse]:
    with kernel_house(tmp_path_factory.mktemp("kernel")) as opened:
        yield opened


def operations(house: KernelHouse) -> list[Operation]:
    return list(kernel_operations(json.loads(house.door.app.state.description())))


def ask(house: KernelHouse, operation: Operation, headers: dict[str, str]) -> httpx.Response:
    return house.door.ask_all([(operation.method, operation.path, {"headers": headers})])[0]


def check(answer: httpx.Response, operation: Operation, *, status: int) -> None:
    said = f"{operation}: {answer.status_code} {answer.text[:200]}"
    assert answer.status_code == status, said
    assert answer.headers["content-type"] == "application/problem+json", said
    assert answer.headers["www-authenticate"].startswith('Bearer realm="kernel"'), said
    assert answer.headers["x-correlator"], said
    assert answer.json()["status"] == status, said


def gone(house: KernelHouse) -> dict[str, str]:
    house.client("gone", "data:read")
    token = house.token("gone")
    with house.door.context.ledger() as ledger:
        delete_client(ledger, "gone")
    return token


BAD = {
    "none": lambda _: {},
    "an empty one": lambda _: {"Authorization": "Bearer"},
    "malformed": lambda _: {"Authorization": "Bearer x"},
    "one that nobody was given": lambda _: {"Authorization": f"Bearer mht_{'A' * 43}"},
    "in a Basic header": lambda house: house.basic("aura-bot-test"),
    "the secret of the client": lambda house: {
        "Authorization": f"Bearer {house.secrets['aura-bot-test']}"
    },
    "of the product's own API": lambda house: house.door.headers(),
    "of a deleted client": gone,
}


def test_there_are_operations_that_read_write_and_list(house: KernelHouse):
    assert {operation.scopes[0] for operation in operations(house)} == {
        *("admin:datasets:read", "data:read", "data:write")
    }


@pytest.mark.parametrize("name", BAD)
def test_with_a_bad_token_nobody_gets_in(house: KernelHouse, name: str):
    headers = BAD[name](house)
    for operation in operations(house):
        check(ask(house, operation, headers), operation, status=401)


def test_with_an_expired_token_nobody_gets_in(house: KernelHouse):
    headers = house.token("aura-bot-test")
    context = house.door.context
    end = context.clock() + TOKEN_SECONDS * SECOND
    access = KernelAccess(
        *(context.ledger, OpaqueTokens(bytes), context.client_secrets), clock=lambda: end
    )
    app = create_app(replace(context, kernel=access))
    late = replace(house, door=replace(house.door, app=app))
    for operation in operations(house):
        check(ask(late, operation, headers), operation, status=401)


def test_each_operation_needs_each_of_its_scopes(house: KernelHouse):
    for number, operation in enumerate(operations(house)):
        for lacking in operation.scopes:
            client = f"lacks-{number}-{lacking.replace(':', '-')}"
            others = {"admin:datasets:read", "data:read", "data:write"} - {lacking}
            held = {f"data:{AUDIT}:read", f"data:{AUDIT}:write", "data:D_Aura_App:read"} - {lacking}
            house.client(client, *others, *held)
            answer = ask(house, operation, house.token(client))
            check(answer, operation, status=403)
            assert lacking in answer.json()["detail"]
            challenge = answer.headers["www-authenticate"]
            assert f'error="insufficient_scope", scope="{lacking}"' in challenge


def test_a_token_is_no_more_than_what_it_was_asked_for(house: KernelHouse):
    headers = house.token("aura-bot-test", "data:D_Aura_App:read")
    for operation in operations(house):
        check(ask(house, operation, headers), operation, status=403)


def test_a_scope_for_another_version_lets_nobody_in(house: KernelHouse):
    scopes = ["data:read", "data:write", f"data:{AUDIT}:5:read", f"data:{AUDIT}:5:write"]
    house.client("five", *scopes)
    headers = house.token("five")
    for operation in operations(house):
        check(ask(house, operation, headers), operation, status=403)


def test_what_a_client_loses_ends_at_once(house: KernelHouse):
    house.client("loses", "admin:datasets:read", "data:read", f"data:{AUDIT}:read")
    headers = house.token("loses")
    context = house.door.context
    with context.ledger() as ledger:
        update_client(ledger, "loses", patch={"scopes": ["data:write"]}, at=context.clock())
    for operation in operations(house):
        check(ask(house, operation, headers), operation, status=403)


def test_each_operation_lets_in_who_has_its_scopes_and_no_others(house: KernelHouse):
    for operation in operations(house):
        headers = house.token("aura-bot-test", " ".join(operation.scopes))
        answer = ask(house, operation, headers)
        assert answer.status_code not in (401, 403, 405), (operation, answer.text)


def test_a_token_of_kernel_opens_nothing_of_the_products_own_api(house: KernelHouse):
    headers = house.token("aura-bot-test")
    description = json.loads(house.door.app.state.description())
    asked = [
        (method.upper(), re.sub(r"\{\w+\}", "1", path), {"headers": headers})
        for path, item in description["paths"].items()
        for method, operation in item.items()
        if "oauth2" in (operation["security"] or [{}])[0]
    ]
    assert len(asked) > len(SCOPES)
    for (method, path, _), answer in zip(asked, house.door.ask_all(asked), strict=True):
        assert answer.status_code == 401, (method, path, answer.text)


def test_no_scope_of_the_products_own_api_is_one_of_kernel(tmp_path: Path):
    with kernel_house(tmp_path) as house, pytest.raises(Exception, match="no scope of Kernel"):
        house.client("admin", "read:meters")
