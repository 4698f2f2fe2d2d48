"""Billing over HTTP: from a customer to an issued invoice, and back."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from pysqlite3 import dbapi2 as sqlite3

from meterhouse.api import Deliverer
from meterhouse.app.billing.issuing import issue_invoice
from meterhouse.app.idempotency import KeyedRequest
from meterhouse.core.instant import parse_instant
from tests.api.test_scheduler import until
from tests.api.world import House
from tests.cli.billing import CUSTOMER, ISSUER, OCTOBER, WORKED, Business, book
from tests.cli.command import Meterhouse
from tests.cli.late_usage import PER_UNIT, begin, late

ISSUERS, CUSTOMERS, INVOICES, RUNS = (
    "/v1/issuers",
    "/v1/customers",
    "/v1/invoices",
    "/v1/billing-runs",
)

#: Later than what these tests bill, whatever the clock says.
DATED = {"issueDate": "2026-11-03"}


@pytest.fixture
def metered(house: House, tmp_path: Path) -> House:
    """Spain's usage of October is metered, and there is a price book."""
    business = Business(Meterhouse(house.directory), tmp_path)
    business.meter(["ES", "FR"], rows=WORKED)
    path = business.file("book.json", book())
    business.run.done("price-book", "create", "--file", path)
    return house


def post(house: House, path: str, body: Any = None, *, status: int = 201, **headers: str) -> Any:
    answer = house.http.post(path, json={} if body is None else body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture
def selling(metered: House) -> House:
    """And there are an issuer and a customer."""
    post(metered, ISSUERS, ISSUER)
    post(metered, CUSTOMERS, CUSTOMER)
    return metered


def drafted(house: House) -> str:
    """Draft Spain's October; the path of the draft."""
    run = post(house, RUNS, {"period": OCTOBER}, status=200)
    return f"{INVOICES}/{run['drafts'][0]['document']['id']}"


def test_issuers_are_made_read_changed_and_deleted(house: House):
    made = house.http.post(ISSUERS, json=ISSUER)
    assert (made.status_code, made.headers["location"]) == (201, f"{ISSUERS}/liceo")
    path, etag = made.headers["location"], made.headers["etag"]
    assert house.http.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert house.http.get(ISSUERS).json()["issuers"] == [made.json()]
    patch = {"paymentDays": 14, "taxId": None}
    assert house.http.patch(path, json=patch).status_code == 428
    changed = house.http.patch(path, json=patch, headers={"If-Match": etag})
    assert (changed.json()["paymentDays"], changed.json()["taxId"]) == (14, "")
    assert house.http.patch(path, json=patch, headers={"If-Match": etag}).status_code == 412
    assert house.http.post(ISSUERS, json=changed.json()).status_code == 409
    assert house.http.delete(path, headers={"If-Match": "*"}).status_code == 204
    assert house.http.get(path).status_code == 404


def test_a_fault_nobody_expected_is_the_problem_of_its_customer_and_in_the_log(
    selling: House, tmp_path: Path
):
    run = Meterhouse(selling.directory)
    other = Business(run, tmp_path).file("own.json", book(id="own"))
    run.done("price-book", "create", "--file", other)
    post(selling, CUSTOMERS, CUSTOMER | {"id": "fr", "users": ["FR"], "priceBook": "own"})
    ledger = sqlite3.connect(selling.directory / "ledger.sqlite")
    with ledger:
        ledger.execute("UPDATE price_book_version SET document = '{' WHERE book_id = 'own'")
    ledger.close()
    made = post(selling, RUNS, {"period": OCTOBER}, status=200)["drafts"]
    assert [(one["customer"], one["document"] is None) for one in made] == [
        ("es", False),
        ("fr", True),
    ]
    problem = made[1]["problem"]
    assert (problem["code"], problem["status"]) == ("internal_error", 500)
    [line] = [line for line in selling.log if "internal error of a draft" in line]
    assert "JSONDecodeError" in line


def test_a_bad_customer_names_every_place(selling: House):
    body = CUSTOMER | {
        "id": "fr/1",
        "address": {"country": "FX"},
        "language": "?",
        "users": ["a", 7],
    }
    answer = selling.http.post(CUSTOMERS, json=body)
    assert answer.status_code == 422
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["/id", "/address/country", "/users/1", "/language"]
    answer = selling.http.post(
        CUSTOMERS, json=CUSTOMER | {"id": "fr", "issuer": "x", "priceBook": "y"}
    )
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/issuer", "/priceBook"]


def test_an_invoice_is_drafted_issued_explained_and_taken_back(selling: House):
    preview = post(selling, RUNS, {"period": OCTOBER, "preview": True}, status=200)
    assert selling.http.get(INVOICES).json()["invoices"] == []
    run = post(selling, RUNS, {"period": OCTOBER, "customers": ["es"]}, status=200)
    assert run == preview
    assert run["notBilled"] == {"records": 1, "users": [{"user": "FR", "records": 1}]}
    path = drafted(selling)
    issued = post(selling, f"{path}/issue", {"issueDate": "2026-11-03"}, status=200)
    assert (issued["number"], issued["total"], issued["status"]) == (
        *("LICEO-2026-000001", "1426.48", "issued"),
    )
    read = selling.http.get(f"{INVOICES}/LICEO-2026-000001")
    assert read.json() == issued
    known = {"If-None-Match": read.headers["etag"]}
    assert selling.http.get(path, headers=known).status_code == 304
    line = selling.http.get(f"{path}/lines/3/explanation").json()
    assert (line["net"], line["price"]["document"]["price"]) == ("271.54", "0.0275")
    assert post(selling, f"{path}/issue", status=409)["code"] == "conflict"
    note = post(selling, f"{path}/credit", {"reason": "A mistake"})
    assert (note["kind"], note["corrects"]) == ("credit_note", issued["id"])
    listed = selling.http.get(INVOICES, params={"period": OCTOBER, "status": "corrected"}).json()
    assert [head["id"] for head in listed["invoices"]] == [issued["id"]]


def test_issuing_twice_under_one_key_issues_once(selling: House):
    path = drafted(selling)
    answers = [
        selling.http.post(f"{path}/issue", json=DATED, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["number"] == answers[1].json()["number"]
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert len(selling.http.get(INVOICES).json()["invoices"]) == 1


def test_correcting_gives_a_credit_note_and_a_draft(selling: House):
    path = drafted(selling)
    post(selling, f"{path}/issue", DATED, status=200)
    corrected = post(
        selling, f"{path}/correct", {"reason": "The price"}, **{"Idempotency-Key": "c"}
    )
    assert corrected["creditNote"]["status"] == "issued"
    assert (corrected["draft"]["status"], corrected["draft"]["total"]) == ("draft", "1426.48")


def test_lines_by_hand_and_void(selling: House):
    path = drafted(selling)
    line = {"amount": "-25.00", "reason": "Goodwill"}
    with_line = post(selling, f"{path}/lines", line)
    assert with_line["net"] == "1153.91"
    [by_hand] = with_line["manualLines"]
    assert (by_hand["author"], by_hand["name"]) == ("admin", "Goodwill")
    assert selling.http.delete(f"{path}/lines/{by_hand['id']}").status_code == 204
    assert selling.http.delete(f"{path}/lines/{by_hand['id']}").status_code == 404
    assert selling.http.get(path).json()["net"] == "1178.91"
    assert post(selling, f"{path}/lines", line | {"amount": "x"}, status=422)["errors"]
    assert post(selling, f"{path}/void", status=200)["status"] == "void"
    assert post(selling, f"{path}/void", status=409)["code"] == "conflict"


def test_what_blocks_an_invoice_is_listed(selling: House):
    path = drafted(selling)
    post(selling, f"{path}/lines", {"amount": "-9999", "reason": "Too much"})
    problem = post(selling, f"{path}/issue", status=409)
    assert problem["code"] == "invoice_blocked"
    assert problem["errors"][0]["detail"].endswith("EUR")


def test_credit_is_granted_and_listed(selling: House):
    body = {"customer": "es", "amount": "200.00", "currency": "EUR", "effective": "2026-10-01"}
    grant = post(selling, "/v1/credits", body, **{"Idempotency-Key": "g"})
    assert post(selling, "/v1/credits", body, **{"Idempotency-Key": "g"}) == grant
    listed = selling.http.get("/v1/credits", params={"customer": "es"}).json()
    assert listed["credits"] == [grant]
    post(selling, f"{drafted(selling)}/issue", DATED, status=200)
    shown = selling.http.get(f"/v1/credits/{grant['id']}").json()
    assert (shown["remaining"], [entry["amount"] for entry in shown["entries"]]) == ("0", ["-200"])


def test_usage_that_came_after_the_draft_is_in_the_note(house: House, tmp_path: Path):
    business = Business(Meterhouse(house.directory), tmp_path)
    begin(business, PER_UNIT)
    path = drafted(house)
    late(business, "2026-11-05", 7)
    answer = house.http.post(f"{path}/issue", json={"issueDate": "2026-11-06"})
    assert answer.status_code == 200, answer.text
    assert "amended after the draft (1 record)" in answer.headers["meterhouse-note"]


def test_an_issue_date_years_ahead_is_refused(selling: House):
    problem = post(selling, f"{drafted(selling)}/issue", {"issueDate": "2126-11-03"}, status=422)
    assert problem["errors"][0]["pointer"] == "/issueDate"


def test_past_usage_is_rated_by_another_book(selling: House):
    prices = book()["prices"]
    prices[0]["price"] = "0.0031"
    asked = {"period": OCTOBER, "book": book(version="dearer", prices=prices)}
    rated = post(selling, f"{INVOICES}:what-if", asked, status=200)
    assert rated["customers"][0]["difference"] == "184.23"
    of_book = {"id": "liceo-es", "version": "2026-10-01.1"}
    stored = asked | {"book": of_book, "customers": ["es"]}
    assert (
        post(selling, f"{INVOICES}:what-if", stored, status=200)["totals"][0]["then"] == "1178.91"
    )
    for book_, place in ((None, "/book"), ({"id": "liceo-es"}, "/book/version")):
        missing = post(selling, f"{INVOICES}:what-if", asked | {"book": book_}, status=422)
        assert [error["pointer"] for error in missing["errors"]] == [place]
    wrong = post(selling, f"{INVOICES}:what-if", asked | {"book": {"currency": "EUR"}}, status=422)
    assert {error["pointer"].split("/")[1] for error in wrong["errors"]} == {"book"}


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", INVOICES, "read:invoices"),
        ("POST", RUNS, "write:invoices"),
        ("POST", f"{INVOICES}/1/issue", "issue:invoices"),
    ],
)
def test_each_step_has_its_own_scope(house: House, method: str, path: str, scope: str):
    others = {"read:invoices", "write:invoices", "issue:invoices"} - {scope}
    answer: httpx.Response = house.http.request(
        method, path, json={}, headers=house.token("half", *others)
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_a_billing_run_under_one_key_is_one(selling: House):
    answers = [
        selling.http.post(RUNS, json={"period": OCTOBER}, headers={"Idempotency-Key": "october"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert answers[0].json() == answers[1].json()
    other = selling.http.post(
        RUNS, json={"period": "2026-09"}, headers={"Idempotency-Key": "october"}
    )
    assert other.status_code == 422


def test_the_server_makes_files_that_a_killed_process_has_left(selling: House):
    path = drafted(selling)
    id = path.rpartition("/")[2]
    at = parse_instant("2026-11-03T00:00:00Z")
    assert at is not None
    with selling.context.ledger() as ledger:
        # As a process leaves it that is killed between the number and the files.
        issue_invoice(ledger, id, formats=("json", "csv"), at=at)
    assert selling.http.get(path).json()["files"] == []
    deliverer = Deliverer(selling.context, files_seconds=0.02)
    deliverer.start()
    try:
        until(lambda: len(selling.http.get(path).json()["files"]) == 2)
    finally:
        deliverer.stop()
    files = selling.http.get(f"{path}/files").json()["files"]
    assert sorted(file["format"] for file in files) == ["csv", "json"]


def test_a_period_that_is_not_over_is_issued_only_on_demand(selling: House):
    path = drafted(selling)
    early = {"issueDate": "2026-10-31"}
    problem = post(selling, f"{path}/issue", early, status=409)
    assert problem["code"] == "period_not_over"
    wrong = post(selling, f"{path}/issue", early | {"beforeEnd": "yes"}, status=422)
    assert wrong["errors"][0]["pointer"] == "/beforeEnd"
    issued = post(selling, f"{path}/issue", early | {"beforeEnd": True}, status=200)
    assert issued["number"] == "LICEO-2026-000001"


def test_how_many_input_records_are_told_is_asked_for(selling: House):
    path = drafted(selling) + "/lines/1/explanation"
    explained = selling.http.get(path, params={"records": 0}).json()
    assert [record["inputRecords"] for record in explained["records"]] == [None]
    assert selling.http.get(path, params={"records": -1}).status_code == 422


def test_a_correction_goes_on_where_it_was_refused(selling: House):
    path = drafted(selling)
    post(selling, f"{path}/issue", DATED, status=200)
    later = book(id="later", valid={"from": "2027-01-01", "to": None})
    post(selling, "/v1/price-books", later)
    customer = f"{CUSTOMERS}/es"
    for name, status in (("later", 404), ("liceo-es", 201)):
        patch = {"priceBook": name}
        changed = selling.http.patch(customer, json=patch, headers={"If-Match": "*"})
        assert changed.status_code == 200
        answer = keyed(selling, f"{path}/correct", {"reason": "The price"}, "c")
        assert answer[0] == status
    assert answer[1]["draft"]["status"] == "draft"
    assert len(selling.http.get(INVOICES, params={"kind": "credit_note"}).json()["invoices"]) == 1


def keyed(house: House, path: str, body: Any, key: str) -> tuple[int, Any]:
    answer = house.http.post(path, json=body, headers={"Idempotency-Key": key})
    return answer.status_code, answer.json()


@pytest.fixture
def electronic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERHOUSE_INVOICE_FORMATS", "json,ubl")


def test_files_that_cannot_be_made_are_told(electronic: None, metered: House):
    post(metered, ISSUERS, ISSUER | {"address": {"country": "AE"}, "taxId": ""})
    post(metered, CUSTOMERS, CUSTOMER | {"address": {"country": "AE"}})
    path = drafted(metered)
    draft = metered.http.get(f"{path}/files")
    assert (draft.status_code, "is a draft" in draft.json()["detail"]) == (404, True)
    answer = metered.http.post(f"{path}/issue", json=DATED)
    [refused] = answer.json()["filesRefused"]
    assert (refused["format"], answer.status_code) == ("ubl", 200)
    assert "ubl" in answer.headers["meterhouse-note"]
    files = metered.http.get(f"{path}/files").json()
    assert [one["format"] for one in files["files"]] == ["json"]
    assert files["refused"] == [refused]
    problem = metered.http.get(f"{path}/files/ubl")
    assert (problem.status_code, problem.json()["code"]) == (404, "file_refused")
    assert "seller.taxId" in refused["reason"]
    assert "seller.taxId" in problem.json()["detail"]


def test_amounts_have_twenty_digits_at_most(selling: House):
    path = drafted(selling)
    long = {"amount": "1" * 21, "reason": "Long"}
    assert post(selling, f"{path}/lines", long, status=422)["errors"][0]["pointer"] == "/amount"
    credit = {"customer": "es", "amount": "1" * 23, "currency": "EUR", "effective": "2026-10-01"}
    assert post(selling, "/v1/credits", credit, status=422)["errors"][0]["pointer"] == "/amount"


def test_a_key_is_in_a_body_once(selling: House):
    body = '{"amount": "1", "reason": "One", "amount": "2"}'
    headers = {"Content-Type": "application/json"}
    answer = selling.http.post(f"{drafted(selling)}/lines", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "json_malformed")
    assert 'the key "amount" is there twice' in answer.json()["detail"]


def test_a_hint_says_the_member_that_lets_a_draft_be_issued(selling: House):
    early = {"issueDate": "2026-10-31"}
    problem = post(selling, f"{drafted(selling)}/issue", early, status=409)
    assert "say beforeEnd: true" in problem["hint"]


def test_a_correction_is_dated(selling: House):
    path = drafted(selling)
    post(selling, f"{path}/issue", DATED, status=200)
    body = {"reason": "The price", "issueDate": "2026-12-24"}
    assert post(selling, f"{path}/correct", body)["creditNote"]["issueDate"] == "2026-12-24"


def test_another_key_does_not_make_a_conflict_a_success(selling: House):
    path = drafted(selling)
    assert keyed(selling, f"{path}/issue", DATED, "a")[0] == 200
    assert keyed(selling, f"{path}/issue", {"issueDate": "2027-01-01"}, "b")[0] == 409
    status, note = keyed(selling, f"{path}/credit", {"reason": "One"}, "c")
    assert status == 201
    assert keyed(selling, f"{path}/credit", {"reason": "Two"}, "d")[0] == 409
    assert keyed(selling, f"{path}/correct", {"reason": "Two"}, "e")[0] == 409
    assert keyed(selling, f"{path}/credit", {"reason": "One"}, "c") == (201, note)
    assert keyed(selling, ISSUERS, ISSUER, "f")[0] == 409
    assert keyed(selling, CUSTOMERS, CUSTOMER, "g")[0] == 409


def test_a_repeat_of_what_was_done_and_not_answered_finds_it(selling: House):
    path = drafted(selling)
    assert keyed(selling, f"{path}/issue", DATED, "a")[0] == 200
    with selling.context.ledger() as ledger:
        # As where the ledger could not be written between what was done and its answer.
        ledger._database.execute("UPDATE idempotency SET status = NULL")
        ledger.leave_request(KeyedRequest("admin", "a", b""))
    assert keyed(selling, f"{path}/issue", {}, "a")[1]["code"] == "idempotency_key_reused"
    status, issued = keyed(selling, f"{path}/issue", DATED, "a")
    assert (status, issued["number"]) == (200, "LICEO-2026-000001")


@pytest.fixture
def allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server may read the files of the test."""
    monkeypatch.setenv("METERHOUSE_FILES_ALLOW", str(tmp_path))
    return tmp_path


def test_rows_of_a_line_are_told_page_by_page(allowed: Path, selling: House):
    path = drafted(selling) + "/lines/3/rows"
    answer = selling.http.get(path)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    [row] = found["rows"]
    assert (found["exact"], found["rowCount"], found["remarks"]) == (True, 1, [])
    assert found["metered"] == found["value"] == row["quantity"]
    assert (row["file"], row["row"]) == (str(allowed / "Usage.ndjson"), 3)
    assert row["record"]["app"] == "app-rag"
    assert selling.http.get(path, params={"first": 1}).json()["rows"] == []
    assert selling.http.get(path, params={"limit": 0}).status_code == 422
    assert selling.http.get(drafted(selling) + "/lines/99/rows").status_code == 404
