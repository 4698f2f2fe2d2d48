"""What an outbox entry says of records that leave one after another, and how each is told apart.

A *lane* is what keeps the order of one meter: records with one order key share a lane, whatever the
number of lanes. The idempotency key is the same on each attempt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zlib import crc32

from meterhouse.core.json_text import JsonValue, Record

LANES_DEFAULT, LANES_MAX = 8, 64
ATTEMPTS_DEFAULT, ATTEMPTS_MAX = 20, 1_000
HOURS_DEFAULT, HOURS_MAX = 72, 24 * 365
#: What every receiver takes as a key: a header, a message id, a column.
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Patience:
    """How many lanes there are, and how long a record is tried before it becomes a dead letter."""

    lanes: int = LANES_DEFAULT
    attempts_max: int = ATTEMPTS_DEFAULT
    give_up_hours: int = HOURS_DEFAULT


@dataclass(frozen=True, slots=True)
class Forward:
    """Who the records go to. ``settings`` are for the forwarder of that kind alone.

    They name secrets of the wallet (``secretsWalletEntry``) and never hold one. ``node`` is the
    name of the writer.
    """

    kind: str
    settings: Mapping[str, JsonValue]
    node: str = ""
    patience: Patience = field(default_factory=Patience)

    def to_json(self) -> dict[str, Any]:
        """Return the ``forward`` document of the outbox."""
        return {
            "kind": self.kind,
            "node": self.node,
            "lanes": self.patience.lanes,
            "maxAttempts": self.patience.attempts_max,
            "giveUpAfterHours": self.patience.give_up_hours,
            "settings": dict(self.settings),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Forward:
        """Read what ``to_json`` wrote."""
        patience = Patience(body["lanes"], body["maxAttempts"], body["giveUpAfterHours"])
        return cls(body["kind"], body["settings"], body["node"], patience)


def order_mark(record: Record, place: int) -> int:
    """Return the number that chooses a record's lane: of its meter, else its user, else its place.

    A metered record has its meter's id in ``id``.

    >>> order_mark({"meterId": "m"}, 1) == order_mark({"id": "m", "recordId": "r"}, 2)
    True
    """
    key = order_key(record)
    return place if key is None else crc32(f"{type(key).__name__} {key}".encode("utf-8", "replace"))


def order_key(record: Record) -> JsonValue:
    """Return what records share that have to stay in order; ``None`` where a record has nothing.

    >>> order_key({"meterId": "m", "userId": "u"}), order_key({"id": "m", "recordId": "r"})
    ('m', 'm')
    """
    key = record.get("meterId")
    if key is None and "recordId" in record:
        key = record.get("id")
    return record.get("userId") if key is None else key


def idempotency_key(record: Record, *, run_id: str, node_id: str, place: int) -> str:
    """Return what tells a record apart at its receiver: its own id, else one made of its place.

    >>> idempotency_key({"recordId": "r-1"}, run_id="r", node_id="n", place=0)
    'r-1'
    """
    own = record.get("recordId")
    if isinstance(own, str) and _KEY.fullmatch(own):
        return own
    return place_key(run_id=run_id, node_id=node_id, place=place)


def place_key(*, run_id: str, node_id: str, place: int) -> str:
    """Return the key of the record at a place of a writer's output.

    >>> place_key(run_id="r", node_id="n", place=0)
    'b07daf67-2567-538d-9bd2-3153a72d122a'
    """
    return str(uuid5(NAMESPACE_URL, f"meterhouse:{run_id}/{node_id}/{place}"))


def together_key(keys: list[str]) -> str:
    """Return the key of several records that leave in one message; of one, its own."""
    return keys[0] if len(keys) == 1 else str(uuid5(NAMESPACE_URL, "meterhouse:" + ",".join(keys)))
