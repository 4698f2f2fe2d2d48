"""``meterhouse kernel-client``: both clients of an environment, their scopes, their secrets."""

from pathlib import Path

import pytest

from meterhouse.core.json_text import json_text
from meterhouse.datasets.schema import BUILT_IN
from meterhouse.datasets.scope_lists import BILLING_SCOPES, BOT_SCOPES
from tests.cli.command import Meterhouse

BOT, BILLING = "aura-bot-test", "aura-billing-test"


@pytest.fixture
def meterhouse(tmp_path: Path) -> Meterhouse:
    return Meterhouse(tmp_path / "data")


def test_c21_one_command_makes_both_clients_and_shows_their_secrets_once(meterhouse: Meterhouse):
    made = meterhouse.json("kernel-client", "create-defaults", "test")
    assert [client["clientId"] for client in made] == [BOT, BILLING]
    assert [tuple(client["scopes"]) for client in made] == [BOT_SCOPES, BILLING_SCOPES]
    assert [client["purpose"] for client in made] == [None, "aura-kpi-data-read-purpose"]
    assert all(client["clientSecret"].startswith("mhs_") for client in made)
    again = meterhouse.json("kernel-client", "create-defaults", "test")
    assert [client["id"] for client in again] == [client["id"] for client in made]
    assert all("clientSecret" not in client and not client["new"] for client in again)
    listed = meterhouse.done("kernel-client", "list", "--json").out
    assert not any(client["clientSecret"] in listed for client in made)


def test_c21_a_client_that_is_there_stays_and_the_other_is_made(meterhouse: Meterhouse):
    [mine] = meterhouse.json("kernel-client", "create", BOT, "--scope", "data:read")
    bot, billing = meterhouse.json("kernel-client", "create-defaults", "test")
    assert (bot["id"], bot["scopes"], bot["new"]) == (mine["id"], ["data:read"], False)
    assert billing["new"]


def test_c22_c23_the_default_clients_are_well(meterhouse: Meterhouse):
    meterhouse.done("kernel-client", "create-defaults", "test")
    ended = meterhouse.done("kernel-client", "check-scopes")
    assert f"{BOT} (22 scopes) is well" in ended.out
    assert f"{BILLING} (14 scopes) is well" in ended.out


@pytest.mark.parametrize(("client_id", "needed"), [(BOT, BOT_SCOPES), (BILLING, BILLING_SCOPES)])
def test_c22_c23_a_missing_scope_is_named(meterhouse: Meterhouse, client_id, needed):
    words = [word for scope in needed[:-1] for word in ("--scope", scope)]
    meterhouse.done("kernel-client", "create", client_id, *words)
    ended = meterhouse("kernel-client", "check-scopes", client_id)
    assert ended.code == 1
    assert f"{needed[-1]} is missing: add {needed[-1]}" in ended.err


def test_c24_a_versioned_scope_is_reported_and_rewritten(meterhouse: Meterhouse):
    words = ("--scope", "data:read", "--scope", "data:Aura_Audit:6:read")
    made = meterhouse.done("kernel-client", "create", "brazil", *words)
    assert "data:Aura_Audit:6:read names a version" in made.err
    meterhouse.done("kernel-client", "update", "brazil", "--rewrite")
    [shown] = meterhouse.json("kernel-client", "show", "brazil")
    assert shown["scopes"] == ["data:read", "data:Aura_Audit:read"]
    meterhouse.done("kernel-client", "check-scopes", "brazil")


def test_a_published_dataset_is_known_to_the_linter(meterhouse: Meterhouse, tmp_path: Path):
    words = ("--scope", "data:read", "--scope", "data:Our_Audit:read")
    meterhouse.done("kernel-client", "create", "ours", *words)
    assert meterhouse("kernel-client", "check-scopes", "ours").code == 1
    schema = tmp_path / "our.avsc"
    schema.write_text(json_text({**BUILT_IN["Aura_Audit"].document, "name": "Our_Audit"}))
    meterhouse.done("dataset", "publish", "--file", str(schema))
    meterhouse.done("kernel-client", "check-scopes", "ours")


def test_default_clients_may_count_tokens_too(meterhouse: Meterhouse):
    bot, billing = meterhouse.json("kernel-client", "create-defaults", "es-test", "--tokens")
    assert bot["scopes"][22:] == ["data:Aura_Atria_Message:read", "data:Aura_Atria_Message:write"]
    assert billing["scopes"][14:] == ["data:Aura_Atria_Message:read"]
    meterhouse.done("kernel-client", "check-scopes")


def test_purpose_and_ob_are_set_and_taken_away(meterhouse: Meterhouse):
    words = ("--scope", "data:read", "--ob", "ES", "--purpose", "why")
    [made] = meterhouse.json("kernel-client", "create", "reports", *words)
    assert (made["ob"], made["purpose"]) == ("ES", "why")
    words = ("kernel-client", "update", "reports", "--ob", "", "--purpose", "")
    [changed] = meterhouse.json(*words)
    assert (changed["ob"], changed["purpose"]) == (None, None)


def test_a_secret_is_rotated_and_a_client_deleted(meterhouse: Meterhouse):
    [made] = meterhouse.json("kernel-client", "create", "reports", "--scope", "data:read")
    [rotated] = meterhouse.json("kernel-client", "rotate", "reports")
    assert rotated["clientSecret"] != made["clientSecret"]
    meterhouse.done("kernel-client", "delete", "reports")
    gone = meterhouse("kernel-client", "show", "reports")
    assert (gone.code, "no client 'reports'" in gone.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "x"), "scopes"),
        (("create", "x", "--scope", "data:Aura_Audit:6.0.0:read"), "data:Aura_Audit:6:read"),
        (("create", "a b", "--scope", "data:read"), "clientId"),
        (("create", "x", "--scope", "data:read", "--ob", "Spain"), "ob"),
        (("create-defaults", "ES PRO"), "environment"),
        (("update", "x"), "Nothing is to be changed"),
        (("rotate", "nobody"), "no client 'nobody'"),
    ],
)
def test_what_is_wrong_is_told_with_a_remedy(meterhouse: Meterhouse, words, said: str):
    ended = meterhouse("kernel-client", *words)
    assert ended.code in (1, 2)
    assert said in ended.err
