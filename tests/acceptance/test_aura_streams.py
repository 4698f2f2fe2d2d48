"""The streams of the Aura module count what a loop over the same Avro files counts."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import fastavro
import polars as pl
import pytest

from bench.aura_data import SCHEMA
from tests.cli.command import Meterhouse

DOCUMENTS = Path(__file__).parents[2] / "src/meterhouse/app/aura/documents"
OBS = {"ES": "ESP", "BR": "BRA"}
COMPONENTS = ["aura-groot", "aura-gateway-api", "atria-rag-server", "someone-else"]
APPS, CHANNELS = ["app-1", "app-2", "app-gone"], ["ch-1", "ch-gone"]
TABLES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "aura_app": (
        "AURA_APP_ID",
        [
            {"AURA_APP_ID": "app-1", "AURA_APP_NAME": "One", "GBL_BRAND_ID": "04"},
            {"AURA_APP_ID": "app-2", "AURA_APP_NAME": "Two", "GBL_BRAND_ID": "99"},
        ],
    ),
    "aura_channel": (
        "AURA_CHANNEL_ID",
        [
            {
                "AURA_CHANNEL_ID": "ch-1",
                "AURA_CHANNEL_NAME": "Phone",
                "GBL_BRAND_ID": "04",
                "GBL_CONTACT_CHANNEL_ID": "7",
            }
        ],
    ),
    "aura_component": (
        "AURA_COMPONENT_ID",
        [{"AURA_COMPONENT_ID": name} for name in COMPONENTS[:3]],
    ),
    "aura_preset": ("AURA_PRESET_NAME", [{"AURA_PRESET_NAME": "p1", "MODEL_ID": "gpt"}]),
    "gbl_brand": ("GBL_BRAND_ID", [{"GBL_BRAND_ID": "04", "GBL_BRAND_NAME": "Blue"}]),
    "gbl_contact_channel": (
        "GBL_CONTACT_CHANNEL_ID",
        [{"GBL_CONTACT_CHANNEL_ID": "7", "GBL_CONTACT_CHANNEL_NAME": "Voice"}],
    ),
    "gbl_country": (
        "COUNTRY_3_ALPHA_CD",
        [{"COUNTRY_3_ALPHA_CD": three, "COUNTRY_2_ALPHA_CD": two} for two, three in OBS.items()],
    ),
}
COMPARED = ("AURA_TM", "AURA_CHANNEL_ID", "AURA_APP_ID", "COUNTRY_3_ALPHA_CD")
COMPARED += ("AURA_SERVICE_NAME_CD", "AURA_PRESET_NAME")
BY_DAY = ("component", "service", "app", "channel", "preset")
KEY = ("COUNTRY_3_ALPHA_CD", "INTERACTION_ID", "AURA_COMPONENT_ID")


def made(random: Random, ob: str, day: str, count: int) -> list[dict[str, Any]]:
    """Rows of one file: ids come again, some rows differ from the one before."""
    rows: list[dict[str, Any]] = []
    for _ in range(count):
        if rows and random.random() < 0.2:
            again = dict(random.choice(rows))
            if random.random() < 0.5:
                again["AURA_TM"] = f"{day}T{random.randrange(24):02}:00:00.000Z"
            rows.append(again)
            continue
        service = random.choice(["message", "nlpaas", "ai", "other"])
        spoken = service == "message"
        rows.append(
            {
                "INTERACTION_ID": str(UUID(int=random.randrange(count) << 64 | int(day[-2:]))),
                "AURA_TM": f"{day}T{random.randrange(24):02}:{random.randrange(60):02}:00.000Z",
                "AURA_CHANNEL_ID": random.choice([*CHANNELS, None]) if spoken else None,
                "AURA_APP_ID": None if spoken else random.choice([*APPS, None]),
                "COUNTRY_3_ALPHA_CD": OBS[ob],
                "AURA_SERVICE_NAME_CD": service,
                "AURA_PRESET_NAME": random.choice(["p1", "p2"]) if service == "ai" else None,
                "AURA_COMPONENT_ID": random.choice(COMPONENTS),
                "AURA_VERSION_ID": None,
                "DAY_DT": day,
            }
        )
    return rows


def write(path: Path, rows: list[dict[str, Any]], schema: dict[str, Any] = SCHEMA) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), rows, codec="deflate")


def told_of(table: str) -> list[dict[str, str]]:
    """What else rows of a table have: the month, and whose they are."""
    month = {"MONTH": "2026-09"}
    if table.startswith("aura_"):
        return [month | {"COUNTRY_3_ALPHA_CD": three} for three in OBS.values()]
    return [{}] if table == "gbl_country" else [month]


@pytest.fixture
def house(tmp_path: Path) -> Meterhouse:
    meterhouse = Meterhouse(tmp_path / "data")
    for name, (key, rows) in TABLES.items():
        of_month = [row | more for row in rows for more in told_of(name)]
        pl.DataFrame(of_month).write_parquet(tmp_path / f"{name}.parquet")
        table = tmp_path / f"{name}.parquet"
        keys = [word for key in (key, *told_of(name)[0]) for word in ("--key", key)]
        meterhouse.done("table", "upload", name, "--file", table, *keys)
    meterhouse.done("meter-type", "create", "--file", DOCUMENTS / "meter-types.json")
    return meterhouse


def imported(house: Meterhouse, name: str, files: Path, types: dict[str, list[str]]) -> None:
    """Import a stream that reads the files, and create the meters of its nodes."""
    document = json.loads((DOCUMENTS / f"{name}.json").read_text())
    # The same files without a catalogue: their paths say the day, so days are read in order.
    path = str(files / "DAY_DT=*" / "*.avro")
    document["nodes"][0] |= {"type": "readers/file", "params": {"path": path}}
    [stream] = house.json("stream", "import", "-", given=json.dumps(document))
    meters = [
        {"userId": ob, "meterKey": key, "meterTypeId": type_}
        for ob in OBS
        for node, key in stream["meterKeys"].items()
        for type_ in types[node]
    ]
    at = "2026-09-01T00:00:00Z"
    house.done("meter", "create", "--file", "-", "--at", at, given=json.dumps(meters))


def golden(house: Meterhouse) -> dict[tuple[str, str], dict[str, Any]]:
    """The golden records of September, by user and meter type."""
    found = house.json("record", "list", "--kind", "golden", "--all")
    return {
        (r["userId"], r["meterTypeName"]): r
        for r in found
        if r["periodStart"].startswith("2026-09-01")
    }


def groups(record: dict[str, Any], section: int) -> Counter:
    return Counter(
        {
            tuple(sorted((k, v) for k, v in group["fields"].items() if v is not None)): group[
                "value"
            ]
            for group in record["groupBreakdowns"][section]["groups"]
        }
    )


def told(row: dict[str, Any]) -> dict[str, Any]:
    """What a group says of a row, by hand."""
    app, channel, preset = row["AURA_APP_ID"], row["AURA_CHANNEL_ID"], row["AURA_PRESET_NAME"]
    names = {"app-1": "One", "app-2": "Two"}
    brand = {"app-1": "04", "app-2": "99"}.get(app) or ("04" if channel == "ch-1" else None)
    unknown = [
        name
        for name, is_unknown in (
            ("component", row["AURA_COMPONENT_ID"] == "someone-else"),
            ("app", app == "app-gone"),
            ("channel", channel == "ch-gone"),
            ("preset", preset == "p2"),
            ("brand", brand == "99"),
        )
        if is_unknown
    ]
    nobody = "(unattributed)" if app is None and channel is None else None
    return {
        "component": row["AURA_COMPONENT_ID"],
        "service": row["AURA_SERVICE_NAME_CD"],
        "app": nobody or app,
        "app_name": nobody or names.get(app, app),
        "channel": channel,
        "channel_name": "Phone" if channel == "ch-1" else channel,
        "preset": preset,
        "brand": brand,
        "brand_name": "Blue" if brand == "04" else brand,
        "contact_channel": "7" if channel == "ch-1" else None,
        "contact_channel_name": "Voice" if channel == "ch-1" else None,
        "unknown": ",".join(unknown) or None,
    }


def counted(runs: list[list[Path]]) -> dict[str, dict[str, Counter]]:
    """Count the files by a plain loop: what each business is to be told."""
    known: dict[tuple[str, ...], tuple[Any, ...]] = {}
    asked: set[tuple[str, str, str]] = set()
    found: dict[str, dict[str, Counter]] = defaultdict(lambda: defaultdict(Counter))
    for paths in runs:
        rows = [row for path in paths for row in fastavro.reader(BytesIO(path.read_bytes()))]
        best: dict[tuple[str, ...], dict[str, Any]] = {}
        for row in rows:
            key = (row["DAY_DT"], *(row[name] for name in KEY))
            if key not in known and (key not in best or row["AURA_TM"] < best[key]["AURA_TM"]):
                best[key] = row
        known |= {key: tuple(row[name] for name in COMPARED) for key, row in best.items()}
        stays = {id(row) for row in best.values()}
        for row in rows:
            ob = next(two for two, three in OBS.items() if three == row["COUNTRY_3_ALPHA_CD"])
            mine = found[ob]
            if id(row) in stays:
                fields = {k: v for k, v in told(row).items() if v is not None}
                by_day = {"day": row["DAY_DT"]} | {
                    name: fields[name] for name in BY_DAY if name in fields
                }
                service = row["AURA_SERVICE_NAME_CD"]
                mine[service][tuple(sorted(fields.items()))] += 1
                mine[f"{service} by day"][tuple(sorted(by_day.items()))] += 1
                if (once := (ob, row["DAY_DT"], row["INTERACTION_ID"])) not in asked:
                    asked.add(once)
                    mine["Interactions"][(("day", row["DAY_DT"]),)] += 1
            else:
                key = (row["DAY_DT"], *(row[name] for name in KEY))
                same = known[key] == tuple(row[name] for name in COMPARED)
                kind = "identical" if same else "conflicting"
                mine["Duplicates"][(("kind", kind),)] += 1
                mine["Duplicates by day"][(("day", row["DAY_DT"]), ("kind", kind))] += 1
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_golden_records_say_what_a_loop_over_the_files_counts(house, tmp_path: Path, seed: int):
    random = Random(seed)
    files = tmp_path / "Aura_Audit"
    services = ["message", "nlpaas", "ai", "other"]
    types = {"Queries": services, "Interactions": ["Interactions"], "Duplicates": ["Duplicates"]}
    imported(house, "aura-audit", files, types)
    runs = []
    for turn, days in enumerate((("2026-09-01", "2026-09-02"), ("2026-09-02", "2026-09-05"))):
        paths = []
        for day in days:
            for ob in sorted(OBS):
                path = files / f"DAY_DT={day}" / f"{ob}_{turn}.avro"
                write(path, made(random, ob, day, 60))
                paths.append(path)
        runs.append(paths)
        house.done("stream", "run", "aura-audit", "--at", f"2026-09-{10 + turn}T00:00:00Z")
    house.done("stream", "run", "aura-audit", "--at", "2026-10-03T00:00:00Z")
    records, expected = golden(house), counted(runs)
    for ob in OBS:
        for service in services:
            assert groups(records[ob, service], 0) == expected[ob][service]
            assert groups(records[ob, service], 1) == expected[ob][f"{service} by day"]
        for name in ("Interactions", "Duplicates"):
            assert groups(records[ob, name], 0) == expected[ob][name]
        assert groups(records[ob, "Duplicates"], 1) == expected[ob]["Duplicates by day"]
    assert sum(sum(one["Duplicates"].values()) for one in expected.values()) > 20


ATRIA = {
    "type": "record",
    "name": "Aura_Atria_Message",
    "fields": [
        *({"name": n, "type": "string"} for n in ("MESSAGE_ID", "MESSAGE_TM", "CORR_ID")),
        *({"name": n, "type": ["null", "string"]} for n in ("AURA_APP_ID", "AURA_PRESET_NAME")),
        {"name": "COUNTRY_3_ALPHA_CD", "type": "string"},
        {"name": "STAGE_NAME", "type": ["null", "string"]},
        {"name": "COMPLETION_TOKENS_NUM", "type": "int"},
        {"name": "PROMPTS_TOKENS_NUM", "type": "int"},
        {"name": "DAY_DT", "type": "string"},
    ],
}


def test_tokens_of_full_requests_are_counted_by_model_and_kind(house, tmp_path: Path):
    files = tmp_path / "Aura_Atria_Message"
    types = {"Tokens": ["Tokens"], "Duplicates": ["Duplicates"], "Requests": ["Token requests"]}
    imported(house, "aura-tokens", files, types)
    row = {
        "CORR_ID": "c1",
        "MESSAGE_TM": "2026-09-03T10:00:00.000Z",
        "AURA_APP_ID": "app-1",
        "AURA_PRESET_NAME": "p1",
        "COUNTRY_3_ALPHA_CD": "ESP",
        "STAGE_NAME": None,
        "COMPLETION_TOKENS_NUM": 5,
        "PROMPTS_TOKENS_NUM": 100,
        "DAY_DT": "2026-09-03",
    }
    rows = [{**row, "MESSAGE_ID": m} for m in ("m1", "m2", "m1")]
    rows.append({**row, "MESSAGE_ID": "m1", "COMPLETION_TOKENS_NUM": 9_000})
    rows.append({**row, "MESSAGE_ID": "m3", "STAGE_NAME": "retrieve"})
    rows.append({**row, "MESSAGE_ID": "m4", "AURA_APP_ID": None, "AURA_PRESET_NAME": "p2"})
    rows[-1]["CORR_ID"] = "c2"
    write(files / "DAY_DT=2026-09-03" / "ES.avro", rows, ATRIA)
    # Another business has the same ids: each has its own tokens.
    other = [row | {"COUNTRY_3_ALPHA_CD": "BRA"} for row in rows]
    write(files / "DAY_DT=2026-09-03" / "BR.avro", other, ATRIA)
    house.done("stream", "run", "aura-tokens", "--at", "2026-09-10T00:00:00Z")
    house.done("stream", "run", "aura-tokens", "--at", "2026-10-03T00:00:00Z")
    record = golden(house)["ES", "Tokens"]
    named = {"app": "app-1", "app_name": "One", "preset": "p1", "model": "gpt"}
    nobody = {"app": "(unattributed)", "app_name": "(unattributed)", "preset": "p2"}
    nobody |= {"unknown": "preset"}
    assert groups(record, 0) == {
        tuple(sorted((named | {"token_type": "input"}).items())): 200,
        tuple(sorted((named | {"token_type": "output"}).items())): 10,
        tuple(sorted((nobody | {"token_type": "input"}).items())): 100,
        tuple(sorted((nobody | {"token_type": "output"}).items())): 5,
    }
    dated = {"day": "2026-09-03", "app": "app-1", "preset": "p1", "model": "gpt"}
    whose = {"day": "2026-09-03", "app": "(unattributed)", "preset": "p2"}
    assert groups(record, 1) == {
        tuple(sorted((fields | {"token_type": kind}).items())): value
        for fields, kind, value in (
            (dated, "input", 200),
            (dated, "output", 10),
            (whose, "input", 100),
            (whose, "output", 5),
        )
    }
    for ob in OBS:
        assert golden(house)[ob, "Tokens"]["value"] == 315
        # Each row is a request, a stage or a duplicate; interactions count once.
        kinds = {"request": 3, "stage": 1, "interaction": 2}
        assert groups(golden(house)[ob, "Token requests"], 0) == {
            (("kind", kind),): number for kind, number in kinds.items()
        }
        of = ("dataset", "Aura_Atria_Message")
        assert groups(golden(house)[ob, "Duplicates"], 0) == {
            (of, ("kind", "identical")): 1,
            (of, ("kind", "conflicting")): 1,
        }
