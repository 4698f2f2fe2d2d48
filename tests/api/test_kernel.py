"""Kernel over HTTP: tokens, datasets, partitions, files; who sees what, and what is refused."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterhouse.api import KernelAccess, create_app
from meterhouse.app.datasets.clients import delete_client, rewrite_scopes, update_client
from meterhouse.core.instant import SECOND
from meterhouse.datasets.schema import BUILT_IN
from meterhouse.datasets.scope_lists import BILLING_SCOPES, BOT_SCOPES
from meterhouse.security import OpaqueTokens
from tests.api.kernel_world import AVRO, FORM, TOKEN, KernelHouse, kernel_house
from tests.audit_files import AUDIT, audit_file, audit_rows, file_name, later_audit

BOT, BILLING = "aura-bot-test", "aura-billing-test"
PARTITIONS = f"/{AUDIT}/6/partitions"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[KernelHouse]:
    with kernel_house(tmp_path) as opened:
        yield opened


# ------------------------------------------------------------ tokens


def test_c25_a_token_is_answered_as_kernel_does(house: KernelHouse):
    answer = house.token_answer(BILLING)
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["access_token", "token_type", "expires_in", "scope", "purpose"]
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3599)
    assert body["scope"] == " ".join(BILLING_SCOPES)
    assert body["purpose"] == "aura-kpi-data-read-purpose"
    assert house.token_answer(BOT).json()["purpose"] == ""
    assert answer.headers["cache-control"] == "no-store"


def test_a_token_is_for_the_scopes_that_are_asked_for(house: KernelHouse):
    asked = "data:read data:Aura_Audit:read"
    assert house.token_answer(BOT, scope=asked).json()["scope"] == asked
    refused = house.get("", house.token(BOT, asked))
    assert refused.status_code == 403
    assert "admin:datasets:read" in refused.json()["detail"]


def test_c23_a_scope_that_the_client_has_not_is_named(house: KernelHouse):
    answer = house.token_answer(BILLING, scope="data:write data:Aura_Audit:write")
    problem = answer.json()
    assert (answer.status_code, problem["error"]) == (400, "invalid_scope")
    assert problem["hint"] == "It lacks data:Aura_Audit:write"
    assert "data:Aura_Audit:write" in problem["error_description"]


@pytest.mark.parametrize("asked", ["mhs_secret", "data:a:b:c", "read:meters"])
def test_what_is_no_scope_is_not_shown(house: KernelHouse, asked: str):
    answer = house.token_answer(BILLING, scope=asked)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert asked not in answer.text


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("scope=data:read", "invalid_request"),
        ("grant_type=password", "unsupported_grant_type"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
    ],
)
def test_a_token_request_is_well_formed(house: KernelHouse, body: str, error: str):
    headers = house.basic(BOT) | {"content-type": "application/x-www-form-urlencoded"}
    answer = house.door.ask("POST", TOKEN, headers=headers, content=body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_wrong_secret_and_an_unknown_client_are_refused_alike(house: KernelHouse):
    wrong = [house.basic(BOT, "mhs_wrong"), house.basic("nobody", "x"), house.basic(BOT, "")]
    answers = [house.door.ask("POST", TOKEN, headers=who, data=FORM) for who in wrong]
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"] == 'Basic realm="kernel"'
    same = [{k: v for k, v in a.json().items() if k != "requestId"} for a in answers[:2]]
    assert same[0] == same[1]


def test_c24_a_legacy_scope_gets_a_token_and_is_reported(house: KernelHouse):
    asked = "data:read data:Aura_Audit:6:read"
    answer = house.token_answer(BOT, scope=asked)
    assert answer.json()["scope"] == asked
    lines = [json.loads(line) for line in house.door.log]
    [said] = [line for line in lines if line["message"] == "a scope names a version"]
    assert (said["level"], said["client"]) == ("warning", BOT)
    assert said["scope"] == "data:Aura_Audit:6:read"
    assert said["replacement"] == "data:Aura_Audit:read"


def test_c24_a_client_of_an_earlier_time_reads_its_major_and_is_rewritten(house: KernelHouse):
    house.client("old", "data:read", "data:Aura_Audit:6:read")
    token = house.token("old")
    assert house.get(PARTITIONS, token).status_code == 200
    assert house.get(f"/{AUDIT}/7/partitions", token).status_code == 403
    context = house.door.context
    with context.ledger() as ledger:
        rewrite_scopes(ledger, "old", at=context.clock())
    # The token is for the version still; a new one is for all.
    assert house.get(PARTITIONS, token).status_code == 200
    assert house.get(f"/{AUDIT}/7/partitions", house.token("old")).status_code == 404


def test_c25_a_token_ends_after_3599_seconds(house: KernelHouse):
    token = house.token(BOT)["Authorization"].removeprefix("Bearer ")
    context = house.door.context
    issued = context.clock()
    parts = (context.ledger, OpaqueTokens(bytes), context.client_secrets)
    for seconds, code in ((3590, None), (3600, "token_expired")):
        at = issued + seconds * SECOND
        access = KernelAccess(*parts, clock=lambda at=at: at)
        house.door.app = create_app(replace(context, kernel=access))
        answer = house.get(PARTITIONS, {"Authorization": f"Bearer {token}"})
        assert answer.json().get("code") == code
        assert answer.status_code == (200 if code is None else 401)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_expired_tokens_are_forgotten(house: KernelHouse):
    house.token(BOT)
    house.token(BILLING)
    now = house.door.context.clock()
    with house.door.context.ledger() as ledger:
        assert ledger.purge_kernel_tokens(at=now) == 0
        assert ledger.purge_kernel_tokens(at=now + 3600 * SECOND) == 2
        assert ledger.purge_kernel_tokens(at=now + 3600 * SECOND) == 0


def test_a_token_counts_for_what_the_client_may_do_now(house: KernelHouse):
    house.client("reports", "data:read", "data:Aura_Audit:read")
    token = house.token("reports")
    assert house.get(PARTITIONS, token).status_code == 200
    context = house.door.context
    with context.ledger() as ledger:
        update_client(ledger, "reports", patch={"scopes": ["data:read"]}, at=context.clock())
    answer = house.get(PARTITIONS, token)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    with context.ledger() as ledger:
        delete_client(ledger, "reports")
    assert house.get(PARTITIONS, token).status_code == 401
    assert house.token_answer("reports").status_code == 401


def test_no_secret_and_no_token_is_in_the_ledger_or_the_log(house: KernelHouse):
    token = house.token(BOT)["Authorization"].removeprefix("Bearer ")
    house.get(PARTITIONS, {"Authorization": f"Bearer {token}"})
    house.token_answer(BOT, scope=house.secrets[BOT])
    kept = b"".join(path.read_bytes() for path in (house.folder / "data").rglob("*.sqlite*"))
    said = "\n".join(house.door.log)
    for secret in (token, *house.secrets.values()):
        assert secret.encode() not in kept
        assert secret not in said


# ------------------------------------------------------------ correlators


@pytest.mark.parametrize("path", ["/kernel/datasets", "/kernel/nothing", "/kernel/token"])
def test_the_correlator_is_echoed_whatever_becomes_of_the_request(house: KernelHouse, path: str):
    headers = {"x-correlator": "3f2c-1", "Authorization": "Bearer no"}
    answer = house.door.ask("GET", path, headers=headers)
    assert answer.status_code >= 400
    assert answer.headers["x-correlator"] == "3f2c-1"
    assert answer.json()["requestId"] == "3f2c-1"


def test_a_missing_or_odd_correlator_is_replaced_by_a_new_one(house: KernelHouse):
    for given in ({}, {"x-correlator": "a b"}, {"x-correlator": "x" * 65}):
        answer = house.door.ask("GET", "/kernel/datasets", headers=given | {"Authorization": "x"})
        assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-correlator"])
    assert "x-correlator" not in house.door.ask("GET", "/healthz").headers


# ------------------------------------------------------------ datasets and partitions


def test_c20_datasets_are_listed_with_their_newest_versions(house: KernelHouse):
    house.publish(later_audit())
    house.add()
    token = house.token(BILLING)
    listed = {item["name"]: item for item in house.get("", token).json()["datasets"]}
    assert set(listed) == {AUDIT, "D_Aura_App"}
    assert (listed[AUDIT]["version"], listed[AUDIT]["files"], listed[AUDIT]["rows"]) == (
        *("6.1.0", 1, 3),
    )
    body = house.get(f"/{AUDIT}", token).json()
    assert [one["version"] for one in body["versions"]] == ["6.0.0", "6.1.0"]
    assert body["newest"] == "6.1.0"
    assert body["versions"][0]["schema"] == BUILT_IN[AUDIT].document
    assert house.get("/Nothing", token).status_code == 404


def test_partitions_are_days_with_files_by_name(house: KernelHouse):
    for ob, hour in (("ES", "20261004T01"), ("ES", "20261003T10"), ("DE", "20261003T11")):
        house.add(ob, hour=hour)
    body = house.get(PARTITIONS, house.token(BILLING)).json()
    assert (body["dataset"], body["major"]) == (AUDIT, 6)
    found = [(p["day"], [file["name"] for file in p["files"]]) for p in body["partitions"]]
    assert found == [
        ("2026-10-03", [file_name("DE", hour="20261003T11"), file_name("ES", hour="20261003T10")]),
        ("2026-10-04", [file_name("ES", hour="20261004T01")]),
    ]


def test_partitions_are_of_the_days_asked_for_both_included(house: KernelHouse):
    for day in ("01", "02", "03"):
        house.add(hour=f"202610{day}T01")
    token = house.token(BILLING)
    body = house.get(f"{PARTITIONS}?from=2026-10-02&to=2026-10-03", token).json()
    assert [p["day"] for p in body["partitions"]] == ["2026-10-02", "2026-10-03"]
    wrong = house.get(f"{PARTITIONS}?from=2026-13-02", token)
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/from")
    assert house.get(f"{PARTITIONS}?since=2026-10-02", token).json()["code"] == "parameter_unknown"
    assert house.get(f"/{AUDIT}/5/partitions", token).status_code == 404
    assert house.get(f"/{AUDIT}/six/partitions", token).status_code == 422


# ------------------------------------------------------------ files


def test_a_file_comes_as_it_was_added(house: KernelHouse):
    added = house.add()
    answer = house.get(f"/{AUDIT}/6/files/{added.id}", house.token(BILLING))
    assert answer.status_code == 200
    assert answer.content == house.file().read_bytes()
    assert answer.headers["content-type"] == AVRO
    assert int(answer.headers["content-length"]) == added.size == len(answer.content)
    assert added.name in answer.headers["content-disposition"]
    assert hashlib.sha256(answer.content).hexdigest() == added.sha256


def test_a_file_of_another_dataset_or_version_is_not_behind_the_scopes_of_this_one(
    house: KernelHouse,
):
    added = house.add()
    house.client("apps", "data:read", "data:D_Aura_App:read", "data:Aura_Audit:5:read")
    token = house.token("apps")
    assert house.get(f"/D_Aura_App/6/files/{added.id}", token).status_code == 404
    assert house.get(f"/{AUDIT}/5/files/{added.id}", token).status_code == 404
    assert house.get(f"/{AUDIT}/6/files/{added.id}", token).status_code == 403


def test_c23_the_bot_writes_and_the_client_that_bills_does_not(house: KernelHouse):
    path = house.file()
    refused = house.post(path, house.token(BILLING), name=path.name)
    assert refused.status_code == 403
    assert "data:Aura_Audit:write" in refused.json()["detail"]
    assert 'scope="data:Aura_Audit:write"' in refused.headers["www-authenticate"]
    answer = house.post(path, house.token(BOT), name=path.name)
    assert answer.status_code == 201
    [file] = answer.json()["files"]
    assert (file["ob"], file["day"], file["rows"]) == ("ES", "2026-10-03", 3)
    assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_adding_a_file_again_changes_nothing(house: KernelHouse):
    path, token = house.file(), house.token(BOT)
    first = house.post(path, token, name=path.name)
    again = house.post(path, token, name=path.name)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = audit_file(house.folder / "other.avro", audit_rows(5))
    conflict = house.post(other, token, name=path.name)
    assert conflict.status_code == 409


def test_a_file_of_several_days_becomes_several(house: KernelHouse):
    rows = audit_rows(2) + audit_rows(1, day="2026-10-04")
    path = audit_file(house.folder / file_name(), rows)
    files = house.post(path, house.token(BOT), name=path.name).json()["files"]
    assert [(file["day"], file["rows"]) for file in files] == [("2026-10-03", 2), ("2026-10-04", 1)]


def test_the_name_of_a_file_may_be_a_parameter(house: KernelHouse):
    path = house.file()
    headers = house.token(BOT) | {"content-type": AVRO}
    url = f"/kernel/datasets/{AUDIT}/6/files"
    content = path.read_bytes()
    missing = house.door.ask("POST", url, headers=headers, content=content)
    assert missing.json()["errors"][0]["detail"] == "is missing"
    given = house.door.ask("POST", f"{url}?fileName={path.name}", headers=headers, content=content)
    assert given.status_code == 201


def test_what_is_no_such_file_is_refused_with_its_place(house: KernelHouse):
    token = house.token(BOT)
    broken = house.folder / "broken.avro"
    broken.write_bytes(b"Obj\x01 nothing")
    refused = house.post(broken, token, name=file_name())
    assert (refused.status_code, refused.json()["code"]) == (422, "input_unreadable")
    assert refused.json()["detail"].startswith("The file ")
    assert "/tmp" not in refused.text
    strange = audit_file(house.folder / "x.avro", audit_rows(1, ob="DE"))
    answer = house.post(strange, token, name=file_name("ES"))
    assert answer.status_code == 422
    assert "DEU" in answer.text
    named = house.post(strange, token, name="audit.avro")
    assert named.status_code == 422
    with house.door.context.ledger() as ledger:
        assert ledger.dataset_files(AUDIT).items == []


def test_c24_a_file_goes_to_its_own_version_only(house: KernelHouse):
    """Else a scope for version 5 would write version 6."""
    house.client("five", "data:write", "data:Aura_Audit:5:write")
    path = house.file()
    answer = house.post(path, house.token("five"), path=f"/{AUDIT}/5/files", name=path.name)
    assert (answer.status_code, answer.json()["code"]) == (422, "dataset_version_differs")


def test_a_body_must_be_avro(house: KernelHouse):
    headers = house.token(BOT) | {"content-type": "application/json", "x-file-name": file_name()}
    url = f"/kernel/datasets/{AUDIT}/6/files"
    answer = house.door.ask("POST", url, headers=headers, content=b"{}")
    assert answer.status_code == 415


# ------------------------------------------------------------ operating businesses


def test_c15_a_bound_client_sees_and_adds_its_own_files_only(house: KernelHouse):
    spanish, german = house.add("ES"), house.add("DE")
    house.client("bot-es", *BOT_SCOPES, ob="ES")
    token = house.token("bot-es")
    [partition] = house.get(PARTITIONS, token).json()["partitions"]
    assert [file["ob"] for file in partition["files"]] == ["ES"]
    assert house.get(f"/{AUDIT}/6/files/{spanish.id}", token).status_code == 200
    assert house.get(f"/{AUDIT}/6/files/{german.id}", token).status_code == 404
    path = house.file("DE", hour="20261005T01")
    refused = house.post(path, token, name=path.name)
    assert (refused.status_code, refused.json()["code"]) == (403, "ob_refused")
    totals = {
        client: next(
            (one["files"], one["rows"])
            for one in house.get("", house.token(client)).json()["datasets"]
            if one["name"] == AUDIT
        )
        for client in ("bot-es", BOT)
    }
    assert totals == {"bot-es": (1, spanish.rows), BOT: (2, spanish.rows + german.rows)}
    own = house.file("ES", hour="20261005T01")
    assert house.post(own, token, name=own.name).status_code == 201


def test_activities_name_the_client_that_added_a_file(house: KernelHouse):
    path = house.file()
    house.post(path, house.token(BOT), name=path.name)
    with house.door.context.ledger() as ledger:
        actors = {entry.actor for entry in ledger.activities().items}
    assert BOT in actors
