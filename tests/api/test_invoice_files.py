"""Files of invoices over HTTP: downloads, links for people without access, the history."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from meterhouse.app.billing.archiving import archive
from tests.api.world import House, running
from tests.archive.filing import JSON, STEM, WHERE, XLSX

INVOICE = f"/v1/invoices/{WHERE.number}"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with running(tmp_path) as opened:
        context = opened.context
        with context.ledger() as ledger:
            archive(
                *(ledger, context.archive, WHERE, (XLSX, JSON)), at=context.clock(), actor="ann"
            )
        yield opened


def history(house: House) -> list[dict[str, Any]]:
    return house.http.get("/v1/invoice-history").json()["entries"]


def test_files_are_listed_and_read(house: House) -> None:
    files = house.http.get(f"{INVOICE}/files").json()["files"]
    assert [one["name"] for one in files] == [f"{STEM}.xlsx", f"{STEM}.json"]
    answer = house.http.get(f"{INVOICE}/files/xlsx")
    assert (answer.status_code, answer.content) == (200, XLSX.content)
    assert answer.headers["content-type"] == XLSX.media_type
    name = STEM.rpartition("/")[2]
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.xlsx"'
    digest = b64encode(hashlib.sha256(XLSX.content).digest()).decode()
    assert answer.headers["content-digest"] == f"sha-256=:{digest}:"
    assert [(e["action"], e["actor"]) for e in history(house)] == [
        ("archived", "ann"),
        ("downloaded", "admin"),
    ]


def test_what_is_not_there_is_not_found(house: House) -> None:
    assert house.http.get("/v1/invoices/none/files").status_code == 404
    assert house.http.get(f"{INVOICE}/files/pdf").status_code == 404
    assert house.http.post(f"{INVOICE}/links", json={"format": "pdf"}).status_code == 404
    assert house.http.get("/v1/invoice-history?invoice=none").status_code == 404


def test_a_link_needs_no_token_and_is_written_down(house: House) -> None:
    answer = house.http.post(f"{INVOICE}/links", json={"format": "json", "expiresInDays": 90})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["file"]["format"] == "json"
    with httpx.Client() as anybody:
        opened = anybody.get(made["url"])
    assert (opened.status_code, opened.content) == (200, JSON.content)
    last = history(house)[-1]
    assert (last["action"], last["actor"]) == ("downloaded", f"link {made['id']}")
    assert last["detail"]["address"] == "127.0.0.1"
    # The log has the template of the route: a token in it would open the file to its readers.
    token = made["url"].rpartition("/")[2]
    line = house.request_line(opened.headers["x-request-id"])
    assert "{token}" in str(line) and token not in str(line)


def test_wrong_links_say_nothing(house: House) -> None:
    made = house.http.post(f"{INVOICE}/links", json={"format": "json"}).json()
    before = history(house)
    with httpx.Client() as anybody:
        for url in (made["url"] + "A", made["url"][:-1], f"{house.url}/v1/downloads/x"):
            answer = anybody.get(url)
            assert answer.status_code == 404
            assert answer.json()["detail"] == "There is no such download"
    assert history(house) == before


def test_an_expired_link_is_gone(house: House) -> None:
    from meterhouse.app.billing.archiving import link

    context = house.context
    with context.ledger() as ledger:
        early = {"at": 1_700_000_000_000_000, "actor": "ann", "id": "l-1", "days": 1}
        _, token = link(ledger, context.links, WHERE.id, format="json", **early)
    with httpx.Client() as anybody:
        answer = anybody.get(f"{house.url}/v1/downloads/{token}")
    assert (answer.status_code, answer.json()["code"]) == (410, "link_expired")


def test_where_the_archive_is_shows_to_nobody(house: House) -> None:
    made = house.http.post(f"{INVOICE}/links", json={"format": "json"}).json()
    (house.directory / "archive" / f"{STEM}.json").write_bytes(b"forged")
    with httpx.Client() as anybody:
        answer = anybody.get(made["url"])
    assert answer.status_code == 503
    assert STEM not in answer.text and "forged" not in answer.text
    assert house.http.get(f"{INVOICE}/files/json").status_code == 503


@pytest.mark.parametrize(
    "body",
    [{}, {"format": 1}, {"format": "json", "expiresInDays": 91}, {"format": "json", "days": 1}]
    + [{"format": "json", "expiresInDays": days} for days in (0, "7", True, 1.5)],
)
def test_wrong_bodies_are_refused(house: House, body: dict[str, Any]) -> None:
    answer = house.http.post(f"{INVOICE}/links", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


def test_c06_the_global_team_downloads_and_links_and_nothing_else(house: House) -> None:
    team = house.token("global-team", "download:invoices")
    assert house.http.get(f"{INVOICE}/files", headers=team).status_code == 200
    assert house.http.get(f"{INVOICE}/files/xlsx", headers=team).content == XLSX.content
    post = house.http.post(f"{INVOICE}/links", json={"format": "json"}, headers=team)
    assert post.status_code == 201
    done = [(entry["action"], entry["actor"]) for entry in history(house)[1:]]
    assert done == [("downloaded", "global-team"), ("linked", "global-team")]
    for method, path in (
        ("GET", "/v1/invoices"),
        ("GET", "/v1/invoice-history"),
        ("POST", "/v1/billing-runs"),
        ("POST", f"{INVOICE}/issue"),
        ("POST", f"{INVOICE}/void"),
        ("GET", "/v1/customers"),
        ("GET", "/v1/records"),
    ):
        answer = house.http.request(method, path, headers=team)
        assert answer.status_code == 403, path


@pytest.mark.parametrize(
    "scopes",
    ["read:invoices", "create:streams read:streams run:streams read:meters create:meters"],
)
def test_c06_c15_the_role_of_an_ob_has_no_file_and_no_link(house: House, scopes: str) -> None:
    ob = house.token("aura-bot-es", scopes)
    for method, path in (
        ("GET", f"{INVOICE}/files"),
        ("GET", f"{INVOICE}/files/xlsx"),
        ("POST", f"{INVOICE}/links"),
    ):
        answer = house.http.request(method, path, headers=ob, json={"format": "xlsx"})
        assert answer.status_code == 403
    assert [entry["action"] for entry in history(house)] == ["archived"]


def test_who_reads_the_history_has_no_files(house: House) -> None:
    auditor = house.token("auditor", "read:audit")
    assert house.http.get("/v1/invoice-history", headers=auditor).status_code == 200
    assert house.http.get(f"{INVOICE}/files", headers=auditor).status_code == 403
