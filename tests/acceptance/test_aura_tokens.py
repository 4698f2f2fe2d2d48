"""Rows of tokens that count as nothing are told, and so are requests without tokens."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.aura_files import (
    AURA,
    GATEWAY,
    TAKEN,
    WHEN_ISSUED,
    SpainsOperation,
    audit_name,
    query,
    schema_of,
    snapshots,
    write,
)

_DAY, _ATRIA = "2026-10-10", "Aura_Atria_Message"


def _begin(folder: Path, *, book: str = "br") -> SpainsOperation:
    """Spain by the book of Brazil, which prices tokens, or by another one."""
    text = (AURA / f"price-book-{book}.yaml").read_text("utf-8")
    path = folder / "book.yaml"
    path.write_text(text.replace(f"id: aura-{book}", "id: liceo-pay-per-use"), "utf-8")
    house = SpainsOperation(folder / "data")
    house.begin(folder, book=path, streams="aura-audit, aura-tokens")
    of = {"COUNTRY_3_ALPHA_CD": "ESP", "EXTRACTION_TM": TAKEN}
    for name in snapshots(folder, channels={}, apps={"a1": "One"}):
        house.done("dataset", "add", name)
    rows = [{"AURA_PRESET_NAME": "atria-rag-gpt-4", "MODEL_ID": "gpt-4o"} | of]
    name = folder / "ES_DIM_PRESETS_20261101T000000Z.avro"
    house.done("dataset", "add", write(name, schema_of("D_Aura_Preset"), rows))
    return house


def _ask(house: SpainsOperation, folder: Path, count: int) -> None:
    rows = [
        query(
            f"i{one}",
            f"{_DAY}T10:00:00.{one:03}Z",
            AURA_APP_ID="a1",
            AURA_COMPONENT_ID=GATEWAY,
            AURA_SERVICE_NAME_CD="ai",
            AURA_PRESET_NAME="atria-rag-gpt-4",
        )
        for one in range(count)
    ]
    path = folder / audit_name("20261020T10")
    house.done("dataset", "add", write(path, schema_of("Aura_Audit"), rows))


def _tokens(message: str, tm: str, number: int, **fields: Any) -> dict[str, Any]:
    return {
        "MESSAGE_ID": message,
        "MESSAGE_TM": tm,
        "AURA_APP_ID": "a1",
        "COUNTRY_3_ALPHA_CD": "ESP",
        "CORR_ID": message,
        "AURA_PRESET_NAME": "atria-rag-gpt-4",
        "SESSION_ID": None,
        "STAGE_NAME": None,
        "STAGE_EXECUTION_NUM": 0,
        "STAGE_SEQUENCE_NUM": 0,
        "COMPLETION_TOKENS_NUM": number,
        "PROMPTS_TOKENS_NUM": number,
        "DAY_DT": tm[:10],
    } | fields


def _add(house: SpainsOperation, folder: Path, hour: str, *rows: dict[str, Any]) -> None:
    path = folder / f"ES_{_ATRIA}_{hour}0000Z.avro"
    house.done("dataset", "add", write(path, schema_of(_ATRIA), rows))


def _run(house: SpainsOperation) -> tuple[int, dict[str, Any]]:
    ended = house("aura", "run", house.operation, "--at", WHEN_ISSUED, "--json")
    [business] = json.loads(ended.out)["months"][0]["businesses"]
    return ended.code, business


def _told(invoice: dict[str, Any]) -> dict[str, str]:
    return {one["code"]: one["text"] for one in invoice["exceptions"]}


def test_duplicates_of_tokens_are_dropped_and_told(tmp_path: Path):
    house = _begin(tmp_path)
    _ask(house, tmp_path, 3)
    _add(house, tmp_path, "20261020T10", _tokens("i0", f"{_DAY}T10:00:00Z", 1000))
    again = _tokens("i0", f"{_DAY}T10:00:00Z", 1000)
    other = _tokens("i0", f"{_DAY}T10:00:01Z", 9_000_000)
    stage = _tokens("i0-1", f"{_DAY}T10:00:00Z", 400, STAGE_NAME="retrieve", CORR_ID="i0")
    _add(house, tmp_path, "20261020T11", again, other, stage)
    code, october = _run(house)
    assert (code, october["status"], october["duplicates"]) == (0, "issued", 0)
    invoice = house.issued()
    told = _told(invoice)
    assert told["duplicates"] == "identical duplicates were dropped: 1"
    assert told["conflicting_duplicates"].endswith(": 1")
    lines = {line["charge"]["fields"].get("token_type"): line for line in invoice["lines"]}
    assert {lines[kind]["charge"]["quantity"] for kind in ('"input"', '"output"')} == {"1000"}
    # Of three requests two have no row.
    assert october["withoutTokens"] == 2
    text = "requests of the service ai without tokens, at least: 2 of 3"
    assert told["without_tokens"] == text
    assert text in october["warnings"]


@pytest.mark.parametrize("book", ["br", "es"])
def test_requests_without_any_tokens_are_told_where_tokens_have_a_price(tmp_path: Path, book: str):
    house = _begin(tmp_path, book=book)
    _ask(house, tmp_path, 100)
    code, october = _run(house)
    assert (code, october["status"], october["withoutTokens"]) == (0, "issued", 100)
    told = _told(house.issued())
    if book == "br":
        assert told["without_tokens"].endswith(", at least: 100 of 100")
    else:
        assert "without_tokens" not in told, "tokens are included in the price of a query"


def test_tokens_of_a_meter_that_is_gone_block_the_invoice(tmp_path: Path):
    """Nobody has metered them: rows are held against what was, as those of queries are."""
    house = _begin(tmp_path)
    _ask(house, tmp_path, 1)
    rows = [_tokens(f"i{one}", f"{_DAY}T10:00:00Z", 10) for one in range(5)]
    _add(house, tmp_path, "20261020T10", *rows)
    meters = house.json("meter", "list", "--user", "ES", "--all")
    types = {one["id"]: one["name"] for one in house.json("meter-type", "list", "--all")}
    [meter] = [one for one in meters if types[one["meterTypeId"]] == "Token requests"]
    house.done("meter", "delete", meter["id"])
    code, october = _run(house)
    assert (code, october["status"]) == (1, "blocked")
    places = {one["place"]: one["message"] for one in october["problems"]}
    assert places[f"dataset {_ATRIA}"] == (
        "has 5 rows of 2026-10: metered 0, stages 0, duplicates 0, missing 5"
    )


def test_requests_with_tokens_are_not_told(tmp_path: Path):
    """Two models may answer one interaction: each has its row."""
    house = _begin(tmp_path)
    _ask(house, tmp_path, 2)
    rows = [_tokens(f"m{one}", f"{_DAY}T10:00:00Z", 10, CORR_ID=f"i{one % 2}") for one in range(4)]
    _add(house, tmp_path, "20261020T10", *rows)
    code, october = _run(house)
    assert (code, october["status"], october["withoutTokens"]) == (0, "issued", 0)
    invoice = house.issued()
    assert invoice["exceptions"] == []
    tokens = [line for line in invoice["lines"] if line["charge"]["sku"] == "tokens"]
    assert sum(Decimal(line["charge"]["quantity"]) for line in tokens) == 80
    # What is late of usage that is told nowhere is told nowhere, either.
    late = _tokens("m9", f"{_DAY}T11:00:00Z", 10, CORR_ID="i0")
    _add(house, tmp_path, "20261110T10", late, _tokens("m8", "2026-11-05T10:00:00Z", 5))
    row = query("j1", "2026-11-05T10:00:00Z", AURA_APP_ID="a1", AURA_COMPONENT_ID=GATEWAY)
    path = tmp_path / audit_name("20261110T10")
    house.done("dataset", "add", write(path, schema_of("Aura_Audit"), [row]))
    house.done("aura", "run", house.operation, "--at", "2026-12-06T03:00:00Z")
    november = house.issued("2026-11")
    assert november["metadata"]["lateRecords"] != "0"
    assert set(_told(november)) == set()


def test_a_stream_that_counts_no_requests_is_told(tmp_path: Path):
    """As one that was made before streams of tokens did."""
    house = _begin(tmp_path)
    document = json.loads(house.done("stream", "export", "aura-tokens").out)
    gone = {"stage", "request", "once", "further-requests", "interaction", "requests"}
    document["nodes"] = [one for one in document["nodes"] if one["id"] not in gone]
    document["edges"] = [one for one in document["edges"] if not {one["from"], one["to"]} & gone]
    document.pop("meterKeys", None)
    update = ("stream", "update", "aura-tokens", "--file", "-", "--allow-node-removal")
    house.done(*update, given=json.dumps(document))
    _ask(house, tmp_path, 3)
    _add(house, tmp_path, "20261020T10", _tokens("i0", f"{_DAY}T10:00:00Z", 1000))
    code, october = _run(house)
    assert (code, october["status"], october["withoutTokens"]) == (0, "issued", None)
    assert _told(house.issued())["without_tokens"].endswith(
        "the stream of tokens counts no requests"
    )
