"""Secrets: values go in and come out for a run alone, through every change of the wallet's key."""

import base64
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterhouse.app.secrets import (
    create_secret,
    credentials_of,
    delete_secret,
    find_secret,
    secret_to_api,
    shown_secret,
    update_secret,
)
from meterhouse.bootstrap import Installation, open_installation
from meterhouse.core.problem import MeterhouseError, NotFoundError
from meterhouse.core.revision import StaleRevision
from meterhouse.core.secret import Secret

AT = 1_768_003_200_000_000
CANARY = "c4nary/välue+=?"
KEYS = [base64.b64encode(bytes([n]) * 32).decode() for n in range(3)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with open_installation(tmp_path / "data") as opened:
        yield opened


def create(house: Installation, name: str = "Billing", *, value: str = CANARY) -> Secret:
    body = {"name": name, "type": "bearer", "credentials": {"token": value}}
    return create_secret(house.ledger, house.sealer(), body, new_id=house.new_id, at=AT)


def test_credentials_come_back_for_a_run(house: Installation):
    secret = create(house)
    credentials = credentials_of(house.ledger, house.sealer(), secret.id)
    assert (credentials["token"], credentials.type) == (CANARY, secret.type)
    with pytest.raises(NotFoundError, match="There is no secret 'Billing'"):
        credentials_of(house.ledger, house.sealer(), "Billing")


def test_new_credentials_are_a_new_version(house: Installation):
    secret = create(house)
    patch = {"credentials": {"token": "new"}}
    changed = update_secret(house.ledger, house.sealer(), "Billing", patch=patch, at=AT + 1)
    assert (changed.version, changed.updated_at) == (2, AT + 1)
    assert credentials_of(house.ledger, house.sealer(), secret.id)["token"] == "new"
    renamed = update_secret(house.ledger, house.sealer(), "Billing", patch={"name": "B"}, at=AT)
    assert (find_secret(house.ledger, "B"), renamed.version) == (renamed, 2)
    assert credentials_of(house.ledger, house.sealer(), secret.id)["token"] == "new"


def test_a_secret_is_shown_with_its_streams_and_no_values(house: Installation):
    secret = create(house)
    assert shown_secret(house.ledger, "Billing") == secret.to_api() | {"streams": []}
    assert secret_to_api(secret, streams=3) == secret.to_api() | {"numberOfStreams": 3}


def test_a_stale_revision_stops_a_change(house: Installation):
    secret = create(house)
    update_secret(
        house.ledger,
        house.sealer(),
        secret.id,
        patch={"name": "B"},
        at=AT,
        revision=secret.revision,
    )
    with pytest.raises(StaleRevision):
        update_secret(
            house.ledger,
            house.sealer(),
            secret.id,
            patch={"name": "C"},
            at=AT,
            revision=secret.revision,
        )
    with pytest.raises(StaleRevision):
        delete_secret(house.ledger, "B", revision=secret.revision)
    assert delete_secret(house.ledger, "B").id == secret.id


def test_the_wallets_own_key_is_changed_and_the_secrets_stay(house: Installation):
    secret, running = create(house), house.sealer()
    file = house.directory / "secrets.key"
    before = file.read_text()
    assert house.rotate_wallet_key() == 1
    assert file.read_text() != before
    assert len(file.read_text().split()) == 1
    for sealer in (house.sealer(), running):
        assert credentials_of(house.ledger, sealer, secret.id)["token"] == CANARY
    file.write_text(before)
    with pytest.raises(MeterhouseError, match="was sealed by the wallet key"):
        credentials_of(house.ledger, house.sealer(), secret.id)


def test_what_a_running_process_seals_after_a_change_opens_with_the_new_key(house: Installation):
    running = house.sealer()
    create(house)
    house.rotate_wallet_key()
    body = {"name": "late", "type": "bearer", "credentials": {"token": "late"}}
    late = create_secret(house.ledger, running, body, new_id=house.new_id, at=AT)
    assert credentials_of(house.ledger, house.sealer(), late.id)["token"] == "late"


def test_a_key_of_ones_own_is_changed_by_putting_the_new_one_in_front(
    house: Installation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("METERHOUSE_SECRETS_KEY", KEYS[0])
    secret = create(house)
    monkeypatch.setenv("METERHOUSE_SECRETS_KEY", f"{KEYS[1]} {KEYS[0]}")
    assert house.rotate_wallet_key() == 1
    monkeypatch.setenv("METERHOUSE_SECRETS_KEY", KEYS[1])
    assert credentials_of(house.ledger, house.sealer(), secret.id)["token"] == CANARY
    assert not (house.directory / "secrets.key").exists()
    monkeypatch.setenv("METERHOUSE_SECRETS_KEY", KEYS[2])
    with pytest.raises(MeterhouseError, match="and METERHOUSE_SECRETS_KEY has "):
        house.rotate_wallet_key()
    monkeypatch.setenv("METERHOUSE_SECRETS_KEY", "short")
    with pytest.raises(MeterhouseError, match="METERHOUSE_SECRETS_KEY: key 1 is not base64"):
        house.sealer()


def test_the_key_may_be_in_a_file_that_is_named(
    house: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    file = tmp_path / "wallet"
    monkeypatch.setenv("METERHOUSE_SECRETS_KEY_FILE", str(file))
    with pytest.raises(MeterhouseError, match=rf"METERHOUSE_SECRETS_KEY_FILE \({file}\): No such"):
        create(house)
    file.write_text(KEYS[0])
    secret, running = create(house), house.sealer()
    file.write_text(f"{KEYS[1]}\n{KEYS[0]}\n")
    assert house.rotate_wallet_key() == 1
    file.write_text(KEYS[1])
    assert credentials_of(house.ledger, running, secret.id)["token"] == CANARY
    file.write_text(KEYS[2])
    with pytest.raises(MeterhouseError, match=r"METERHOUSE_SECRETS_KEY_FILE \(.*\) has "):
        credentials_of(house.ledger, house.sealer(), secret.id)


def test_a_lost_key_file_is_told_before_anything_is_sealed_anew(house: Installation):
    create(house)
    (house.directory / "secrets.key").unlink()
    with pytest.raises(MeterhouseError, match="is missing, and the ledger has secrets"):
        create(house, "second")
    assert not (house.directory / "secrets.key").exists()


def test_no_value_is_in_any_file_of_the_data_directory(house: Installation):
    secret = create(house)
    create(house, "other", value="second-" + CANARY)
    update_secret(
        house.ledger,
        house.sealer(),
        secret.id,
        patch={"credentials": {"token": "third-" + CANARY}},
        at=AT,
    )
    house.rotate_wallet_key()
    raw = CANARY.encode()
    forms = (
        *(raw, raw.hex().encode(), urllib.parse.quote(CANARY).encode()),
        *(base64.b64encode(raw), base64.urlsafe_b64encode(raw), CANARY.encode("utf-16-le")),
        CANARY.encode("ascii", "backslashreplace"),
    )
    files = {path.name: path.read_bytes() for path in house.directory.iterdir()}
    assert {"ledger.sqlite", "ledger.sqlite-wal"} <= set(files)
    assert b"Billing" in files["ledger.sqlite-wal"] + files["ledger.sqlite"]
    for name, content in files.items():
        assert [form for form in forms if form in content] == [], name


WRITE = """
import sys
from pathlib import Path
from meterhouse.app.secrets import create_secret
from meterhouse.bootstrap import open_installation
with open_installation(Path(sys.argv[1])) as house:
    sealer = house.sealer()
    sys.stdin.read()
    for number in range(20):
        name = f"{sys.argv[2]}-{number}"
        body = {"name": name, "type": "bearer", "credentials": {"token": name}}
        create_secret(house.ledger, sealer, body, new_id=house.new_id, at=0)
"""


def test_secrets_that_are_written_while_the_key_changes_open_afterwards(house: Installation):
    command = [sys.executable, "-c", WRITE, str(house.directory)]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    children = [subprocess.Popen([*command, f"p{n}"], **pipes) for n in range(2)]
    for child in children:
        child.stdin.close()
    while any(child.poll() is None for child in children):
        house.rotate_wallet_key()
    house.rotate_wallet_key()
    for child in children:
        assert child.stderr.read() == ""
        child.stderr.close()
    present = house.sealer()
    secrets = [secret for secret, _ in house.ledger.secrets(limit=99).items]
    assert len(secrets) == 40
    for secret in secrets:
        assert credentials_of(house.ledger, present, secret.id)["token"] == secret.name
