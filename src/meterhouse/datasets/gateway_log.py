"""Gateway Message: the log of aura-gateway-api, one row a request; and its dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.datasets.cleaning import (
    Rejected,
    boolean_of,
    cleaned_rows,
    country_of,
    day_text,
    instant_of,
    needed,
    text_of,
    time_text,
)
from meterhouse.datasets.log_rows import Layout, LogRow

DATASET = "Aura_Gateway_Message"
COLUMNS = (
    "MESSAGE_ID",
    "MESSAGE_TM",
    "AURA_APP_ID",
    "COUNTRY_3_ALPHA_CD",
    "CORR_ID",
    "AURA_NLP_IND",
    "AURA_PRESET_NAME",
    "AURA_COMPONENT_HOST_ID",
    "AURA_COMPONENT_ID",
    "AURA_VERSION_ID",
    "DAY_DT",
)
#: The day is that of the instant, so that a row may be without one.
LAYOUT = Layout(COLUMNS, needed=COLUMNS.index("DAY_DT"), mark="CORR_ID")
#: Stands for a host or a version that a log does not tell: neither has to do with billing.
UNTOLD = "unknown"


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """A cleaned row of Gateway Message."""

    place: str
    at: Instant
    message_id: str
    correlation_id: str
    app: str | None
    country: str
    is_nlp: bool
    preset: str | None
    host: str | None
    component: str
    version: str | None

    def to_dataset(self) -> dict[str, JsonValue]:
        """Return the row of Aura_Gateway_Message."""
        return {
            "MESSAGE_ID": self.message_id,
            "MESSAGE_TM": time_text(self.at),
            "AURA_APP_ID": self.app,
            "COUNTRY_3_ALPHA_CD": self.country,
            "CORR_ID": self.correlation_id,
            "AURA_NLP_IND": self.is_nlp,
            "AURA_PRESET_NAME": self.preset,
            "AURA_COMPONENT_HOST_ID": self.host or UNTOLD,
            "AURA_COMPONENT_ID": self.component,
            "AURA_VERSION_ID": self.version or UNTOLD,
            "DAY_DT": day_text(self.at),
        }


def read_gateway_log(lines: Iterable[str], *, country: str) -> Iterator[GatewayRow | Rejected]:
    """Read a log of the OB of a country (alpha-3): each record becomes a row or is rejected."""
    return cleaned_rows(lines, LAYOUT, lambda row: _cleaned(row, country))


def _cleaned(row: LogRow, country: str) -> GatewayRow:
    return GatewayRow(
        row.place,
        instant_of(row, "MESSAGE_TM"),
        needed(row, "MESSAGE_ID"),
        needed(row, "CORR_ID"),
        text_of(row, "AURA_APP_ID"),
        country_of(row, "COUNTRY_3_ALPHA_CD", of_ob=country),
        boolean_of(row, "AURA_NLP_IND"),
        text_of(row, "AURA_PRESET_NAME"),
        text_of(row, "AURA_COMPONENT_HOST_ID"),
        needed(row, "AURA_COMPONENT_ID"),
        text_of(row, "AURA_VERSION_ID"),
    )
