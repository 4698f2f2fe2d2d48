"""Datasets by request: schemas are published, files come and go as they are, and who may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from meterhouse.connectors.avro.writer import write_avro
from tests.api.world import House, running
from tests.datasets.catalogue import AUDIT, NAME, a_row, document_of

PATH = "/v1/datasets"
FILES = f"{PATH}/{AUDIT}/files"
AVRO = {"Content-Type": "avro/binary"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with running(tmp_path / "data") as house:
        yield house


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    path = tmp_path / "content.avro"
    write_avro(path, schema=document_of(), rows=[a_row(1), a_row(2)])
    return path.read_bytes()


def publish(house: House, **changed: Any) -> httpx.Response:
    return house.http.post(f"{PATH}/{AUDIT}/versions", json=document_of() | changed)


def add(house: House, content: bytes, name: str = NAME, **how: Any) -> httpx.Response:
    return house.http.post(FILES, content=content, params={"file": name}, headers=AVRO | how)


def test_a_version_is_published_once(house: House):
    assert [publish(house).status_code for _ in range(2)] == [201, 200]
    [listed] = house.http.get(PATH).json()["datasets"]
    assert (listed["name"], listed["version"], listed["files"]) == (AUDIT, "6.0.0", 0)
    [version] = house.http.get(f"{PATH}/{AUDIT}/versions").json()["versions"]
    assert version["schema"] == document_of()
    assert house.http.get(f"{PATH}/{AUDIT}").json()["partition"] == "DAY_DT"
    assert house.http.get(f"{PATH}/Other").status_code == 404
    other = publish(house, doc="another")
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    named = house.http.post(f"{PATH}/Other/versions", json=document_of())
    assert named.json()["errors"][0]["hint"] == 'the path says "Other"'
    shorter = publish(house, **{"x-fp-version": "6.1.0", "fields": document_of()["fields"][:-1]})
    assert shorter.status_code == 422
    assert any("is removed" in error["detail"] for error in shorter.json()["errors"])


def test_a_file_comes_and_goes_as_it_is(house: House, content: bytes):
    publish(house)
    first, again = add(house, content), add(house, content)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    [file] = first.json()["files"]
    assert (file["rows"], file["day"], file["ob"]) == (2, "2026-10-03", "ES")
    answer = house.http.get(f"{FILES}/{file['id']}")
    assert answer.content == content
    assert answer.headers["content-disposition"] == f'attachment; filename="{NAME}"'
    assert house.http.get(FILES).json() == {"files": [file], "next_cursor": None}
    assert house.http.get(FILES, params={"from": "2026-10-04"}).json()["files"] == []
    assert house.http.get(f"{PATH}/Other/files/{file['id']}").status_code == 404
    assert house.http.get(f"{FILES}/nothing").status_code == 404
    checked = house.http.get(f"{PATH}/{AUDIT}/check").json()
    assert (checked["files"], checked["rows"], checked["faults"]) == (1, 2, [])


def test_files_come_in_pages(house: House, content: bytes):
    publish(house)
    names = [NAME.replace("T10", f"T{hour}") for hour in (10, 11, 12)]
    for name in names:
        assert add(house, content, name).status_code == 201
    page = house.http.get(FILES, params={"limit": 2, "ob": "ES", "from": "2026-10-01"})
    following = house.http.get(page.links["next"]["url"])
    found = [file["name"] for answer in (page, following) for file in answer.json()["files"]]
    assert found == names
    foreign = {"cursor": page.json()["next_cursor"], "ob": "DE"}
    assert house.http.get(FILES, params=foreign).status_code == 400


def test_what_is_refused_names_its_place_and_no_path_of_the_server(house: House, content: bytes):
    publish(house)
    answer = add(house, content, NAME.replace("ES_", "DE_"))
    assert (answer.status_code, answer.json()["code"]) == (422, "dataset_file_refused")
    assert "whose country is DEU" in answer.text
    broken = add(house, content[:-30])
    assert (broken.status_code, broken.json()["code"]) == (422, "input_unreadable")
    assert broken.json()["detail"].startswith("The file cannot be read")
    assert str(house.directory) not in broken.text
    assert add(house, content, "audit.avro").status_code == 422
    typed = add(house, content, **{"Content-Type": "text/csv"})
    assert typed.status_code == 415
    assert house.http.get(FILES).json()["files"] == []


def test_a_file_that_is_gone_is_not_answered_with_nothing(house: House, content: bytes):
    publish(house)
    [file] = add(house, content).json()["files"]
    (house.directory / "datasets" / file["path"]).unlink()
    answer = house.http.get(f"{FILES}/{file['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_file_lost")


def test_reading_and_writing_have_scopes_of_their_own(house: House, content: bytes):
    reader, writer = house.token("reads", "read:datasets"), house.token("writes", "write:datasets")
    assert house.http.get(PATH, headers=reader).status_code == 200
    assert house.http.get(PATH, headers=writer).status_code == 403
    body = document_of()
    path = f"{PATH}/{AUDIT}/versions"
    assert house.http.post(path, json=body, headers=reader).status_code == 403
    assert house.http.post(path, json=body, headers=writer).status_code == 201
    assert add(house, content, **reader).status_code == 403
    assert add(house, content, **writer).status_code == 201
