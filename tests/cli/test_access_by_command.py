"""Secrets and applications by command: values go in, and nothing that is secret comes out."""

import json
from pathlib import Path
from typing import Any

import pytest

from meterhouse.bootstrap import open_installation
from meterhouse.core.scope import SCOPES
from tests.acceptance.small import node
from tests.cli.command import Meterhouse

CANARY = "c4nary-value"
BASIC = json.dumps({"username": "u", "password": CANARY})


@pytest.fixture
def secret(meterhouse: Meterhouse) -> dict[str, Any]:
    words = ("--name", "Billing (1)", "--type", "basic", "--file", "-", "--description", "shop")
    [created] = meterhouse.json("secret", "create", *words, given=BASIC)
    return created


@pytest.fixture
def client(meterhouse: Meterhouse) -> dict[str, Any]:
    scopes = ("--scope", "read:meters", "--scope", "create:meters")
    [created] = meterhouse.json("access", "create", "--name", "CRM", *scopes)
    return created


def credentials(meterhouse: Meterhouse, id: str) -> dict[str, str]:
    from meterhouse.app.secrets import credentials_of

    with open_installation(meterhouse.data) as house:
        return dict(credentials_of(house.ledger, house.sealer(), id).values)


def use(meterhouse: Meterhouse, id: str, *, name: str = "Uses it") -> None:
    """Import a stream, a node of which names the secret."""
    reader = node("Count", "readers/counter", max=2)
    log = node("Log", "writers/log")
    edges = [{"from": reader["id"], "to": log["id"]}]
    document = {"name": name, "nodes": [reader, log], "edges": edges}
    meterhouse.done("stream", "import", "-", given=json.dumps(document))
    with open_installation(meterhouse.data) as house:
        # No node type of today has such a parameter; documents of the field do.
        entry = {"secretsWalletEntry": {"secretId": id, "secretType": "basic"}}
        stored = house.ledger.stream(name)
        stored.document["nodes"][0]["params"]["auth"] = entry
        text = json.dumps(stored.document, default=str)
        house.ledger._database.execute(
            "UPDATE stream SET document = ? WHERE id = ?", (text, stored.id)
        )


# ------------------------------------------------------------ secrets


@pytest.mark.parametrize("from_file", [True, False])
def test_a_secret_is_created_from_a_file_or_standard_input(
    meterhouse: Meterhouse, tmp_path: Path, from_file: bool
):
    (tmp_path / "file.json").write_text(BASIC)
    place = tmp_path / "file.json" if from_file else "-"
    words = ("secret", "create", "--name", "S", "--type", "basic", "--file", place)
    [created] = meterhouse.json(*words, given="" if from_file else BASIC)
    assert (created["name"], created["version"], created["numberOfStreams"]) == ("S", 1, 0)
    assert credentials(meterhouse, created["id"]) == json.loads(BASIC)


def test_a_secret_is_shown_by_id_and_name_with_its_streams(
    meterhouse: Meterhouse, secret: dict[str, Any]
):
    use(meterhouse, secret["id"])
    for reference in ("Billing (1)", secret["id"]):
        [shown] = meterhouse.json("secret", "show", reference)
        assert shown["streams"] == ["Uses it"]
        assert json.loads(meterhouse.done("secret", "show", reference).out) == shown
    [listed] = meterhouse.json("secret", "list")
    assert listed == secret | {"numberOfStreams": 1}


def test_secrets_are_listed_by_type_and_part_of_the_name(
    meterhouse: Meterhouse, secret: dict[str, Any]
):
    token = '{"token": "t"}'
    words = ("--name", "Other", "--type", "bearer", "--file", "-")
    meterhouse.done("secret", "create", *words, given=token)

    def names(*words: str) -> list[str]:
        return [listed["name"] for listed in meterhouse.json("secret", "list", *words)]

    assert names() == ["Billing (1)", "Other"]
    assert names("--type", "bearer") == ["Other"]
    assert names("--name", "bill") == ["Billing (1)"]
    head, row = meterhouse.done("secret", "list", "--limit", "1").out.splitlines()
    assert head.split()[:3] == ["Name", "Type", "Streams"]
    assert row.startswith("Billing (1)  basic        0  20")
    said = meterhouse.refused("secret", "list", "--type", "bear")
    assert "did you mean bearer?" in said


def test_new_credentials_take_the_place_of_the_old(meterhouse: Meterhouse, secret: dict[str, Any]):
    new = '{"username": "v", "password": "w"}'
    [changed] = meterhouse.json("secret", "update", "Billing (1)", "--file", "-", given=new)
    assert changed["version"] == 2
    assert changed["revision"] != secret["revision"]
    assert credentials(meterhouse, secret["id"]) == json.loads(new)
    [renamed] = meterhouse.json("secret", "update", secret["id"], "--name", "B")
    assert (renamed["name"], renamed["version"]) == ("B", 2)
    assert meterhouse("secret", "update", "B").code == 2


def test_a_secret_in_use_is_not_deleted(meterhouse: Meterhouse, secret: dict[str, Any]):
    use(meterhouse, secret["id"])
    said = meterhouse.refused("secret", "delete", "Billing (1)")
    assert "Secret 'Billing (1)' is used by the stream 'Uses it'" in said
    meterhouse.done("stream", "delete", "Uses it")
    [deleted] = meterhouse.json("secret", "delete", "Billing (1)")
    assert deleted == {"id": secret["id"], "name": "Billing (1)"}
    assert meterhouse.json("secret", "list") == []


def test_the_key_is_changed_and_the_secrets_stay(meterhouse: Meterhouse, secret: dict[str, Any]):
    assert meterhouse.json("secret", "rotate-key") == [{"resealed": 1}]
    assert "sealed 1 value by" in meterhouse.done("secret", "rotate-key").out
    assert credentials(meterhouse, secret["id"]) == json.loads(BASIC)


def test_a_wrong_key_is_one_message_that_says_where_it_is_asked_for(
    meterhouse: Meterhouse, secret: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("METERHOUSE_SECRETS_KEY", "A" * 43 + "=")
    error, hint = meterhouse.refused("secret", "rotate-key").splitlines()
    assert error.startswith("error: The secret ")
    assert "and METERHOUSE_SECRETS_KEY has " in error
    assert hint.startswith("  hint: Add that key there")


@pytest.mark.parametrize(
    ("type_", "given", "said"),
    [
        ("basic", f'{{"username": "u", "pasword": "{CANARY}"}}', "credentials.pasword: is not a"),
        ("basic", f'"{CANARY}"', "credentials: is not a JSON object"),
        ("basic", CANARY, "is not JSON"),
        ("basic", f'{{"username": "{CANARY}"', "is not JSON"),
        ("basic", f'{{"username": "u", "password": ["{CANARY}"]}}', "credentials.password: is not"),
        ("bearer", f'{{"token": "{CANARY}"}} {{"token": "{CANARY}"}}', "is not JSON"),
        ("bearer", f'{{"token": "{CANARY}"}}\n{{"token": "{CANARY}"}}', "holds 2 objects"),
        ("basik", BASIC, "did you mean basic?"),
    ],
)
def test_no_refusal_shows_a_value(meterhouse: Meterhouse, type_: str, given: str, said: str):
    words = ("--name", "S", "--type", type_, "--file", "-")
    ended = meterhouse("secret", "create", *words, given=given)
    assert ended.code == 1
    assert said in ended.err
    assert CANARY not in ended.out + ended.err


def test_nothing_shows_a_value(meterhouse: Meterhouse, secret: dict[str, Any]):
    commands = [("list",), ("show", "Billing (1)"), ("update", "Billing (1)", "--name", "B")]
    commands += [("rotate-key",), ("delete", "B")]
    for words in commands:
        for ended in (meterhouse("secret", *words), meterhouse("secret", *words, "--json")):
            assert CANARY not in ended.out + ended.err


# ------------------------------------------------------------ access


def test_a_client_is_shown_with_its_secret_once(meterhouse: Meterhouse, client: dict[str, Any]):
    assert set(client) == {"id", "name", "clientId", "clientSecret", "scopes"}
    assert client["scopes"] == ["create:meters", "read:meters"]
    for reference in (client["id"], client["clientId"], "CRM"):
        [shown] = meterhouse.json("access", "show", reference)
        assert shown["scopes"] == client["scopes"]
        assert json.loads(meterhouse.done("access", "show", reference).out) == shown
    outputs = [meterhouse.done("access", *words).out for words in (("list",), ("show", "CRM"))]
    outputs.append(meterhouse.done("access", "list", "--json").out)
    assert not [out for out in outputs if client["clientSecret"] in out]
    files = [path.read_bytes() for path in meterhouse.data.iterdir()]
    assert not [content for content in files if client["clientSecret"].encode() in content]


def test_a_client_without_scopes_of_its_own_has_them_all(meterhouse: Meterhouse):
    ended = meterhouse.done("access", "create", "--name", "All")
    pairs = dict(line.split(maxsplit=1) for line in ended.out.splitlines() if "Client" not in line)
    assert pairs["Scopes"] == "all"
    assert "Client secret  mhs_" in ended.out
    assert "not shown again" in ended.err
    assert "it may do everything, because no --scope was given" in ended.err
    [shown] = meterhouse.json("access", "show", "All")
    assert shown["scopes"] == list(SCOPES)


def lets_in(meterhouse: Meterhouse, client: dict[str, Any]) -> bool:
    from meterhouse.app.applications import authenticate
    from meterhouse.app.refusal import AccessRefused

    with open_installation(meterhouse.data) as house:
        given = {"client_id": client["clientId"], "client_secret": client["clientSecret"]}
        try:
            authenticate(house.ledger, house.client_secrets(), **given, at=house.clock())
        except AccessRefused:
            return False
        return True


def test_a_rotated_secret_ends_at_once_or_at_its_instant(
    meterhouse: Meterhouse, client: dict[str, Any]
):
    assert lets_in(meterhouse, client)
    words = ("access", "rotate", "CRM")
    [second] = meterhouse.json(*words, "--old-until", "2999-01-01T00:00:00Z")
    assert second["clientId"] == client["clientId"]
    assert lets_in(meterhouse, client) and lets_in(meterhouse, second)
    [third] = meterhouse.json(*words)
    assert [lets_in(meterhouse, one) for one in (client, second, third)] == [False, False, True]
    ended = meterhouse(*words, "--old-until", "soon")
    assert ended.code == 2
    assert ended.err.startswith("error: --old-until: 'soon' is not an instant")


def test_scopes_and_name_are_changed(meterhouse: Meterhouse, client: dict[str, Any]):
    words = ("access", "update", "CRM", "--scope", "read:audit", "--name", "Audit")
    [changed] = meterhouse.json(*words)
    assert (changed["name"], changed["scopes"]) == ("Audit", ["read:audit"])
    assert meterhouse("access", "update", "Audit").code == 2
    assert "did you mean read:audit?" in meterhouse.refused(
        "access", "update", "Audit", "--scope", "audit:read"
    )


def test_a_deleted_client_is_gone(meterhouse: Meterhouse, client: dict[str, Any]):
    assert "deleted application CRM" in meterhouse.done("access", "delete", "CRM").out
    assert not lets_in(meterhouse, client)
    assert "There is no application 'CRM'" in meterhouse.refused("access", "delete", "CRM")
    assert meterhouse.done("access", "list").err == "no applications\n"
