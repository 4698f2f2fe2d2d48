"""Files of datasets as others would write them: by fastavro alone, from the published schemas."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fastavro

from tests.cli.command import EXAMPLES, ROOT, Meterhouse

SCHEMAS = ROOT / "src/meterhouse/datasets/schemas"
AURA, LICEO = EXAMPLES / "aura", EXAMPLES / "liceo"
AUDIT, GATEWAY, GROOT = "Aura_Audit", "aura-gateway-api", "aura-groot"
#: The hour of the snapshots, before the month's end.
SNAPSHOT = "20261031T230000Z"
TAKEN = "2026-10-31T23:00:00Z"
WHEN_DRAFTED, WHEN_ISSUED = "2026-11-03T03:00:00Z", "2026-11-06T03:00:00Z"


def schema_of(dataset: str) -> dict[str, Any]:
    """Return the published schema of a dataset, to be changed."""
    return json.loads((SCHEMAS / f"{dataset}.avsc").read_text("utf-8"))


def write(path: Path, schema: dict[str, Any], rows: Iterable[dict[str, Any]]) -> Path:
    """Write a container."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), rows, codec="deflate")
    return path


def audit_name(hour: str, *, ob: str = "ES") -> str:
    """The file of an upload: ``20261003T10`` is its hour."""
    return f"{ob}_{AUDIT}_{hour}0000Z.avro"


def query(interaction: str, tm: str, **fields: Any) -> dict[str, Any]:
    """Return a row of Aura_Audit; unless ``fields`` say otherwise, of Spain's assistant."""
    return {
        "INTERACTION_ID": interaction,
        "AURA_TM": tm,
        "AURA_CHANNEL_ID": None,
        "AURA_APP_ID": None,
        "COUNTRY_3_ALPHA_CD": "ESP",
        "AURA_SERVICE_NAME_CD": "message",
        "AURA_PRESET_NAME": None,
        "AURA_COMPONENT_ID": GROOT,
        "AURA_VERSION_ID": "9.4.0",
        "DAY_DT": tm[:10],
    } | fields


def snapshots(folder: Path, *, channels: dict[str, str], apps: dict[str, str]) -> list[Path]:
    """Write what Spain's dimensions say: channels and applications by id, and what all share."""
    of = {"COUNTRY_3_ALPHA_CD": "ESP", "EXTRACTION_TM": TAKEN}
    brand = {"GBL_BRAND_ID": "04", "GBL_BRAND_NAME": "Movistar"}
    contact = {"GBL_CONTACT_CHANNEL_ID": "7", "GBL_CONTACT_CHANNEL_NAME": "App"}
    reached = {"GBL_BRAND_ID": "04", "GBL_CONTACT_CHANNEL_ID": "7"}
    country = {"COUNTRY_3_ALPHA_CD": "ESP", "COUNTRY_2_ALPHA_CD": "ES", "COUNTRY_NAME": "Spain"}
    presets = ("rag", "generative")
    found: list[tuple[str, str, list[dict[str, Any]]]] = [
        (
            "ES_DIM_CHANNEL",
            "D_Aura_Channel",
            [
                {"AURA_CHANNEL_ID": id, "AURA_CHANNEL_NAME": name} | reached | of
                for id, name in channels.items()
            ],
        ),
        (
            "ES_DIM_APP",
            "D_Aura_App",
            [
                {"AURA_APP_ID": id, "AURA_APP_NAME": name, "GBL_BRAND_ID": "04"} | of
                for id, name in apps.items()
            ],
        ),
        (
            "ES_DIM_COMPONENT",
            "D_Aura_Component",
            [{"AURA_COMPONENT_ID": name} | of for name in (GROOT, GATEWAY)],
        ),
        ("ES_DIM_PRESETS", "D_Aura_Preset", [{"AURA_PRESET_NAME": name} | of for name in presets]),
        ("GBL_DIM_BRAND", "D_Gbl_Brand", [brand]),
        ("GBL_DIM_CONTACT_CHANNEL", "D_Gbl_Contact_Channel", [contact]),
        ("GBL_DIM_COUNTRY", "D_Gbl_Country", [country]),
    ]
    return [
        write(folder / f"{stem}_{SNAPSHOT}.avro", schema_of(dataset), rows)
        for stem, dataset, rows in found
    ]


class SpainsOperation(Meterhouse):
    """The Global Team's house with one operating business, and a book of pay per use."""

    def begin(
        self,
        folder: Path,
        *,
        book: Path = LICEO / "pay-per-use.yaml",
        streams: str = "aura-audit",
    ) -> None:
        """Have who bills whom and for how much, and what the operation needs."""
        self.operation = folder / "aura.yaml"
        self.operation.write_text(
            f"name: liceo\nsince: 2026-10\nstreams: [{streams}]\n"
            "businesses: [{code: ES, country: ESP, customer: ES}]\nformats: [xlsx, json, csv]\n"
        )
        customer = {
            "id": "ES",
            "name": "Operator Spain S.A.",
            "address": {"country": "ES", "city": "Madrid"},
            "issuer": "liceo",
            "priceBook": "liceo-pay-per-use",
            "users": ["ES"],
        }
        self.done("issuer", "create", "--file", AURA / "issuer.yaml")
        self.done("price-book", "create", "--file", book)
        self.done("customer", "create", "--file", "-", given=json.dumps(customer))
        self.done("aura", "init", self.operation)

    def operate(self, at: str = WHEN_ISSUED) -> dict[str, Any]:
        """Run the operation, which must be complete."""
        [report] = self.json("aura", "run", self.operation, "--at", at)
        return report

    def issued(self, period: str = "2026-10") -> dict[str, Any]:
        """The invoice of a month."""
        found = self.json("invoice", "list", "--customer", "ES", "--all")
        [number] = [one["number"] for one in found if one["periodStart"].startswith(period)]
        [invoice] = self.json("invoice", "show", number)
        return invoice
