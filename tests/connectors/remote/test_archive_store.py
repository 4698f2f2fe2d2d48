"""The archive of invoices in object storage: real servers, each as far as it can be had."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from meterhouse.app.billing.archive_ports import ArchiveConflict, ArchiveFault
from meterhouse.connectors.archive_store import RemoteArchive
from tests.connectors.remote.conftest import Lab, Servers, make_lab

NAME = "invoices/esp/2026/10/liceo_ESP_202610_A=2F1_v01.xlsx"


@pytest.fixture(params=["s3", "az", "gs"])
def objects(request: pytest.FixtureRequest, servers: Servers, tmp_path) -> Lab:
    return make_lab(servers.of(request.param), tmp_path)


def archive_in(lab: Lab) -> RemoteArchive:
    return RemoteArchive(lab.places, lab.at(""), lab.storage)


def test_what_is_put_comes_back_and_is_never_overwritten(objects: Lab) -> None:
    archive = archive_in(objects)
    assert archive.get(NAME) is None
    assert archive.put(NAME, b"one") is True
    assert archive.put(NAME, b"one") is False
    with pytest.raises(ArchiveConflict, match="is there already, with another content"):
        archive.put(NAME, b"two")
    assert archive.get(NAME) == b"one"
    assert objects.names() == [NAME]


def test_of_twenty_writers_at_once_one_makes_the_object(objects: Lab) -> None:
    barrier = Barrier(20)

    def put(number: int) -> str:
        archive = archive_in(objects)
        barrier.wait()
        try:
            return "made" if archive.put(NAME, f"{number % 5}".encode() * 1_000) else "there"
        except ArchiveConflict:
            return "conflict"

    with ThreadPoolExecutor(20) as pool:
        said = list(pool.map(put, range(20)))
    assert said.count("made") == 1
    winner = said.index("made") % 5
    assert archive_in(objects).get(NAME) == f"{winner}".encode() * 1_000
    for number, answer in enumerate(said):
        expected = ("made", "there") if number % 5 == winner else ("conflict",)
        assert answer in expected


def test_a_container_that_is_not_there_is_a_fault_with_a_remedy(objects: Lab) -> None:
    where = objects.at("")
    missing = type(where)(where.scheme, "nowhere-to-be-found", where.key)
    archive = RemoteArchive(objects.places, missing, objects.storage)
    with pytest.raises(ArchiveFault) as caught:
        archive.put(NAME, b"one")
    assert caught.value.hint
    assert "canary" not in str(caught.value)
