"""Real exports that provision and purge over the API: the guide of the original, step by step."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.exported import (
    Ran,
    filled,
    import_document,
    needs_exports,
    run,
)
from tests.acceptance.test_control_plane import FIELD, Installation, wallet
from tests.cli.command import Meterhouse

pytestmark = needs_exports
SHEETS = {"101": 24, "102": 31, "103": 28, "104": 45, "105": 52}
#: Meters that are created over the API begin now: a clock that is later than the tests.
LATER = "2126-01-20T12:00:00Z"


@dataclass(frozen=True)
class Solution:
    """A solution of several streams, beside a server that its helper streams call."""

    house: Meterhouse
    name: str
    url: str

    def import_main(self) -> tuple[dict[str, Any], str]:
        """Import the main stream; its document, and its meter key."""
        document = filled(f"{self.name}__{self.name}")
        return document, import_document(self.house, document)["Meter"]

    def help(self, name: str, *taps: str, **replaced: str) -> Ran:
        """Import a helper stream for this server, and run it; no request may fail."""
        document = filled(f"{self.name}__{name}", *taps, **replaced)
        options = ("--api-base", self.url, "--secret", "Helper streams")
        import_document(self.house, document, *options)
        ran = run(self.house, document)
        assert not any(node.get("errors") for node in ran.nodes.values())
        return ran


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Meterhouse, str]]:
    """A server with a data directory, and a secret with which streams may call it."""
    installation = Installation(tmp_path)
    with installation.serving() as url:
        monkeypatch.setenv("METERHOUSE_HTTP_ALLOW", url.removeprefix("http://"))
        wallet(installation.house, *FIELD)
        yield installation.house, url


def answered(ran: Ran, field: str) -> list[Any]:
    """What the server answered to the last request, of each record that was logged."""
    return [record["httpResponse"][field] for record in ran.logged["Log"]]


def test_botbot_from_the_first_type_to_the_last_meter(served: tuple[Meterhouse, str]):
    house, url = served
    botbot = Solution(house, "botbot-ai-assist", url)
    made = botbot.help("provisioning-meter-types")
    assert len(set(answered(made, "name"))) == 6
    document, key = botbot.import_main()
    made = botbot.help("provisioning-meters", meter_key=key)
    assert made.nodes["Find Meter Types"]["in"] == 6
    assert len(set(answered(made, "id"))) == 12
    types = house.json("meter-type", "list")
    assert {(t["unit"], t["aggregation"]["type"]) for t in types} == {("API request", "sum")}
    assert Counter(t["category"] for t in types) == {"L1_API_Requests": 3, "L2_API_Requests": 3}
    assert [t["numberOfMeters"] for t in types] == [2] * 6

    document = tapped(document)
    import_document(house, document, "--on-conflict", "replace")
    ran = run(house, document, at=LATER)
    unique, good = ran.nodes["Deduplicate"]["out"]["unique"], ran.nodes["Meter"]["metered"]
    assert ran.nodes["Script"]["out"] == {"out": 100}
    assert 85 <= unique <= 97
    assert good + ran.nodes["Validate"]["suspended"] == unique
    assert 58 <= good <= 78
    expected: Counter[tuple[str, str]] = Counter()
    sent = {record["sessionId"]: record for record in ran.logged["Sessions"]}
    for record in sent.values():
        if record["region"] != "unknown":
            expected[record["userId"], record["apiCallsType"]] += record["apiCalls"]
    meters = house.json("inspect", key)
    values = {(m["userId"], m["meterTypeName"][:2]): m["value"] for m in meters if m["value"]}
    assert values == expected
    for meter in meters:
        regions, states = meter["groupBreakdowns"] or ({"groups": []},) * 2
        assert sum(g["value"] for g in regions["groups"]) == meter["value"]
        assert sum(g["value"] for g in states["groups"]) == meter["value"]

    gone = botbot.help("purge-meters")
    assert gone.nodes["Delete Meter API"]["in"] == 12
    assert house.json("meter", "list") == []


def tapped(document: dict[str, Any]) -> dict[str, Any]:
    """Log the sessions as the script lets them out."""
    [script] = [node for node in document["nodes"] if node["name"] == "Script"]
    log = {"id": "tap", "name": "Sessions", "type": "writers/log", "schemaVersion": 1, "params": {}}
    edge = {"id": "to-tap", "from": script["id"], "to": "tap", "config": {}}
    return document | {
        "nodes": [*document["nodes"], log],
        "edges": [*document["edges"], edge],
    }


def test_printing_from_the_type_to_the_last_meter(served: tuple[Meterhouse, str]):
    house, url = served
    printing = Solution(house, "printing-as-a-service-with-metering", url)
    document, key = printing.import_main()
    made = printing.help("provisioning-meter-types")
    assert answered(made, "name") == ["Pay-Per-Print"]
    made = printing.help("provisioning-meters", meter_key=key)
    assert answered(made, "userId") == list(SHEETS)
    [meter_type] = house.json("meter-type", "list")
    assert (meter_type["capacity"], meter_type["unit"]) == (10_000, "sheets")
    assert [t["name"] for t in meter_type["thresholds"]] == [
        "EMAIL_MAINTENANCE",
        "DEACTIVATE_PRINTER",
    ]

    ran = run(house, document, at=LATER)
    assert ran.figures("Meter") == (9, 0, 0, 9)
    values = {meter["userId"]: meter["value"] for meter in house.json("inspect", key)}
    assert values == SHEETS

    gone = printing.help("purge-meters", meter_key=key)
    assert gone.nodes["Delete Meter API"]["in"] == 5
    assert house.json("meter", "list") == []
