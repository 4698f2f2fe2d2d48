"""Price books by command: made, listed, checked, imported and deleted."""

import json
from pathlib import Path

import pytest

from tests.acceptance import small
from tests.acceptance.small import document, meter, node, script
from tests.cli.command import EXAMPLES, Meterhouse

BOOK = EXAMPLES / "billing" / "liceo-es.yaml"
PUSH = 'await push({userId: ["ann", "bob"][payload.value % 2], value: payload.value});'
PRICES = {"gpt": {"input_cost_per_token": "2.5e-06", "output_cost_per_image": "0.04"}}


def test_a_book_is_made_listed_shown_and_deleted(meterhouse: Meterhouse):
    words = ("price-book", "create", "--file", BOOK)
    name = "price book liceo-es, version 2026-10-01.1, 2 prices\n"
    assert meterhouse.done(*words).out == f"created {name}"
    assert meterhouse.done(*words).out == f"as before: {name}"
    [listed] = meterhouse.json("price-book", "list", "--customer", "ES")
    assert (listed["id"], listed["numberOfPrices"]) == ("liceo-es", 2)
    assert meterhouse.json("price-book", "list", "--book", "other") == []
    assert "2026-10-01.1" in meterhouse.done("price-book", "list").out
    [shown] = meterhouse.json("price-book", "show", "liceo-es")
    assert shown["document"]["valid"] == {"from": "2026-10-01", "to": None}
    source = meterhouse.done("price-book", "show", "liceo-es", "--source")
    assert source.out == BOOK.read_text("utf-8")
    gone = meterhouse.done("price-book", "delete", "liceo-es")
    assert gone.out == "deleted version 2026-10-01.1 of price book liceo-es\n"
    assert meterhouse.json("price-book", "list") == []


def test_a_check_tells_problems_and_warnings(meterhouse: Meterhouse, tmp_path: Path):
    fine = meterhouse.done("price-book", "check", "--file", BOOK)
    assert fine.out == "liceo-es, version 2026-10-01.1: no problems, no warnings\n"
    wrong = tmp_path / "wrong.yaml"
    text = BOOK.read_text("utf-8")
    wrong.write_text(text + "---\n" + text.replace("EUR", "EURO").replace('"2.50"', "0"))
    found = meterhouse("price-book", "check", "--file", wrong)
    assert (found.code, found.out.splitlines()[1:]) == (
        1,
        [
            "document 2: 1 problem, no warnings",
            '  problem: currency: is "EURO", no currency (did you mean EUR?)',
        ],
    )
    as_json = meterhouse("price-book", "check", "--file", wrong, "--json")
    assert [len(one["problems"]) for one in as_json.objects] == [0, 1]
    assert meterhouse.json("price-book", "list") == []


def test_a_broken_file_is_told_with_its_line(meterhouse: Meterhouse, tmp_path: Path):
    path = tmp_path / "broken.yaml"
    path.write_text("id: a\nid: b\n")
    failed = meterhouse("price-book", "create", "--file", path)
    assert (failed.code, 'line 2, column 1: the key "id" stands twice' in failed.err) == (1, True)


def test_published_prices_are_imported(meterhouse: Meterhouse, tmp_path: Path):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(PRICES))
    words = ("price-book", "import-llm-prices", "--file", path, "--format", "litellm", "--id", "l")
    dated = (*words, "--from", "2026-01-01", "--markup", "1.2")
    done = meterhouse(*dated)
    assert done.out == "created price book l, version 2026-01-01, 1 price\n"
    assert done.err == "left out: output_cost_per_image, of gpt\n"
    [printed] = meterhouse(*dated, "--print", "--json").objects
    assert printed["prices"][0]["values"]["gpt"]["input"] == "3"
    assert len(meterhouse.json("price-book", "list")) == 1


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--format", "csv", "--format: 'csv' is none of litellm, litellm-history, genai-prices"),
        ("--from", "soon", "--from: 'soon' is not a day, such as 2026-01-01"),
        ("--markup", "-1", "--markup: '-1' is not a factor, such as 1.2 for a fifth more"),
    ],
)
def test_a_wrong_option_is_told(meterhouse: Meterhouse, option, value, message):
    words = {"--file": "x", "--format": "litellm", "--id": "l"} | {option: value}
    flat = [word for pair in words.items() for word in pair]
    failed = meterhouse("price-book", "import-llm-prices", *flat)
    assert (failed.code, message in failed.err) == (2, True)


def test_usage_without_a_price_is_told(meterhouse: Meterhouse, tmp_path: Path):
    path = tmp_path / "book.json"
    price = {"sku": "a", "model": "per_unit", "price": 1, "match": {"tier": "gold"}}
    book = {"id": "b", "version": "1", "currency": "EUR", "valid": {"from": "2026-01-01"}}
    path.write_text(json.dumps(book | {"prices": [price]}))
    check = ("price-book", "check", "--file", path, "--usage")
    assert "usage: there are no golden records (run a stream first)" in meterhouse.done(*check).out
    small.set_up(
        meterhouse, document(node("Count", "readers/counter", max=6), script(PUSH), meter())
    )
    small.run(meterhouse)
    small.run(meterhouse, at=small.FEBRUARY)
    [found] = meterhouse.json(*check)
    assert found["problems"] == []
    assert found["warnings"]
    assert all("is unpriced: " in warning for warning in found["warnings"])
    price["match"] = {}
    path.write_text(json.dumps(book | {"prices": [price]}))
    assert meterhouse.json(*check)[0]["warnings"] == []
