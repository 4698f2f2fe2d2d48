"""Real usage files, metered to the totals that an independent count gives."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.small import document, meter, node, reader, run, set_up, suspended, values
from tests.cli.command import Meterhouse

_DATA = os.environ.get("METERHOUSE_TEST_DATA")
pytestmark = pytest.mark.skipif(
    _DATA is None, reason="METERHOUSE_TEST_DATA does not name a folder with real usage"
)
_ROOT = Path(_DATA or ".")
_AIDER = _ROOT / "llm_usage/aider_events_2024-08_2025-02.jsonl.gz"


def _expected() -> dict[str, object]:
    return json.loads((_ROOT / "expected/expected_public.json").read_text())


@pytest.mark.parametrize("model", ["m-small", "deepseek-r1"])
def test_servegen_requests_per_client_are_exact(meterhouse: Meterhouse, model: str) -> None:
    expected = _expected()["servegen_requests"][model]  # type: ignore[index]
    path = _ROOT / f"servegen/servegen_requests_10min_{model}.csv.gz"
    fields = node(
        "Fields", "transforms/map", mappings=[{"userId": "client_id"}, {"value": "requests"}]
    )
    stream = document(reader(path, fields={"requests": "number"}), fields, meter())
    key = set_up(meterhouse, stream, users=tuple(expected["per_client"]))

    counts = run(meterhouse)

    assert values(meterhouse, key) == expected["per_client"]
    assert sum(values(meterhouse, key).values()) == expected["requests_total"]
    assert counts["Meter"]["metered"] == expected["rows"]


def test_aider_tokens_are_exact_and_records_without_user_wait(meterhouse: Meterhouse) -> None:
    with gzip.open(_AIDER, "rt") as lines:
        events = [json.loads(line) for line in lines]
    sent = [event for event in events if event["event"] == "message_send"]
    tokens: Counter[str] = Counter()
    nobody: list[int] = []
    for event in sent:
        if event.get("user_id"):
            tokens[event["user_id"]] += event["properties"]["prompt_tokens"]
        else:
            nobody.append(event["properties"]["prompt_tokens"])
    stream = document(
        reader(_AIDER),
        node(
            "Sent",
            "transforms/split",
            rules=[
                {
                    "key": "${payload.event}",
                    "op": "eq",
                    "value": "message_send",
                    "output": "sent",
                }
            ],
            multiOutput={"configurable": {"outputs": [{"id": "sent", "name": "sent"}]}},
            onNoMatch="discard",
        ),
        node(
            "Fields",
            "transforms/map",
            mappings=[
                {"userId": "user_id"},
                {"value": "properties.prompt_tokens"},
                {"model": "properties.main_model"},
            ],
        ),
        meter(
            {
                "customName": "All",
                "ignoreCondition": True,
                "matchCategory": "U",
                "groupBy": [{"fields": ["model"]}],
            }
        ),
    )
    stream["edges"][1]["output"] = "sent"
    key = set_up(meterhouse, stream, users=tuple(tokens))

    counts = run(meterhouse)

    expected = _expected()["aider_a"]
    months = expected["monthly_message_send_UTC"].values()  # type: ignore[index]
    total = sum(month["prompt_tokens"] for month in months)
    meters = meterhouse.json("inspect", key, "--all")
    assert {m["userId"]: m["value"] for m in meters} == dict(tokens)
    assert sum(m["value"] for m in meters) + sum(nobody) == total
    assert counts["Sent"]["filtered"] == len(events) - len(sent)
    assert counts["Meter"]["suspended"] == len(nobody)
    assert {reason for reason, _ in suspended(meterhouse)} <= {"user_id_missing"}
    by_model = [sum(g["value"] for g in m["groupBreakdowns"][0]["groups"]) for m in meters]
    assert by_model == [m["value"] for m in meters]
