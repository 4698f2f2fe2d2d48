"""The sheets behind the first one: each is a table, or several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any

from meterhouse.core.charge import Charge, ChargeKind, Source
from meterhouse.core.counted import counted
from meterhouse.core.instant import instant_text
from meterhouse.core.invoice import Check, Invoice, InvoiceLine, SourceFile
from meterhouse.core.money import rounded_ratio
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.documents.shown_line import (
    ShownLine,
    field_text,
    fields_text,
    named_fields,
    parts_text,
    quantity_title,
    total,
    unit_cost,
)
from meterhouse.documents.summary import by_day, discount_of, maximum_of
from meterhouse.documents.workbook.page import ROWS_MAX, Column, Page, Table, column_letter

_SERIES_MAX = 6
_GRID = {"visible": True, "line": {"color": "#D8DEE8"}}
#: A chart of usage by day is as high as so many rows.
_CHART_ROWS = 20
#: A unit, and a component that is counted in it.
_Series = tuple[str, str]
_CHART_COLORS = ("#1F3A5F", "#4F81BD", "#9BBB59", "#F0A030", "#8064A2", "#A0A8B4")


def _charge(item: ShownLine) -> Charge:
    return item.line.charge


def write_components(page: Page, invoice: Invoice, lines: Sequence[ShownLine]) -> Table:
    """Write all lines, with how each was calculated. Other sheets add this one up."""
    currency, digits = invoice.currency, invoice.currency_digits
    columns = [
        Column("Line", 6, "text", lambda it: it.line.id),
        Column("Component", 20, "text", lambda it: it.component),
        Column("Service", 22, "wrapped", lambda it: it.service),
        *_where_used(
            lines,
            Column("Service/app", 24, "wrapped", lambda it: it.user),
            Column("Preset", 20, "text", lambda it: it.preset),
            Column("Model", 13, "text", lambda it: it.model),
            Column("Of", 18, "wrapped", lambda it: it.told("preset", "model")),
        ),
        Column(quantity_title(lines), 14, "quantity", lambda it: it.quantity),
        Column("Unit", 10, "text", lambda it: _charge(it).unit),
        *_where_used(
            lines,
            Column("Metered", 12, "quantity", lambda it: _metered(it)),
            Column("Metered in", 10, "text", lambda it: it.metered_unit if _metered(it) else ""),
        ),
        Column("List price", 10, "price", lambda it: it.list_price),
        *_where_used(lines, Column("Per", 10, "quantity", _per)),
        Column("Effective price", 12, "price", unit_cost),
        *_where_used(
            lines, Column("Calculation", 44, "wrapped", lambda it: parts_text(it.line, digits))
        ),
        Column(f"Gross ({currency})", 12, "amount", lambda it: _charge(it).gross),
        *_where_used(
            lines,
            Column(f"Discounts ({currency})", 12, "amount", lambda it: discount_of(it.line)),
            Column(f"Over maximum ({currency})", 16, "amount", lambda it: maximum_of(it.line)),
        ),
        Column(f"Amount ({currency})", 13, "amount", lambda it: it.line.net),
    ]
    columns += [  # for those who check: it is not printed
        Column("Kind", 12, "text", lambda it: _kind(it.line)),
        Column("Pricing model", 14, "text", lambda it: it.model_name),
        Column("Tax", 6, "text", lambda it: it.line.tax_category),
        Column("Tax %", 8, "quantity", lambda it: it.line.tax_rate),
        Column("SKU", 26, "text", lambda it: it.sku),
        Column("Exact amount", 18, "exact", lambda it: number_text(_charge(it).exact)),
    ]
    table = page.table(columns, lines, fixed=3)
    amounts = {
        f"Gross ({currency})": total([it.line.charge.gross for it in lines]),
        f"Discounts ({currency})": total([discount_of(it.line) for it in lines]),
        f"Over maximum ({currency})": total([maximum_of(it.line) for it in lines]),
        f"Amount ({currency})": invoice.totals.lines,
    }
    amounts = {title: amount for title, amount in amounts.items() if title in table.places}
    page.sums(table, amounts, dict.fromkeys(amounts, page.styles.amount("sum")))
    page.sheet.print_area(0, 0, page.next - 1, table.places["Kind"] - 1)
    return table


def _where_used(lines: Sequence[ShownLine], *columns: Column) -> list[Column]:
    """Return the columns in which a line has something."""
    return [column for column in columns if any(column.value(shown) for shown in lines)]


def _metered(shown: ShownLine) -> Decimal | None:
    return _charge(shown).quantity if shown.is_converted else None


def _per(shown: ShownLine) -> Decimal | None:
    """How many units a price is for, where that is not one."""
    return _charge(shown).per if shown.list_price is not None and _charge(shown).per != 1 else None


def _kind(line: InvoiceLine) -> str:
    return line.charge.kind.value.replace("_", "-")


def write_daily(page: Page, invoice: Invoice, lines: Sequence[ShownLine], *, book: Any) -> None:
    """Write usage by day, once per component and service, once as the charts show it."""
    called, title = _names_of(lines), quantity_title(lines)
    windows = sorted(invoice.windows, key=lambda it: (it.start, sorted(it.fields.items())))
    columns = [
        Column("Day", 12, "date", lambda it: it.start),
        Column("Component", 24, "text", lambda it: _component(it.fields)),
        Column("Service/app", 24, "text", lambda it: _user(it.fields, called)),
        Column(title, 16, "quantity", lambda it: it.quantity),
        *_where_said(windows, Column("Unit", 10, "text", lambda it: it.unit)),
        *_where_said(
            windows, Column("Service", 12, "text", lambda it: field_text(it.fields, "service"))
        ),
        *_where_said(
            windows, Column("Preset", 24, "text", lambda it: field_text(it.fields, "preset"))
        ),
    ]
    series, days = _series_of(invoice)
    place = len(columns) + 1
    _write_both(page, columns, windows, days=days, names=[_series_name(one) for one in series])
    chart_row = 1
    for unit in dict.fromkeys(unit for unit, _ in series):
        mine = [(at, one) for at, one in enumerate(series) if one[0] == unit]
        # Columns are as long as they are high, unless some are below 0.
        axis = {"min": 0} if all(value >= 0 for row in days.values() for value in row) else {}
        chart = _day_chart(book, mine, place=place, last=len(days) + 1, unit=unit, axis=axis)
        page.sheet.insert_chart(chart_row, place + len(series) + 2, chart)
        chart_row += _CHART_ROWS


def _series_of(invoice: Invoice) -> tuple[list[_Series], dict[date, list[Decimal]]]:
    """Return what charts show: units with components, and a row of their sums for each day.

    What is counted in different units is never added up, nor is it in one chart.
    """
    series: list[_Series] = []
    sums: list[dict[date, Decimal]] = []
    for unit in sorted({window.unit for window in invoice.windows}):
        windows = tuple(window for window in invoice.windows if window.unit == unit)
        names, days = by_day(replace(invoice, windows=windows), _SERIES_MAX)
        series += [(unit, name) for name in names]
        sums += [{day: row[at] for day, row in days.items()} for at in range(len(names))]
    every = sorted({window.start for window in invoice.windows})
    return series, {day: [one.get(day, ZERO) for one in sums] for day in every}


def _series_name(series: _Series) -> str:
    unit, name = series
    return " ".join(filter(None, (name or "usage", unit and f"({unit})")))


def _day_chart(
    book: Any,
    series: Sequence[tuple[int, _Series]],
    *,
    place: int,
    last: int,
    unit: str,
    axis: Mapping[str, Any],
) -> Any:
    """Return a chart of usage by day: columns of days, its components on top of each other."""
    chart = book.add_chart({"type": "column", "subtype": "stacked"})
    for color, (at, one) in enumerate(series):
        letter = column_letter(place + 1 + at)
        day = column_letter(place)
        chart.add_series(
            {
                "name": _series_name(one)[:200],
                "categories": f"=Daily!${day}$2:${day}${last}",
                "values": f"=Daily!${letter}$2:${letter}${last}",
                "fill": {"color": _CHART_COLORS[color]},
                "gap": 40,
            }
        )
    title = f"Usage by day ({unit})" if unit else "Usage by day"
    chart.set_title({"name": title, "name_font": {"size": 12, "color": "#1F3A5F"}})
    chart.set_x_axis({"date_axis": True, "num_format": "d mmm", "num_font": {"size": 8}})
    chart.set_y_axis({"num_format": "#,##0", "major_gridlines": _GRID, **axis})
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": 760, "height": 360})
    return chart


def _component(fields: Any) -> str:
    return field_text(fields, "component") or field_text(fields, "meter_type")


def _user(fields: Any, called: Mapping[tuple[str, str], str]) -> str:
    """Return the app, else the channel: by name where the day or a line says it."""
    for name in ("app", "channel"):
        id, named = field_text(fields, name), field_text(fields, f"{name}_name")
        if text := named or called.get((name, id)) or id:
            return text
    return ""


def _names_of(lines: Sequence[ShownLine]) -> dict[tuple[str, str], str]:
    """Return what apps and channels are called on lines, by the field and the id."""
    found: dict[tuple[str, str], str] = {}
    for shown in lines:
        fields = named_fields(shown.line)
        for name in ("app", "channel"):
            if named := field_text(fields, f"{name}_name"):
                found[name, field_text(fields, name)] = named
    return found


def _where_said(windows: Sequence[Any], column: Column) -> list[Column]:
    return [column] if any(column.value(window) for window in windows) else []


def _write_both(
    page: Page,
    columns: Sequence[Column],
    windows: Sequence[Any],
    *,
    days: dict[date, list[Decimal]],
    names: Sequence[str],
) -> None:
    """Write two tables side by side, row by row: windows, and the sums of days."""
    rows = list(days.items())
    padded = [*windows, *[None] * (len(rows) - len(windows))]
    paired = [(it, rows[at] if at < len(rows) else None) for at, it in enumerate(padded)]
    left = [
        Column(one.title, one.width, one.kind, lambda it, one=one: it[0] and one.value(it[0]))
        for one in columns
    ]
    gap = Column("", 3, "text", lambda it: "")
    right = [Column("By day", 12, "date", lambda it: it[1] and it[1][0])]
    right += [
        Column(name or "usage", 16, "quantity", lambda it, at=at: it[1] and it[1][1][at])
        for at, name in enumerate(names)
    ]
    page.table([*left, gap, *right], paired, others=1 + len(right))


def write_tokens(page: Page, invoice: Invoice, lines: Sequence[ShownLine]) -> None:
    """Write usage of language models: a row per model, preset and app; kinds of tokens beside."""
    groups: dict[tuple[str, str, str], list[ShownLine]] = {}
    for shown in lines:
        if shown.is_tokens:
            groups.setdefault((shown.model, shown.preset, shown.user), []).append(shown)
    amount = f"Amount ({invoice.currency})"
    kinds = sorted({shown.token_type for shown in lines if shown.is_tokens}, key=_token_order)
    named = [("Model", 22), ("Preset", 24), ("App", 52)]
    columns = [
        Column(title, width, "text", lambda it, at=at: it[0][at])
        for at, (title, width) in enumerate(named)
        if at == 0 or any(key[at] for key in groups)
    ]
    for kind in kinds:
        columns += [
            Column(
                _title(f"{kind} tokens"), 16, "quantity", lambda it, kind=kind: _tokens(it[1], kind)
            ),
            Column(
                _title(f"{kind}, price per 1M" if kind else "price per 1M"),
                14,
                "price",
                lambda it, kind=kind: _per_million(it[1], kind),
            ),
        ]
    columns.append(Column(amount, 16, "amount", lambda it: total([one.line.net for one in it[1]])))
    table = page.table(columns, list(groups.items()))
    whole = total([one.line.net for members in groups.values() for one in members])
    page.sums(table, {amount: whole}, {amount: page.styles.amount("sum")})


def _title(text: str) -> str:
    """Begin with a capital where no kind of tokens does it in its own way."""
    text = text.strip()
    return text[0].upper() + text[1:] if text in ("tokens", "price per 1M") else text


def _token_order(kind: str) -> tuple[int, str]:
    known = ["input", "cached", "output"]
    return (known.index(kind) if kind in known else len(known), kind)


def _unit_price(charge: Charge) -> Decimal | None:
    """The list price, or that of the only cell of a matrix."""
    if charge.list_price is None and len(charge.parts) == 1:
        return charge.parts[0].unit_price
    return charge.list_price


def _tokens(lines: Sequence[ShownLine], kind: str) -> Decimal | None:
    found = [one.line.charge.quantity for one in lines if one.token_type == kind]
    return total(found) if found else None


def _per_million(lines: Sequence[ShownLine], kind: str) -> Decimal | None:
    """The list price of a million tokens, where all lines have the same."""
    charges = [one.line.charge for one in lines if one.token_type == kind]
    prices = {
        rounded_ratio(EXACT.scaleb(price, 6), charge.per, 12).normalize(EXACT)
        for charge in charges
        if (price := _unit_price(charge)) is not None
    }
    return prices.pop() if len(prices) == 1 else None


@dataclass(frozen=True, slots=True)
class _Adjustment:
    kind: str
    name: str
    reference: str
    reason: str
    amount: Decimal


def _adjustments(invoice: Invoice) -> Iterator[_Adjustment]:
    for line in invoice.lines:
        if line.charge.kind in (ChargeKind.ADJUSTMENT, ChargeKind.TRUE_UP):
            yield _adjusted(line)
        for reduction in (*line.charge.reductions, *line.shares):
            taken = reduction.amount.copy_negate()
            yield _Adjustment(reduction.kind, reduction.name, f"line {line.id}", "", taken)
    for credit in invoice.credits:
        kind = "prepaid credit" if credit.paid else "credit"
        taken = credit.amount.copy_negate()
        yield _Adjustment(kind, credit.name, "", "", taken)


def _adjusted(line: InvoiceLine) -> _Adjustment:
    kind = "true-up" if line.charge.kind is ChargeKind.TRUE_UP else "adjustment"
    corrects = f", corrects {line.corrects}" if line.corrects else ""
    return _Adjustment(kind, line.charge.name, f"line {line.id}{corrects}", line.reason, line.net)


def write_adjustments(page: Page, invoice: Invoice) -> None:
    """Write what is not plain usage: late usage, true-ups, reductions, credits, lines by hand."""
    columns = [
        Column("Kind", 16, "text", lambda it: it.kind),
        Column("Name", 40, "text", lambda it: it.name),
        Column("For", 44, "text", lambda it: it.reference),
        Column("Reason", 40, "wrapped", lambda it: it.reason),
        Column(f"Amount ({invoice.currency})", 16, "amount", lambda it: it.amount),
    ]
    adjustments = list(_adjustments(invoice))
    page.table(columns, adjustments)
    if not adjustments:
        page.row([(0, "none", page.styles.style("label"))])


def write_exceptions(page: Page, invoice: Invoice) -> None:
    """Write what a reviewer should know: unpriced usage first, as it blocks issuing."""
    unpriced = [
        (f"unpriced: {one.reason}", _unpriced_text(one), one.quantity) for one in invoice.unpriced
    ]
    others = [(code, text, None) for code, text in invoice.exceptions]
    columns = [
        Column("Code", 28, "text", lambda it: it[0]),
        Column("What", 90, "wrapped", lambda it: it[1]),
    ]
    if unpriced:
        columns.append(Column("Quantity", 16, "quantity", lambda it: it[2]))
    page.table(columns, unpriced + others)
    if not unpriced and not others:
        page.row([(0, "none", page.styles.style("label"))])


def _unpriced_text(one: Any) -> str:
    between = f"; between {', '.join(one.skus)}" if one.skus else ""
    return f"{fields_text(one.fields)}{between}"


_METADATA = {
    "lateRecords": "Metered records of earlier periods",
    "records": "Metered records",
    "runs": "Runs",
    "software": "Software",
}


def write_metadata(page: Page, invoice: Invoice) -> None:
    """Write where all this comes from: books, the program, its runs and checks."""
    rows = [
        ("Invoice id", invoice.id),
        ("Period start (UTC)", instant_text(invoice.period.start)),
        ("Period end (UTC)", instant_text(invoice.period.end)),
    ]
    for book in invoice.books:
        rows.append((f"Price book {book.id}", f"version {book.version}, SHA-256 {book.hash}"))
    rows += [(f"Credit {one.name}", f"grant {one.grant}") for one in invoice.credits]
    rows += [(f"Line {line.id}, author", line.author) for line in invoice.lines if line.author]
    rows += [(_METADATA.get(name, name), text) for name, text in sorted(invoice.metadata.items())]
    rows += [(f"Check {one.code}", _check_text(one)) for one in invoice.checks]
    versions = dict.fromkeys((one.dataset, one.version) for one in invoice.sources if one.dataset)
    rows += [(f"Schema {dataset}", f"version {version}") for dataset, version in versions]
    rows += [(f"File {one.name}", _file_text(one)) for one in invoice.sources]
    columns = [
        Column("Name", 34, "text", lambda it: it[0]),
        Column("Value", 110, "wrapped", lambda it: it[1]),
    ]
    page.table(columns, rows)


def _check_text(check: Check) -> str:
    by = f"; by {check.author}: {check.reason}" if check.reason else ""
    return f"{check.outcome.value}: {check.text}{by}"


def _file_text(file: SourceFile) -> str:
    rows = "" if file.rows is None else f"{counted(file.rows, 'row')}, "
    return f"{rows}SHA-256 {file.sha256}"


def write_usage(pages: Iterator[Page], invoice: Invoice) -> None:
    """Write the record behind each part of each line; beyond a sheet's rows in the next sheet."""
    pairs = iter([(line, source) for line in invoice.lines for source in line.charge.sources])
    columns = [
        Column("Line", 6, "text", lambda it: it[0].id),
        Column("SKU", 26, "text", lambda it: it[0].charge.sku),
        Column("Record", 38, "text", lambda it: it[1].record_id),
        Column("Quantity", 18, "quantity", lambda it: it[1].quantity),
        Column("Unit", 10, "text", lambda it: it[0].charge.metered_unit or it[0].charge.unit),
        Column("Fields", 60, "text", _source_fields),
    ]
    while True:
        rows = list(islice(pairs, ROWS_MAX))
        next(pages).table(columns, rows)
        if len(rows) < ROWS_MAX:
            return


def _source_fields(pair: tuple[InvoiceLine, Source]) -> str:
    return fields_text(pair[1].fields)
