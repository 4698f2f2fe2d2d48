"""Aura_Audit, derived: one row for each interaction and component that handled it.

Decides what one request is. At aura-groot that is a message that comes in (the action is a
setting), once for each correlation id, and never an event; at the gateway it is each row. Of rows
with one key the earliest stays. Whatever becomes no row is counted, by reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from meterhouse.core.json_text import JsonValue
from meterhouse.datasets.cleaning import day_text, time_text
from meterhouse.datasets.gateway_log import GatewayRow
from meterhouse.datasets.groot_log import GrootRow

DATASET = "Aura_Audit"
KEY = ("INTERACTION_ID", "AURA_COMPONENT_ID")
#: Fields by which two rows of one key contradict each other. Their instants may differ.
COMPARED = (
    "AURA_CHANNEL_ID",
    "AURA_APP_ID",
    "COUNTRY_3_ALPHA_CD",
    "AURA_SERVICE_NAME_CD",
    "AURA_PRESET_NAME",
)
GROOT = "aura-groot"
EVENT = "event"
_ACTIONS = frozenset({"send", "receive", EVENT, "audit"})
_CONFLICTS_SHOWN = 100

DatasetRow = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class AuditRules:
    """What counts as one request.

    ``action`` is that of Groot Message which counts. ``by_message`` takes the message's own id as
    the id of the interaction, instead of the correlation id.
    """

    action: str = "receive"
    by_message: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """What ids stand behind names: channels by name, names of components by UUID."""

    channels: Mapping[str, str] = field(default_factory=dict)
    components: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotBilled:
    """Why a cleaned row is no request of its own."""

    reason: str


def audit_of_groot(row: GrootRow, names: Names, *, rules: AuditRules) -> DatasetRow | NotBilled:
    """Return the row of Aura_Audit of a message at aura-groot, unless it is no request.

    >>> row = GrootRow("line 2", 0, "m", "c", "event", None, "ESP", None)
    >>> audit_of_groot(row, Names(), rules=AuditRules())
    NotBilled(reason='action event')
    """
    if row.action != rules.action or row.action == EVENT:
        return NotBilled(f"action {row.action}" if row.action in _ACTIONS else "action other")
    return {
        "INTERACTION_ID": row.message_id if rules.by_message else row.correlation_id,
        "AURA_TM": time_text(row.at),
        "AURA_CHANNEL_ID": names.channels.get(row.channel) if row.channel else None,
        "AURA_APP_ID": None,
        "COUNTRY_3_ALPHA_CD": row.country,
        "AURA_SERVICE_NAME_CD": "message",
        "AURA_PRESET_NAME": None,
        "AURA_COMPONENT_ID": GROOT,
        "AURA_VERSION_ID": row.version,
        "DAY_DT": day_text(row.at),
    }


def audit_of_gateway(row: GatewayRow, names: Names, *, rules: AuditRules) -> DatasetRow:
    """Return the row of Aura_Audit of a request at the gateway.

    >>> row = GatewayRow("line 1", 0, "m", "c", "app", "ESP", True, None, None, "gw", None)
    >>> audit_of_gateway(row, Names(), rules=AuditRules())["AURA_SERVICE_NAME_CD"]
    'nlpaas'
    """
    return {
        "INTERACTION_ID": row.message_id if rules.by_message else row.correlation_id,
        "AURA_TM": time_text(row.at),
        "AURA_CHANNEL_ID": None,
        "AURA_APP_ID": row.app,
        "COUNTRY_3_ALPHA_CD": row.country,
        "AURA_SERVICE_NAME_CD": "nlpaas" if row.is_nlp else "ai",
        "AURA_PRESET_NAME": None if row.is_nlp else row.preset,
        "AURA_COMPONENT_ID": names.components.get(row.component, row.component),
        "AURA_VERSION_ID": row.version,
        "DAY_DT": day_text(row.at),
    }


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows with one for each key, in the order of their instants; what others were.

    ``conflicts`` are keys of which rows contradict each other, the first of them.
    """

    rows: list[DatasetRow]
    identical: int
    conflicting: int
    conflicts: tuple[tuple[JsonValue, ...], ...]


class Earliest:
    """Rows of one dataset by key; of those with one key the earliest stays, and the first of these.

    >>> earliest = Earliest(("K",), time="T", compared=("V",))
    >>> for time, value in (("2", "a"), ("1", "b"), ("3", "b")):
    ...     earliest.add({"K": 1, "T": time, "V": value})
    >>> kept = earliest.kept()
    >>> kept.rows, kept.identical, kept.conflicting
    ([{'K': 1, 'T': '1', 'V': 'b'}], 1, 1)
    """

    def __init__(self, key: tuple[str, ...], *, time: str, compared: tuple[str, ...]) -> None:
        self._key, self._time, self._compared = key, time, compared
        self._rows: dict[tuple[JsonValue, ...], DatasetRow] = {}
        # Rows that gave way, by key: few, and only what is compared of them.
        self._others: dict[tuple[JsonValue, ...], list[tuple[JsonValue, ...]]] = {}

    def add(self, row: DatasetRow) -> None:
        """Take a row; instants are texts of one length, whose order is that of time."""
        key = tuple(row[name] for name in self._key)
        held = self._rows.setdefault(key, row)
        if held is row:
            return
        later = row
        if str(row[self._time]) < str(held[self._time]):
            self._rows[key], later = row, held
        self._others.setdefault(key, []).append(self._values(later))

    def _values(self, row: DatasetRow) -> tuple[JsonValue, ...]:
        return tuple(row[name] for name in self._compared)

    def kept(self) -> Kept:
        """Return what stays, and what the others were."""
        conflicts = [
            (key, sum(values != self._values(self._rows[key]) for values in others))
            for key, others in self._others.items()
        ]
        conflicting = sum(count for _, count in conflicts)
        others = sum(map(len, self._others.values()))
        shown = tuple(key for key, count in conflicts if count)[:_CONFLICTS_SHOWN]
        return Kept(self._ordered(), others - conflicting, conflicting, shown)

    def _ordered(self) -> list[DatasetRow]:
        place: Callable[[DatasetRow], tuple[str, ...]] = lambda row: (  # noqa: E731 (typed)
            str(row[self._time]),
            *(str(row[name]) for name in self._key),
        )
        return sorted(self._rows.values(), key=place)


def audit_rows() -> Earliest:
    """Return where rows of Aura_Audit are gathered."""
    return Earliest(KEY, time="AURA_TM", compared=COMPARED)


def message_rows(compared: Iterable[str]) -> Earliest:
    """Return where rows of a dataset of messages are gathered, by their own id."""
    return Earliest(("MESSAGE_ID",), time="MESSAGE_TM", compared=tuple(compared))
