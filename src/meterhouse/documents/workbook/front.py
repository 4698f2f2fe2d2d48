"""The first sheet: who asks whom for how much, for what, and how the sum comes about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from meterhouse.core.invoice import Invoice, InvoiceStatus
from meterhouse.core.quantity import ZERO
from meterhouse.documents.header import header_fields, party_lines, tax_label
from meterhouse.documents.shown_line import ShownLine, cost_of_one, shown_lines
from meterhouse.documents.summary import Sums, grouped, sums_of, title_of
from meterhouse.documents.workbook.page import Formula, Page, Table

_WIDTHS = (26, 30, 17, 12, 16, 20)
#: Columns of labels and values at the right of the header.
_RIGHT = 3
_BARS_MAX = 15
_ROW_PIXELS = 20
#: A hidden column: what the bars of the chart are called.
_LABELS = 7


def write_front(
    page: Page, invoice: Invoice, lines: Sequence[ShownLine], *, table: Table, book: Any
) -> None:
    """Write the sheet."""
    styles = page.styles
    page.widths(*_WIDTHS)
    page.sheet.set_column(_LABELS, _LABELS, 30, None, {"hidden": True})
    title = title_of(invoice)
    page.row(
        [
            (0, title, styles.style("title")),
            (5, invoice.number or "DRAFT", styles.style("number")),
        ],
        height=34,
    )
    if invoice.status in (InvoiceStatus.DRAFT, InvoiceStatus.VOID):
        said = f"This is a {invoice.status.value}: it asks for no payment."
        page.row([(0, said, styles.style("draft"))])
    page.skip()
    _write_parties(page, invoice)
    _write_header(page, invoice)
    first, last = _write_summary(page, invoice, lines)
    _write_footer(page, invoice, sums_of(invoice), table=table)
    below = _insert_chart(page, book, first=first, last=last)
    page.sheet.print_area(0, 0, below, len(_WIDTHS) - 1)


def _section(page: Page, *titles: tuple[int, str]) -> None:
    style = page.styles.style("section")
    named = dict(titles)
    page.row([(place, named.get(place), style) for place in range(len(_WIDTHS))])


def _write_parties(page: Page, invoice: Invoice) -> None:
    _section(page, (0, "From"), (_RIGHT, "Billed to"))
    both = zip_longest(party_lines(invoice.seller), party_lines(invoice.buyer))
    for at, (seller, buyer) in enumerate(both):
        style = page.styles.style("text" if at else "strong")
        page.row([(place, text, style) for place, text in ((0, seller), (_RIGHT, buyer)) if text])
    page.skip()


def _write_header(page: Page, invoice: Invoice) -> None:
    _section(page, (0, "Details"))
    fields = header_fields(invoice)
    half = (len(fields) + 1) // 2
    label, text, day = page.styles.style("label"), page.styles.style("text"), page.styles.date()
    for left, right in zip_longest(fields[:half], fields[half:]):
        cells: list[tuple[int, Any, Any]] = []
        for place, values, found in ((0, 1, left), (_RIGHT, _RIGHT + 2, right)):
            if found and found[1] not in (None, ""):
                style = day if isinstance(found[1], date) else text
                cells += [(place, found[0], label), (values, found[1], style)]
        page.row(cells)
    page.skip()


def _write_summary(page: Page, invoice: Invoice, lines: Sequence[ShownLine]) -> tuple[int, int]:
    """Write a row per component and service; returns the first and the last."""
    styles = page.styles
    left, right = styles.style("head"), styles.style("head_right")
    page.row(
        [
            (0, "Component", left),
            (1, "Service", left),
            (2, "Queries", right),
            (3, "Unit", left),
            (4, "Unit cost", right),
            (5, f"Amount ({invoice.currency})", right),
        ],
        height=22,
    )
    first = page.next + 1
    for group in grouped(lines, "component", "service"):
        cells: list[tuple[int, Any, Any]] = [
            (0, group.names[0], styles.style("cell")),
            (1, group.names[1], styles.style("cell")),
            (3, group.unit, styles.style("cell")),
            (_LABELS, " · ".join(dict.fromkeys(group.names)), styles.style("text")),
            (5, group.amount, styles.amount()),
        ]
        cost = cost_of_one(group.amount, group.quantity)
        if group.quantity and cost is not None:
            cells += [(2, group.quantity, styles.quantity(group.quantity))]
            cells += [(4, cost, styles.price(cost))]
        page.row(cells)
    return first, page.next


def _write_footer(page: Page, invoice: Invoice, sums: Sums, *, table: Table) -> None:
    digits, totals = page.styles.digits, invoice.totals
    gross, kinds = (table.cells(name) for name in (f"Gross ({invoice.currency})", "Kind"))
    off, over = (
        table.cells(f"{name} ({invoice.currency})") for name in ("Discounts", "Over maximum")
    )

    def of_kind(*names: str) -> str:
        return "+".join(f'SUMIFS({gross},{kinds},"{name}")' for name in names)

    page.skip()
    _requests(page, invoice, sums, table=table)
    first = page.next + 1
    _sum_row(page, "Usage and fees", of_kind("usage", "fee"), sums.charges)
    if sums.discounts:
        _sum_row(page, "Discounts", f"-SUM({off})", sums.discounts.copy_negate())
    if sums.commitments:
        made = f"{of_kind('true_up')}-SUM({over})"
        _sum_row(page, "Commitments", made, sums.commitments)
    if sums.adjustments:
        _sum_row(page, "Adjustments", of_kind("adjustment"), sums.adjustments)
    if totals.credits_before_tax:
        page.row(_amount("Credits", totals.credits_before_tax.copy_negate(), page))
    net = _sum_row(page, "Net", f"SUM(F{first}:F{page.next})", totals.net, style="sum")
    for tax in invoice.taxes:
        base = (4, f"of {tax.base:,.{digits}f}", page.styles.style("note"))
        reason = [(0, tax.reason, page.styles.style("label"))] if tax.reason else []
        page.row([*reason, *_amount(tax_label(tax), tax.amount, page), base])
    total = _sum_row(page, "Total", f"SUM(F{net}:F{page.next})", totals.total, style="sum")
    if totals.prepaid:
        page.row(_amount("Prepaid credits", totals.prepaid.copy_negate(), page))
    said = "Amount credited" if title_of(invoice) == "Credit note" else "Amount payable"
    formula = f"=ROUND(SUM(F{total}:F{page.next}),{digits})"
    payable = page.styles.style("payable")
    page.row(
        [
            (3, said, payable),
            (4, None, payable),
            (5, Formula(formula, totals.payable), page.styles.money("payable")),
        ],
        height=24,
    )


def _requests(page: Page, invoice: Invoice, sums: Sums, *, table: Table) -> None:
    style, shown = page.styles.style("text"), page.styles.quantity(sums.requests)
    value: Any = sums.requests
    if invoice.requests is None and not any(one.is_tokens for one in shown_lines(invoice)):
        queries, kinds = table.cells("Queries"), table.cells("Kind")
        value = Formula(f'=SUMIFS({queries},{kinds},"usage")', sums.requests)
    page.row([(3, "Total requests", style), (5, value, shown)])


def _amount(label: str, amount: Decimal, page: Page) -> list[tuple[int, Any, Any]]:
    return [(3, label, page.styles.style("text")), (5, amount, page.styles.amount())]


def _sum_row(page: Page, label: str, formula: str, value: Decimal, *, style: str = "text") -> int:
    """Write a sum; returns its row."""
    styles = page.styles
    made = Formula(f"=ROUND({formula},{styles.digits})", value or ZERO)
    cells = [(3, label, styles.style(style)), (5, made, styles.amount(style))]
    return page.row(
        cells if style == "text" else [cells[0], (4, None, styles.style(style)), cells[1]]
    )


def _insert_chart(page: Page, book: Any, *, first: int, last: int) -> int:
    """Show the amounts of the components as bars, below everything; returns the last row."""
    if last < first:
        return page.next
    last = min(last, first + _BARS_MAX - 1)
    chart = book.add_chart({"type": "bar"})
    chart.add_series(
        {
            "name": "Amount",
            "categories": f"=Invoice!$H${first}:$H${last}",
            "values": f"=Invoice!$F${first}:$F${last}",
            "fill": {"color": "#4F81BD"},
            "gap": 60,
            "data_labels": {"value": True, "font": {"size": 8}},
        }
    )
    chart.set_title({"name": "Amount by component", "name_font": {"size": 11, "color": "#1F3A5F"}})
    chart.set_legend({"none": True})
    chart.show_hidden_data()
    chart.set_y_axis({"reverse": True, "num_font": {"size": 8}})
    chart.set_x_axis({"visible": False, "major_gridlines": {"visible": False}})
    height = 120 + 34 * (last - first + 1)
    chart.set_size({"width": 860, "height": height})
    page.sheet.insert_chart(page.next + 1, 0, chart)
    return page.next + 2 + height // _ROW_PIXELS
