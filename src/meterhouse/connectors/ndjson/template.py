"""The form of a line of NDJSON: what it has in common with lines that differ only in values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from meterhouse.connectors.ndjson.exact import line_value
from meterhouse.connectors.ndjson.shape import FieldType
from meterhouse.core.json_text import JsonValue

#: What stands between two quotes: an opening brace; a colon; a comma or the end; a scalar from
#: its colon on.
_OPEN = re.compile(r"\s*\{\s*")
_COLON = re.compile(r"\s*:\s*")
_NEXT = re.compile(r"\s*[,}]\s*")
_SCALAR = re.compile(r"(\s*:\s*)[^\s,:{}\[\]]+(\s*[,}]\s*)")


#: A field where no text has a comma: what stands before its value and behind it, quotes too.
_CELL = re.compile(r'(\s*(?:\{\s*)?"[^"]*"\s*:\s*"?)[^"]*?("?\s*[,}]\s*)')


@dataclass(frozen=True, slots=True)
class Cell:
    """A field and its comma: what stands before its value on every line, and behind it."""

    name: str
    before: str
    behind: str
    kind: FieldType

    @property
    def least(self) -> int:
        """How many bytes it has without its value."""
        return len(self.before.encode()) + len(self.behind.encode())


@dataclass(frozen=True, slots=True)
class Piece:
    """The text between two texts: literals, and between them fields of other types (slots)."""

    literals: Sequence[str]
    slots: Sequence[str]


@dataclass(frozen=True, slots=True)
class Template:
    """One line: a piece, a text, a piece, and so on; the last piece ends with the newline."""

    names: Sequence[str]
    texts: Sequence[str]
    pieces: Sequence[Piece]
    types: Mapping[str, FieldType]
    #: How many control characters a line has: its newline, and more between values perhaps.
    controls: int
    quotes: int
    #: Its fields by their commas; none if there are other commas.
    cells: Sequence[Cell]

    def kept_marks(self) -> tuple[bool, ...]:
        """For each quote of a line, and its newline: whether a piece or a text ends there.

        On each line come the quotes of names, two by two, those of texts, which are kept, and
        the newline.
        """
        kept: list[bool] = []
        for piece in self.pieces[:-1]:
            kept += [False, False] * (len(piece.slots) + 1) + [True, True]
        return (*kept, *[False, False] * len(self.pieces[-1].slots), True)

    def ends_behind(self) -> tuple[int, ...]:
        """For each piece and text: whether it ends behind its mark (1) or before it (0).

        Texts begin behind a quote and end before one; the line ends behind its newline.
        """
        return (1, 0) * len(self.texts) + (1,)


def template_of(line: bytes, fields: Mapping[str, FieldType]) -> Template | None:
    """Take a line apart, newline and all; ``None`` if that is not so simple.

    Without a backslash quotes only begin and end texts, so everything else follows from them.
    """
    if b"\\" in line:
        return None
    try:
        record = line_value(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    pieces = list(_pieces(line.decode().split('"')))
    texts = [name for name, value in record.items() if isinstance(value, str)]
    others = [name for piece in pieces for name in piece.slots]
    types = {name: _type(record.get(name), fields.get(name)) for name in others}
    known = {name: kind for name, kind in types.items() if kind is not None}
    # A name that stands there twice is one name in the record.
    fits = len(pieces) == len(texts) + 1 and len(texts) + len(others) == len(record) > 0
    if not fits or len(known) < len(others):
        return None
    return Template(
        list(record),
        texts,
        pieces,
        known,
        controls=sum(byte < 0x20 for byte in line),
        quotes=line.count(b'"'),
        cells=_cells(line.decode(), [(name, known.get(name, FieldType.TEXT)) for name in record]),
    )


def _cells(line: str, fields: Sequence[tuple[str, FieldType]]) -> Sequence[Cell]:
    parts = line.split(",")
    if len(parts) != len(fields):
        return ()
    written = [part + "," for part in parts[:-1]] + parts[-1:]
    found = [_CELL.fullmatch(cell) for cell in written]
    return [
        Cell(name, match[1], match[2], kind)
        for match, (name, kind) in zip(found, fields, strict=True)
        if match is not None
    ]


def _pieces(gaps: Sequence[str]) -> Iterator[Piece]:
    """Yield the pieces of a line that was split at its quotes: names and texts at odd places.

    Where the line is not flat there are fewer of them than there should be.
    """
    if not _OPEN.fullmatch(gaps[0]):
        return
    literals, slots = [gaps[0]], []
    place = 1
    while place < len(gaps):
        name, gap = gaps[place : place + 2]
        scalar = _SCALAR.fullmatch(gap)
        if scalar is not None:
            literals[-1] += f'"{name}"{scalar[1]}'
            literals.append(scalar[2])
            slots.append(name)
            place += 2
        elif _COLON.fullmatch(gap) and _NEXT.fullmatch(gaps[place + 3]):
            literals[-1] += f'"{name}"{gap}"'
            yield Piece(literals, slots)
            literals, slots = ['"' + gaps[place + 3]], []
            place += 4
        else:
            return
    yield Piece(literals, slots)


def _type(value: JsonValue, known: FieldType | None) -> FieldType | None:
    if known is not None and known is not FieldType.TEXT:
        return known
    if isinstance(value, bool):
        return FieldType.BOOLEAN
    if isinstance(value, int):
        return FieldType.INTEGER
    return FieldType.DECIMAL if isinstance(value, Decimal) else None
