"""Places to test against: real servers where they can be had."""

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from meterhouse.connectors import FileDelivery, UsageFiles
from meterhouse.connectors.http import AllowList, Guard
from meterhouse.connectors.remote import RemotePlaces
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.file_options import FileOptions
from meterhouse.streams.storage import Location, Storage, location
from tests.servers.azure import ACCOUNT, azure_server, program
from tests.servers.gcs import gcs_server
from tests.servers.s3 import s3_server
from tests.servers.sftp import sftp_server

KINDS = ("s3", "az", "gs", "sftp")


@dataclass
class Lab:
    """A place, a folder in it that nobody else uses, and adapters that reach it."""

    base: str
    storage: Storage
    places: RemotePlaces
    data: Path

    def uri(self, name: str) -> str:
        return f"{self.base}/{name}"

    def at(self, name: str) -> Location:
        found = location(self.uri(name))
        assert found is not None
        return found

    @property
    def files(self) -> UsageFiles:
        return UsageFiles(data=self.data, places=self.places)

    @property
    def delivery(self) -> FileDelivery:
        return FileDelivery(self.data, places=self.places)

    @property
    def options(self) -> FileOptions:
        return FileOptions(storage=self.storage)

    def put(self, name: str, content: bytes) -> None:
        """Put content there, whatever is there."""
        where = self.at(name)
        source = self.data / f"put-{uuid.uuid4().hex}"
        source.write_bytes(content)
        with self.places.open(where, self.storage) as place:
            place.delete(where.key)
            assert place.create(where.key, source, token="put")
        source.unlink()

    def get(self, name: str) -> bytes | None:
        where = self.at(name)
        with self.places.open(where, self.storage) as place:
            found = place.find(where.key)
            return None if found is None else b"".join(place.read(found))

    def names(self) -> list[str]:
        """Everything that is there."""
        where = self.at("")
        with self.places.open(where, self.storage) as place:
            return sorted(file.key.removeprefix(where.key) for file in place.list(where.key))


@dataclass(frozen=True)
class Server:
    """How a kind of place is reached."""

    base: str
    storage: Storage
    credentials: Credentials


def _s3(folder: Path, stack: ExitStack) -> Server:
    url = stack.enter_context(s3_server(folder))
    keys = {"accessKeyId": "AKIA-TEST", "secretAccessKey": "canary-secret-key"}
    return Server(
        "s3://usage",
        Storage("secret", endpoint=url, region="eu-west-1"),
        Credentials(SecretType.AWS, keys),
    )


def _az(folder: Path, stack: ExitStack) -> Server:
    if program() is None:
        pytest.skip("Azurite is not installed (`make test` installs it where there is npm)")
    azure = stack.enter_context(azure_server(folder))
    return Server(
        "az://usage",
        Storage("secret", endpoint=azure.url, account=ACCOUNT),
        Credentials(SecretType.AZURE_SAS, {"sasToken": azure.sas}),
    )


def _gs(folder: Path, stack: ExitStack) -> Server:
    del folder
    url = stack.enter_context(gcs_server("canary-token"))
    return Server(
        "gs://usage",
        Storage("secret", endpoint=url),
        Credentials(SecretType.BEARER, {"token": "canary-token"}),
    )


def _sftp(folder: Path, stack: ExitStack) -> Server:
    made = stack.enter_context(sftp_server(folder))
    return Server(
        f"sftp://127.0.0.1:{made.port}",
        Storage("secret", host_key=made.host_key),
        Credentials(SecretType.SSH_KEY, {"privateKey": made.client_key, "username": made.username}),
    )


_STARTS = {"s3": _s3, "az": _az, "gs": _gs, "sftp": _sftp}


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Servers"]:
    with ExitStack() as stack:
        yield Servers(tmp_path_factory, stack)


class Servers:
    """Servers, each started when it is first asked for."""

    def __init__(self, folders: pytest.TempPathFactory, stack: ExitStack) -> None:
        self._folders = folders
        self._stack = stack
        self._started: dict[str, Server] = {}

    def of(self, kind: str) -> Server:
        if kind not in self._started:
            folder = self._folders.mktemp(kind)
            self._started[kind] = _STARTS[kind](folder, self._stack)
        return self._started[kind]


@pytest.fixture(params=KINDS)
def lab(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Lab:
    return make_lab(servers.of(request.param), tmp_path)


@pytest.fixture
def s3(servers: Servers, tmp_path: Path) -> Lab:
    return make_lab(servers.of("s3"), tmp_path)


@pytest.fixture
def sftp(servers: Servers, tmp_path: Path) -> Lab:
    return make_lab(servers.of("sftp"), tmp_path)


def make_lab(server: Server, folder: Path) -> Lab:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    places = RemotePlaces(
        Guard(AllowList.parse("127.0.0.1")), credentials=lambda _: server.credentials
    )
    return Lab(f"{server.base}/t{os.getpid()}-{uuid.uuid4().hex}", server.storage, places, data)
