"""The rows of the checklist that are about invoices, by command."""

import csv
import hashlib
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.api.world import running
from tests.cli.command import Meterhouse
from tests.liceo.world import GATEWAY, REQUESTS, WORKED, Liceo, queries, spain

pytestmark = pytest.mark.filterwarnings("ignore:Unable to read chart")
NUMBER = "LICEO-2026-000001"
FOLDER = "invoices/ES/2026/10"
STEM = f"{FOLDER}/LICEO_ESP_202610_{NUMBER}_v01"


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Liceo, dict[str, Any]]:
    """Spain's invoice of October, issued."""
    folder = tmp_path_factory.mktemp("worked")
    house = spain(Meterhouse(folder / "data"), folder)
    house.tell(("ES",))
    house.draft()
    [issued] = house.issue()
    return house, issued


def archived(house: Liceo, suffix: str, stem: str = STEM) -> bytes:
    return (house.run.data / "archive" / f"{stem}.{suffix}").read_bytes()


def sheets(house: Liceo, stem: str = STEM) -> dict[str, list[tuple[Any, ...]]]:
    book = openpyxl.load_workbook(io.BytesIO(archived(house, "xlsx", stem)), data_only=True)
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}


def table(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    head, *body = rows
    return [dict(zip(head, row, strict=True)) for row in body]


def labelled(rows: list[tuple[Any, ...]], label: str) -> Any:
    """The value at the right of a label."""
    [row] = [row for row in rows if label in row]
    return next(value for value in row[row.index(label) + 1 :] if value is not None)


def test_c01_an_invoice_per_ob_and_period_is_in_the_archive(worked):
    house, issued = worked
    assert issued["fileName"] == f"LICEO_ESP_202610_{NUMBER}"
    made = {path.name for path in (house.run.data / "archive" / FOLDER).iterdir()}
    assert {f"LICEO_ESP_202610_{NUMBER}_v01.{end}" for end in ("xlsx", "json")} <= made


def test_c01_the_worked_invoice_is_right_to_the_cent(worked):
    _, issued = worked
    nets = [line["net"] for line in issued["lines"] if line["charge"]["sku"] != "tokens"]
    assert nets == ["386.88", "183.09", "271.54", "337.40"]
    totals = issued["totals"]
    assert (totals["net"], totals["tax"], totals["total"]) == ("1178.91", "247.57", "1426.48")


def test_c02_interactions_by_service_app_and_channel_equal_a_hand_count(worked):
    house, _ = worked
    rows = [row for row in table(sheets(house)["Components"]) if row["Unit"] == "query"]
    counted = {
        (row["Component"], row["Service"], row["Service/app"]): row["Quantity"] for row in rows
    }
    assert counted == {
        ("aura-groot", "message", "mi-movistar"): 184_230,
        (GATEWAY, "nlpaas", "app-nlp (nlp-1)"): 52_311,
        (GATEWAY, "ai", "app-rag (rag-1)"): 9_000 + 874,
        (GATEWAY, "ai", "app-gen (gen-1)"): 30_125,
    }


def test_c04_the_workbook_has_all_sheets_and_cached_totals(worked):
    house, _ = worked
    found = sheets(house)
    expected = ["Invoice", "Components", "Services", "Daily", "Tokens", "Adjustments"]
    assert list(found) == [*expected, "Exceptions", "Metadata"]
    assert labelled(found["Invoice"], "Amount payable") == 1426.48


def test_c05_an_archived_file_is_in_the_manifest_and_the_history_and_is_not_overwritten(worked):
    house, _ = worked
    digest = hashlib.sha256(archived(house, "xlsx")).hexdigest()
    manifest = json.loads(archived(house, "manifest.json"))
    assert digest in [file["sha256"] for file in manifest["files"]]
    before = archived(house, "xlsx")
    house.run.done("invoice", "render", NUMBER, "--format", "xlsx")
    assert archived(house, "xlsx") == before
    assert "all is well" in house.run.done("invoice", "files", NUMBER, "--verify").out
    house.run.done("invoice", "history", "--verify")


def test_c07_the_invoicing_model_is_on_the_first_sheet(worked):
    house, _ = worked
    assert labelled(sheets(house)["Invoice"], "Invoicing model") == "pay_per_use"
    assert labelled(sheets(house)["Invoice"], "Country") == "ESP"


def test_c08_each_component_is_a_row(worked):
    house, _ = worked
    components = {row["Component"] for row in table(sheets(house)["Components"])}
    assert {"aura-groot", GATEWAY} <= components


def test_c09_gateway_rows_have_their_app_and_groot_rows_their_channel(worked):
    house, _ = worked
    users = {row["Component"]: row["Service/app"] for row in table(sheets(house)["Components"])[:2]}
    assert users == {"aura-groot": "mi-movistar", GATEWAY: "app-nlp (nlp-1)"}


def test_c10_queries_of_a_component_add_up(worked):
    _, issued = worked
    charges = [line["charge"] for line in issued["lines"]]
    gateway = [one for one in charges if one["fields"].get("component") == f'"{GATEWAY}"']
    assert sum(int(one["quantity"]) for one in gateway) == 52_311 + 9_874 + 30_125


def test_c11_a_query_has_its_list_price_and_what_it_came_to(worked):
    house, _ = worked
    first = table(sheets(house)["Components"])[0]
    assert first["List price"] == 0.0021
    assert first["Effective price"] == pytest.approx(386.88 / 184_230)


def test_c12_lines_of_a_component_add_up_to_its_total(worked):
    house, issued = worked
    net = sum(
        Decimal(line["net"])
        for line in issued["lines"]
        if line["charge"]["fields"].get("component") == f'"{GATEWAY}"'
    )
    assert net == Decimal("792.03")
    rows = [row for row in sheets(house)["Invoice"] if row[0] == GATEWAY]
    assert sum(Decimal(str(row[6])) for row in rows) == net


def test_c13_requests_are_distinct_interactions_with_the_sum_of_queries_beside_them(worked):
    house, issued = worked
    front = sheets(house)["Invoice"]
    assert issued["requests"] == str(REQUESTS)
    assert labelled(front, "Total requests") == REQUESTS
    assert labelled(front, "Sum of component queries") == 276_540
    assert any("need not be equal" in str(cell) for row in front for cell in row)


def test_c14_the_total_is_that_of_the_json_twin_and_of_focus(worked):
    house, issued = worked
    assert json.loads(archived(house, "json")) == issued
    focus = archived(house, "focus.csv").decode().splitlines()
    billed = sum(Decimal(row["BilledCost"]) for row in csv.DictReader(focus))
    assert billed == Decimal("1426.48") == Decimal(issued["totals"]["payable"])
    assert labelled(sheets(house)["Invoice"], "Total") == 1426.48


def test_c27_each_concept_has_a_unit_cost_and_they_make_the_total(worked):
    _, issued = worked
    for line in issued["lines"]:
        charge = line["charge"]
        if charge["model"] == "per_unit":
            exact = Decimal(charge["quantity"]) * Decimal(charge["listPrice"])
            assert Decimal(charge["exact"]) == exact
    assert sum(Decimal(line["net"]) for line in issued["lines"]) == Decimal("1178.91")


def test_c33_brand_and_contact_channel_are_on_services_and_share_out_a_line(worked):
    house, _ = worked
    rows = table(sheets(house)["Services"])
    [title] = [name for name in rows[0] if name in ("Queries", "Quantity")]
    rag = {
        (row["Brand"], row["Contact channel"]): (row[title], row["Amount (EUR)"])
        for row in rows
        if row["App/channel"] == "app-rag (rag-1)"
    }
    assert rag == {("Movistar", "web"): (9_000, 247.5), ("O2", "whatsapp"): (874, 24.04)}
    shares = [row["Amount (EUR)"] for row in rows if row["App/channel"] != "Total"]
    assert round(sum(shares), 2) == 1178.91


def test_daily_usage_comes_from_the_breakdown_by_day(worked):
    house, _ = worked
    rows = table(sheets(house)["Daily"])
    days = {(row["Component"], str(row["Day"])[:10]) for row in rows if row["Component"]}
    assert ("aura-groot", "2026-10-15") in days
    # Rows that differ in a preset alone are told apart, and ids have the names of the lines.
    ai = {(row["Service/app"], row["Preset"]) for row in rows if row["Service"] == "ai"}
    assert ai == {("app-rag", "rag"), ("app-gen", "generative")}


def test_duplicates_are_exceptions_and_are_not_charged(worked):
    _, issued = worked
    assert [(one["code"], one["text"]) for one in issued["exceptions"]] == [
        ("duplicates", "identical duplicates were dropped: 12"),
        ("conflicting_duplicates", "conflicting duplicates were dropped (the earliest counts): 3"),
    ]
    assert issued["unpriced"] == []


def test_metadata_names_the_book_its_hash_the_program_and_the_checks(worked):
    house, issued = worked
    said = dict(row[:2] for row in sheets(house)["Metadata"])
    assert issued["books"][0]["hash"] in said["Price book liceo-pay-per-use"]
    assert said["Check unattributed"].startswith("passed: 0 of 276540 queries without app")
    assert "Software" in said


# ------------------------------------------------------------------ limits and overrides

NOBODY = ("aura-groot", "message", "(unattributed)", "(unattributed)", None, None, None, None)


def test_more_unattributed_queries_than_the_limit_need_a_named_override(meterhouse, tmp_path: Path):
    house = spain(meterhouse, tmp_path, queries((*NOBODY, 3_000)))
    [draft] = house.draft()
    assert (
        "unattributed",
        "queries without app and channel (component aura-groot, service message): 3000",
    ) in [(one["code"], one["text"]) for one in draft["exceptions"]]
    told = meterhouse.refused("invoice", "issue", draft["id"], "--issue-date", "2026-11-03")
    assert "3000 of 279540 queries without app and channel: 1.07 %" in told
    assert "--override unattributed --reason" in told
    other = ("--override", "unknown_ids", "--reason", "x")
    meterhouse.refused("invoice", "issue", draft["id"], "--issue-date", "2026-11-03", *other)
    bare = ("invoice", "issue", draft["id"], "--override", "unattributed")
    assert "reason: is missing" in meterhouse.refused(*bare)
    shown = meterhouse.done("invoice", "show", draft["id"]).out
    assert "blocked: 3000 of 279540 queries without app and channel" in shown
    [issued] = house.issue(draft["id"], "--override", "unattributed", "--reason", "Agreed with ES")
    [check] = [one for one in issued["checks"] if one["code"] == "unattributed"]
    assert (check["outcome"], check["reason"]) == ("overridden", "Agreed with ES")
    assert any(one["code"] == "override" for one in issued["exceptions"])
    [entry] = [one for one in meterhouse.json("invoice", "history") if one["action"] == "issued"]
    assert entry["detail"]["overrides"] == [
        {"code": "unattributed", "author": check["author"], "reason": "Agreed with ES"}
    ]


def test_an_override_over_http_needs_a_reason(meterhouse, tmp_path: Path):
    house = spain(meterhouse, tmp_path, queries((*NOBODY, 3_000)))
    [draft] = house.draft()
    path = f"/v1/invoices/{draft['id']}/issue"
    with running(meterhouse.data) as server:
        dated = {"issueDate": "2026-11-03"}
        blocked = server.http.post(path, json=dated)
        assert (blocked.status_code, blocked.json()["code"]) == (409, "invoice_blocked")
        named = dated | {"overrides": ["unattributed"]}
        bare = server.http.post(path, json=named)
        assert bare.status_code == 422
        assert "reason" in str(bare.json()["errors"])
        issued = server.http.post(path, json=named | {"reason": "Agreed with ES"})
        assert issued.status_code == 200, issued.text
    [check] = [one for one in issued.json()["document"]["checks"] if one["reason"]]
    assert (check["author"], check["outcome"]) == ("admin", "overridden")


def test_unknown_ids_are_told_and_block_beyond_their_limit(meterhouse, tmp_path: Path):
    row = (GATEWAY, "nlpaas", "x-9", "x-9", None, None, None, None, 4_000)
    house = spain(meterhouse, tmp_path, queries(row, unknown="app"))
    [draft] = house.draft()
    [(_, text)] = [
        (one["code"], one["text"]) for one in draft["exceptions"] if one["code"] == "unknown_ids"
    ]
    assert text.startswith("queries with ids that no dimension knows (unknown app,")
    assert text.endswith(": 4000")
    assert "--override unknown_ids" in meterhouse.refused(
        "invoice", "issue", draft["id"], "--issue-date", "2026-11-03"
    )


# ------------------------------------------------------------------ paths


def test_c15_files_of_an_ob_are_below_its_own_code(meterhouse, tmp_path: Path):
    house = Liceo(meterhouse, tmp_path)
    house.begin()
    book = house.book("pay_per_use")
    for code in ("ES", "BR"):
        house.ob(code, book)
    house.use(("ES", "BR"), list(map(queries, WORKED)))
    house.draft()
    house.issue()
    archive = meterhouse.data / "archive"
    for code, country in (("ES", "ESP"), ("BR", "BRA")):
        names = [path.name for path in (archive / "invoices" / code).rglob("*.xlsx")]
        assert len(names) == 1
        assert names[0].startswith(f"LICEO_{country}_202610_")


# ------------------------------------------------------------------ re-runs and late rows


def test_drafting_and_rendering_again_give_the_same_bytes(meterhouse, tmp_path: Path):
    house = spain(meterhouse, tmp_path)
    words = ("invoice", "draft", "--all", "--period", "2026-10", "--json")
    assert meterhouse.done(*words).out == meterhouse.done(*words).out
    house.issue()
    first = archived(house, "xlsx")
    (meterhouse.data / "archive" / f"{STEM}.xlsx").unlink()
    meterhouse.done("invoice", "render", NUMBER, "--format", "xlsx", "--format", "ubl")
    again = archived(house, "xlsx", STEM.replace("_v01", "_v02"))
    assert again == first


def test_late_rows_are_priced_by_the_tiers_of_their_own_period(meterhouse, tmp_path: Path):
    house = Liceo(meterhouse, tmp_path)
    house.begin()
    house.ob("ES", house.book("package"))
    event = {"periodAssignment": "event", "gracePeriod": "P2D", "keepUsage": False}
    row = (GATEWAY, "nlpaas", "nlp-1", "app-nlp", None, None, "movistar", "web", 12_345)
    at = {"timestamp": "2026-10-15T00:00:00Z"}
    house.use(("ES",), [queries(row, **at)], **event)
    meterhouse.done("stream", "run", "nlpaas", "--at", "2026-11-04T00:00:00Z", "--quiet")
    house.draft()
    [issued] = house.issue()
    assert issued["totals"]["net"] == "42.00"  # 12 packages: 500 queries are free
    late = queries((*row[:-1], 200), timestamp="2026-10-31T00:00:00Z", userId="ES")
    house.file("nlpaas late.ndjson", late)
    for day in ("2026-11-20", "2026-12-05"):
        meterhouse.done("stream", "run", "nlpaas", "--at", f"{day}T00:00:00Z", "--quiet")
    [november] = house.draft(period="2026-11")
    [line] = [one for one in november["lines"] if one["charge"]["kind"] == "adjustment"]
    # 12,545 queries are 13 packages: one more of October, whose free queries are used up.
    assert (line["net"], line["corrects"]) == ("3.50", NUMBER)
