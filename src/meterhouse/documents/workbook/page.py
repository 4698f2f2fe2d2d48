"""Sheets and cells: styles, number formats, tables. What they show is decided elsewhere.

Cells are written row by row, top down, as a workbook that does not keep its rows needs it.
Spreadsheets keep 15 digits of a number: a column with more has its exact texts beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from textwrap import wrap
from typing import Any

from meterhouse.core.quantity import EXACT, fraction_digits, number_text
from meterhouse.documents.plain_text import xml_text

#: A sheet has 2**20 rows; beyond them a table goes on in the next.
ROWS_MAX = 1_048_576 - 2
_DIGITS_MAX = 15
#: A quantity is shown with so many digits behind its first one; the cell has all that it keeps.
_SHOWN_DIGITS = 10
_TEXT_CHARS_MAX = 32_000
_LINE_POINTS = 15
#: No row of a sheet is higher.
_HEIGHT_MAX = 405
ACCENT = "#1F3A5F"
_PALE = "#EEF2F7"
_RULE = "#B8C4D6"

_STYLES: dict[str, dict[str, Any]] = {
    "text": {"valign": "top"},
    "cell": {"valign": "top", "align": "left", "indent": 1},
    "wrapped": {"valign": "top", "align": "left", "text_wrap": True, "indent": 1},
    "day": {"valign": "top", "align": "left"},
    "title": {"bold": True, "font_size": 22, "font_color": ACCENT},
    "number": {"bold": True, "font_size": 14, "font_color": ACCENT, "align": "right"},
    "section": {"bold": True, "font_color": ACCENT, "bottom": 1, "bottom_color": _RULE},
    "label": {"font_color": "#5A6675"},
    "note": {"font_color": "#5A6675", "align": "right"},
    "strong": {"bold": True},
    "right": {"valign": "top", "align": "right"},
    "head": {"bold": True, "font_color": "#FFFFFF", "bg_color": ACCENT, "valign": "vcenter",
             "text_wrap": True, "indent": 1},
    "head_right": {"bold": True, "font_color": "#FFFFFF", "bg_color": ACCENT, "align": "right",
                   "valign": "vcenter", "text_wrap": True},
    "sum": {"bold": True, "top": 1, "top_color": _RULE},
    "payable": {"bold": True, "font_size": 13, "font_color": ACCENT, "bg_color": _PALE,
                "top": 2, "bottom": 2, "top_color": ACCENT, "bottom_color": ACCENT},
    "exact": {"font_color": "#5A6675", "align": "right", "valign": "top"},
    "draft": {"bold": True, "font_color": "#B42318"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, width, kind and how a row's object says its value.

    Kinds: ``text``, ``wrapped``, ``quantity``, ``price``, ``amount``, ``share``, ``date``,
    ``exact``.
    """

    title: str
    width: int
    kind: str
    value: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Where a table lies: its columns by title, its first and last row, counted from 1."""

    sheet: str
    places: dict[str, int]
    first: int
    last: int

    def cells(self, title: str) -> str:
        """Return the reference of a column's cells."""
        letter = column_letter(self.places[title])
        return f"{self.sheet}!${letter}${self.first}:${letter}${self.last}"


def column_letter(place: int) -> str:
    """Return the name of a column.

    >>> column_letter(0), column_letter(27)
    ('A', 'AB')
    """
    name = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        name = chr(65 + rest) + name
    return name


def cell_text(value: str) -> str:
    """Return a text that a cell shows as it is."""
    text = xml_text(value[:_TEXT_CHARS_MAX])
    # What looks so is taken for formatted text, and written as it is.
    return f"{text} " if text.startswith("<r>") and text.endswith("</r>") else text


def plain_number(value: Decimal) -> Decimal | int:
    """Return a number so that equal ones are written the same: 5, not 5.00.

    >>> plain_number(Decimal("5.00")), plain_number(Decimal("0.50"))
    (5, Decimal('0.5'))
    """
    whole = value.to_integral_value()
    return int(whole) if whole == value else value.normalize(EXACT)


def is_too_long(value: Decimal | None) -> bool:
    """Whether a spreadsheet would cut digits off a number."""
    if value is None:
        return False
    _, digits, _ = value.as_tuple()
    return len(digits) > _DIGITS_MAX and len(bytes(digits).strip(b"\0")) > _DIGITS_MAX


class Styles:
    """The formats of a workbook, each made once, when first asked for."""

    def __init__(self, book: Any, digits: int, currency: str) -> None:
        self._book = book
        self.digits = digits
        self._made: dict[tuple[str, str], Any] = {}
        places = f".{'0' * digits}" if digits else ""
        self._amount = f"#,##0{places}"
        self._money = f'{self._amount}\\ "{currency}"'

    def style(self, name: str, number_format: str = "") -> Any:
        """Return a format by its name."""
        key = name, number_format
        if key not in self._made:
            properties = dict(_STYLES[name])
            if number_format:
                properties |= {"num_format": number_format}
            self._made[key] = self._book.add_format({"font_name": "Calibri"} | properties)
        return self._made[key]

    def amount(self, name: str = "text") -> Any:
        """Amounts of money; all have the same number of digits."""
        return self.style(name, self._amount)

    def money(self, name: str) -> Any:
        """Amounts with the currency behind them."""
        return self.style(name, self._money)

    def quantity(self, value: Decimal, name: str = "text") -> Any:
        """Quantities: as many digits as the number has, and as there is room for."""
        room = max(_SHOWN_DIGITS - max(value.adjusted(), 0), 2)
        return self._with_digits(min(fraction_digits(value), room), name)

    def price(self, value: Decimal, name: str = "text") -> Any:
        """Prices: at least the digits of the currency."""
        return self._with_digits(max(fraction_digits(value), self.digits), name)

    def _with_digits(self, digits: int, name: str) -> Any:
        places = f".{'0' * min(digits, 15)}" if digits else ""
        return self.style(name, f"#,##0{places}")

    def share(self, name: str = "text") -> Any:
        """Shares of a whole."""
        return self.style(name, "0.0%")

    def date(self, name: str = "day") -> Any:
        """Days, as ISO 8601 writes them, at the left as texts are."""
        return self.style(name, "yyyy-mm-dd")


class Page:
    """A worksheet that is written from its first row to its last."""

    def __init__(self, book: Any, styles: Styles, name: str) -> None:
        self.name = name
        self.sheet = book.add_worksheet(name)
        self.styles = styles
        self.next = 0  # the next row, counted from 0
        self.sheet.hide_gridlines(2)

    def printed(self, *, landscape: bool, footer: str) -> None:
        """Set the page up: A4, as wide as the sheet, with numbers at the foot."""
        if landscape:
            self.sheet.set_landscape()
        self.sheet.set_paper(9)
        self.sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.7)
        self.sheet.fit_to_pages(1, 0)
        safe = xml_text(footer).replace("&", "&&")[:150]
        self.sheet.set_footer(f"&L&8{safe}&C&8&A&R&8&P / &N")

    def widths(self, *widths: int) -> None:
        """Set the widths of the first columns."""
        for place, width in enumerate(widths):
            self.sheet.set_column(place, place, width)

    def row(self, cells: Sequence[tuple[int, Any, Any]], *, height: int | None = None) -> int:
        """Write the next row: column, value and format of each cell. Returns its number from 1."""
        if height is not None:
            self.sheet.set_row(self.next, height)
        for place, value, style in cells:
            self._write(place, value, style)
        self.next += 1
        return self.next

    def _write(self, place: int, value: Any, style: Any) -> None:
        if isinstance(value, Formula):
            self.sheet.write_formula(self.next, place, value.text, style, plain_number(value.value))
        elif value is None or value == "":
            self.sheet.write_blank(self.next, place, None, style)
        elif isinstance(value, str):
            self.sheet.write_string(self.next, place, cell_text(value), style)
        elif isinstance(value, date):
            self.sheet.write_datetime(self.next, place, value, style)
        else:
            self.sheet.write_number(self.next, place, plain_number(value), style)

    def skip(self) -> None:
        """Leave a row empty."""
        self.next += 1

    def table(
        self, columns: Sequence[Column], items: Sequence[Any], *, fixed: int = 1, others: int = 0
    ) -> Table:
        """Write a table with its heading, which stays in sight with the first ``fixed`` columns.

        The last ``others`` columns are something else beside it, which its filter leaves out.
        """
        columns = _with_exact(columns, items)
        heading = self.next
        self.sheet.set_row(heading, 30)
        for place, column in enumerate(columns):
            right = column.kind in ("quantity", "price", "amount", "share", "exact")
            style = self.styles.style("head_right" if right else "head")
            self.sheet.set_column(place, place, column.width)
            if column.title:
                self.sheet.write_string(heading, place, cell_text(column.title), style)
        self.sheet.freeze_panes(heading + 1, fixed)
        self.sheet.repeat_rows(heading)
        puts = [
            partial(self._putter(column.kind), place, column.value)
            for place, column in enumerate(columns)
        ]
        row = heading
        wrapped = [column for column in columns if column.kind == "wrapped"]
        for row, item in enumerate(items, heading + 1):
            height = _height(wrapped, item)
            if height > _LINE_POINTS:
                self.sheet.set_row(row, height)
            for put in puts:
                put(row, item)
        self.next = row + 1
        if items:
            self.sheet.autofilter(heading, 0, row, len(columns) - 1 - others)
        places = {column.title: place for place, column in enumerate(columns)}
        return Table(self.name, places, heading + 2, max(row, heading + 1) + 1)

    def sums(self, table: Table, values: dict[str, Decimal], formats: dict[str, Any]) -> None:
        """Write the last row of a table: the sums of columns, as formulas."""
        strong = self.styles.style("sum")
        cells: list[tuple[int, Any, Any]] = [
            (place, None, strong) for title, place in table.places.items() if title not in values
        ]
        cells[0] = (cells[0][0], "Total", strong)
        for title, value in values.items():
            text = f"=ROUND(SUM({table.cells(title).split('!')[1]}),{self.styles.digits})"
            cells.append((table.places[title], Formula(text, value), formats[title]))
        self.row(sorted(cells, key=lambda cell: cell[0]))

    def _putter(self, kind: str) -> Callable[..., None]:
        puts = {
            "text": partial(self._put_text, style=self.styles.style("cell")),
            "wrapped": partial(self._put_text, style=self.styles.style("wrapped")),
            "exact": partial(self._put_text, style=self.styles.style("exact")),
            "quantity": partial(self._put_number, format_of=self.styles.quantity),
            "price": partial(self._put_number, format_of=self.styles.price),
            "amount": partial(self._put_number, style=self.styles.amount()),
            "share": partial(self._put_number, style=self.styles.share()),
            "date": self._put_date,
        }
        return puts[kind]

    def _put_text(
        self, place: int, value: Callable[[Any], str], row: int, item: Any, *, style: Any
    ) -> None:
        text = value(item)
        if text:
            self.sheet.write_string(row, place, cell_text(text), style)

    def _put_number(
        self,
        place: int,
        value: Callable[[Any], Decimal | None],
        row: int,
        item: Any,
        *,
        style: Any = None,
        format_of: Callable[[Decimal], Any] | None = None,
    ) -> None:
        number = value(item)
        if number is not None:
            shown = format_of(number) if format_of is not None else style
            self.sheet.write_number(row, place, plain_number(number), shown)

    def _put_date(
        self, place: int, value: Callable[[Any], date | None], row: int, item: Any
    ) -> None:
        day = value(item)
        if day is not None:
            self.sheet.write_datetime(row, place, day, self.styles.date())


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula, and its value for those who do not compute it."""

    text: str
    value: Decimal


def _with_exact(columns: Sequence[Column], items: Sequence[Any]) -> list[Column]:
    made: list[Column] = []
    for column in columns:
        made.append(column)
        if column.kind not in ("quantity", "price", "amount"):
            continue
        if any(map(is_too_long, map(column.value, items))):
            made.append(Column(f"{column.title}, exact", 30, "exact", _exact_text(column.value)))
    return made


def _height(wrapped: Sequence[Column], item: Any) -> int:
    return height_of(*((column.value(item) or "", column.width) for column in wrapped))


def height_of(*texts: tuple[str, int]) -> int:
    """How high a row is whose texts are wrapped: not every program works that out.

    Each text is in a column of a width; words stay whole where they can.
    """
    lines = [max(len(wrap(text, width - 4)), 1) for text, width in texts]
    return min(_LINE_POINTS * max(lines, default=1), _HEIGHT_MAX)


def _exact_text(value: Callable[[Any], Decimal | None]) -> Callable[[Any], str]:
    def text(item: Any) -> str:
        number = value(item)
        return "" if number is None else number_text(number)

    return text
