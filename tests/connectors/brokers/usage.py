"""A stream that reads a broker, and what its runs have made of the messages."""

import json
from collections.abc import Iterable
from itertools import count
from typing import Any

from tests.acceptance import small
from tests.acceptance.small import document, meter, node
from tests.cli.command import Meterhouse
from tests.connectors.brokers.brokers import Broker

_names = count(1)
#: What no message should be twice.
ONCE = node("Once", "transforms/deduplicate", key="${payload.id}")


def new_name() -> str:
    return f"usage{next(_names)}"


def messages(numbers: Iterable[int]) -> list[bytes]:
    """Usage of ann; the value is unlike for each."""
    made = ({"id": n, "userId": "ann", "value": n * n + 1} for n in numbers)
    return [json.dumps(message).encode() for message in made]


def stream(broker: Broker, name: str, **params: Any) -> dict[str, Any]:
    """Reader, deduplicate, meter: a message that is metered twice shows itself as a duplicate."""
    reader = node("Reader", f"readers/{broker.kind}", **broker.reader(name), **params)
    made = document(reader, ONCE, meter())
    for edge in made["edges"]:
        if edge["from"] == "Once":
            edge["output"] = "unique"
    return made


def set_up(meterhouse: Meterhouse, broker: Broker, name: str, **params: Any) -> str:
    return small.set_up(meterhouse, stream(broker, name, **params))


def run(meterhouse: Meterhouse) -> dict[str, Any]:
    """Run the stream; the counts of its reader."""
    return small.run(meterhouse)["Reader"]


def metered(meterhouse: Meterhouse, key: str) -> tuple[int, int, int]:
    """Records metered by complete runs, duplicates among them, and the value of the meter."""
    nodes = [n for r in meterhouse.json("run", "list", "--all") for n in r["nodes"]]
    records = sum(n["metered"] for n in nodes)
    return records, sum(n["duplicates"] for n in nodes), small.values(meterhouse, key)["ann"]


def whole(numbers: Iterable[int]) -> tuple[int, int, int]:
    """What ``metered`` is where each message was metered once."""
    values = [n * n + 1 for n in numbers]
    return len(values), 0, sum(values)
