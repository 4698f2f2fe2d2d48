"""A seller and a customer whose usage of October 2026 was metered by a stream."""

import json
from pathlib import Path
from typing import Any

from tests.acceptance import small
from tests.cli.command import Meterhouse

OCTOBER = "2026-10"
FIELDS = ["component", "service", "app", "preset"]
#: Component, service, service/app, preset, queries: the worked invoice of the handbook.
WORKED = [
    ("aura-groot", "message", "mi-movistar", None, 184_230),
    ("aura-gateway-api", "nlpaas", "app-nlp", None, 52_311),
    ("aura-gateway-api", "ai", "app-rag", "rag", 9_874),
    ("aura-gateway-api", "ai", "app-gen", "generative", 30_125),
]
ISSUER = {
    "id": "liceo",
    "name": "Liceo S.A.",
    "address": {"country": "ES", "city": "Madrid"},
    "taxId": "ESA28000000",
    "numberFormat": "LICEO-{year}-{number:6}",
}
CUSTOMER = {
    "id": "es",
    "name": "OB Spain",
    "address": {"country": "ES"},
    "issuer": "liceo",
    "priceBook": "liceo-es",
    "users": ["ES"],
}


def price(sku: str, amount: str, **match: str) -> dict[str, Any]:
    """A price for each query, a line for each service/app."""
    return {
        "sku": sku,
        "match": match,
        "line_by": ["service", "app"],
        "unit": "query",
        "model": "per_unit",
        "price": amount,
    }


def book(**more: Any) -> dict[str, Any]:
    """The price book of the worked invoice."""
    gateway = {"component": "aura-gateway-api"}
    return {
        "id": "liceo-es",
        "version": "2026-10-01.1",
        "currency": "EUR",
        "valid": {"from": "2026-01-01", "to": None},
        "timezone": "Etc/UTC",
        "invoicing_model": "pay_per_use",
        "prices": [
            price("message", "0.0021", component="aura-groot"),
            price("nlpaas", "0.0035", **gateway, service="nlpaas"),
            price("rag", "0.0275", **gateway, service="ai", preset="rag"),
            price("generative", "0.0112", **gateway, service="ai", preset="generative"),
        ],
        "taxes": [{"category": "S", "rate": "21.00", "name": "VAT"}],
    } | more


class Business:
    """The command line with metered usage, an issuer, a price book and customers."""

    def __init__(self, meterhouse: Meterhouse, folder: Path) -> None:
        self.run = meterhouse
        self.folder = folder

    def file(self, name: str, *bodies: Any) -> Path:
        """Write objects, one a line."""
        path = self.folder / name
        path.write_text("".join(json.dumps(body) + "\n" for body in bodies), "utf-8")
        return path

    def set_up(self, users: list[str], *, rows: list[tuple] = WORKED, **more: Any) -> None:
        """Meter the rows for each user, and have issuer, book and customers for them."""
        self.meter(users, rows=rows)
        self.sell(**more)
        for user in users:
            self.customer(id=user.lower(), users=[user])

    def sell(self, **more: Any) -> None:
        """Have an issuer and a price book."""
        self.run.done("issuer", "create", "--file", self.file("issuer.json", ISSUER))
        self.run.done("price-book", "create", "--file", self.file("book.json", book(**more)))

    def customer(self, **more: Any) -> None:
        """Add a customer."""
        path = self.file("customer.json", CUSTOMER | more)
        self.run.done("customer", "create", "--file", path)

    def meter(
        self,
        users: list[str],
        *,
        rows: list[tuple],
        stream: str = "Usage",
        until: int = 11,
        at: str | None = None,
        **of_type: Any,
    ) -> None:
        """Meter rows of October for each user, and reset the meters at the end of the month."""
        times = {} if at is None else {"timestamp": at}
        usage = [
            {"userId": user, "value": value, **dict(zip(FIELDS, fields, strict=True)), **times}
            for user in users
            for *fields, value in rows
        ]
        rule = small.RULE | {"groupBy": [{"fields": FIELDS}], "matchCategory": stream}
        self.file(f"{stream}.ndjson", *usage)
        reader = small.reader(self.folder / f"{stream}*.ndjson")
        document = small.document(reader, small.meter(rule)) | {"name": stream}
        kind = small.TYPE | {"name": stream, "category": stream} | of_type
        self.run.done("meter-type", "create", "--file", "-", given=json.dumps(kind))
        key = self.run.import_stream("-", given=json.dumps(document))["Meter"]
        meters = [{"userId": user, "meterKey": key, "meterTypeId": stream} for user in users]
        created = ("--at", "2026-10-01T00:00:00Z")
        self.run.done("meter", "create", "--file", "-", *created, given=json.dumps(meters))
        self.run.done("stream", "run", stream, "--at", "2026-10-20T00:00:00Z", "--quiet")
        for month in range(11, until + 1):
            self.run.done("stream", "run", stream, "--at", f"2026-{month}-01T00:00:00Z", "--quiet")

    def draft(self, *words: str, period: str = OCTOBER) -> list[Any]:
        """Draft invoices, of all customers unless others are named."""
        return self.run.json("invoice", "draft", *(words or ("--all",)), "--period", period)

    def issue(self, *words: str) -> list[Any]:
        """Issue invoices, all of October unless they are named."""
        which = words or ("--all", "--period", OCTOBER)
        return self.run.json("invoice", "issue", *which, "--issue-date", "2026-11-03")

    def listed(self, *words: str) -> list[Any]:
        """Return the heads of invoices."""
        return self.run.json("invoice", "list", *words)
