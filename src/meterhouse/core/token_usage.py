"""Tokens of language models: what providers report, as types that do not overlap.

Providers count in two ways. Most include cached tokens in the input and reasoning in the output
(OpenAI, Google, OpenTelemetry's ``gen_ai.usage``); Anthropic's and Bedrock's input leaves the
cached ones out. Read either way, ``TokenUsage`` includes them, and ``billable_tokens`` counts each
once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from meterhouse.core.json_text import nested_value
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import shown

#: The types, and which one costs as much where a type has no price of its own.
TOKEN_TYPES: Mapping[str, str | None] = {
    "input": None,
    "cached": "input",
    "cache_write": "input",
    "output": None,
    "reasoning": "output",
    "audio_input": "input",
    "audio_cached": "audio_input",
    "audio_output": "output",
}
_OTEL = ("gen_ai.usage.", "gen_ai.client.inference.usage.")
_WRAPPED = ("usage", "usageMetadata")


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of a request. ``input`` and ``output`` include all the others."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_cached: int = 0
    audio_output: int = 0


def billable_tokens(usage: TokenUsage) -> dict[str, int]:
    """Return tokens by type, each counted once; types without tokens are left out.

    >>> billable_tokens(TokenUsage(input=1000, cached=250, output=80, reasoning=30))
    {'input': 750, 'cached': 250, 'output': 50, 'reasoning': 30}
    """
    counts = {
        "input": usage.input
        - usage.cached
        - usage.cache_write
        # Cached audio is audio and cached: taken off once.
        - (usage.audio_input - usage.audio_cached),
        "cached": usage.cached - usage.audio_cached,
        "cache_write": usage.cache_write,
        "output": usage.output - usage.reasoning - usage.audio_output,
        "reasoning": usage.reasoning,
        "audio_input": usage.audio_input - usage.audio_cached,
        "audio_cached": usage.audio_cached,
        "audio_output": usage.audio_output,
    }
    if wrong := [name for name, count in counts.items() if count < 0]:
        message = f"more tokens are parts of {wrong[0]} than there are"
        hint = "cached tokens are included in the input, reasoning in the output"
        raise DefinitionError([Problem(wrong[0], message, hint)], what="The usage of tokens")
    return {name: count for name, count in counts.items() if count}


def read_token_usage(block: object) -> TokenUsage:
    """Read what a provider reports: the usage block of an answer, or attributes of OpenTelemetry.

    Raises ``DefinitionError`` where it is none of those that are known.
    """
    inner = block
    for name in _WRAPPED:
        if isinstance(block, Mapping) and isinstance(block.get(name), Mapping):
            inner = block[name]
    if not isinstance(inner, Mapping):
        raise _refused("", f"is {shown(block)}, not an object")
    counts = _Counts(inner)
    for prefix in _OTEL:
        if any(str(key).startswith(prefix) for key in inner):
            return _of_otel(counts, prefix)
    for names, reader in _READERS.items():
        if any(inner.get(name) is not None for name in names):
            return reader(counts)
    known = ", ".join(map(str, list(inner)[:10]))
    raise _refused("", f"has none of the known counts, but {known or 'nothing'}")


class _Counts:
    """Reads whole numbers; what is absent or ``null`` is 0."""

    def __init__(self, block: Mapping[str, Any]) -> None:
        self.block = block

    def of(self, *names: str) -> int:
        """Return the first of several counts that is there. Dots lead into objects."""
        for name in names:
            value = self.block.get(name)
            value = nested_value(self.block, name.split(".")) if value is None else value
            if value is not None:
                return _count(name, value)
        return 0

    def of_modality(self, name: str, modality: str) -> int:
        """Return the tokens of one modality in a list of details."""
        details = self.block.get(name)
        found = 0
        for detail in details if isinstance(details, list) else []:
            if isinstance(detail, Mapping) and detail.get("modality") == modality:
                found += _count(name, detail.get("tokenCount", 0))
        return found


def _count(name: str, value: object) -> int:
    whole = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if not whole or not isinstance(value, int | Decimal) or value < 0 or value != int(value):
        raise _refused(name, f"is {shown(value)}, not a number of tokens")
    return int(value)


def _of_otel(counts: _Counts, prefix: str) -> TokenUsage:
    def of(*names: str) -> int:
        return counts.of(*(prefix + name for name in names))

    return TokenUsage(
        input=of("input_tokens", "prompt_tokens"),
        output=of("output_tokens", "completion_tokens"),
        cached=of("cache_read.input_tokens"),
        cache_write=of("cache_write.input_tokens", "cache_creation.input_tokens"),
        reasoning=of("reasoning.output_tokens"),
    )


def _of_google(counts: _Counts) -> TokenUsage:
    reasoning = counts.of("thoughtsTokenCount")
    return TokenUsage(
        input=counts.of("promptTokenCount") + counts.of("toolUsePromptTokenCount"),
        output=counts.of("candidatesTokenCount") + reasoning,
        cached=counts.of("cachedContentTokenCount"),
        reasoning=reasoning,
        audio_input=counts.of_modality("promptTokensDetails", "AUDIO")
        + counts.of_modality("toolUsePromptTokensDetails", "AUDIO"),
        audio_cached=counts.of_modality("cacheTokensDetails", "AUDIO"),
        audio_output=counts.of_modality("candidatesTokensDetails", "AUDIO"),
    )


def _of_bedrock(counts: _Counts) -> TokenUsage:
    cached, cache_write = counts.of("cacheReadInputTokens"), counts.of("cacheWriteInputTokens")
    return TokenUsage(
        input=counts.of("inputTokens") + cached + cache_write,
        output=counts.of("outputTokens"),
        cached=cached,
        cache_write=cache_write,
    )


def _of_chat(counts: _Counts) -> TokenUsage:
    input_, output = counts.of("prompt_tokens"), counts.of("completion_tokens")
    reasoning = counts.of("completion_tokens_details.reasoning_tokens")
    total = counts.of("total_tokens")
    if total and total == input_ + output + reasoning:
        output += reasoning  # Some count it beside the answer; the total tells.
    return TokenUsage(
        input=input_,
        output=output,
        cached=counts.of("prompt_tokens_details.cached_tokens", "cached_tokens"),
        cache_write=counts.of("prompt_tokens_details.cache_write_tokens"),
        reasoning=reasoning,
        audio_input=counts.of("prompt_tokens_details.audio_tokens"),
        audio_output=counts.of("completion_tokens_details.audio_tokens"),
    )


def _of_messages(counts: _Counts) -> TokenUsage:
    """Anthropic's, whose input leaves cached tokens out, or OpenAI's responses."""
    beside = counts.of("cache_read_input_tokens"), counts.of("cache_creation_input_tokens")
    return TokenUsage(
        input=counts.of("input_tokens") + sum(beside),
        output=counts.of("output_tokens"),
        cached=beside[0] + _of_details(counts, "cached_tokens"),
        cache_write=beside[1] + _of_details(counts, "cache_write_tokens"),
        reasoning=counts.of(
            "output_tokens_details.reasoning_tokens", "output_tokens_details.thinking_tokens"
        ),
        audio_input=_of_details(counts, "audio_tokens"),
        audio_cached=_of_details(counts, "cached_tokens_details.audio_tokens"),
        audio_output=counts.of(
            "output_tokens_details.audio_tokens", "output_token_details.audio_tokens"
        ),
    )


def _of_cohere(counts: _Counts) -> TokenUsage:
    return TokenUsage(
        counts.of("billed_units.input_tokens"), counts.of("billed_units.output_tokens")
    )


def _of_details(counts: _Counts, name: str) -> int:
    return counts.of(f"input_tokens_details.{name}", f"input_token_details.{name}")


def _refused(place: str, message: str) -> DefinitionError:
    hint = "give the usage block of OpenAI, Anthropic, Google or Bedrock, or gen_ai attributes"
    return DefinitionError([Problem(place, message, hint)], what="The usage of tokens")


#: The counts by which a provider's block is known.
_READERS: Mapping[tuple[str, ...], Callable[[_Counts], TokenUsage]] = {
    ("promptTokenCount", "candidatesTokenCount"): _of_google,
    ("inputTokens", "outputTokens"): _of_bedrock,
    ("prompt_tokens", "completion_tokens"): _of_chat,
    ("input_tokens", "output_tokens"): _of_messages,
    ("billed_units",): _of_cohere,
}
assert {field.name for field in fields(TokenUsage)} == set(TOKEN_TYPES)
