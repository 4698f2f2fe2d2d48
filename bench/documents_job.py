"""One measurement of documents in a process of its own.

Use: python -m bench.documents_job bare|ours|small COUNT
"""

from __future__ import annotations

import cProfile
import json
import pstats
import sys
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any

from meterhouse.core.charge import BillingPeriod, Charge, ChargeKind, Source
from meterhouse.core.instant import parse_instant
from meterhouse.core.invoice import (
    BookUsed,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    InvoiceStatus,
    TaxTotal,
    Totals,
)
from meterhouse.core.money import rounded
from meterhouse.core.party import Address, Party
from meterhouse.documents import FORMATS

_APPS = [f"app-{number:02}" for number in range(20)]
_PRICE = Decimal("0.0035")
_PROFILED = 150


def _period() -> BillingPeriod:
    start, end = parse_instant("2026-10-01T00:00:00Z"), parse_instant("2026-11-01T00:00:00Z")
    assert start is not None and end is not None
    return BillingPeriod(start, end, "UTC")


def _fields(app: str) -> dict[str, str]:
    return {"component": '"aura-gateway-api"', "service": '"ai"', "app": f'"{app}"'}


def _record(number: int) -> tuple[str, Decimal]:
    return f"{number:08x}-5b7e-5d0e-9000-{number * 7919 % 2**48:012x}", Decimal(number % 977 + 1)


def _line(number: int, sources: list[Source], period: BillingPeriod) -> InvoiceLine:
    quantity = Decimal(sum(int(source.quantity) for source in sources))
    exact = quantity * _PRICE
    gross = rounded(exact, 2)
    charge = Charge(
        sku="ai/aura-gateway-api",
        kind=ChargeKind.USAGE,
        name="Requests",
        model="per_unit",
        unit="request",
        fields=_fields(_APPS[number % 20]),
        quantity=quantity,
        billable=quantity,
        per=Decimal(1),
        list_price=_PRICE,
        parts=(),
        exact=exact,
        gross=gross,
        net=gross,
        tax=None,
        period=period,
        sources=tuple(sources),
    )
    return InvoiceLine(str(number + 1), charge, gross, "S", Decimal(21), "b")


def _invoice(number: int, *, lines: int, records: int) -> Invoice:
    period = _period()
    fields = [_fields(app) for app in _APPS]
    each = records // lines
    made = [
        _line(
            at,
            [Source(*_record(at * each + n), fields[at % 20]) for n in range(each)],
            period,
        )
        for at in range(lines)
    ]
    net = sum((line.net for line in made), Decimal(0))
    tax = rounded(net * 21 / 100, 2)
    party = Party("Liceo", Address("ES", "Gran Vía 28", "Madrid", "28013"), "ESB12345674")
    return Invoice(
        id=f"00000000-0000-4000-8000-{number:012}",
        kind=InvoiceKind.INVOICE,
        status=InvoiceStatus.ISSUED,
        customer="ES",
        seller=party,
        buyer=party,
        period=period,
        currency="EUR",
        currency_digits=2,
        invoicing_model="pay_per_use",
        lines=tuple(made),
        taxes=(TaxTotal("S", Decimal(21), net, tax),),
        totals=Totals(net, Decimal(0), net, tax, net + tax, Decimal(0), net + tax),
        books=(BookUsed("b", "1", "0" * 64),),
        number=f"2026-{number:06}",
        issue_date=date(2026, 11, 2),
        due_date=date(2026, 12, 2),
    )


def _bare(rows: int) -> dict[str, Any]:
    """Write the cells of the detail sheet as the library's own examples do."""
    from xlsxwriter import Workbook

    each = rows // len(_APPS)
    table = []
    for number in range(rows):
        app, (record, quantity) = _APPS[number // each], _record(number)
        said = f"app {app}, component aura-gateway-api, service ai"
        line = str(number // each + 1)
        table.append((line, "ai/aura-gateway-api", record, quantity, "request", said))
    begun = time.perf_counter()
    made = BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(made, options) as book:
        sheet = book.add_worksheet()
        text, number_format = (
            book.add_format({"indent": 1}),
            book.add_format({"num_format": "#,##0"}),
        )
        for row, (line, sku, record, quantity, unit, said) in enumerate(table):
            sheet.write_string(row, 0, line, text)
            sheet.write_string(row, 1, sku, text)
            sheet.write_string(row, 2, record, text)
            sheet.write_number(row, 3, quantity, number_format)
            sheet.write_string(row, 4, unit, text)
            sheet.write_string(row, 5, said, text)
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "bytes": len(made.getvalue()), "rows": rows}


def _ours(rows: int) -> dict[str, Any]:
    invoice = _invoice(1, lines=len(_APPS), records=rows)
    begun = time.perf_counter()
    made = FORMATS["xlsx"].render(invoice, detail=True)
    return {"seconds": time.perf_counter() - begun, "bytes": len(made), "rows": rows}


def _small(count: int) -> dict[str, Any]:
    FORMATS["xlsx"].render(_invoice(0, lines=5, records=20))  # libraries are loaded once
    seconds = {"xlsx": 0.0, "json": 0.0}
    for number in range(count):
        invoice = _invoice(number, lines=5, records=20)
        for name in seconds:
            begun = time.perf_counter()
            FORMATS[name].render(invoice)
            seconds[name] += time.perf_counter() - begun
    return seconds | {"profile": dict(_profile())}


def _profile() -> Iterator[tuple[str, float]]:
    """Yield the shares of the time that each library takes, its own functions alone."""
    profile = cProfile.Profile()
    invoices = [_invoice(number, lines=5, records=20) for number in range(_PROFILED)]
    with profile:
        for invoice in invoices:
            FORMATS["xlsx"].render(invoice)
    parts: dict[str, float] = {}
    stats: Any = pstats.Stats(profile)
    for (file, _, name), (_, _, own, *_) in stats.stats.items():
        part = "Python and its own library"
        if "xlsxwriter" in file:
            part = "XlsxWriter: cells, styles and parts as XML"
        elif "meterhouse" in file:
            part = "Meterhouse: what is written where"
        elif "zlib" in name or "zip" in file:
            part = "compressing"
        parts[part] = parts.get(part, 0.0) + own
    whole = sum(parts.values())
    for part, own in sorted(parts.items(), key=lambda one: -one[1]):
        yield part, own / whole


if __name__ == "__main__":
    _JOBS = {"bare": _bare, "ours": _ours, "small": _small}
    print(json.dumps(_JOBS[sys.argv[1]](int(sys.argv[2]))))
