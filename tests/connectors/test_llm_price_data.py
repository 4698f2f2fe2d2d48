"""Public usage and prices of language models: what others computed, computed here.

Files of prices become books, usage is split into token types, and ``rating`` prices it. Nothing is
computed in the test itself.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meterhouse.app.billing.price_import import PriceImport
from meterhouse.connectors.llm_prices import import_llm_prices
from meterhouse.core.charge import BillingPeriod, GroupedValue, MeteredUsage
from meterhouse.core.json_text import canonical_text
from meterhouse.core.price_book import PriceBook
from meterhouse.core.price_book_reading import read_price_book
from meterhouse.core.token_usage import TokenUsage, billable_tokens, read_token_usage
from meterhouse.rating import rate
from tests.core.price_books import book_of

DATA = Path(os.environ.get("METERHOUSE_TEST_DATA", "")) / "llm_usage"
PRICES = DATA.parent / "prices"
PEERS = DATA.parent / "peer_vectors.json"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="METERHOUSE_TEST_DATA has no LLM usage")
D = Decimal
PERIOD = BillingPeriod(0, 1, "Etc/UTC")


def unpacked(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def metered(model: str, usage: TokenUsage) -> MeteredUsage:
    """Return usage as a record that is grouped by model and token type."""
    tokens = billable_tokens(usage)
    entries = tuple(
        GroupedValue({"model": canonical_text(model), "token_type": canonical_text(name)}, D(count))
        for name, count in tokens.items()
    )
    whole = D(sum(tokens.values()))
    breakdowns = {("model", "token_type"): entries}
    return MeteredUsage("r", "tokens", "ai", "u", "token", whole, PERIOD, breakdowns)


def priced(book: PriceBook, model: str, usage: TokenUsage) -> Decimal | None:
    """Return the exact amount of one request; ``None`` where something of it is unpriced."""
    rating = rate(book, [metered(model, usage)], period=PERIOD, customer="c")
    return None if rating.unpriced else sum((c.exact for c in rating.charges), D(0))


@needs_data
def test_recorded_costs_of_requests_are_reproduced():
    rows = list(csv.DictReader(unpacked(DATA / "aider_rating_vectors_a.csv.gz").splitlines()))
    counts = Counter(row["price_match"] for row in rows)
    key = [row for row in rows if row["price_match"] in ("effective", "backfilled")]
    assert (len(rows), dict(counts)) == (
        2669,
        {
            "effective": 1876,
            "backfilled": 542,
            "mismatch": 41,
            "no_price": 36,
            "zero_or_missing_cost": 174,
        },
    )

    text = unpacked(PRICES / "litellm_price_history_2024-01_2025-09.csv.gz")
    books = {name: versions(text, name) for name in {row["model"] for row in key}}
    found: Counter[bool] = Counter()
    for row in key:
        day = datetime.fromtimestamp(int(row["time_epoch_s"]), UTC).date()
        held = [book for book in books[row["model"]] if book.valid_from <= day]
        # The first price of a model was published after the event where it is backfilled.
        first = row["price_match"] == "backfilled" or not held
        book = books[row["model"]][0] if first else held[-1]
        usage = TokenUsage(int(row["prompt_tokens"]), int(row["completion_tokens"]))
        amount = priced(book, known_name(text, row["model"]), usage)
        found[amount == D(row["computed_cost_usd"])] += 1
    assert found == {True: 2418}


def known_name(text: str, model: str) -> str:
    """Return the name that the history has for a model: with the names of routers, or without."""
    parts = model.split("/")
    names = ["/".join(parts[place:]) for place in range(len(parts))]
    return next(name for name in names if f"\n{name}," in text)


def versions(text: str, model: str) -> list[PriceBook]:
    """Return the price books of a model, one for each day on which its prices changed."""
    wanted = PriceImport("litellm-history", "h", models=(known_name(text, model),))
    made = import_llm_prices(text, wanted, what="history").documents
    return [read_price_book(document) for document in made]


#: Which of the ways of reading an answer is the provider's own, by the shape of its counts.
def own_flavors(body: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    usage = body.get("usage") or {}
    if "usageMetadata" in body:
        return (("google", "default"),)
    if "inputTokens" in usage:
        return (("aws", "default"),)
    if "billed_units" in usage:
        return (("cohere", "default"),)
    if "prompt_tokens" in usage:
        details = usage.get("completion_tokens_details") or {}
        beside = usage["prompt_tokens"] + usage.get("completion_tokens", 0)
        reasoning = details.get("reasoning_tokens") or 0
        if reasoning and usage.get("total_tokens") == beside + reasoning:
            return (("x-ai", "chat"),)
        return (("openai", "chat"), ("openai", "embeddings"))
    if "cache_creation" in usage or "cache_read_input_tokens" in usage:
        return (("anthropic", "default"),)
    return (("openai", "responses"),)


NAMES = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_tokens": "cached",
    "cache_write_tokens": "cache_write",
    "output_reasoning_tokens": "reasoning",
    "input_audio_tokens": "audio_input",
    "output_audio_tokens": "audio_output",
    "cache_audio_read_tokens": "audio_cached",
}


def own_answers() -> list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Return the body, the counts and the prices that are of the provider's own way."""
    found = []
    for line in unpacked(DATA / "genai_prices_usage_vectors_a.jsonl.gz").splitlines():
        row = json.loads(line)
        for flavor in own_flavors(row["body"]):
            answers = [
                (row, answer["usage"], extractor)
                for answer in row["extracted"]
                for extractor in answer["extractors"]
                if (extractor["provider_id"], extractor["api_flavor"]) == flavor
            ]
            if answers:
                found.append(answers[0])
                break
    return found


@needs_data
def test_tokens_are_counted_as_others_count_them():
    answers = own_answers()
    differing = []
    for row, usage, _ in answers:
        ours = read_token_usage(row["body"])
        theirs = {NAMES[name]: count for name, count in usage.items() if name in NAMES}
        if {name: getattr(ours, name) for name in NAMES.values() if getattr(ours, name)} != theirs:
            differing.append((row["body"], usage, ours))
    assert differing == []
    assert len(answers) == 787  # of 789: two answers have no counts of their own provider


#: Models of which an answer costs something else there, and why.
DIFFERENT_PRICES = {
    "gemini-3-pro-image-preview": 1,  # tokens of images have a price of their own there
    "gemini-2.5-flash-image": 3,  # the same
    "claude-sonnet-4-5-20250929": 1,  # longer than 200,000 tokens: the import tells of such prices
}


@needs_data
def test_answers_cost_what_the_list_price_says():
    """Where another program's answer is a provider's list price, ours is the same amount."""
    text = unpacked(PRICES / "genai_prices_data.json.gz")
    asked: dict[str, set[str]] = {}
    cases = []
    for row, _, extractor in own_answers():
        provider = extractor["provider_id"]
        if "input_price" in extractor and row["model"]:
            asked.setdefault(provider, set()).add(row["model"])
            cases.append((provider, row, extractor))
    books = {
        provider: book_of_provider(text, provider, models) for provider, models in asked.items()
    }
    differing: Counter[str] = Counter()
    for provider, row, extractor in cases:
        theirs = D(extractor["input_price"]) + D(extractor.get("output_price", 0))
        ours = priced(books[provider], row["model"], read_token_usage(row["body"]))
        if ours != theirs:
            differing[row["model"]] += 1
    assert (len(cases), dict(differing)) == (542, DIFFERENT_PRICES)


def book_of_provider(text: str, provider: str, models: set[str]) -> PriceBook:
    wanted = PriceImport(
        "genai-prices",
        "g",
        models=tuple(sorted(models)),
        providers=(provider,),
        at=date(2026, 8, 1),
    )
    return read_price_book(import_llm_prices(text, wanted, what="prices").documents[0])


#: Vectors of other billing engines whose answer is another one here, and why.
DIFFERENT = {
    "genai-prices-026": "tokens of texts and images are not told apart from other tokens",
    "litellm-030": "a price is by the size of what it is for: of the output, not of the prompt",
}
#: Kinds that have no counterpart here.
WITHOUT = {
    "llm.normalise.model": "a model is known by the name that its records have",
    "llm.normalise.provider": "a provider is known by the name that its records have",
    "llm.off_peak": "prices do not depend on the time of day",
    "llm.off_peak.weekday": "prices do not depend on the day of the week",
    "llm.price.effective_date": "the vectors do not say their price books",
}
_TYPES = {"cache_read": "cached"}


def matrix(prices: dict[str, str], *, per: int) -> PriceBook:
    values = {"m": {_TYPES.get(name, name): price for name, price in prices.items()}}
    price = {"model": "matrix", "dimensions": ["model", "token_type"], "values": values}
    return read_price_book(book_of(price | {"per": per}, rounding={"unit_price_decimals": 18}))


def by_size(tiers: list[tuple[int | None, str]], *, per: int, tokens: int) -> Any:
    """Return the charge of tokens whose price is by their number."""
    bands = [{"up_to": up_to, "price": price} for up_to, price in tiers]
    book = read_price_book(book_of({"model": "volume", "tiers": bands, "per": per}))
    usage = MeteredUsage("r", "tokens", "ai", "u", "token", D(tokens), PERIOD)
    [charge] = rate(book, [usage], period=PERIOD, customer="c").charges
    return charge


def _unit_cost(given: dict[str, Any]) -> object:
    name = _TYPES.get(given["token_type"], given["token_type"])
    usage = {"input": 1} if name in ("input", "cached", "cache_write") else {"output": 1}
    one = TokenUsage(**usage | {name: 1})
    return {"unit_cost": priced(matrix(given["price_per_token"], per=1), "m", one)}


def _markup(given: dict[str, Any]) -> object:
    table = {
        "m": {
            "input_cost_per_token": float_free(given["price_per_mtok"]["input"]),
            "output_cost_per_token": float_free(given["price_per_mtok"]["output"]),
        }
    }
    factor = rounded_up(given["markup_percent"])
    wanted = PriceImport("litellm", "l", begin=date(2026, 1, 1), markup=factor)
    made = import_llm_prices(json.dumps(table), wanted, what="prices").documents[0]
    usage = TokenUsage(given["input_tokens"], given["output_tokens"])
    return {"amount": priced(read_price_book(made), "m", usage)}


def float_free(per_million: str) -> str:
    return f"{per_million}e-6"


def rounded_up(percent: str) -> Decimal:
    return D(f"1.{percent:0>2}")


def _price(given: dict[str, Any]) -> object:
    book, usage = matrix(given["price_per_mtok"], per=1_000_000), given["usage"]
    cached, written = usage["cache_read_tokens"], usage["cache_write_tokens"]
    read = TokenUsage(usage["input_tokens"], 0, cached=cached, cache_write=written)
    answered = TokenUsage(output=usage["output_tokens"])
    whole = TokenUsage(usage["input_tokens"], usage["output_tokens"], cached, written)
    parts = {"input": read, "output": answered, "total": whole}
    return {name: priced(book, "m", part) for name, part in parts.items()}


def _context_tier(given: dict[str, Any]) -> object:
    tiers = [(given["tier_start"], given["base_per_mtok"]), (None, given["above_per_mtok"])]
    return {"amount": by_size(tiers, per=1_000_000, tokens=given["tokens"]).exact}


def _tier_pick(given: dict[str, Any]) -> object:
    bounds = sorted(map(int, given["above"]))
    prices = [given["base"], *(given["above"][str(bound)] for bound in bounds)]
    tiers = list(zip([*bounds, None], prices, strict=True))
    return {"rate": by_size(tiers, per=1, tokens=given["prompt_tokens"]).parts[0].unit_price}


def _request_tier(given: dict[str, Any]) -> object:
    sizes = {"input": given["prompt_tokens"], "output": given["completion_tokens"]}
    return {
        name: by_size(
            [
                *((tier["range"][1], tier[name]) for tier in given["tiers"][:-1]),
                (None, given["tiers"][-1][name]),
            ],
            per=1,
            tokens=tokens,
        ).exact
        for name, tokens in sizes.items()
    }


def _modalities(given: dict[str, Any]) -> object:
    usage = given["usage"]
    counts = TokenUsage(output=usage["completion"], reasoning=usage["reasoning"])
    return {"output": priced(matrix(given["rates"], per=1), "m", counts)}


def _extracted(given: dict[str, Any]) -> object:
    usage = read_token_usage(given["usage"])
    names = {
        "input": "input",
        "output": "output",
        "reasoning": "reasoning",
        "cache_read": "cached",
        "input_audio": "audio_input",
        "output_audio": "audio_output",
        "cache_audio_read": "audio_cached",
    }
    return {name: count for name, ours in names.items() if (count := getattr(usage, ours))}


def _decomposed(given: dict[str, Any]) -> object:
    counts = {_TYPES.get(name, name): count for name, count in given["usage"].items()}
    leaf = billable_tokens(TokenUsage(**counts))
    theirs = {ours: name for name, ours in _TYPES.items()}
    return {"leaf": {theirs.get(name, name): count for name, count in leaf.items()}}


ADAPTERS = {
    "llm.unit_cost": _unit_cost,
    "llm.markup": _markup,
    "llm.price": _price,
    "llm.price.context_tier": _context_tier,
    "llm.price.context_tier_pick": _tier_pick,
    "llm.price.request_tier": _request_tier,
    "llm.price.modalities": _modalities,
    "llm.extract_usage": _extracted,
    "llm.decompose": _decomposed,
}


def vectors() -> list[dict[str, Any]]:
    if not PEERS.is_file():
        return []
    found = json.loads(PEERS.read_text("utf-8"))["vectors"]
    return [one for one in found if one["kind"].startswith("llm.") and not one.get("peer_quirk")]


def exact(value: Any) -> Any:
    """Return an answer with its texts of numbers as numbers."""
    if isinstance(value, dict):
        return {name: exact(part) for name, part in value.items()}
    return D(value) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "vector", [one for one in vectors() if one["kind"] in ADAPTERS], ids=lambda one: one["id"]
)
def test_what_others_expect_of_prices_of_tokens(vector):
    ours = ADAPTERS[vector["kind"]](vector["inputs"])

    assert (ours != exact(vector["expected"])) is (vector["id"] in DIFFERENT), ours


@needs_data
def test_each_kind_is_compared_or_has_a_reason():
    assert {one["kind"] for one in vectors()} == {*ADAPTERS, *WITHOUT}
