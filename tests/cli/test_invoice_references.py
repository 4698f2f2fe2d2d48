"""Which invoice a number or an id means, and lines by hand that are never lost."""

import json
from pathlib import Path

import pytest

from meterhouse import bootstrap
from meterhouse.app.billing.issuing import correct_invoice
from meterhouse.core.problem import ConflictError
from tests.cli.billing import ISSUER, OCTOBER, WORKED, Business, book
from tests.cli.command import Meterhouse

NUMBER = "LICEO-2026-000001"
FEE = {"sku": "base", "match": {}, "model": "flat", "amount": "310"}


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def by_hand(business: Business, id: str) -> list[tuple[str, str]]:
    [invoice] = business.run.json("invoice", "show", id)
    return [(line["net"], line["reason"]) for line in invoice["lines"] if line["reason"]]


def test_a_number_of_two_issuers_is_no_invoice_and_the_ids_are_named(business):
    business.meter(["ES", "FR"], rows=WORKED)
    business.sell()
    other = business.file("other.json", ISSUER | {"id": "other", "name": "Other S.A."})
    business.run.done("issuer", "create", "--file", other)
    business.customer()
    business.customer(id="fr", users=["FR"], issuer="other")
    business.draft()
    ids = [one["id"] for one in business.issue()]
    files = {id: business.run.json("invoice", "files", id)[0]["name"] for id in ids}

    for words in (("credit", NUMBER, "--reason", "x"), ("files", NUMBER), ("show", NUMBER)):
        refused = business.run("invoice", *words)
        assert refused.code == 1, refused.err
        assert all(id in refused.err for id in ids)

    assert len(set(files.values())) == 2
    assert [one["status"] for one in business.listed()] == ["issued", "issued"]
    business.run.done("invoice", "credit", ids[1], "--reason", "x")
    assert [one["status"] for one in business.listed()][:2] == ["issued", "corrected"]


def test_the_beginning_of_an_id_is_enough_to_look_and_not_to_change(business):
    business.sell(prices=[FEE])
    business.customer()
    [draft] = business.draft()
    short = draft["id"][:8]

    assert business.run.json("invoice", "show", short)[0]["id"] == draft["id"]
    for words in (("issue", short), ("void", short), ("add-line", short, "--amount", "1")):
        more = ("--reason", "x") if words[0] == "add-line" else ()
        assert "There is no invoice" in business.run("invoice", *words, *more).err
    business.issue(draft["id"])
    for words in (("credit", short, "--reason", "x"), ("correct", short, "--reason", "x")):
        assert "There is no invoice" in business.run("invoice", *words).err
    assert "There is no invoice" in business.run("invoice", "render", short).err
    assert [one["status"] for one in business.listed()] == ["issued"]


def test_a_line_that_cannot_be_drafted_is_not_kept(business):
    business.set_up(["ES"])
    [draft] = business.draft()
    later = business.file("later.json", book(id="later", valid={"from": "2027-01-01", "to": None}))
    business.run.done("price-book", "create", "--file", later)
    change = json.dumps({"priceBook": "later"})
    business.run.done("customer", "update", "es", "--file", "-", given=change)

    refused = business.run(
        "invoice", "add-line", draft["id"], "--amount", "-25", "--reason", "Goodwill"
    )
    assert refused.code != 0
    assert business.run.json("invoice", "show", draft["id"])[0]["lines"] == draft["lines"]
    assert "lines by hand" not in business.run.done("invoice", "show", draft["id"]).out.lower()
    [issued] = business.issue(draft["id"])
    assert issued["totals"] == draft["totals"]


def test_lines_by_hand_are_of_the_corrected_invoice_too(business):
    business.set_up(["ES"])
    [draft] = business.draft()
    line = ("--amount", "-25", "--reason", "Goodwill")
    business.run.json("invoice", "add-line", draft["id"], *line)
    [issued] = business.issue(draft["id"])
    business.run.done("invoice", "correct", issued["id"], "--reason", "Address")

    [anew] = business.listed("--status", "draft")
    assert by_hand(business, anew["id"]) == [("-25.00", "Goodwill")]
    assert anew["net"] == issued["totals"]["net"]
    assert business.issue(anew["id"])[0]["totals"] == issued["totals"]


def test_lines_by_hand_outlive_a_void_draft_until_they_are_removed(business):
    business.set_up(["ES"])
    [draft] = business.draft()
    line = ("--amount", "-25", "--reason", "Goodwill")
    business.run.json("invoice", "add-line", draft["id"], *line)
    business.run.done("invoice", "void", draft["id"])

    assert business.run.json("invoice", "preview", "--all", "--period", OCTOBER)[0]["lines"]
    [second] = business.draft()
    assert second["id"] != draft["id"]
    assert by_hand(business, second["id"]) == [("-25.00", "Goodwill")]
    business.draft()
    assert by_hand(business, second["id"]) == [("-25.00", "Goodwill")]

    shown = business.run.done("invoice", "show", second["id"]).out
    id = next(
        word
        for word in shown.replace("(", " ").replace(")", " ").split()
        if len(word) == 36 and word.count("-") == 4 and word != second["id"]
    )
    business.run.done("invoice", "remove-line", second["id"], id)
    business.draft()
    assert by_hand(business, second["id"]) == []


def sell_by(business: Business, **more: object) -> None:
    path = business.file("newer.json", book(**more))
    business.run.done("price-book", "create", "--file", path)


def test_a_line_by_hand_whose_tax_is_gone_blocks_the_draft_until_it_is_taken_off(business):
    zero = {"category": "Z", "rate": "0", "name": "Zero rate"}
    business.set_up(["ES"], taxes=[*book()["taxes"], zero])
    [draft] = business.draft()
    added = ("--amount", "-25", "--reason", "Goodwill", "--tax", "Z", "--name", "Discount")
    business.run.json("invoice", "add-line", draft["id"], *added)
    [issued] = business.issue(draft["id"])
    sell_by(business, version="2026-10-01.2")

    told = business.run.done("invoice", "correct", issued["id"], "--reason", "Taxes").out
    [anew] = business.listed("--status", "draft")
    [line] = business.run.json("invoice", "draft", "--all", "--period", OCTOBER)[0]["exceptions"]
    assert line["code"] == "line_left_out"
    assert "(Discount, -25) is left out: a charge has the tax 'Z'" in line["text"]
    assert line["text"] in " ".join(told.split())
    assert by_hand(business, anew["id"]) == []
    refused = business.run.refused("invoice", "issue", anew["id"], "--issue-date", "2026-11-03")
    assert "`invoice remove-line` takes it off" in refused

    business.run.done("invoice", "remove-line", anew["id"], line["text"].split()[3])
    [reissued] = business.issue(anew["id"])
    assert reissued["exceptions"] == []


def test_a_line_by_hand_that_was_left_out_is_back_once_the_book_can_have_it(business):
    business.set_up(["ES"])
    [draft] = business.draft()
    added = ("--amount", "-0.50", "--reason", "Goodwill")
    business.run.json("invoice", "add-line", draft["id"], *added)
    business.run.done("invoice", "void", draft["id"])
    sell_by(business, version="2026-10-01.2", currency="JPY")
    [second] = business.draft()
    assert [one["code"] for one in second["exceptions"]] == ["line_left_out"]
    assert "JPY has 0 digits after the point" in second["exceptions"][0]["text"]

    sell_by(business, version="2026-10-01.3")
    [third] = business.draft()
    assert (third["id"], third["exceptions"]) == (second["id"], [])
    assert by_hand(business, third["id"]) == [("-0.50", "Goodwill")]


def test_a_correction_that_may_be_a_repeat_finds_the_credit_note_that_was_made(business):
    business.set_up(["ES"])
    business.draft()
    [issued] = business.issue()
    with bootstrap.open_installation(business.run.data) as house:
        given = {"reason": "Address", "formats": [], "at": house.clock()}
        made = correct_invoice(house.ledger, issued["id"], **given)
        assert correct_invoice(house.ledger, issued["id"], **given, repeatable=True) == made
        with pytest.raises(ConflictError, match="corrected"):
            correct_invoice(house.ledger, issued["id"], **given)
    assert [one["kind"] for one in business.listed()] == ["invoice", "credit_note", "invoice"]
