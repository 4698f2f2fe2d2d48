"""A month is told as issued only where invoices have all of its days, and all of its usage."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.aura_files import (
    LICEO,
    WHEN_DRAFTED,
    WHEN_ISSUED,
    SpainsOperation,
    audit_name,
    query,
    schema_of,
    snapshots,
    write,
)
from tests.cli.command import ROOT

_FEE = "prices:\n  - {sku: fee, model: flat, amount: 100}\n"


def _book(folder: Path, *, zone: str = "Etc/UTC", **replaced: str) -> Path:
    """A book with a fee of 100, in a zone."""
    text = (LICEO / "pay-per-use.yaml").read_text("utf-8")
    text = text.replace("prices:\n", _FEE, 1).replace("Etc/UTC", zone)
    for old, new in replaced.items():
        text = text.replace(f"{old}:", f"{old}: {new} #", 1)
    path = folder / f"book-{zone.replace('/', '-')}.yaml"
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def spain(tmp_path: Path) -> SpainsOperation:
    house = SpainsOperation(tmp_path / "data")
    house.begin(tmp_path, book=_book(tmp_path))
    for path in snapshots(tmp_path, channels={"c1": "Web"}, apps={}):
        house.done("dataset", "add", path)
    _add(house, tmp_path, "20261020T10", 1000, day="2026-10-10")
    return house


def _add(house: SpainsOperation, folder: Path, hour: str, count: int, *, day: str) -> None:
    rows = [
        query(f"{hour} {one}", f"{day}T10:00:00.{one:03}Z", AURA_CHANNEL_ID="c1")
        for one in range(count)
    ]
    house.done("dataset", "add", write(folder / audit_name(hour), schema_of("Aura_Audit"), rows))


def _run(house: SpainsOperation, at: str = WHEN_ISSUED) -> tuple[int, dict[str, Any]]:
    """Run the operation; returns its exit code, and what it says of October."""
    ended = house("aura", "run", house.operation, "--at", at, "--json")
    [business] = json.loads(ended.out)["months"][0]["businesses"]
    return ended.code, business


def _queries(house: SpainsOperation) -> Decimal:
    """The queries of all invoices that stand."""
    found = [one for one in house.json("invoice", "list", "--all") if one["status"] == "issued"]
    lines = [
        line
        for one in found
        for line in house.json("invoice", "show", one["number"])[0]["lines"]
        if line["charge"]["sku"] != "fee"
    ]
    return sum((Decimal(line["charge"]["quantity"]) for line in lines), Decimal(0))


def test_an_invoice_of_half_a_month_does_not_settle_it(spain: SpainsOperation):
    half = ("--from", "2026-10-01", "--to", "2026-10-16")
    [draft] = spain.json("invoice", "draft", "--customer", "ES", *half)
    spain.done("invoice", "issue", draft["id"], "--issue-date", "2026-10-17")
    code, october = _run(spain)
    assert (code, october["status"], october["number"]) == (1, "blocked", "LICEO-2026-000001")
    [problem] = october["problems"]
    assert problem["message"] == (
        "2026-10-16 to 2026-10-31 are on no invoice "
        "(LICEO-2026-000001 is of 2026-10-01 to 2026-10-15)"
    )
    # What it says to do bills the rest, and the month is settled.
    command = "meterhouse invoice draft --customer ES --from 2026-10-16 --to 2026-11-01"
    assert f"`{command}`" in problem["hint"]
    [rest] = spain.json(*command.split()[1:])
    spain.done("invoice", "issue", rest["id"], "--issue-date", "2026-11-06")
    code, october = _run(spain, "2026-11-07T03:00:00Z")
    assert (code, october["status"], october["number"]) == (0, "issued", "LICEO-2026-000002")
    assert "other days of the month are on invoice LICEO-2026-000001" in october["warnings"]
    assert _queries(spain) == 1000


def test_an_invoice_of_half_a_month_that_is_taken_back_leaves_the_month_to_the_operation(
    spain: SpainsOperation,
):
    half = ("--from", "2026-10-16", "--to", "2026-11-01")
    [draft] = spain.json("invoice", "draft", "--customer", "ES", *half)
    [issued] = spain.json("invoice", "issue", draft["id"], "--issue-date", "2026-11-02")
    code, october = _run(spain)
    assert (code, october["status"]) == (1, "blocked")
    assert october["problems"][0]["message"].startswith("2026-10-01 to 2026-10-15 are on no")
    spain.done("invoice", "credit", issued["number"], "--reason", "Whole months only")
    code, october = _run(spain, "2026-11-07T03:00:00Z")
    assert (code, october["status"]) == (0, "issued")
    assert _queries(spain) == 1000


@pytest.mark.parametrize("zone", ["Europe/Madrid", "Europe/London", "America/Sao_Paulo"])
def test_init_refuses_a_price_book_of_another_zone(tmp_path: Path, zone: str):
    """London has the time of UTC in winter alone: in April it would bill nothing."""
    house = SpainsOperation(tmp_path / "data")
    with pytest.raises(AssertionError):
        house.begin(tmp_path, book=_book(tmp_path, zone=zone))
    refused = house("aura", "init", house.operation)
    assert refused.code == 1
    assert f"price book liceo-pay-per-use: has the time zone {zone}" in refused.err
    assert "`timezone: Etc/UTC`" in refused.err
    assert house.json("stream", "list") == []


def test_what_a_month_of_another_zone_does_not_hold_is_never_told_as_issued(
    spain: SpainsOperation, tmp_path: Path
):
    """Somebody bills October by hand, by a book of Madrid: it ends an hour before UTC's does."""
    book = _book(tmp_path, zone="Europe/Madrid", version="2026-10-01.2", valid="{from: 2026-10-01}")
    spain.done("price-book", "create", "--file", book)
    code, october = _run(spain, WHEN_DRAFTED)
    assert (code, october["status"]) == (1, "failed")
    [problem] = october["problems"]
    assert problem["message"].startswith("has the time zone Europe/Madrid")
    [draft] = spain.json("invoice", "draft", "--customer", "ES", "--period", "2026-10")
    assert draft["totals"]["net"] == "100.00", "no query is on it"
    [issued] = spain.json("invoice", "issue", draft["id"], "--issue-date", "2026-11-03")
    for at in (WHEN_ISSUED, "2026-11-07T03:00:00Z"):
        code, october = _run(spain, at)
        assert (code, october["status"], october["number"]) == (1, "blocked", issued["number"])
        [problem] = october["problems"]
        assert problem["place"] == f"invoice {issued['number']}"
        assert problem["message"].endswith("on no invoice: 2, queries in them: 1000")
    # What it says to do bills them.
    book = _book(tmp_path, version="2026-10-01.3", valid="{from: 2026-10-01}")
    spain.done("price-book", "create", "--file", book)
    spain.done("invoice", "credit", issued["number"], "--reason", "Another zone")
    [draft] = spain.json("invoice", "draft", "--customer", "ES", "--period", "2026-10")
    spain.done("invoice", "issue", draft["id"], "--issue-date", "2026-11-08")
    code, october = _run(spain, "2026-11-09T03:00:00Z")
    assert (code, october["status"]) == (0, "issued")
    assert _queries(spain) == 1000


def test_queries_that_come_late_are_told_until_they_are_on_an_invoice(
    spain: SpainsOperation, tmp_path: Path
):
    assert _run(spain)[1]["status"] == "issued"
    _add(spain, tmp_path, "20261110T10", 7, day="2026-10-31")
    _add(spain, tmp_path, "20261110T11", 5, day="2026-11-02")
    code, october = _run(spain, "2026-11-11T03:00:00Z")
    assert (code, october["status"], october["metered"]) == (0, "issued", 1007)
    assert "late queries, which the next invoice bills: 7" in october["warnings"]
    _run(spain, "2026-12-06T03:00:00Z")
    code, october = _run(spain, "2026-12-07T03:00:00Z")
    assert (code, october["status"]) == (0, "issued")
    assert "late queries" not in str(october["warnings"])
    assert _queries(spain) == 1012


def test_init_refuses_drafts_of_months_that_are_not_closed(spain: SpainsOperation):
    """Two days after a month its meters still wait for late rows: nothing of it is metered."""
    text = spain.operation.read_text("utf-8")
    spain.operation.write_text(f"{text}draftAfterDays: 1\n", "utf-8")
    refused = spain("aura", "init", spain.operation)
    assert refused.code == 1
    assert "draftAfterDays: is 1, and meters wait P2D for late rows (use 2 or more" in refused.err


def test_drafts_may_be_as_early_as_meters_close(tmp_path: Path):
    house = SpainsOperation(tmp_path / "data")
    types = (ROOT / "src/meterhouse/app/aura/documents/meter-types.json").read_text("utf-8")
    given = types.replace('"P2D"', '"P1D"')
    house.done("meter-type", "create", "--file", "-", given=given)
    house.begin(tmp_path)
    text = house.operation.read_text("utf-8")
    house.operation.write_text(f"{text}draftAfterDays: 1\n", "utf-8")
    house.done("aura", "init", house.operation)
    for path in snapshots(tmp_path, channels={"c1": "Web"}, apps={}):
        house.done("dataset", "add", path)
    _add(house, tmp_path, "20261020T10", 10, day="2026-10-31")
    code, october = _run(house, "2026-11-02T03:00:00Z")
    assert (code, october["status"], october["metered"]) == (0, "drafted", 10)
