"""The billing operation of three businesses: logs in, invoices in the archive, killed or not."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import fastavro
import pytest

from tests.cli.command import EXAMPLES, ROOT, Meterhouse

_EXAMPLE = EXAMPLES / "aura"
_BUSINESSES = ("ES", "BR", "DE")
_DRAFTS, _INVOICES = "2026-11-03T03:00:00Z", "2026-11-06T03:00:00Z"


class Operation(Meterhouse):
    """An installation in a folder, driven by commands."""

    def run(self, at: str = _INVOICES, *, file: Path | None = None) -> tuple[int, dict[str, Any]]:
        file = file or _EXAMPLE / "aura.yaml"
        ended = self("aura", "run", file, "--at", at, "--json")
        return ended.code, json.loads(ended.out)

    def archived(self) -> dict[str, bytes]:
        """The files of invoices; the history has the time of the day in it."""
        invoices = self.data / "archive" / "invoices"
        found = [path for path in invoices.rglob("*") if path.is_file()]
        return {str(path.relative_to(invoices)): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with October of all businesses in its catalogue, and nothing metered."""
    folder = tmp_path_factory.mktemp("aura")
    operation, logs = Operation(folder / "data"), folder / "logs"
    operation.done("issuer", "create", "--file", _EXAMPLE / "issuer.yaml")
    for code in _BUSINESSES:
        book = _EXAMPLE / f"price-book-{code.lower()}.yaml"
        operation.done("price-book", "create", "--file", book)
    operation.done("customer", "create", "--file", _EXAMPLE / "customers.yaml")
    operation.done("aura", "init", _EXAMPLE / "aura.yaml")
    obs = [word for code in _BUSINESSES for word in ("--ob", code)]
    month = ("--month", "2026-10", "--requests", "3000")
    operation.done("aura", "generate", logs, *obs, *month)
    for path in sorted((logs / "shared").glob("*.avro")):
        operation.done("dataset", "add", path)
    operation.done("aura", "upload", "--logs", logs, "--at", "2026-10-31T23:30:00Z")
    operation.done("aura", "import", "--at", "2026-11-01T02:00:00Z")
    return operation.data


@pytest.fixture
def operation(prepared: Path, tmp_path: Path) -> Operation:
    shutil.copytree(prepared, tmp_path / "data")
    return Operation(tmp_path / "data")


def _statuses(report: dict[str, Any]) -> dict[str, str]:
    [month] = report["months"]
    return {one["business"]: one["status"] for one in month["businesses"]}


def test_c01_an_invoice_of_each_business_lies_in_the_archive(operation: Operation):
    code, drafts = operation.run(_DRAFTS)
    assert (code, drafts["complete"]) == (0, True)
    assert _statuses(drafts) == dict.fromkeys(_BUSINESSES, "drafted")
    code, report = operation.run(_INVOICES)
    assert (code, report["complete"]) == (0, True)
    assert _statuses(report) == dict.fromkeys(_BUSINESSES, "issued")
    names = {name for name in operation.archived() if name.endswith(".xlsx")}
    assert {name.split("/")[0] for name in names} == set(_BUSINESSES)
    assert all("/LICEO_" in name for name in names)
    # Each names the files that it was read from: its own, of each day, with their hashes.
    for shown in operation.json("invoice", "list", "--all"):
        [invoice] = operation.json("invoice", "show", shown["number"])
        sources = invoice["sources"]
        assert len(sources) == 2 * 31, "audit and tokens"
        for source in sources:
            assert source["name"].rpartition("/")[2].startswith(f"{shown['customer']}_")
            file = operation.data / "datasets" / source["name"]
            assert hashlib.sha256(file.read_bytes()).hexdigest() == source["sha256"]
        assert "_DIM_APP_" in invoice["metadata"]["dimensions"]
    # What no dataset has is told with them.
    for one in report["months"][0]["businesses"]:
        number = sum(one["rejectedRows"].values())
        assert number > 0
        [told] = [text for text in one["warnings"] if "of logs were rejected by uploads" in text]
        assert told.startswith(f"{number} rows ")
        assert f"country_other {one['rejectedRows']['country_other']}" in told
    # The golden record of a month has all of it: nothing that was there restates it.
    records = operation.json("record", "list", "--all")
    assert {record.get("adjusts") for record in records} == {None}


def test_every_line_is_made_of_rows_that_come_to_what_was_metered(operation: Operation):
    operation.run()
    [head] = operation.json("invoice", "list", "--customer", "ES")
    for line in operation.json("invoice", "show", head["number"])[0]["lines"]:
        ended = operation(
            "invoice", "rows", head["number"], "--line", line["id"], "--all", "--json"
        )
        rows = [json.loads(text) for text in ended.out.splitlines()]
        assert sum(Decimal(row["quantity"]) for row in rows) == Decimal(line["charge"]["quantity"])
        assert "exactly what was metered" in ended.err
        assert {row["record"]["COUNTRY_3_ALPHA_CD"] for row in rows} == {"ESP"}
        assert len({(row["file"], row["row"]) for row in rows}) == len(rows)
    text = operation.done("invoice", "explain", head["number"], "--line", "1").out
    inputs = [line for line in text.splitlines() if line.startswith("  input ")]
    assert len(inputs) == 5
    assert all("/ES_" in line for line in inputs)
    assert "26 more, 62 of other users: --json has all" in text
    assert f"meterhouse invoice rows {head['number']} --line 1" in text
    assert "null" not in operation.done("invoice", "show", head["number"]).out


def _of(report: dict[str, Any], code: str) -> dict[str, Any]:
    [month] = report["months"]
    return next(one for one in month["businesses"] if one["business"] == code)


def test_rows_are_compared_with_what_was_metered(operation: Operation):
    operation.done("customer", "update", "DE", "--file", "-", given='{"users": ["XX"]}')
    code, report = operation.run()
    assert code == 1
    assert _statuses(report) == {"ES": "issued", "BR": "issued", "DE": "blocked"}
    for business in _BUSINESSES:
        one = _of(report, business)
        metered = 0 if business == "DE" else one["rows"] - one["duplicates"]
        assert (one["metered"], one["suspended"], one["rows"] > 0) == (metered, 0, True)
    problem, tokens = _of(report, "DE")["problems"]
    rows = _of(report, "DE")["rows"]
    expected = f"has {rows:,} rows of 2026-10: metered 0, duplicates 0, missing {rows}"
    assert problem["message"] == expected
    assert tokens["place"] == "dataset Aura_Atria_Message"
    assert "metered 0, stages 0, duplicates 0, missing " in tokens["message"]
    assert f"meterhouse invoice issue {_of(report, 'DE')['invoice']}" in problem["hint"]


def test_a_file_that_was_not_imported_blocks_its_business(operation: Operation):
    common = operation.data / "common-storage" / "avro" / "entity" / "Aura_Audit" / "6.0.0"
    common.mkdir(parents=True, exist_ok=True)
    name = "BR_Aura_Audit_20261101T000000Z.avro"
    (common / name).write_bytes(b"not Avro")
    (common / "ES_Aura_Audit_20261105T000000Z.avro").write_bytes(b"of the month after")
    imported = operation("aura", "import", "--at", "2026-11-05T00:00:00Z")
    assert imported.code == 1
    code, report = operation.run()
    assert (code, _statuses(report)) == (1, {"ES": "issued", "BR": "blocked", "DE": "issued"})
    [problem] = _of(report, "BR")["problems"]
    assert problem["message"].endswith(f"/6.0.0/{name}")
    # Nobody issues it by hand either, without answering for it by name.
    draft = _of(report, "BR")["invoice"]
    issue = ("invoice", "issue", draft, "--issue-date", "2026-11-06")
    refused = operation(*issue)
    assert refused.code == 1
    assert "check completeness: common storage has 1 file not imported" in refused.err
    assert (
        f"`meterhouse invoice issue {draft} --override completeness --reason ...`"
        in (problem["hint"])
    )
    operation.done(*issue, "--override", "completeness", "--reason", "It is of tests")
    code, report = operation.run()
    assert (code, _statuses(report)) == (0, dict.fromkeys(_BUSINESSES, "issued"))
    [invoice] = operation.json("invoice", "show", _of(report, "BR")["number"])
    told = {one["code"]: one["text"] for one in invoice["exceptions"]}
    assert told["completeness"].startswith("common storage has 1 file not imported")
    assert told["override"].endswith(": It is of tests")


_REQUEST = {
    "MESSAGE_ID": "m-lost",
    "MESSAGE_TM": "2026-10-15T10:00:00Z",
    "AURA_APP_ID": None,
    "COUNTRY_3_ALPHA_CD": "ESP",
    "CORR_ID": "c-lost",
    "AURA_NLP_IND": True,
    "AURA_PRESET_NAME": None,
    "AURA_COMPONENT_HOST_ID": "host",
    "AURA_COMPONENT_ID": "aura-gateway-api",
}


def _further_logs(prepared: Path, folder: Path, ob: str, *requests: dict[str, Any]) -> Path:
    """Logs of an OB that were not uploaded yet, with its configuration."""
    logs, before = folder / "further", prepared.parent / "logs"
    shutil.copytree(before / ob / "configuration", logs / ob / "configuration")
    path = logs / ob / "gateway" / "further.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{json.dumps(one)}\n" for one in requests), "utf-8")
    return logs


def test_a_file_that_is_gone_between_upload_and_import_blocks_its_business(
    operation: Operation, prepared: Path, tmp_path: Path
):
    """Its rows would be on no invoice, and nothing else would say so."""
    logs = _further_logs(prepared, tmp_path, "ES", _REQUEST)
    operation.done("aura", "upload", "--logs", logs, "--at", "2026-11-01T02:30:00Z")
    [path] = operation.data.glob("common-storage/avro/entity/Aura_Audit/6.0.0/ES*.avro")
    path.unlink()
    assert operation("aura", "import", "--at", "2026-11-01T03:00:00Z").code == 1
    code, report = operation.run(_DRAFTS)
    assert (code, _statuses(report)) == (1, {"ES": "blocked", "BR": "drafted", "DE": "drafted"})
    [problem] = _of(report, "ES")["problems"]
    assert problem["place"].endswith(path.name)
    assert "ES has uploaded it with 1 row, and it was not imported" in problem["message"]
    assert "`meterhouse aura restore --logs DIR`" in problem["hint"]
    # Where the list of uploads is out of reach, other datasets of its upload tell.
    accounts = operation.data / "common-storage" / "uploads"
    accounts.rename(tmp_path / "away")
    code, report = operation.run(_DRAFTS)
    [problem] = _of(report, "ES")["problems"]
    assert (code, problem["place"]) == (1, path.name)
    assert "which has 1 row of Aura_Gateway_Message of its hour and 2026-10" in problem["message"]
    (tmp_path / "away").rename(accounts)
    operation.done("aura", "restore", "--logs", logs)
    operation.done("aura", "import", "--at", "2026-11-02T03:00:00Z")
    before = _of(report, "ES")["rows"]
    code, report = operation.run()
    assert code == 0, _of(report, "ES")["problems"]
    assert _statuses(report) == dict.fromkeys(_BUSINESSES, "issued")
    assert _of(report, "ES")["rows"] == before + 1


def test_a_file_that_somebody_rejects_blocks_nobody_and_is_on_the_invoice(operation: Operation):
    common = operation.data / "common-storage" / "avro" / "entity" / "Aura_Audit" / "6.0.0"
    common.mkdir(parents=True, exist_ok=True)
    name = "BR_Aura_Audit_20261101T000000Z.avro"
    (common / name).write_bytes(b"not Avro")
    imported = operation("aura", "import", "--at", "2026-11-05T00:00:00Z")
    assert "meterhouse aura reject FILE --reason" in imported.err
    _, report = operation.run(_DRAFTS)
    assert "`meterhouse aura reject FILE --reason ...`" in _of(report, "BR")["problems"][0]["hint"]
    refused = operation("aura", "reject", "BR_Aura_Audit.avro", "--reason", "x")
    assert name in refused.err
    [rejected] = operation.json("aura", "reject", name, "--reason", "Broken; BR sends it anew")
    code, report = operation.run()
    assert (code, _statuses(report)) == (0, dict.fromkeys(_BUSINESSES, "issued"))
    text = f"file avro/entity/Aura_Audit/6.0.0/{name} was rejected by {rejected['by']}"
    assert f"{text}: Broken; BR sends it anew" in _of(report, "BR")["warnings"]
    assert "was rejected by" not in str(_of(report, "ES"))
    [invoice] = operation.json("invoice", "show", _of(report, "BR")["number"])
    told = {one["code"]: one["text"] for one in invoice["exceptions"]}
    assert told["rejected_file"] == f"{text}: Broken; BR sends it anew"
    assert (operation.data / "common-storage" / rejected["path"]).read_bytes() == b"not Avro"


def test_what_was_mended_is_told_no_more(operation: Operation):
    common = operation.data / "common-storage" / "avro" / "entity" / "Aura_Audit" / "6.0.0"
    common.mkdir(parents=True, exist_ok=True)
    path = common / "BR_Aura_Audit_20261101T000000Z.avro"
    path.write_bytes(b"not Avro")
    assert _of(operation.run(_DRAFTS)[1], "BR")["status"] == "blocked"
    path.unlink()
    code, report = operation.run()
    assert (code, _of(report, "BR")["status"]) == (0, "issued")
    [invoice] = operation.json("invoice", "show", _of(report, "BR")["number"])
    assert "completeness" not in str(invoice)


def test_a_price_book_of_another_time_zone_bills_nobody(operation: Operation, tmp_path: Path):
    """Its October would have the usage of September."""
    text = (_EXAMPLE / "price-book-es.yaml").read_text("utf-8")
    book = tmp_path / "book.yaml"
    there = text.replace("timezone: Etc/UTC", "timezone: Europe/Madrid")
    book.write_text(there.replace("id: aura-es", "id: aura-madrid"), "utf-8")
    operation.done("price-book", "create", "--file", book)
    other = '{"priceBook": "aura-madrid"}'
    operation.done("customer", "update", "ES", "--file", "-", given=other)
    code, report = operation.run()
    assert (code, _statuses(report)) == (1, {"ES": "failed", "BR": "issued", "DE": "issued"})
    [problem] = _of(report, "ES")["problems"]
    assert problem["place"] == "price book aura-madrid"
    assert problem["message"] == "has the time zone Europe/Madrid, and rows are of months of UTC"


def test_suspended_records_block_their_business(operation: Operation, tmp_path: Path):
    """The country of DE is gone from the table, as where somebody has uploaded another one."""
    export = json.loads(operation.done("stream", "export", "aura-audit").out)
    for one in export["nodes"]:
        if one["id"] == "country":
            one["params"]["table"] = "few_countries"
    table = tmp_path / "few.csv"
    table.write_text("COUNTRY_3_ALPHA_CD,COUNTRY_2_ALPHA_CD\nESP,ES\nBRA,BR\n")
    operation.done(
        *("table", "upload", "few_countries", "--file", table, "--key", "COUNTRY_3_ALPHA_CD")
    )
    operation.done("stream", "update", "aura-audit", "--file", "-", given=json.dumps(export))
    code, report = operation.run()
    assert (code, _of(report, "DE")["status"]) == (1, "blocked")
    one = _of(report, "DE")
    assert one["suspended"] == one["rows"] > 0
    assert [problem["place"] for problem in one["problems"]] == [
        "data correction",
        "dataset Aura_Audit",
    ]
    assert _of(report, "ES")["suspended"] == 0


def test_an_invoice_that_was_taken_back_is_issued_by_a_person_only(operation: Operation):
    _, report = operation.run()
    number = _of(report, "ES")["number"]
    operation.done("invoice", "credit", _of(report, "BR")["number"], "--reason", "wrong")
    operation.done("invoice", "correct", number, "--reason", "wrong")
    code, again = operation.run("2026-11-07T03:00:00Z")
    assert (code, _statuses(again)) == (0, {"ES": "drafted", "BR": "corrected", "DE": "issued"})
    [warning] = [one for one in _of(again, "ES")["warnings"] if number in one]
    assert f"`meterhouse invoice issue {_of(again, 'ES')['invoice']}`" in warning
    operation.done("invoice", "issue", _of(again, "ES")["invoice"])
    _, last = operation.run("2026-11-08T03:00:00Z")
    assert _statuses(last) == {"ES": "issued", "BR": "corrected", "DE": "issued"}


def _more(operation: Operation, ob: str, hour: str, *days: str) -> None:
    """Add rows that nobody has seen to the catalogue: three interactions of each day."""
    [path, *_] = sorted((operation.data / "datasets").glob(f"Aura_Audit/6/*/{ob}_*.avro"))
    reader = fastavro.reader(BytesIO(path.read_bytes()))
    row, schema = next(reader), reader.writer_schema
    rows = [
        row
        | {"INTERACTION_ID": str(uuid5(NAMESPACE_OID, f"{ob} {day} {number}")), "DAY_DT": day}
        | {"AURA_TM": f"{day}T10:00:00.000Z"}
        for day in days
        for number in range(3)
    ]
    made = operation.data.parent / f"{ob}_Aura_Audit_{hour}.avro"
    with made.open("wb") as file:
        fastavro.writer(file, schema, rows)
    operation.done("dataset", "add", made)


def test_late_rows_are_told_on_the_next_invoice_and_by_the_report(operation: Operation):
    operation.run()
    _more(operation, "ES", "20261110T000000Z", "2026-10-31", "2026-11-05")
    _more(operation, "BR", "20261110T000000Z", "2026-10-31")
    ended = operation(
        *("aura", "run", _EXAMPLE / "aura.yaml", "--at", "2026-12-06T03:00:00Z", "--json"),
        *("--period", "2026-11"),
    )
    report = json.loads(ended.out)
    assert (ended.code, _statuses(report)) == (
        1,
        {"ES": "issued", "BR": "missing", "DE": "missing"},
    )
    [invoice] = operation.json("invoice", "show", _of(report, "ES")["number"])
    assert invoice["requests"] == "3"
    told = [one["text"] for one in invoice["exceptions"] if one["code"] == "late_requests"]
    assert told == ["late requests of 2026-10, not counted above: 3"]
    [warning] = _of(report, "BR")["warnings"]
    assert warning.startswith("late usage of earlier months (metered records: ")
    # Files of both months are sources, and none of another business.
    names = {source["name"] for source in invoice["sources"]}
    late = "Aura_Audit/6/DAY_DT={}/ES_Aura_Audit_20261110T000000Z.avro"
    assert {late.format("2026-10-31"), late.format("2026-11-05")} <= names
    assert all(name.rpartition("/")[2].startswith("ES_") for name in names)


def test_c34_a_snapshot_that_is_gone_fails_each_business_and_is_reported(operation: Operation):
    [gone, *_] = sorted((operation.data / "datasets").glob("D_Aura_App/*/ES_DIM_APP_*.avro"))
    gone.unlink()
    code, report = operation.run()
    assert (code, report["complete"]) == (1, False)
    assert _statuses(report) == dict.fromkeys(_BUSINESSES, "failed")
    assert gone.name in _of(report, "DE")["problems"][0]["message"]


def test_run_again_nothing_is_made_twice(operation: Operation):
    operation.run()
    files, invoices = operation.archived(), operation.json("invoice", "list", "--all")
    code, report = operation.run()
    assert (code, _statuses(report)) == (0, dict.fromkeys(_BUSINESSES, "issued"))
    assert operation.archived() == files
    assert operation.json("invoice", "list", "--all") == invoices


def test_c34_no_business_is_silently_missing(operation: Operation, tmp_path: Path):
    text = (_EXAMPLE / "aura.yaml").read_text("utf-8")
    file = tmp_path / "aura.yaml"
    more = "  - {code: PT, country: PRT, customer: PT}\nstreams:"
    file.write_text(text.replace("streams:", more), "utf-8")
    code, report = operation.run(file=file)
    assert (code, report["complete"]) == (1, False)
    assert _statuses(report) == {**dict.fromkeys(_BUSINESSES, "issued"), "PT": "missing"}
    [missing] = [one for one in report["months"][0]["businesses"] if one["business"] == "PT"]
    assert missing["problems"][0]["message"] == "has no row of 2026-10"


def test_a_business_with_rows_that_nobody_lists_is_told_until_it_is_listed(
    operation: Operation, tmp_path: Path
):
    """It would be billed by nobody, and nothing would say so."""
    text = (_EXAMPLE / "aura.yaml").read_text("utf-8")
    file = tmp_path / "aura.yaml"
    without = text.replace("  - {code: DE, country: DEU, customer: DE}\n", "")
    assert without != text
    file.write_text(without, "utf-8")
    code, report = operation.run(_DRAFTS, file=file)
    assert (code, report["complete"]) == (1, False)
    assert _statuses(report) == {"ES": "drafted", "BR": "drafted", "DE": "unlisted"}
    germany = _of(report, "DE")
    [problem] = germany["problems"]
    rows = germany["rows"]
    assert problem["message"] == f"is none of the operation, and has {rows:,} rows of 2026-10"
    ended = operation("aura", "run", file, "--at", _DRAFTS)
    assert "DE 2026-10 is unlisted" in ended.err
    assert "is none of the operation" in ended.err
    [billing] = [
        one for one in operation("doctor", "--json").objects if one["check"] == "aura billing"
    ]
    assert (billing["status"], "DE unlisted in 2026-10" in billing["message"]) == ("fail", True)
    # Somebody may answer for it; it is in the report all the same.
    file.write_text(f"{without}\nnotBilled: [DE]\n", "utf-8")
    code, report = operation.run(_DRAFTS, file=file)
    assert (code, _of(report, "DE")["status"]) == (0, "not billed")
    assert "in 2026-10" not in str(operation("doctor", "--json").objects)
    # What the hint says helps.
    file.write_text(text, "utf-8")
    operation.done("aura", "init", file)
    requeued = ("--all", "--reason", "reference_missing")
    assert "meterhouse correction requeue " + " ".join(requeued) in problem["hint"]
    operation.done("correction", "requeue", *requeued)
    code, report = operation.run(file=file)
    assert (code, _statuses(report)) == (0, dict.fromkeys(_BUSINESSES, "issued"))
    assert _of(report, "DE")["metered"] + _of(report, "DE")["duplicates"] == rows


def test_whom_nobody_bills_is_named_once(tmp_path: Path):
    text = (_EXAMPLE / "aura.yaml").read_text("utf-8")
    file = tmp_path / "aura.yaml"
    file.write_text(f"{text}\nnotBilled: [PT, ES, Spain]\n", "utf-8")
    said = Operation(tmp_path / "data").refused("aura", "init", file)
    assert 'notBilled[1]: is "ES", one of businesses' in said
    assert 'notBilled[2]: is "Spain"' in said
    assert "notBilled[0]" not in said


def test_a_blocked_invoice_waits_for_somebody_who_answers_for_it(
    operation: Operation, tmp_path: Path
):
    text = (_EXAMPLE / "price-book-es.yaml").read_text("utf-8")
    book = tmp_path / "book.yaml"
    strict = text.replace('percent: "1"', 'percent: "0.1"').replace("10-01.1", "10-01.2")
    book.write_text(strict, "utf-8")
    operation.done("price-book", "create", "--file", book)
    code, report = operation.run()
    assert (code, report["complete"]) == (1, False)
    assert _statuses(report) == {"ES": "blocked", "BR": "issued", "DE": "issued"}
    [spain] = [one for one in report["months"][0]["businesses"] if one["business"] == "ES"]
    assert "without app and channel" in spain["problems"][0]["message"]
    assert "--override unattributed" in str(spain["problems"])
    assert not any(name.startswith("ES/") for name in operation.archived())
    dated = ("--issue-date", "2026-11-06", "--override", "unattributed")
    operation.done("invoice", "issue", spain["invoice"], *dated, "--reason", "Agreed with ES")
    code, report = operation.run()
    assert (code, _statuses(report)) == (0, dict.fromkeys(_BUSINESSES, "issued"))
    assert any(name.startswith("ES/") for name in operation.archived())


def test_a_month_that_is_not_over_is_left_alone(operation: Operation):
    code, report = operation.run("2026-11-02T00:00:00Z")
    assert (code, report["months"], report["streams"]) == (0, [], [])
    ended = operation(
        *("aura", "run", _EXAMPLE / "aura.yaml", "--at", "2026-11-02T00:00:00Z"),
        *("--period", "2026-10"),
    )
    assert ended.code == 1
    assert "the last month to be billed by 2026-11-02T00:00:00.000Z is none" in ended.err


def test_what_is_wrong_with_an_operation_is_listed_at_once(tmp_path: Path):
    file = tmp_path / "aura.yaml"
    file.write_text(
        "name: x\nsince: 2026-13\nbusinesses:\n  - {code: Spain, country: ES, customer: a}\n"
        "  - {code: BR, country: BRA, customer: a}\nstreams: []\nissueAfterDays: 1\nmode: fast\n"
    )
    ended = Operation(tmp_path / "data")("aura", "run", file)
    assert ended.code == 1
    for place in (
        *("since: is ", "businesses[0].code: is ", "businesses[0].country: is "),
        *("businesses[1].customer: is ", "streams: are none", "issueAfterDays: is 1"),
        "mode: is not a known field",
    ):
        assert place in ended.err


def test_a_country_that_rows_of_a_business_do_not_have_is_refused_by_its_place(
    operation: Operation, tmp_path: Path
):
    """Its rows would be nobody's, and the month would be blocked for reasons hard to see."""
    text = (_EXAMPLE / "aura.yaml").read_text("utf-8")
    file = tmp_path / "aura.yaml"
    file.write_text(text.replace("country: ESP", "country: ESX"), "utf-8")
    said = operation.refused("aura", "init", file)
    place = 'businesses[0].country: is "ESX" (rows of ES have the country ESP: write ESP)'
    assert place in " ".join(said.split())
    code, report = operation.run(file=file)
    assert (code, _statuses(report)) == (1, dict.fromkeys(_BUSINESSES, "failed"))
    [problem] = _of(report, "BR")["problems"]
    assert problem["place"] == "businesses[0].country"
    assert operation.json("invoice", "list", "--all") == []
    file.write_text(text.replace("code: ES, country: ESP", "code: XX, country: ESP"), "utf-8")
    assert 'businesses[0].code: is "XX", which is no country' in operation.refused(
        "aura", "init", file
    )
    file.write_text(text.replace("country: BRA", "country: ESP"), "utf-8")
    said = operation.refused("aura", "init", file)
    assert 'businesses[1].country: is "ESP", as that of another one' in said
    assert "gbl_country" not in said


@pytest.fixture(scope="module")
def whole(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Operation, float]:
    """An operation that nobody killed, and how long it took."""
    data = tmp_path_factory.mktemp("whole") / "data"
    shutil.copytree(prepared, data)
    begun = time.monotonic()
    operation = Operation(data)
    assert operation.run()[0] == 0
    return operation, time.monotonic() - begun


@pytest.mark.parametrize(
    "seed", [*range(2), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(2, 20))]
)
def test_killed_anywhere_each_invoice_is_issued_once(
    operation: Operation, whole: tuple[Operation, float], seed: int
):
    never_killed, seconds = whole
    random = Random(seed)
    killed = 0
    for latest in (0.4, 0.6, 0.8, 0.95):  # the first ones hit it even where it is quicker now
        words = ["aura", "run", _EXAMPLE / "aura.yaml", "--at", _INVOICES]
        process = subprocess.Popen(
            [sys.executable, "-m", "meterhouse", *words, "--data", str(operation.data)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            process.wait(timeout=random.uniform(0.15, latest) * seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
    assert killed
    code, report = operation.run()
    assert (code, _statuses(report)) == (0, dict.fromkeys(_BUSINESSES, "issued"))
    assert _invoiced(operation) == _invoiced(never_killed)
    assert sorted(operation.archived()) == sorted(never_killed.archived())


def _invoiced(operation: Operation) -> list[tuple[str, str, str]]:
    found = operation.json("invoice", "list", "--all")
    return sorted((one["number"], one["customer"], one["total"]) for one in found)
