"""The first sheet: who asks whom for how much, for what, and how the sum comes about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from meterhouse.core.invoice import Invoice, InvoiceStatus
from meterhouse.core.quantity import ZERO, number_text
from meterhouse.documents.header import header_fields, party_lines, tax_label
from meterhouse.documents.shown_line import (
    ShownLine,
    cost_of_one,
    grouped_digits,
    quantity_title,
    shown_lines,
)
from meterhouse.documents.summary import Sums, grouped, sums_of, title_of
from meterhouse.documents.workbook.page import Formula, Page, Table, height_of

_WIDTHS = (26, 26, 15, 12, 15, 15, 20)
#: Columns of labels and values at the right of the header.
_RIGHT = 3
_BARS_MAX = 15
_ROW_PIXELS = 20
#: A hidden column: what the bars of the chart are called.
_LABELS = 8
#: The amounts.
_AMOUNTS = 6
#: Where labels of the sums begin.
_SUMS = 2
#: A longer label begins further left.
_LABEL_CHARS_MAX = 40


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
            (_AMOUNTS, invoice.number or "DRAFT", styles.style("number")),
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
            (2, quantity_title(lines), right),
            (3, "Unit", left),
            (4, "Unit price", right),
            (5, "Effective price", right),
            (_AMOUNTS, f"Amount ({invoice.currency})", right),
        ],
        height=22,
    )
    first = page.next + 1
    for group in grouped(lines, "component", "part"):
        cells: list[tuple[int, Any, Any]] = [
            (0, group.names[0], styles.style("wrapped")),
            (1, group.names[1], styles.style("wrapped")),
            (3, group.unit, styles.style("cell")),
            (_LABELS, " · ".join(dict.fromkeys(group.names)), styles.style("text")),
            (_AMOUNTS, group.amount, styles.amount()),
        ]
        cost = cost_of_one(group.amount, group.quantity)
        if group.quantity and cost is not None:
            cells += [(2, group.quantity, styles.quantity(group.quantity))]
            cells += [(5, cost, styles.price(cost))]
        if group.price is not None and group.per:
            said = f"{grouped_digits(number_text(group.price))}{group.per}"
            cells += [(4, said, styles.style("right"))]
        elif group.price is not None:
            cells += [(4, group.price, styles.price(group.price))]
        page.row(cells, height=height_of(*zip(group.names, _WIDTHS, strict=False)))
    return first, page.next


def _write_footer(page: Page, invoice: Invoice, sums: Sums, *, table: Table) -> None:
    digits, totals = page.styles.digits, invoice.totals
    gross, kinds = (table.cells(name) for name in (f"Gross ({invoice.currency})", "Kind"))

    def of_kind(*names: str) -> str:
        return "+".join(f'SUMIFS({gross},{kinds},"{name}")' for name in names)

    page.skip()
    _requests(page, invoice, sums, table=table)
    first = page.next + 1
    _sum_row(page, "Usage and fees", of_kind("usage", "fee"), sums.charges)
    if sums.discounts:
        off = table.cells(f"Discounts ({invoice.currency})")
        _sum_row(page, "Discounts", f"-SUM({off})", sums.discounts.copy_negate())
    if sums.maxima:
        over = table.cells(f"Over maximum ({invoice.currency})")
        _sum_row(page, "Over maximum", f"-SUM({over})", sums.maxima.copy_negate())
    if sums.true_ups:
        _sum_row(page, "Minimum commitments", of_kind("true-up"), sums.true_ups)
    if sums.adjustments:
        _sum_row(page, "Adjustments", of_kind("adjustment"), sums.adjustments)
    if totals.credits_before_tax:
        page.row(_amount("Credits", totals.credits_before_tax.copy_negate(), page))
    net = _sum_row(page, "Net", f"SUM(G{first}:G{page.next})", totals.net, style="sum")
    for tax in invoice.taxes:
        base = (5, f"of {tax.base:,.{digits}f}", page.styles.style("note"))
        said = f"{tax_label(tax)}: {tax.reason}" if tax.reason else tax_label(tax)
        page.row([*_amount(said, tax.amount, page), base])
    total = _sum_row(page, "Total", f"SUM(G{net}:G{page.next})", totals.total, style="sum")
    if totals.prepaid:
        page.row(_amount("Prepaid credits", totals.prepaid.copy_negate(), page))
    said = "Amount credited" if title_of(invoice) == "Credit note" else "Amount payable"
    formula = f"=ROUND(SUM(G{total}:G{page.next}),{digits})"
    payable = page.styles.style("payable")
    page.row(
        [
            *(
                (place, said if place == _SUMS else None, payable)
                for place in range(_SUMS, _AMOUNTS)
            ),
            (_AMOUNTS, Formula(formula, totals.payable), page.styles.money("payable")),
        ],
        height=24,
    )


def _requests(page: Page, invoice: Invoice, sums: Sums, *, table: Table) -> None:
    if sums.counted is None:
        return
    style, shown = page.styles.style("text"), page.styles.quantity(sums.counted)
    value: Any = sums.counted
    if invoice.requests is None and "Metered" not in table.places:
        counted, kinds = table.cells(quantity_title(shown_lines(invoice))), table.cells("Kind")
        value = Formula(f'=SUMIFS({counted},{kinds},"usage")', sums.counted)
    page.row([(_SUMS, sums.counted_as, style), (_AMOUNTS, value, shown)])
    if invoice.requests is not None and sums.queries is not None:
        shown = page.styles.quantity(sums.queries)
        page.row([(_SUMS, "Sum of component queries", style), (_AMOUNTS, sums.queries, shown)])
        said = "One request may make queries of several components: the two need not be equal."
        page.row([(_SUMS, said, page.styles.style("label"))])


def _amount(label: str, amount: Decimal, page: Page) -> list[tuple[int, Any, Any]]:
    place = _SUMS if len(label) <= _LABEL_CHARS_MAX else 0
    return [(place, label, page.styles.style("text")), (_AMOUNTS, amount, page.styles.amount())]


def _sum_row(page: Page, label: str, formula: str, value: Decimal, *, style: str = "text") -> int:
    """Write a sum; returns its row."""
    styles = page.styles
    made = Formula(f"=ROUND({formula},{styles.digits})", value or ZERO)
    between = range(_SUMS + 1, _AMOUNTS) if style != "text" else ()
    blank = [(place, None, styles.style(style)) for place in between]
    cells = [(_SUMS, label, styles.style(style)), *blank]
    return page.row([*cells, (_AMOUNTS, made, styles.amount(style))])


def _insert_chart(page: Page, book: Any, *, first: int, last: int) -> int:
    """Show the amounts of the components as bars, below everything; returns the last row."""
    if last < first:
        return page.next
    last = min(last, first + _BARS_MAX - 1)
    chart = book.add_chart({"type": "bar"})
    chart.add_series(
        {
            "name": "Amount",
            "categories": f"=Invoice!$I${first}:$I${last}",
            "values": f"=Invoice!$G${first}:$G${last}",
            "fill": {"color": "#4F81BD"},
            "gap": 60,
            "data_labels": {"value": True, "font": {"size": 8}},
        }
    )
    chart.set_title({"name": "Amount by component", "name_font": {"size": 11, "color": "#1F3A5F"}})
    chart.set_legend({"none": True})
    chart.show_hidden_data()
    chart.set_y_axis({"reverse": True, "label_position": "low", "num_font": {"size": 8}})
    chart.set_x_axis({"visible": False, "major_gridlines": {"visible": False}})
    height = 120 + 34 * (last - first + 1)
    chart.set_size({"width": 860, "height": height})
    page.sheet.insert_chart(page.next + 1, 0, chart)
    return page.next + 2 + height // _ROW_PIXELS
