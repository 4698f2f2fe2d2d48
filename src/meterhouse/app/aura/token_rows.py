"""What became of rows of tokens, and how many requests have none.

Theory of operation. The stream of tokens counts its rows beside the tokens in them: requests, the
stages of requests, duplicates; and interactions, each once. So rows of the catalogue are held
against rows that were metered, as those of ``Aura_Audit`` are. A request without tokens is never
estimated, only told: queries of the service ``ai`` are at one component one for each interaction,
so that what the component with most of them has beyond the interactions with tokens has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from meterhouse.core.charge import MeteredUsage
from meterhouse.core.json_text import json_text
from meterhouse.core.price_book import Included, Price, PriceBook
from meterhouse.core.quantity import EXACT, ZERO

#: The dataset of tokens, and the category of the meters that count its rows.
TOKENS, TOKEN_REQUESTS = "Aura_Atria_Message", "Token requests"
DUPLICATES = "Duplicates"
_SERVICE = "ai"
_PRICED = json_text("Tokens")
_UNIT = "token"
_RULES = "guidingRules"


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Rows of tokens of a business and a month, and what they were metered as.

    ``interactions`` are those with tokens, ``asked`` those with queries of the service ``ai``.
    """

    rows: int = 0
    requests: Decimal = ZERO
    stages: Decimal = ZERO
    duplicates: Decimal = ZERO
    interactions: Decimal = ZERO
    asked: Decimal = ZERO

    @property
    def missing(self) -> Decimal:
        """How many rows were metered as nothing; below 0: how many are too many."""
        known = EXACT.add(EXACT.add(self.requests, self.stages), self.duplicates)
        return EXACT.subtract(Decimal(self.rows), known)

    @property
    def without(self) -> Decimal:
        """How many requests have no tokens, at least."""
        return max(EXACT.subtract(self.asked, self.interactions), ZERO)


def token_rows(usage: Iterable[MeteredUsage], *, rows: int) -> TokenRows:
    """Return what became of rows of tokens; ``usage`` is all of a business and a month."""
    kinds: dict[str, Decimal] = {}
    components: dict[str, Decimal] = {}
    duplicates = ZERO
    for one in usage:
        if one.category == TOKEN_REQUESTS:
            _add(kinds, _by(one, "kind"))
        elif one.category == DUPLICATES:
            duplicates = EXACT.add(duplicates, token_duplicates(one))
        elif one.category == _SERVICE:
            _add(components, _by(one, "component"))
    return TokenRows(
        rows,
        requests=kinds.get(json_text("request"), ZERO),
        stages=kinds.get(json_text("stage"), ZERO),
        duplicates=duplicates,
        interactions=kinds.get(json_text("interaction"), ZERO),
        asked=max(components.values(), default=ZERO),
    )


def token_duplicates(usage: MeteredUsage) -> Decimal:
    """Return how many duplicates are rows of tokens: those of audited rows name no dataset."""
    return _by(usage, "dataset").get(json_text(TOKENS), ZERO)


def _by(usage: MeteredUsage, name: str) -> Mapping[str, Decimal]:
    """Return usage by the values of a field, which are JSON texts; nothing where it has none."""
    section = next((fields for fields in usage.breakdowns if name in fields), None)
    found: dict[str, Decimal] = {}
    for entry in () if section is None else usage.breakdowns[section]:
        _add(found, {entry.fields[name]: entry.value})
    return found


def _add(sums: dict[str, Decimal], more: Mapping[str, Decimal]) -> None:
    for key, value in more.items():
        sums[key] = EXACT.add(sums.get(key, ZERO), value)


def counts_rows(nodes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a stream counts rows of tokens: those that were made once may not."""
    rules = (rule for node in nodes for rule in node["params"].get(_RULES) or ())
    return any(rule.get("matchCategory") == TOKEN_REQUESTS for rule in rules)


def prices_tokens(book: PriceBook) -> bool:
    """Whether a price book has a price of tokens that is none of its being included."""
    return any(_is_of_tokens(one) for one in book.prices if not isinstance(one.model, Included))


def _is_of_tokens(price: Price) -> bool:
    named = (price.match.fields.get(name, ()) for name in ("category", "meter_type"))
    return price.unit == _UNIT or any(_PRICED in values for values in named)
