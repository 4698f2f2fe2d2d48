"""Files of Aura_Audit for tests: rows, a schema of a later minor, and containers of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meterhouse.connectors.avro.writer import write_avro
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.datasets.schema import BUILT_IN, DatasetSchema, read_schema

AUDIT = "Aura_Audit"
COUNTRIES = {"ES": "ESP", "DE": "DEU", "BR": "BRA"}


def audit_rows(
    count: int, *, day: str = "2026-10-03", ob: str = "ES", first: int = 0
) -> list[dict]:
    """Rows of one day, a minute apart, of an app or none."""
    return [
        {
            "INTERACTION_ID": f"{ob}-{day}-{number}",
            "AURA_TM": f"{day}T{number // 60 % 24:02}:{number % 60:02}:00Z",
            "AURA_CHANNEL_ID": "channel-1",
            "AURA_APP_ID": None if number % 3 == 0 else "app-1",
            "COUNTRY_3_ALPHA_CD": COUNTRIES[ob],
            "AURA_SERVICE_NAME_CD": "ai" if number % 2 else "message",
            "AURA_PRESET_NAME": None,
            "AURA_COMPONENT_ID": "aura-groot",
            "AURA_VERSION_ID": "9.4.0",
            "DAY_DT": day,
        }
        for number in range(first, first + count)
    ]


def later_audit(version: str = "6.1.0") -> DatasetSchema:
    """Aura_Audit with two more services, and a field that came later."""
    document: Any = parse_json(json_text(BUILT_IN[AUDIT].document))
    document["x-fp-version"] = version
    for field in document["fields"]:
        if field["name"] == "AURA_SERVICE_NAME_CD":
            field["type"]["symbols"] += ["stt", "tts"]
    document["fields"].append({"name": "TENANT_CD", "type": ["null", "string"], "default": None})
    return read_schema(document)


def audit_file(
    path: Path, rows: Sequence[dict[str, Any]], *, schema: DatasetSchema | None = None
) -> Path:
    """Write a container."""
    write_avro(path, schema=(schema or BUILT_IN[AUDIT]).document, rows=rows)
    return path


def file_name(ob: str = "ES", *, hour: str = "20261003T10") -> str:
    """What the file of an hour is called."""
    return f"{ob}_{AUDIT}_{hour}0000Z.avro"
