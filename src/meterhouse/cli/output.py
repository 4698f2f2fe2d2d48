"""What commands write: JSON lines and tables on standard output, notes on standard error.

Tables are drawn by Rich on a terminal. Elsewhere they are plain aligned text in full width, so
that nothing is cut off on its way into another program, but for the end of long texts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from shutil import get_terminal_size
from typing import Any, Generic, TextIO, TypeVar

from meterhouse import config
from meterhouse.core.json_text import json_text

Item = TypeVar("Item")
Cell = str | int | Decimal | None
_GAP = "  "
#: So many characters of an id are shown on a narrow terminal.
_ID_CHARS_SHORT = 8
#: A long text that is cut has so many characters where there is no terminal, and at least so many.
_CUT_CHARS_MAX, _CUT_CHARS_MIN = 120, 24
_BRIEF_CHARS = 200


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; numbers stand on the right.

    An optional one is left out where it is empty, or where a terminal is too narrow for it. Ids
    are shortened there: commands take their first characters. What may be a long text is ``cut``:
    one long error must not make every row as wide.
    """

    title: str
    number: bool = False
    optional: bool = False
    id: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """How a list of things is shown: each as a line of JSON, or as a row of a table."""

    noun: str
    columns: Sequence[Column]
    row: Callable[[Item], Sequence[Cell]]
    to_json: Callable[[Item], str]


def columns(*titles: str) -> tuple[Column, ...]:
    """Return columns by their titles, marked in front.

    The marks are ``#`` for numbers, ``?`` for optional, ``@`` for ids and ``~`` for what is cut.
    """
    return tuple(
        Column(t.lstrip("#?@~"), number="#" in t, optional="?" in t, id="@" in t, cut="~" in t)
        for t in titles
    )


def write_json(value: Any) -> None:
    """Write one JSON line, numbers plain."""
    sys.stdout.write(json_text(value) + "\n")


def write_text(text: str = "") -> None:
    """Write a line."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Write a line beside the result, on standard error."""
    sys.stdout.flush()
    sys.stderr.write(text + "\n")


def limit_of(limit: int, *, every: bool) -> int | None:
    """Return how many items to ask for: one more than shown, to know whether there are more."""
    return None if every else limit + 1


def show_list(
    items: Iterable[Item], listing: Listing[Item], *, limit: int | None, as_json: bool
) -> None:
    """Write a list; ``limit`` is what ``limit_of`` gave."""
    shown = None if limit is None else limit - 1
    if as_json:
        for item in islice(items, shown):
            write_text(listing.to_json(item))
        return
    rows = [listing.row(item) for item in items]
    if not rows:
        note(f"no {listing.noun}")
        return
    write_table(listing.columns, rows[:shown])
    if shown is not None and len(rows) > shown:
        first = f"the first {shown}" if shown > 1 else "only 1"
        note(f"{first} of the {listing.noun}; --all shows all, --limit N more")


def write_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    """Write a table."""
    table = [[_cell(value) for value in row] for row in rows]
    filled = [any(cells) for cells in zip(*table, strict=True)]
    kept = [place for place, c in enumerate(columns) if filled[place] or not c.optional]
    if sys.stdout.isatty():
        _write_rich(columns, table, kept)
    else:
        _write_plain(columns, table, kept)


def write_pairs(pairs: Mapping[str, Cell]) -> None:
    """Write names and values under each other."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        write_text(f"{name:<{width}}{_GAP}{_cell(value)}".rstrip())


def write_document(value: Any) -> None:
    """Write a JSON document for people: indented, numbers plain."""
    write_text(indented(value))


def indented(value: Any, *, depth: int = 0) -> str:
    """Return JSON over several lines; what fits on one line stays there.

    >>> print(indented({"a": 1, "b": []}))
    {"a": 1, "b": []}
    """
    flat = one_line(value)
    margin = "  " * (depth + 1)
    if len(flat) + len(margin) <= 78 or not isinstance(value, Mapping | list):
        return flat
    if isinstance(value, Mapping):
        parts = [f"{json_text(k)}: {indented(v, depth=depth + 1)}" for k, v in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [indented(item, depth=depth + 1) for item in value]
        opening, closing = "[", "]"
    inner = (",\n" + margin).join(parts)
    return f"{opening}\n{margin}{inner}\n{'  ' * depth}{closing}"


def one_line(value: Any) -> str:
    """Return JSON for people on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json_text(k)}: {one_line(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(one_line, value)) + "]"
    return json_text(value)


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        # A line break or an escape sequence in user data must not draw on the terminal.
        return "".join(c if c.isprintable() else " " for c in value)
    return json_text(value)


def _widths(columns: Sequence[Column], rows: list[list[str]]) -> list[int]:
    titles = [column.title for column in columns]
    return [max(map(len, cells)) for cells in zip(titles, *rows, strict=True)]


def _write_plain(columns: Sequence[Column], rows: list[list[str]], kept: list[int]) -> None:
    rows = [_cut(columns, row, {}) for row in rows]
    widths = _widths(columns, rows)
    for row in ([column.title for column in columns], *rows):
        texts = (
            row[n].rjust(widths[n]) if columns[n].number else row[n].ljust(widths[n]) for n in kept
        )
        write_text(_GAP.join(texts).rstrip())


def _write_rich(columns: Sequence[Column], rows: list[list[str]], kept: list[int]) -> None:
    # Here, because Rich takes longer to import than most commands take to run.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False)
    if not _fits(columns, rows, kept, width=console.width):
        rows = [_with_short_ids(columns, row) for row in rows]
    kept, left_out = _fitting(columns, rows, kept, width=console.width)
    room = _room(columns, rows, kept, width=console.width)
    rows = [_cut(columns, row, room) for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0))
    for column in (columns[n] for n in kept):
        justify = "right" if column.number else "left"
        table.add_column(
            column.title, justify=justify, overflow="fold", no_wrap=column.number or column.id
        )
    for row in rows:
        table.add_row(*(Text(row[n]) for n in kept))
    console.print(table)
    if left_out:
        note(f"not shown, for want of width: {', '.join(left_out)}")


def _fitting(
    columns: Sequence[Column], rows: list[list[str]], kept: list[int], *, width: int
) -> tuple[list[int], list[str]]:
    """Leave out optional columns, the last first, until the others fit; return both."""
    kept, left_out = list(kept), []
    for place in reversed(kept):
        if _fits(columns, rows, kept, width=width):
            break
        if columns[place].optional:
            kept.remove(place)
            left_out.insert(0, columns[place].title)
    return kept, left_out


def _room(
    columns: Sequence[Column], rows: list[list[str]], kept: list[int], *, width: int
) -> dict[int, int]:
    """Return how many characters each column has whose texts are cut."""
    least, whole = _least_widths(columns, rows), _widths(columns, rows)
    spare = width - sum(least[n] for n in kept) - len(_GAP) * (len(kept) - 1)
    room: dict[int, int] = {}
    for place in (n for n in kept if columns[n].cut):
        room[place] = least[place] + max(0, min(spare, whole[place] - least[place]))
        spare -= room[place] - least[place]
    return room


def _cut(columns: Sequence[Column], row: list[str], room: Mapping[int, int]) -> list[str]:
    """Cut the long texts of a row."""
    cut = list(row)
    for place, column in enumerate(columns):
        most = room.get(place, _CUT_CHARS_MAX)
        if column.cut and len(cut[place]) > most:
            cut[place] = cut[place][: most - 1] + "…"
    return cut


def _least_widths(columns: Sequence[Column], rows: list[list[str]]) -> list[int]:
    pairs = zip(columns, _widths(columns, rows), strict=True)
    return [min(width, _CUT_CHARS_MIN) if column.cut else width for column, width in pairs]


def _fits(columns: Sequence[Column], rows: list[list[str]], kept: list[int], *, width: int) -> bool:
    widths = _least_widths(columns, rows)
    return sum(widths[n] for n in kept) + len(_GAP) * (len(kept) - 1) <= width


def _with_short_ids(columns: Sequence[Column], row: list[str]) -> list[str]:
    return [
        text[:_ID_CHARS_SHORT] if column.id else text
        for column, text in zip(columns, row, strict=True)
    ]


def fitted(text: str, *, stream: TextIO | None = None) -> str:
    """Shorten a line to the width of the terminal; elsewhere it is written in full."""
    if not (stream or sys.stdout).isatty():
        return text
    width = get_terminal_size().columns
    return text if len(text) <= width else text[: width - 1] + "…"


def brief(text: str) -> str:
    """Return the beginning of a long text, on one line.

    >>> len(brief("y" * 999))
    200
    """
    line = _cell(text)
    return line if len(line) <= _BRIEF_CHARS else line[: _BRIEF_CHARS - 1] + "…"


def shortened(text: str) -> str:
    """Return a text on one line of bounded length, and of the width of the terminal."""
    return fitted(brief(text))


def paint(text: str, code: str) -> str:
    """Return text for standard error in a colour, where colours are wanted."""
    return f"\x1b[{code}m{text}\x1b[0m" if config.colours(sys.stderr) else text
