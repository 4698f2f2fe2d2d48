"""Published prices of language models become price books: a matrix of models and token types.

Three formats: LiteLLM's table (JSON), its history (CSV, dated) and genai-prices (JSON, in part
dated). Prices are those of the file's text, times a million tokens. What a plain matrix cannot say
(prices by length of the request, by second, by image) is told as a notice.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, DecimalException
from fnmatch import fnmatchcase
from typing import Any

from meterhouse.app.billing.price_import import ImportedPrices, PriceImport
from meterhouse.core.json_text import parse_json
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.quantity import EXACT, fraction_digits, number_from_text, number_text
from meterhouse.core.reading import shown
from meterhouse.core.token_usage import TOKEN_TYPES

_MILLION = Decimal(1_000_000)
_DIGITS_MAX = 18
_SHOWN_MAX = 3
_LITELLM = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cached",
    "cache_creation_input_token_cost": "cache_write",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "audio_input",
    "cache_read_input_audio_token_cost": "audio_cached",
    "output_cost_per_audio_token": "audio_output",
}
_GENAI = {
    "input_mtok": "input",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
    "output_mtok": "output",
    "input_audio_mtok": "audio_input",
    "cache_audio_read_mtok": "audio_cached",
    "output_audio_mtok": "audio_output",
}
#: What a file of another kind can lead to.
_FAULTS = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, csv.Error)
#: What the csv module reads by itself.
_FIELD_CHARS_MAX = 131_072
#: Prices of a model by token type, for a million tokens.
_Prices = dict[str, Decimal]


@dataclass(slots=True)
class _Sheet:
    """What a file says: by model, its prices and the day from which they hold (if it is known)."""

    prices: dict[str, list[tuple[date | None, _Prices]]] = field(default_factory=dict)
    #: what cannot be said -> the models of which it is so
    left_out: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, model: str, begin: date | None, prices: _Prices) -> None:
        if prices:
            self.prices.setdefault(model, []).append((begin, prices))
        else:
            self.leave(model, "no price per token")

    def leave(self, model: str, what: str) -> None:
        self.left_out.setdefault(what, Counter())[model] += 1


def import_llm_prices(text: str, wanted: PriceImport, *, what: str) -> ImportedPrices:
    """Make price books of a file. Raises ``DefinitionError``; ``what`` names the file."""
    try:
        sheet = _READERS[wanted.format](text, wanted)
    except _FAULTS as error:
        hint = f"it should be of the format {wanted.format}"
        problem = Problem("", f"cannot be read: {_fault(error)}", hint)
        raise DefinitionError([problem], what=what) from error
    if not sheet.prices:
        hint = "--models takes names or patterns, such as 'gpt-4o*'"
        raise DefinitionError([Problem("", "has no prices of these models", hint)], what=what)
    begins = _begins(sheet, wanted)
    documents = [_document(sheet, wanted, begin, what=what) for begin in begins]
    return ImportedPrices(tuple(documents), tuple(_notices(sheet)))


def _fault(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    if isinstance(error, DecimalException):
        return "a price has more digits than can be computed exactly (80)"
    told = ValueError, OverflowError, csv.Error
    return str(error) if isinstance(error, told) else "its values are of other kinds"


def _begins(sheet: _Sheet, wanted: PriceImport) -> list[date]:
    if wanted.at is not None or wanted.begin is not None:
        return [wanted.begin or wanted.at or date.min]
    days = {begin for held in sheet.prices.values() for begin, _ in held if begin is not None}
    undated = any(begin is None for held in sheet.prices.values() for begin, _ in held)
    if undated and not days:
        hint = "say from when they hold: --from 2026-01-01"
        raise DefinitionError([Problem("", "says no dates", hint)], what="The file")
    return sorted(days)


def _values(
    sheet: _Sheet, wanted: PriceImport, at: date, *, what: str
) -> dict[str, dict[str, str]]:
    """Return the prices of models at a day. Raises ``DefinitionError`` where there are none."""
    values: dict[str, dict[str, str]] = {}
    for model, held in sorted(sheet.prices.items()):
        since = [prices for day, prices in held if day is None or day <= at]
        if since:
            try:
                values[model] = _cells(since[-1], wanted.markup)
            except DecimalException:
                message = f"has prices of {model} that, times {wanted.markup}, are too many digits"
                problem = Problem("", message, "80 digits are computed: take another markup")
                raise DefinitionError([problem], what=what) from None
    if not values:
        first = min(day for held in sheet.prices.values() for day, _ in held if day is not None)
        problem = Problem("", f"has no prices of {at} yet", f"its first ones are of {first}")
        raise DefinitionError([problem], what=what)
    return values


def _document(sheet: _Sheet, wanted: PriceImport, begin: date, *, what: str) -> dict[str, Any]:
    values = _values(sheet, wanted, wanted.at or begin, what=what)
    digits = max(
        fraction_digits(Decimal(cell)) for cells in values.values() for cell in cells.values()
    )
    price = {
        "sku": "llm/tokens",
        "name": "Tokens of language models",
        "unit": "token",
        "per": 1_000_000,
        "model": "matrix",
        "dimensions": ["model", "token_type"],
        "values": values,
        "default": None,
    }
    document = {
        "id": wanted.id,
        "version": begin.isoformat(),
        "currency": wanted.currency,
        "valid": {"from": begin.isoformat(), "to": None},
        "timezone": "Etc/UTC",
        "invoicing_model": "token_based",
        "rounding": {"unit_price_decimals": max(digits, 12)},
        "prices": [price],
    }
    return document if wanted.customer is None else document | {"customer": wanted.customer}


def _cells(prices: _Prices, markup: Decimal) -> dict[str, str]:
    """Return a price for each type: one without a price costs as what it is a part of."""
    cells = {}
    for name in TOKEN_TYPES:
        known: str | None = name
        while known is not None and known not in prices:
            known = TOKEN_TYPES[known]
        if known is not None:
            cells[name] = number_text(EXACT.multiply(prices[known], markup))
    return cells


def _notices(sheet: _Sheet) -> Iterator[str]:
    for what, models in sorted(sheet.left_out.items()):
        named = ", ".join(sorted(models)[:_SHOWN_MAX])
        more = f" and {len(models) - _SHOWN_MAX:,} more" if len(models) > _SHOWN_MAX else ""
        yield f"left out: {what}, of {named}{more}"


def _is_wanted(model: str, provider: str, wanted: PriceImport) -> bool:
    if wanted.providers and provider not in wanted.providers:
        return False
    return not wanted.models or any(fnmatchcase(model, pattern) for pattern in wanted.models)


def _of_litellm(text: str, wanted: PriceImport) -> _Sheet:
    sheet = _Sheet()
    for model, about in parse_json(text).items():
        if _is_wanted(model, str(about.get("litellm_provider")), wanted):
            sheet.add(model, None, _litellm_prices(sheet, model, about))
    return sheet


def _litellm_prices(sheet: _Sheet, model: str, about: Mapping[str, Any]) -> _Prices:
    prices: _Prices = {}
    for name, value in about.items():
        if "cost" not in name and "pricing" not in name:
            continue
        if value in (None, ""):
            continue
        if name in _LITELLM:
            price = EXACT.multiply(_exact(value), _MILLION)
            _put(sheet, model, prices, (name, _LITELLM[name], price))
        elif value:
            sheet.leave(model, name)
    return prices


def _put(sheet: _Sheet, model: str, prices: _Prices, price: tuple[str, str, Decimal]) -> None:
    name, type_, value = price
    if value < 0 or fraction_digits(value) > _DIGITS_MAX:
        sheet.leave(model, f"{name} {number_text(value)} for a million")
    else:
        prices[type_] = value


def _exact(value: object) -> Decimal:
    number = number_from_text(value) if isinstance(value, str) else value
    if isinstance(number, int | Decimal) and not isinstance(number, bool):
        return Decimal(number)
    raise ValueError(f"{shown(value)} is no price")


def _of_litellm_history(text: str, wanted: PriceImport) -> _Sheet:
    """Read rows in the order of their days: each holds all prices of a model from then on."""
    sheet = _Sheet()
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["effective_from"]]
    longest = max((len(field or "") for row in rows for field in row.values()), default=0)
    if longest > _FIELD_CHARS_MAX:
        # The limit of the csv module is the whole process's: others may have raised it.
        raise ValueError(f"a field has {longest} characters: the field limit is {_FIELD_CHARS_MAX}")
    for row in sorted(rows, key=lambda row: _moment(row["effective_from"])):
        model = row["model"]
        if _is_wanted(model, row["provider"], wanted):
            begin = _moment(row["effective_from"]).date()
            sheet.add(model, begin, _litellm_prices(sheet, model, row))
    return sheet


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _of_genai(text: str, wanted: PriceImport) -> _Sheet:
    sheet = _Sheet()
    for provider in parse_json(text):
        if wanted.providers and provider["id"] not in wanted.providers:
            continue
        for model in provider["models"]:
            for name in _genai_names(model, wanted):
                # Two providers may have one name: then it is told by its provider too.
                key = name if len(wanted.providers) == 1 else f"{provider['id']}/{name}"
                _add_genai(sheet, key, model["prices"])
    return sheet


def _genai_names(model: Mapping[str, Any], wanted: PriceImport) -> list[str]:
    if not wanted.models:
        return [model["id"]]
    names = [name for name in wanted.models if matches(model["match"], name)]
    by_id = [p for p in wanted.models if p not in names and fnmatchcase(model["id"], p)]
    return names + ([model["id"]] if by_id else [])


def _add_genai(sheet: _Sheet, key: str, prices: Any) -> None:
    if key in sheet.prices:
        return  # The first model whose rules fit is meant.
    dated = prices if isinstance(prices, list) else [{"prices": prices}]
    held = []
    for item in dated:
        constraint = item.get("constraint") or {}
        if set(constraint) - {"start_date"}:
            sheet.leave(key, "prices by time of day")
            continue
        start = constraint.get("start_date")
        day = None if start is None else date.fromisoformat(start)
        held.append((day, _genai_prices(sheet, key, item["prices"])))
    for day, found in sorted(held, key=lambda item: item[0] or date.min):
        sheet.add(key, day, found)


def _genai_prices(sheet: _Sheet, model: str, given: Mapping[str, Any]) -> _Prices:
    prices: _Prices = {}
    for name, value in given.items():
        if name not in _GENAI:
            sheet.leave(model, name)
            continue
        if isinstance(value, Mapping):
            sheet.leave(model, f"{name} of longer requests")
            value = value["base"]
        _put(sheet, model, prices, (name, _GENAI[name], _exact(value)))
    return prices


def matches(rule: Mapping[str, Any], name: str) -> bool:
    """Whether a rule of genai-prices holds for a model's name."""
    [(kind, wanted)] = rule.items()
    if kind in ("or", "and"):
        found = (matches(part, name) for part in wanted)
        return any(found) if kind == "or" else all(found)
    lower = name.lower()
    if kind == "regex":
        return _fits(wanted, lower)
    tests = {
        "equals": lower.__eq__,
        "starts_with": lower.startswith,
        "ends_with": lower.endswith,
        "contains": lower.__contains__,
    }
    return bool(tests[kind](wanted.lower()))


def _fits(pattern: str, name: str) -> bool:
    """Whether a pattern of a file fits: in time that grows as the name does, whatever it is."""
    import polars as pl

    try:
        return bool(pl.Series([name]).str.contains(pattern).item())
    except pl.exceptions.ComputeError as error:
        raise ValueError(f"the regex {shown(pattern)} is none") from error


_READERS = {
    "litellm": _of_litellm,
    "litellm-history": _of_litellm_history,
    "genai-prices": _of_genai,
}
