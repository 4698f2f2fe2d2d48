"""Atria Message: what requests to models took, in tokens; and its dataset.

A request has one row for itself and one for each of its stages. The stages add up to the request,
so that only rows without a stage become rows of the dataset: nobody can then count tokens twice.
What users wrote and models answered stays in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.datasets.cleaning import (
    Rejected,
    cleaned_rows,
    count_of,
    country_of,
    day_text,
    instant_of,
    needed,
    needed_count,
    text_of,
    time_text,
)
from meterhouse.datasets.log_rows import Layout, LogRow

DATASET = "Aura_Atria_Message"
COLUMNS = (
    "MESSAGE_ID",
    "MESSAGE_TM",
    "AURA_APP_ID",
    "COUNTRY_3_ALPHA_CD",
    "CORR_ID",
    "AURA_PRESET_NAME",
    "SESSION_ID",
    "STAGE_NAME",
    "STAGE_EXECUTION_NUM",
    "STAGE_SEQUENCE_NUM",
    "COMPLETION_TOKENS_NUM",
    "PROMPTS_TOKENS_NUM",
)
LAYOUT = Layout(COLUMNS, needed=len(COLUMNS), mark="CORR_ID")


@dataclass(frozen=True, slots=True)
class AtriaRow:
    """A cleaned row of Atria Message."""

    place: str
    at: Instant
    message_id: str
    correlation_id: str
    app: str | None
    country: str
    preset: str | None
    session: str | None
    stage: str | None
    stage_execution: int | None
    stage_sequence: int | None
    completion_tokens: int
    prompt_tokens: int

    def to_dataset(self) -> dict[str, JsonValue]:
        """Return the row of Aura_Atria_Message."""
        return {
            "MESSAGE_ID": self.message_id,
            "MESSAGE_TM": time_text(self.at),
            "AURA_APP_ID": self.app,
            "COUNTRY_3_ALPHA_CD": self.country,
            "CORR_ID": self.correlation_id,
            "AURA_PRESET_NAME": self.preset,
            "SESSION_ID": self.session,
            "STAGE_NAME": self.stage,
            "STAGE_EXECUTION_NUM": self.stage_execution or 0,
            "STAGE_SEQUENCE_NUM": self.stage_sequence or 0,
            "COMPLETION_TOKENS_NUM": self.completion_tokens,
            "PROMPTS_TOKENS_NUM": self.prompt_tokens,
            "DAY_DT": day_text(self.at),
        }


def read_atria_log(lines: Iterable[str], *, country: str) -> Iterator[AtriaRow | Rejected]:
    """Read a log of the OB of a country (alpha-3): each record becomes a row or is rejected."""
    return cleaned_rows(lines, LAYOUT, lambda row: _cleaned(row, country))


def _cleaned(row: LogRow, country: str) -> AtriaRow:
    return AtriaRow(
        row.place,
        instant_of(row, "MESSAGE_TM"),
        needed(row, "MESSAGE_ID"),
        needed(row, "CORR_ID"),
        text_of(row, "AURA_APP_ID"),
        country_of(row, "COUNTRY_3_ALPHA_CD", of_ob=country),
        text_of(row, "AURA_PRESET_NAME"),
        text_of(row, "SESSION_ID"),
        text_of(row, "STAGE_NAME"),
        count_of(row, "STAGE_EXECUTION_NUM"),
        count_of(row, "STAGE_SEQUENCE_NUM"),
        needed_count(row, "COMPLETION_TOKENS_NUM"),
        needed_count(row, "PROMPTS_TOKENS_NUM"),
    )
