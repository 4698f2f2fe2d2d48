"""Checks that block drafts, answered for on several drafts at once."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.billing import OCTOBER, Business, book
from tests.cli.command import Meterhouse

RAG = {"code": "rag", "text": "of rag", "match": {"preset": "rag"}, "percent": "0"}
AI = {"code": "ai", "text": "of ai", "match": {"service": "ai"}, "percent": "0"}
ALL = ("--all", "--period", OCTOBER, "--issue-date", "2026-11-03")


@pytest.fixture
def drafted(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    """Drafts of three customers: one that two checks block, one that one does, one without any."""
    business = Business(meterhouse, tmp_path)
    business.set_up(["ES", "PT", "FR"])
    for id, limits in (("pt", [RAG]), ("es", [RAG, AI])):
        own = business.file("own.json", book(id=id, limits=limits))
        business.run.done("price-book", "create", "--file", own)
        path = business.file("change.json", {"priceBook": id})
        business.run.done("customer", "update", id, "--file", path)
    business.draft()
    return business


def answer(*codes: str) -> list[str]:
    return [word for code in codes for word in ("--override", code)] + ["--reason", "agreed"]


def outcomes(invoice: dict[str, Any]) -> dict[str, str]:
    return {check["code"]: check["outcome"] for check in invoice.get("checks", ())}


def by_customer(issued: list[Any]) -> dict[str, dict[str, str]]:
    return {invoice["customer"]: outcomes(invoice) for invoice in issued}


def test_overrides_are_for_those_drafts_that_have_the_check(drafted: Business):
    issued = drafted.run.json("invoice", "issue", *ALL, *answer("rag", "ai"))
    assert by_customer(issued) == {
        "es": {"rag": "overridden", "ai": "overridden"},
        "pt": {"rag": "overridden"},
        "fr": {},
    }
    told = {
        one["customer"]: [text["text"] for text in one["exceptions"] if text["code"] == "override"]
        for one in issued
    }
    assert [len(texts) for texts in told.values()] == [2, 1, 0]


def test_a_check_that_nobody_answers_for_keeps_its_draft_alone(drafted: Business):
    ended = drafted.run("invoice", "issue", *ALL, *answer("rag"))
    assert ended.code == 1
    assert "--override ai --reason ..." in ended.err
    statuses = {one["customer"]: one["status"] for one in drafted.listed()}
    assert statuses == {"es": "draft", "pt": "issued", "fr": "issued"}


def test_a_code_that_no_draft_has_is_refused_before_any_is_issued(drafted: Business):
    refused = drafted.run("invoice", "issue", *ALL, *answer("rag", "ia"))
    assert refused.code == 1
    assert "'ia' is no check of any of the drafts" in refused.err
    assert "the checks are ai, rag" in refused.err
    assert {one["status"] for one in drafted.listed()} == {"draft"}


def test_a_code_where_there_are_no_checks_is_refused(drafted: Business):
    french = [one["id"] for one in drafted.listed() if one["customer"] == "fr"]
    refused = drafted.run("invoice", "issue", *french, *answer("rag"))
    assert refused.code == 1
    assert "leave it out: there are no checks" in refused.err


def test_several_drafts_that_are_named_are_treated_as_all_are(drafted: Business):
    ids = [one["id"] for one in drafted.listed() if one["customer"] != "es"]
    issued = drafted.run.json(
        *("invoice", "issue", *ids, "--issue-date", "2026-11-03"), *answer("rag")
    )
    assert by_customer(issued) == {"pt": {"rag": "overridden"}, "fr": {}}
