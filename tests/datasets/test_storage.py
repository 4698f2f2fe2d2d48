"""Storages of datasets: a folder, and a real blob server; the same promises of both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterhouse.app.datasets.ports import (
    DatasetStorage,
    DatasetStorageConflict,
    DatasetStorageFault,
)
from meterhouse.connectors.dataset_storage import FolderStorage, RemoteStorage
from meterhouse.connectors.http import AllowList, Guard
from meterhouse.connectors.remote import RemotePlaces
from meterhouse.connectors.scratch import Scratch
from meterhouse.core.problem import NotFoundError
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.file_options import FileOptions
from meterhouse.streams.storage import Storage, location
from tests.datasets.catalogue import CONTAINERS, NAME, Catalogue, a_row
from tests.servers.azure import ACCOUNT, Azure, azure_server, program

FILE = "Aura_Audit/6/DAY_DT=2026-10-03/ES_Aura_Audit_20261003T100000Z.avro"


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    if program() is None:
        pytest.skip("there is no blob server: `make test` installs Azurite where there is npm")
    with azure_server(tmp_path_factory.mktemp("azure"), containers=("datasets",)) as server:
        yield server


def places(azure: Azure) -> RemotePlaces:
    secret = Credentials(SecretType.AZURE_SAS, {"sasToken": azure.sas})
    return RemotePlaces(Guard(AllowList.parse("127.0.0.1")), credentials=lambda _: secret)


def remote(azure: Azure, folder: Path) -> RemoteStorage:
    where = location(f"az://datasets/{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}")
    assert where is not None
    how = Storage("secret", endpoint=azure.url, account=ACCOUNT)
    return RemoteStorage(places(azure), where, how, scratch=Scratch(folder / "data"))


@pytest.fixture(params=["folder", "azure"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> DatasetStorage:
    if request.param == "folder":
        return FolderStorage(tmp_path / "storage")
    return remote(request.getfixturevalue("azure"), tmp_path)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(b"content" * 1_000)
    return path


def whole(storage: DatasetStorage, name: str) -> bytes:
    return b"".join(storage.read(name))


def test_what_is_put_is_there_and_a_second_time_changes_nothing(
    storage: DatasetStorage, content: Path
):
    assert storage.find(FILE) is None
    assert storage.put(FILE, content) is True
    assert storage.put(FILE, content) is False
    assert whole(storage, FILE) == content.read_bytes()
    found = storage.find(FILE)
    assert found is not None and (found.name, found.size) == (FILE, 7_000)
    with storage.local(FILE) as path:
        assert path.read_bytes() == content.read_bytes()


def test_another_content_is_refused(storage: DatasetStorage, content: Path, tmp_path: Path):
    storage.put(FILE, content)
    other = tmp_path / "other"
    other.write_bytes(b"another" * 1_000)
    with pytest.raises(DatasetStorageConflict, match="is there already, with another content"):
        storage.put(FILE, other)
    assert whole(storage, FILE) == content.read_bytes()


def test_lists_are_by_name_and_of_one_folder(storage: DatasetStorage, content: Path):
    names = ["a/2.avro", "a/1.avro", "ab/1.avro", "a/b/3.avro"]
    for name in names:
        storage.put(name, content)
    assert [file.name for file in storage.list("")] == sorted(names)
    assert [file.name for file in storage.list("a")] == ["a/1.avro", "a/2.avro", "a/b/3.avro"]
    assert list(storage.list("nothing")) == []


def test_moving_twice_is_moving_once(storage: DatasetStorage, content: Path):
    storage.put("avro/one", content)
    storage.move("avro/one", "processed/one")
    storage.move("avro/one", "processed/one")
    assert [file.name for file in storage.list("")] == ["processed/one"]
    storage.put("avro/one", content)
    storage.move("avro/one", "processed/one")
    assert [file.name for file in storage.list("")] == ["processed/one"]


def test_a_move_overwrites_nothing(storage: DatasetStorage, content: Path, tmp_path: Path):
    storage.put("avro/one", content)
    other = tmp_path / "other"
    other.write_bytes(b"another")
    storage.put("processed/one", other)
    with pytest.raises(DatasetStorageConflict, match="with another content"):
        storage.move("avro/one", "processed/one")
    assert whole(storage, "avro/one") == content.read_bytes()
    assert whole(storage, "processed/one") == b"another"


def test_what_is_not_there(storage: DatasetStorage):
    for attempt in (
        lambda: whole(storage, "no/file"),
        lambda: storage.move("no/file", "to"),
        lambda: storage.local("no/file").__enter__(),
    ):
        with pytest.raises(NotFoundError, match="There is no file"):
            attempt()
    storage.delete("no/file")


def test_deleting(storage: DatasetStorage, content: Path):
    storage.put(FILE, content)
    storage.delete(FILE)
    assert storage.find(FILE) is None


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "a/./b", "", "a b", "a\nb"])
def test_names_never_lead_out(storage: DatasetStorage, content: Path, name: str):
    for attempt in (
        lambda: storage.put(name, content),
        lambda: storage.location(name),
        lambda: storage.delete(name),
    ):
        with pytest.raises(DatasetStorageFault, match="is no name of a file"):
            attempt()


def test_the_location_of_a_file_is_one_that_readers_read(storage: DatasetStorage, content: Path):
    """As ``readers/file`` reads it: by its path or URI, with how it is reached."""
    from meterhouse.connectors import UsageFiles

    CONTAINERS.write(content, schema=_audit(), rows=[a_row(1), a_row(2)])
    storage.put(FILE, content)
    where, how = storage.location(FILE), storage.storage
    reached = storage._places if isinstance(storage, RemoteStorage) else None
    files = UsageFiles(places=reached)
    options = FileOptions(storage=how)
    [found] = files.list(where, options=options)
    chunks = files.read(found, source=0, format=None, fields={}, records_max=10, options=options)
    ids = [row["INTERACTION_ID"] for chunk in chunks for row in chunk.batch.rows()]
    assert ids == ["interaction-1", "interaction-2"]


def _audit():
    from meterhouse.datasets.schema import BUILT_IN

    return BUILT_IN["Aura_Audit"].document


def test_the_catalogue_lies_in_object_storage_as_it_lies_in_a_folder(
    catalogue: Catalogue, azure: Azure, tmp_path: Path
):
    content = catalogue.written(
        [a_row(1), a_row(2, AURA_TM="2026-10-02T23:00:00Z", DAY_DT="2026-10-02")]
    )
    here = catalogue.add(content)
    there = Catalogue(catalogue.ledger, remote(azure, tmp_path), tmp_path)
    # The same bytes in both: what the ledger has already is what it would have again.
    assert there.add(content) == here
    assert there.names() == catalogue.names()
    for file in here:
        assert whole(there.storage, file.path) == whole(catalogue.storage, file.path)


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path, content: Path):
    (tmp_path / "storage").write_text("a file where a folder should be")
    with pytest.raises(DatasetStorageFault, match="cannot be written"):
        FolderStorage(tmp_path / "storage").put(NAME, content)


def test_a_container_that_is_not_there_is_told(azure: Azure, tmp_path: Path, content: Path):
    where = location("az://nowhere/prefix")
    assert where is not None
    how = Storage("secret", endpoint=azure.url, account=ACCOUNT)
    gone = RemoteStorage(places(azure), where, how, scratch=Scratch(tmp_path))
    with pytest.raises(DatasetStorageFault, match="az://nowhere") as raised:
        gone.put(NAME, content)
    assert azure.sas not in str(raised.value)
