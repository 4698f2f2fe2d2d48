"""What tests file in an archive."""

from __future__ import annotations

from datetime import date

from meterhouse.app.billing.archiving import Document, Filed

#: 2026-11-03T00:00:00Z
AT = 1_793_664_000_000_000
XLSX = Document(
    "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK\x03\x04 one"
)
JSON = Document("json", "application/json", b'{"number":"LICEO-2026-000001"}')
WHERE = Filed(
    id="0b5c2f0e-5f1c-4d53-9f0a-0d7f3f0e9a11",
    number="LICEO-2026-000001",
    issuer="liceo",
    customer="esp",
    start=date(2026, 10, 1),
    hash="ab" * 32,
)
STEM = "invoices/esp/2026/10/liceo_ESP_202610_LICEO-2026-000001_v01"
