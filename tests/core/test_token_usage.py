"""Tokens as providers report them, and as they are billed: each counted once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.problem import DefinitionError
from meterhouse.core.token_usage import TokenUsage, billable_tokens, read_token_usage

COUNTS = st.integers(0, 10**9)


@pytest.mark.parametrize(
    ("block", "usage"),
    [
        (
            {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.cache_read.input_tokens": 250},
            TokenUsage(1000, cached=250),
        ),
        (
            {"gen_ai.usage.prompt_tokens": 10, "gen_ai.usage.completion_tokens": 5},
            TokenUsage(10, 5),
        ),
        (
            {
                "gen_ai.usage.input_tokens": 9,
                "gen_ai.usage.cache_creation.input_tokens": 4,
                "gen_ai.usage.output_tokens": 7,
                "gen_ai.usage.reasoning.output_tokens": 3,
            },
            TokenUsage(9, 7, cache_write=4, reasoning=3),
        ),
        (
            {
                "gen_ai.client.inference.usage.input_tokens": 9,
                "gen_ai.client.inference.usage.cache_write.input_tokens": 4,
            },
            TokenUsage(9, cache_write=4),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 200,
                "prompt_tokens_details": {"cached_tokens": None, "audio_tokens": 20},
                "completion_tokens_details": {"reasoning_tokens": 120, "audio_tokens": 5},
                "total_tokens": 300,
            },
            TokenUsage(100, 200, reasoning=120, audio_input=20, audio_output=5),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 20,
                "completion_tokens_details": {"reasoning_tokens": 30},
                "total_tokens": 60,
            },
            TokenUsage(10, 50, reasoning=30),
        ),
        (
            {
                "input_tokens": 9,
                "input_tokens_details": {"cached_tokens": 5},
                "output_tokens": 8,
                "output_tokens_details": {"reasoning_tokens": 6},
            },
            TokenUsage(9, 8, cached=5, reasoning=6),
        ),
        (
            {
                "input_tokens": 3,
                "cache_creation_input_tokens": 418,
                "cache_read_input_tokens": 1111,
                "output_tokens": 33,
            },
            TokenUsage(1532, 33, cached=1111, cache_write=418),
        ),
        (
            {
                "usageMetadata": {
                    "promptTokenCount": 345,
                    "toolUsePromptTokenCount": 5,
                    "cachedContentTokenCount": 191,
                    "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 11}],
                    "promptTokensDetails": [
                        {"modality": "TEXT", "tokenCount": 300},
                        {"modality": "AUDIO", "tokenCount": 45},
                    ],
                    "candidatesTokenCount": 70,
                    "thoughtsTokenCount": 98,
                }
            },
            TokenUsage(350, 168, cached=191, reasoning=98, audio_input=45, audio_cached=11),
        ),
        (
            {"usage": {"inputTokens": 22, "cacheWriteInputTokens": 2492, "outputTokens": 13}},
            TokenUsage(2514, 13, cache_write=2492),
        ),
        ({"usage": {"billed_units": {"input_tokens": 4, "output_tokens": 2}}}, TokenUsage(4, 2)),
    ],
)
def test_what_providers_report_is_read(block, usage):
    assert read_token_usage(block) == usage


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (5, "is 5, not an object"),
        ({}, "has none of the known counts, but nothing"),
        ({"tokens": 5, "x": 1}, "has none of the known counts, but tokens, x"),
        ({"prompt_tokens": -1}, "prompt_tokens: is -1, not a number of tokens"),
        ({"prompt_tokens": "5"}, 'prompt_tokens: is "5", not a number of tokens'),
        ({"prompt_tokens": True}, "prompt_tokens: is true, not a number of tokens"),
    ],
)
def test_what_is_no_usage_is_refused(block: Any, problem: str):
    with pytest.raises(DefinitionError) as caught:
        read_token_usage(block)

    assert str(caught.value.problems[0]).startswith(problem)


def test_parts_that_are_more_than_the_whole_are_refused():
    with pytest.raises(DefinitionError, match="more tokens are parts of input than there are"):
        billable_tokens(TokenUsage(input=10, cached=11))


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_each_token_is_billed_once(text, cached, written, heard, again, answer, thought, spoken):
    usage = TokenUsage(
        input=text + cached + written + heard + again,
        output=answer + thought + spoken,
        cached=cached + again,
        cache_write=written,
        reasoning=thought,
        audio_input=heard + again,
        audio_cached=again,
        audio_output=spoken,
    )
    billed = billable_tokens(usage)

    assert sum(billed.values()) == usage.input + usage.output
    assert billed == {
        name: count
        for name, count in {
            "input": text,
            "cached": cached,
            "cache_write": written,
            "output": answer,
            "reasoning": thought,
            "audio_input": heard,
            "audio_cached": again,
            "audio_output": spoken,
        }.items()
        if count
    }
