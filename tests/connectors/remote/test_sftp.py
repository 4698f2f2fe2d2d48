"""An SFTP server is called only if it is the one that is known, and by who the secret says."""

from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from meterhouse.connectors.http import AllowList, Guard
from meterhouse.connectors.remote import RemotePlaces
from meterhouse.connectors.remote.place import PlaceFault
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.storage import Storage, location
from tests.servers.sftp import Sftp, sftp_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    with sftp_server(tmp_path_factory.mktemp("sftp")) as made:
        (made.folder / "a.csv").write_text("a\n1\n")
        yield made


def look(server: Sftp, storage: Storage, secret: Credentials | None, home: Path | None = None):
    where = location(f"sftp://127.0.0.1:{server.port}/a.csv")
    assert where is not None
    places = RemotePlaces(
        Guard(AllowList.parse("127.0.0.1")), credentials=lambda _: secret, home=home
    )
    with places.open(where, storage) as place:
        return place.find(where.key)


def password(server: Sftp) -> Credentials:
    values = {"username": server.username, "password": server.password}
    return Credentials(SecretType.BASIC, values)


def test_a_password_opens_a_server_as_a_key_does(server: Sftp):
    found = look(server, Storage("s", host_key=server.host_key), password(server))
    assert found is not None
    assert found.size == 4


def test_a_server_with_another_key_is_told_nothing(server: Sftp):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    storage = Storage("s", host_key=" ".join(other.split()[:2]))
    with pytest.raises(PlaceFault, match="is not the one that is known") as raised:
        look(server, storage, password(server))
    assert server.password not in str(raised.value)


def test_known_hosts_are_those_of_the_user(server: Sftp, tmp_path: Path):
    known = tmp_path / ".ssh" / "known_hosts"
    with pytest.raises(PlaceFault, match=r"no key of 127\.0\.0\.1 is known"):
        look(server, Storage("s"), password(server), home=tmp_path)
    known.parent.mkdir()
    known.write_text(f"127.0.0.1 {server.host_key}\n")
    assert look(server, Storage("s"), password(server), home=tmp_path) is not None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"username": "ann", "password": "wrong"}, "does not let this user in"),
        ({"username": "bob", "password": "correct horse"}, "does not let this user in"),
    ],
)
def test_a_wrong_password_says_so(server: Sftp, values: dict[str, str], said: str):
    storage = Storage("s", host_key=server.host_key)
    with pytest.raises(PlaceFault, match=said) as raised:
        look(server, storage, Credentials(SecretType.BASIC, values))
    assert values["password"] not in str(raised.value)


def test_a_secret_without_user_or_key_says_so(server: Sftp):
    storage = Storage("s", host_key=server.host_key)
    with pytest.raises(PlaceFault, match="has no username"):
        look(server, storage, Credentials(SecretType.SSH_KEY, {"privateKey": server.client_key}))
    broken = {"privateKey": "no key at all", "username": "ann"}
    with pytest.raises(PlaceFault, match="no private key that can be read") as raised:
        look(server, storage, Credentials(SecretType.SSH_KEY, broken))
    assert "no key at all" not in str(raised.value)
    with pytest.raises(PlaceFault, match="needs a user"):
        look(server, replace(storage, secret_id=None), None)
    with pytest.raises(PlaceFault, match="takes sshKey or basic"):
        look(server, storage, Credentials(SecretType.BEARER, {"token": "x"}))
