"""Operating businesses whose assistants were used in October 2026, metered as Aura does it."""

import json
from pathlib import Path
from typing import Any

from tests.acceptance import small
from tests.cli.billing import ISSUER, Business
from tests.cli.command import EXAMPLES

BOOKS = EXAMPLES / "liceo"
MODELS = tuple(sorted(path.stem.replace("-", "_") for path in BOOKS.glob("*.yaml")))
#: One for each model.
OBS = ("AR", "BR", "CL", "CO", "DE", "EC", "ES", "GB", "MX", "PE", "UY")
IDS = ["component", "service", "app", "app_name", "channel", "channel_name", "preset"]
GROUPS = [*IDS, "brand", "brand_name", "contact_channel", "contact_channel_name", "unknown"]
BY_DAY = ["day", "component", "service", "app", "channel", "preset"]
GATEWAY = "aura-gateway-api"
#: Component, service, app, its name, channel, preset, brand, contact channel, queries by day.
WORKED: list[tuple[Any, ...]] = [
    ("aura-groot", "message", None, None, "mi-movistar", None, "movistar", "app", 184_230),
    (GATEWAY, "nlpaas", "nlp-1", "app-nlp", None, None, "movistar", "web", 52_311),
    (GATEWAY, "ai", "rag-1", "app-rag", None, "rag", "movistar", "web", 9_000),
    (GATEWAY, "ai", "rag-1", "app-rag", None, "rag", "o2", "whatsapp", 874),
    (GATEWAY, "ai", "gen-1", "app-gen", None, "generative", "o2", "web", 30_125),
]
TOKENS = [
    ("gpt-4o", "input", "app-gen", "generative", 834_567),
    ("gpt-4o", "cached", "app-gen", "generative", 400_000),
    ("gpt-4o", "output", "app-gen", "generative", 98_765),
]
REQUESTS = 270_000


def queries(row: tuple[Any, ...], day: str = "2026-10-15", **more: Any) -> dict[str, Any]:
    """A usage record of a row."""
    component, service, app, name, channel, preset, brand, contact, value = row
    fields = [component, service, app, name, channel, channel, preset]
    known = dict(zip(IDS, fields, strict=True))
    brands = {"brand": brand, "brand_name": brand and brand.title()}
    contacts = {"contact_channel": contact, "contact_channel_name": contact}
    return {**known, **brands, **contacts, "unknown": None, "day": day, "value": value, **more}


class Liceo(Business):
    """The Global Team's house: an issuer that names its files by country."""

    def begin(self) -> None:
        """Have the issuer, and the example books."""
        issuer = ISSUER | {"fileName": "LICEO_{country3}_{period}_{number}"}
        self.run.done("issuer", "create", "--file", self.file("issuer.json", issuer))

    def book(self, model: str) -> str:
        """Have the example book of a model; returns its id."""
        name = model.replace("_", "-")
        self.run.done("price-book", "create", "--file", BOOKS / f"{name}.yaml")
        return f"liceo-{name}"

    def ob(self, code: str, book: str) -> None:
        """Have an OB as a customer."""
        address = {"country": code}
        self.customer(
            id=code, name=f"OB {code}", address=address, priceBook=book, users=[code], taxId=""
        )

    def count(
        self, category: str, rows: list[dict[str, Any]], *sections: list[str], **of_type: Any
    ) -> None:
        """Meter usage of a category by a stream of its own; the month ends with a second run."""
        users = sorted({row["userId"] for row in rows})
        self.file(f"{category}.ndjson", *rows)
        groups = [{"fields": section} for section in sections]
        rule = small.RULE | {"groupBy": groups, "matchCategory": category}
        document = small.document(
            small.reader(self.folder / f"{category}*.ndjson"), small.meter(rule)
        )
        kind = small.TYPE | {"name": category, "category": category} | of_type
        self.run.done("meter-type", "create", "--file", "-", given=json.dumps(kind))
        named = json.dumps(document | {"name": category})
        key = self.run.import_stream("-", given=named)["Meter"]
        meters = [{"userId": user, "meterKey": key, "meterTypeId": category} for user in users]
        created = ("--at", "2026-10-01T00:00:00Z")
        self.run.done("meter", "create", "--file", "-", *created, given=json.dumps(meters))
        for at in ("2026-10-20", "2026-11-01"):
            self.run.done("stream", "run", category, "--at", f"{at}T00:00:00Z", "--quiet")

    def use(self, obs: tuple[str, ...], rows: list[dict[str, Any]], **of_type: Any) -> None:
        """Meter queries of OBs, each by the meter of its service."""
        for service in dict.fromkeys(row["service"] for row in rows):
            mine = [row for row in rows if row["service"] == service]
            records = [row | {"userId": ob} for ob in obs for row in mine]
            self.count(service, records, GROUPS, BY_DAY, unit="query", **of_type)

    def tell(self, obs: tuple[str, ...]) -> None:
        """Meter requests, duplicates, tokens, and what a provider charged."""
        self.count(
            "Interactions",
            [{"userId": ob, "value": REQUESTS, "day": "2026-10-15"} for ob in obs],
            ["day"],
            unit="request",
        )
        kinds = {"identical": 12, "conflicting": 3}
        self.count(
            "Duplicates",
            [{"userId": ob, "value": n, "kind": kind} for ob in obs for kind, n in kinds.items()],
            ["kind"],
            unit="record",
        )
        fields = ["model", "token_type", "app", "app_name", "preset", "unknown"]
        self.count(
            "Tokens",
            [
                {"model": model, "token_type": kind, "app": "gen-1", "app_name": app}
                | {"preset": preset, "userId": ob, "value": value, "unknown": None}
                for ob in obs
                for model, kind, app, preset, value in TOKENS
            ],
            fields,
            unit="token",
        )


def spain(run: Any, folder: Path, *more: dict[str, Any], model: str = "pay_per_use") -> Liceo:
    """One OB with the queries of the worked invoice, and more."""
    house = Liceo(run, folder)
    house.begin()
    house.ob("ES", house.book(model))
    house.use(("ES",), [*map(queries, WORKED), *more])
    return house
