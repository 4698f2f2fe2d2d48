"""Prices that change within a month: from rows of Avro files to an invoice of two prices.

What the month comes to is counted from the rows alone, each at the prices of its day.
"""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.aura_files import (
    GATEWAY,
    LICEO,
    WHEN_ISSUED,
    SpainsOperation,
    audit_name,
    query,
    schema_of,
    snapshots,
    write,
)

CHANGE = "2026-10-16"
ATRIA = "Aura_Atria_Message"
DAYS = {"2026-10-03": 40, "2026-10-15": 7, CHANGE: 5, "2026-10-20": 60}
#: Prices of a query and of a token, until the change and from then on.
MESSAGE, LANGUAGE = (Decimal("0.0021"), Decimal("0.5")), (Decimal("0.0035"), Decimal("0.25"))
TOKEN = (Decimal("0.001"), Decimal("0.004"))
INCLUDED = """    unit: token
    model: included
"""


def book(folder: Path, version: int) -> Path:
    """The book of pay per use, with tokens that cost something."""
    text = (LICEO / "pay-per-use.yaml").read_text("utf-8")
    charged = (
        "    line_by: [model, token_type, app, preset]\n    show_by: [app_name]\n"
        f'    unit: token\n    model: per_unit\n    price: "{TOKEN[version]}"\n'
    )
    assert INCLUDED in text
    text = text.replace(INCLUDED, charged)
    if version:
        text = text.replace("2026-10-01.1", f"{CHANGE}.1").replace("2026-01-01", CHANGE)
        for before, after in (MESSAGE, LANGUAGE):
            text = text.replace(f'"{before}"', f'"{after}"')
    path = folder / f"book-{version}.yaml"
    path.write_text(text, "utf-8")
    return path


def audited(day: str, count: int) -> list[dict[str, Any]]:
    """Queries of a day: of two channels and an application, some of them twice."""
    found = []
    for number in range(count):
        tm = f"{day}T{number % 24:02}:00:00.000Z"
        found.append(query(f"m{day}-{number}", tm, AURA_CHANNEL_ID=f"c{number % 2}"))
        spoken = {"AURA_COMPONENT_ID": GATEWAY, "AURA_SERVICE_NAME_CD": "nlpaas"}
        found.append(query(f"n{day}-{number}", tm, AURA_APP_ID="a1", **spoken))
    return found + found[:3]


def requested(day: str, count: int) -> list[dict[str, Any]]:
    """Requests to language models of a day."""
    return [
        {
            "MESSAGE_ID": f"t{day}-{number}",
            "MESSAGE_TM": f"{day}T{number % 24:02}:00:00.000Z",
            "AURA_APP_ID": "a1",
            "COUNTRY_3_ALPHA_CD": "ESP",
            "CORR_ID": f"t{day}-{number}",
            "AURA_PRESET_NAME": "rag",
            "SESSION_ID": None,
            "STAGE_NAME": None,
            "STAGE_EXECUTION_NUM": 1,
            "STAGE_SEQUENCE_NUM": 1,
            "COMPLETION_TOKENS_NUM": 10 + number,
            "PROMPTS_TOKENS_NUM": 100,
            "DAY_DT": day,
        }
        for number in range(count)
    ]


@pytest.fixture
def house(tmp_path: Path) -> SpainsOperation:
    """October in the catalogue, and a book whose prices change within it."""
    house = SpainsOperation(tmp_path / "data")
    house.begin(tmp_path, book=book(tmp_path, 0), streams="aura-audit, aura-tokens")
    house.done("price-book", "create", "--file", book(tmp_path, 1))
    for path in snapshots(tmp_path, channels={"c0": "Web", "c1": "Phone"}, apps={"a1": "One"}):
        house.done("dataset", "add", path)
    for day, count in DAYS.items():
        hour = f"{day.replace('-', '')}T23"
        for dataset, rows in (
            ("Aura_Audit", audited(day, count)),
            (ATRIA, requested(day, count)),
        ):
            name = audit_name(hour).replace("Aura_Audit", dataset)
            house.done("dataset", "add", write(tmp_path / name, schema_of(dataset), rows))
    return house


def expected() -> Counter[tuple[int, str]]:
    """What each side of the change comes to, row by row."""
    found: Counter[tuple[int, str]] = Counter()
    for day, count in DAYS.items():
        later = int(day >= CHANGE)
        for row in {row["INTERACTION_ID"]: row for row in audited(day, count)}.values():
            service = row["AURA_SERVICE_NAME_CD"]
            prices = MESSAGE if service == "message" else LANGUAGE
            found[later, service] += prices[later]
        for row in requested(day, count):
            tokens = row["COMPLETION_TOKENS_NUM"] + row["PROMPTS_TOKENS_NUM"]
            found[later, "tokens"] += tokens * TOKEN[later]
    return found


def test_each_row_has_the_prices_of_its_day(house: SpainsOperation):
    house.operate()
    invoice = house.issued()
    found: Counter[tuple[int, str]] = Counter()
    for line in invoice["lines"]:
        charge = line["charge"]
        later = int(charge["period"]["start"][:10] >= CHANGE)
        found[later, charge["sku"].partition("/")[0]] += Decimal(charge["exact"])
    assert found == expected()
    assert invoice["exceptions"] == [
        {"code": "duplicates", "text": f"identical duplicates were dropped: {3 * len(DAYS)}"}
    ]
    assert {window["fields"]["meter_type"] for window in invoice["windows"]} == {
        '"message"',
        '"nlpaas"',
    }


def test_usage_that_cannot_be_cut_is_not_issued_unless_somebody_answers_for_it(
    house: SpainsOperation,
):
    """The stream was imported when nothing told the days of queries apart."""
    export = json.loads(house.done("stream", "export", "aura-audit").out)
    [meter] = [node for node in export["nodes"] if node["id"] == "queries"]
    for rule in meter["params"]["guidingRules"]:
        rule["groupBy"] = [one for one in rule["groupBy"] if "day" not in one["fields"]]
    house.done("stream", "update", "aura-audit", "--file", "-", given=json.dumps(export))
    for _ in range(2):
        ended = house("aura", "run", house.operation, "--at", WHEN_ISSUED, "--json")
        [business] = json.loads(ended.out)["months"][0]["businesses"]
        assert (ended.code, business["status"]) == (1, "blocked")
    [problem] = business["problems"]
    assert problem["place"] == "check price_change_in_period"
    assert "(records: 2) nobody knows the day" in problem["message"]
    draft = business["invoice"]
    answer = ("--override", "price_change_in_period", "--reason", "agreed on the phone")
    assert " ".join(answer[:2]) in problem["hint"]
    assert house("invoice", "issue", draft).code != 0
    house.done("invoice", "issue", draft, *answer)
    assert "agreed on the phone" in json.dumps(house.issued()["exceptions"])
    assert house.operate()["months"][0]["businesses"][0]["status"] == "issued"
