"""Published prices become price books: exact, dated, and nothing left out in silence."""

import csv
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from meterhouse.app.billing.price_import import PriceImport
from meterhouse.connectors.llm_prices import import_llm_prices, matches
from meterhouse.core.price_book import Matrix
from meterhouse.core.price_book_reading import read_price_book
from meterhouse.core.problem import DefinitionError

LITELLM = """{
  "gpt": {"input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05,
    "cache_read_input_token_cost": 1.25e-06, "input_cost_per_token_above_128k_tokens": 5e-06,
    "litellm_provider": "openai"},
  "gpt-mini": {"input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07,
    "output_cost_per_reasoning_token": 7e-07, "litellm_provider": "openai"},
  "paint": {"output_cost_per_image": 0.04, "litellm_provider": "openai"},
  "tiny": {"input_cost_per_token": 1e-30, "output_cost_per_token": 0, "litellm_provider": "x"}
}"""
HISTORY = """model,provider,effective_from,input_cost_per_token,output_cost_per_token
gpt,openai,2024-05-14T00:46:26-07:00,5e-06,1.5e-05
mini,openai,2024-07-18T23:09:23-07:00,1.5e-07,6e-07
gpt,openai,2024-10-16T12:28:04-07:00,2.5e-06,1e-05
"""
GENAI = """[{"id": "acme", "models": [
  {"id": "one", "match": {"or": [{"starts_with": "one-"}, {"equals": "one"}]},
   "prices": [{"prices": {"input_mtok": 3, "output_mtok": 15}},
     {"constraint": {"start_date": "2026-09-01"}, "prices": {"input_mtok": 2, "output_mtok": 10}},
     {"constraint": {"start_time": "00:30:00Z", "end_time": "16:30:00Z"},
      "prices": {"input_mtok": 1}}]},
  {"id": "two", "match": {"contains": "two"}, "prices": {"requests_kcount": 5,
    "input_mtok": {"base": 0.3, "tiers": [{"start": 200000, "price": 0.6}]}, "output_mtok": 1.2}}
]}, {"id": "other", "models": [
  {"id": "one", "match": {"equals": "one"}, "prices": {"input_mtok": 4}}]}]"""
WANTED = PriceImport("litellm", "llm", begin=date(2026, 1, 1))


def cells(document: dict[str, Any]) -> dict[str, dict[str, str]]:
    return document["prices"][0]["values"]


def imported(text: str, **wanted: Any) -> Any:
    return import_llm_prices(text, replace(WANTED, **wanted), what="prices")


def test_prices_are_those_of_the_text_for_a_million():
    [document] = imported(LITELLM).documents

    assert cells(document)["gpt"] == {
        "input": "2.5",
        "cached": "1.25",
        "cache_write": "2.5",
        "output": "10",
        "reasoning": "10",
        "audio_input": "2.5",
        "audio_cached": "2.5",
        "audio_output": "10",
    }
    assert cells(document)["gpt-mini"]["reasoning"] == "0.7"
    assert cells(document)["tiny"] == {"output": "0", "reasoning": "0", "audio_output": "0"}


def test_what_is_made_is_a_price_book():
    [document] = imported(LITELLM, customer="ES", markup=Decimal("1.2")).documents
    book = read_price_book(document)

    assert (book.id, book.customer, book.currency) == ("llm", "ES", "USD")
    assert (book.version, book.valid_from) == ("2026-01-01", date(2026, 1, 1))
    model = book.prices[0].model
    assert isinstance(model, Matrix)
    assert model.values['"gpt-mini"', '"input"'] == Decimal("0.18")


def test_what_cannot_be_said_is_told():
    assert imported(LITELLM).notices == (
        "left out: input_cost_per_token 0.000000000000000000000001 for a million, of tiny",
        "left out: input_cost_per_token_above_128k_tokens, of gpt",
        "left out: no price per token, of paint",
        "left out: output_cost_per_image, of paint",
    )


def test_models_are_chosen_by_pattern_and_by_provider():
    [document] = imported(LITELLM, models=("gpt*",)).documents
    assert sorted(cells(document)) == ["gpt", "gpt-mini"]
    [document] = imported(LITELLM, providers=("x",)).documents
    assert sorted(cells(document)) == ["tiny"]
    with pytest.raises(DefinitionError, match="has no prices of these models"):
        imported(LITELLM, models=("claude*",))


def test_a_history_becomes_a_version_for_each_day_of_change():
    made = imported(HISTORY, format="litellm-history", begin=None).documents

    assert [document["version"] for document in made] == ["2024-05-14", "2024-07-19", "2024-10-16"]
    assert [sorted(cells(document)) for document in made] == [
        ["gpt"],
        ["gpt", "mini"],
        ["gpt", "mini"],
    ]
    assert [cells(document)["gpt"]["input"] for document in made] == ["5", "5", "2.5"]


def test_a_history_is_asked_for_a_day():
    [document] = imported(
        HISTORY, format="litellm-history", at=date(2024, 10, 15), begin=None
    ).documents

    assert document["valid"] == {"from": "2024-10-15", "to": None}
    assert cells(document)["gpt"]["input"] == "5"


def test_models_are_known_by_the_names_that_answers_have():
    wanted = {"format": "genai-prices", "models": ("one-2026", "two"), "providers": ("acme",)}
    made = imported(GENAI, **wanted)

    [document] = made.documents
    assert sorted(cells(document)) == ["one-2026", "two"]
    assert cells(document)["one-2026"]["input"] == "3"
    assert cells(document)["two"]["input"] == "0.3"
    assert made.notices == (
        "left out: input_mtok of longer requests, of two",
        "left out: prices by time of day, of one-2026",
        "left out: requests_kcount, of two",
    )
    [later] = imported(GENAI, **wanted, at=date(2026, 9, 1)).documents
    assert cells(later)["one-2026"]["input"] == "2"


def test_models_of_several_providers_are_told_apart():
    [document] = imported(GENAI, format="genai-prices", models=("one",)).documents

    assert {model: prices["input"] for model, prices in cells(document).items()} == {
        "acme/one": "3",
        "other/one": "4",
    }


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("[]", "litellm"),
        ("x", "litellm"),
        ('{"gpt": {"input_cost_per_token": "much"}}', "litellm"),
        ("a,b\n1,2\n", "litellm-history"),
        (HISTORY.replace("2024-05-14", "14.5.2024"), "litellm-history"),
        ("{}", "genai-prices"),
        ('[{"id": "a"}]', "genai-prices"),
    ],
)
def test_a_file_of_another_kind_is_refused(text, format):
    with pytest.raises(DefinitionError, match="prices has 1 problem") as raised:
        imported(text, format=format)
    assert "attribute" not in str(raised.value)


def test_a_file_without_dates_is_asked_for_one():
    with pytest.raises(DefinitionError, match="say from when they hold: --from 2026-01-01"):
        imported(LITELLM, begin=None)


@pytest.mark.parametrize(
    ("rule", "name", "holds"),
    [
        ({"equals": "GPT"}, "gpt", True),
        ({"starts_with": "gpt"}, "a-gpt", False),
        ({"ends_with": "-mini"}, "gpt-mini", True),
        ({"contains": "pt-"}, "gpt-mini", True),
        ({"regex": "^gpt-[0-9]"}, "gpt-5", True),
        ({"and": [{"contains": "a"}, {"contains": "b"}]}, "xa", False),
    ],
)
def test_rules_of_names(rule, name, holds):
    assert matches(rule, name) is holds


DATED = "model,provider,effective_from,input_cost_per_token\n"


@pytest.mark.parametrize("wanted", [{"at": date(2023, 1, 1)}, {"begin": date(2023, 1, 1)}])
def test_a_day_before_all_prices_is_refused_with_the_first_one(wanted: dict[str, date]):
    given = {"format": "litellm-history", "begin": None} | wanted
    with pytest.raises(DefinitionError, match=r"no prices of 2023-01-01 yet .*are of 2024-05-14"):
        imported(HISTORY, **given)


@pytest.mark.parametrize(
    ("format_", "text", "told"),
    [
        ("litellm", f'{{"g": {{"input_cost_per_token": 1.{"1" * 90}}}}}', "more digits than"),
        ("litellm", '{"g": 5}', "of other kinds"),
        ("litellm-history", f"{DATED}g,o,0001-01-01T00:00:00+14:00,1", "out of range"),
        ("litellm-history", DATED + "g" * 200_000 + ",o,2026-01-01,1", "field limit"),
        ("genai-prices", GENAI.replace('"equals": "one"', '"regex": "("'), 'regex "\\(" is none'),
    ],
)
def test_what_no_such_file_has_is_refused(format_: str, text: str, told: str):
    with pytest.raises(DefinitionError, match=f"cannot be read: .*{told}"):
        imported(text, format=format_, models=("*",))


def test_the_limit_of_fields_is_that_of_no_other_reader():
    before = csv.field_size_limit(10_000_000)
    try:
        with pytest.raises(DefinitionError, match="field limit"):
            imported(DATED + "g" * 200_000 + ",o,2026-01-01,1", format="litellm-history")
    finally:
        csv.field_size_limit(before)


def test_a_markup_with_too_many_digits_is_refused():
    with pytest.raises(DefinitionError, match=r"prices of gpt that, times 1\.1+, are too many"):
        imported(LITELLM, markup=Decimal("1." + "1" * 79))


def test_a_regex_takes_no_longer_than_its_name():
    """One that goes back and forth would take hours."""
    assert not matches({"regex": "^(a+)+$"}, "a" * 5000 + "b")
