"""Files that cannot be made, a kill in the archive, dates, time zones and money given back."""

import json
from pathlib import Path

import pytest

from meterhouse.store import SqliteLedger
from tests.cli.billing import Business, book
from tests.cli.command import Meterhouse

FEE = {"sku": "base", "match": {}, "model": "flat", "amount": "310"}
PER = {"sku": "q", "match": {}, "model": "per_unit", "price": "1", "unit": "query"}
EVENTS = {"periodAssignment": "event", "gracePeriod": "P0D"}
USED = [("a", "s", "app", None, 80)]


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def names(business: Business, id: str) -> set[str]:
    return {one["format"] for one in business.run.json("invoice", "files", id)}


def test_a_kill_before_files_are_noted_leaves_an_archive_that_goes_on(business, monkeypatch):
    business.set_up(["ES"])
    [draft] = business.draft()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SqliteLedger, "files_made", killed)
        business.run("invoice", "issue", draft["id"], "--issue-date", "2026-11-03")
    before = names(business, draft["id"])

    business.run.done("invoice", "render", draft["id"], "--format", "csv")
    assert names(business, draft["id"]) == before | {"csv"}
    business.run.done("invoice", "render", draft["id"])
    assert "all is well" in business.run.done("invoice", "files", draft["id"], "--verify").out


def test_files_that_are_gone_are_put_back_the_same(business):
    business.sell(prices=[FEE])
    business.customer()
    [invoice] = business.issue(business.draft()[0]["id"])
    render = ("invoice", "render", invoice["number"], "--format")
    business.run.done(*render, "pdf")
    folder = business.run.data / "archive"
    whole = {path: path.read_bytes() for path in folder.rglob("*_v02.*")}
    gone = [path for path in whole if path.suffix == ".pdf" or "manifest" in path.name]
    assert len(gone) == 2
    for path in gone:
        path.unlink()

    faults = business.run("invoice", "files", invoice["number"], "--verify")
    assert f"is not there (`{' '.join(render)} pdf` puts" in faults.out
    told = business.run.done(*render, "pdf").err
    assert {line.removeprefix("put back: ") for line in told.splitlines()} == {
        str(path.relative_to(folder)) for path in gone
    }
    assert {path: path.read_bytes() for path in folder.rglob("*_v02.*")} == whole
    assert "put back" not in business.run.done(*render, "pdf").err


def test_a_file_that_was_changed_is_left_as_it_is(business):
    business.sell(prices=[FEE])
    business.customer()
    [invoice] = business.issue(business.draft()[0]["id"])
    [path] = (business.run.data / "archive").rglob("*.xlsx")
    right = path.read_bytes()
    path.write_bytes(b"forged")
    faults = business.run("invoice", "files", invoice["number"], "--verify").out
    assert "is not what was put there (move it out of the archive" in faults
    render = ("invoice", "render", invoice["number"], "--format", "xlsx")
    assert "move it out of the archive" in business.run.refused(*render)
    assert path.read_bytes() == b"forged"
    path.unlink()
    business.run.done(*render)
    assert path.read_bytes() == right


def test_days_without_quotes_are_days_in_yaml(business):
    business.sell(prices=[FEE])
    lines = ["id: es", "name: 2026-01-01", "address: {country: ES}", "issuer: liceo"]
    lines += ["priceBook: liceo-es", "users: [ES]", "from: 2026-09-14", "to: 2027-01-01"]
    path = business.folder / "customers.yaml"
    path.write_text("\n".join([*lines, "customFields: {since: 2020-02-29}"]))
    business.run.done("customer", "create", "--file", path)
    [customer] = business.run.json("customer", "show", "es")
    assert (customer["from"], customer["to"]) == ("2026-09-14", "2027-01-01")
    assert (customer["name"], customer["customFields"]) == ("2026-01-01", {"since": "2020-02-29"})
    path.write_text("\n".join(["id: fr", *lines[1:6], "from: 2026-02-30"]))
    assert "2026-02-30" in business.run.refused("customer", "create", "--file", path)


def test_a_format_that_an_invoice_cannot_have_keeps_no_other_from_being_made(business):
    business.meter(["ES"], rows=USED)
    business.sell(prices=[PER | {"price": "0.001"}], currency="KWD")
    business.customer()
    [draft] = business.draft()
    formats = ("--format", "ubl", "--format", "json")
    issued = business.run("invoice", "issue", draft["id"], "--issue-date", "2026-11-03", *formats)
    assert "three digits" in issued.err
    assert "given up" in issued.err
    assert names(business, draft["id"]) == {"json"}

    refused = business.run("invoice", "render", draft["id"], "--format", "ubl")
    assert refused.code != 0
    assert "three digits" in refused.err
    business.run.done("invoice", "render", draft["id"], "--format", "csv")
    assert names(business, draft["id"]) == {"json", "csv"}


def test_dates_of_a_series_go_up_with_its_numbers(business):
    business.sell(prices=[FEE])
    business.customer()
    [first] = business.draft()
    business.issue(first["id"])
    [second] = business.draft(period="2026-09")

    early = business.run("invoice", "issue", second["id"], "--issue-date", "2026-11-02")
    assert "2026-11-03 or later" in early.err
    credit = ("invoice", "credit", first["id"], "--reason", "x")
    assert "2026-11-03 or later" in business.run(*credit, "--issue-date", "2026-11-02").err
    assert [one["status"] for one in business.listed()] == ["issued", "draft"]
    business.issue(second["id"])
    business.run.done(*credit, "--issue-date", "2026-11-03")


def test_a_book_of_another_zone_goes_on_where_the_last_invoice_ends(business):
    business.sell(prices=[FEE])
    business.customer()
    [october] = business.draft()
    business.issue(october["id"])
    other = book(id="madrid", timezone="Europe/Madrid", prices=[FEE])
    business.run.done("price-book", "create", "--file", business.file("madrid.json", other))
    change = json.dumps({"priceBook": "madrid"})
    business.run.done("customer", "update", "es", "--file", "-", given=change)

    [november] = business.draft(period="2026-11")
    assert november["period"]["start"] == october["period"]["end"]
    assert [one["code"] for one in november["exceptions"]] == ["time_zone_changed"]
    assert november["totals"]["net"] == "310.00"
    again = business.run("invoice", "draft", "--all", "--period", "2026-10")
    assert "already" in again.err
