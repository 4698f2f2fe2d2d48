"""The lines of an invoice as CSV: one row per line, amounts as written, no formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from meterhouse.core.instant import instant_text
from meterhouse.core.invoice import Invoice
from meterhouse.core.money import amount_text
from meterhouse.core.quantity import number_text
from meterhouse.documents.plain_text import csv_text
from meterhouse.documents.shown_line import ShownLine, parts_text, shown_lines, unit_cost
from meterhouse.documents.summary import discount_of, maximum_of


def csv_bytes(invoice: Invoice) -> bytes:
    """Write the lines of an invoice as CSV (UTF-8, comma, CR LF)."""
    columns = _columns(invoice)
    rows = ([value(shown) for value in columns.values()] for shown in shown_lines(invoice))
    return table_bytes(list(columns), rows)


def table_bytes(names: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Write a table as CSV; texts must be safe already."""
    made = io.StringIO(newline="")
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows(rows)
    return made.getvalue().encode()


def _columns(invoice: Invoice) -> Mapping[str, Callable[[ShownLine], str]]:
    digits = invoice.currency_digits

    def text(value: Callable[[ShownLine], str]) -> Callable[[ShownLine], str]:
        return lambda it: csv_text(value(it))

    def amount(value: Callable[[ShownLine], Decimal]) -> Callable[[ShownLine], str]:
        return lambda it: amount_text(value(it), digits)

    def number(value: Callable[[ShownLine], Decimal | None]) -> Callable[[ShownLine], str]:
        def written(it: ShownLine) -> str:
            found = value(it)
            return "" if found is None else number_text(found)

        return written

    return {
        "invoiceNumber": text(lambda it: invoice.number or ""),
        "lineId": text(lambda it: it.line.id),
        "kind": text(lambda it: it.line.charge.kind.value),
        "sku": text(lambda it: it.line.charge.sku),
        "name": text(lambda it: it.line.charge.name),
        "component": text(lambda it: it.component),
        "service": text(lambda it: it.service),
        "app": text(lambda it: it.app),
        "appId": text(lambda it: it.app_id),
        "preset": text(lambda it: it.preset),
        "brand": text(lambda it: it.brand),
        "channel": text(lambda it: it.channel),
        "model": text(lambda it: it.model),
        "tokenType": text(lambda it: it.token_type),
        "periodStart": text(lambda it: instant_text(it.line.charge.period.start)),
        "periodEnd": text(lambda it: instant_text(it.line.charge.period.end)),
        "unit": text(lambda it: it.line.charge.unit),
        "quantity": number(lambda it: it.line.charge.quantity),
        "meteredUnit": text(lambda it: it.metered_unit),
        "billable": number(lambda it: it.line.charge.billable),
        "pricingModel": text(lambda it: it.line.charge.model),
        "listPrice": number(lambda it: it.line.charge.list_price),
        "per": number(lambda it: it.line.charge.per),
        "unitCost": number(unit_cost),
        "calculation": text(lambda it: parts_text(it.line, digits)),
        "exactAmount": number(lambda it: it.line.charge.exact),
        "grossAmount": amount(lambda it: it.line.charge.gross),
        "discounts": amount(lambda it: discount_of(it.line)),
        "overMaximum": amount(lambda it: maximum_of(it.line)),
        "netAmount": amount(lambda it: it.line.net),
        "currency": text(lambda it: invoice.currency),
        "taxCategory": text(lambda it: it.line.tax_category),
        "taxRate": number(lambda it: it.line.tax_rate),
        "corrects": text(lambda it: it.line.corrects or ""),
        "author": text(lambda it: it.line.author),
        "reason": text(lambda it: it.line.reason),
        "otherFields": text(lambda it: it.of("preset", "brand", "channel", "model", "token_type")),
    }
