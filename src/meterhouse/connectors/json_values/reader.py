"""JSON inputs: an array of objects, one object, or one object on each line.

The first character tells: ``[`` begins an array. What begins with ``{`` is one object if its first
line is not yet a whole one, and nothing follows it; else its lines are records. An array is cut
into its elements as it is read, and each is read for itself, so that a bad one does no harm to the
others. Offsets are element numbers from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.chunking import ROWS_MAX
from meterhouse.connectors.declared import typed_chunk
from meterhouse.connectors.layout import in_columns
from meterhouse.connectors.lines import LINE_BYTES_MAX, RAW_BYTES_MAX, ByteSource, CutOff, raw_text
from meterhouse.connectors.ndjson.exact import exact_chunk, line_value, read_record
from meterhouse.connectors.ndjson.reader import read_ndjson
from meterhouse.core.json_text import Record
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.ports import ReadChunk, Unreadable

_HEAD_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"
_QUOTE, _COMMA = b'",'
#: How a mark changes the depth.
_STEPS = {**dict.fromkeys(b"[{", 1), **dict.fromkeys(b"]}", -1), _COMMA: 0}
#: Elements that are read together.
_GROUP_BYTES = 8 << 20
#: What an element costs beside its text: even nothing between two commas is one.
_ELEMENT_BYTES = 64
#: What matters where values are cut apart: whole texts, brackets, commas, and texts that have no
#: end yet. All else is between them.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+("?)|[\[\]{},]', re.DOTALL)
#: The rest of a text that began before, and its end if it is there.
_REST_OF_TEXT = re.compile(rb'(?:[^"\\]|\\.)*+("?)', re.DOTALL)


def read_json(stream: ByteSource, asked: Asked) -> Iterator[ReadChunk]:
    """Yield the records of a JSON input in parts of any size."""
    source = _Rewound(stream)
    plain = source.peek(_HEAD_BYTES).lstrip(_BLANKS)
    if plain.startswith(b"["):
        yield from _array(source, asked)
    elif plain.startswith(b"{") and (one := _one_object(source)) is not None:
        yield _typed([one], 0, asked)
    else:
        yield from read_ndjson(source, asked)


class _Rewound:
    """A stream of which the beginning can be looked at; a byte order mark there is left out."""

    def __init__(self, stream: ByteSource) -> None:
        self._stream = stream
        self._held = (stream.read(len(_BYTE_ORDER_MARK)) or b"").removeprefix(_BYTE_ORDER_MARK)

    def peek(self, size: int) -> bytes:
        """Return so many bytes of the beginning, which stay to be read."""
        while len(self._held) < size and (fresh := self._stream.read(size - len(self._held))):
            self._held += fresh
        return self._held[:size]

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, fewer only at the end."""
        data, self._held = self._held[:size], self._held[size:]
        if len(data) < size:
            data += self._stream.read(size - len(data)) or b""
        return data


def _one_object(source: _Rewound) -> bytes | None:
    """Return the object that is the whole input; ``None`` where lines are records."""
    head = source.peek(_HEAD_BYTES).strip(_BLANKS)
    first, _, rest = head.partition(b"\n")
    if not rest.strip(_BLANKS) or _is_value(first):
        return None
    whole = source.peek(LINE_BYTES_MAX + 1)
    if len(whole) > LINE_BYTES_MAX:
        return None
    pieces = _Pieces()
    pieces.feed(b"[" + whole)
    # One whole object and nothing behind it: the bracket that was put before it is still open.
    return whole.strip(_BLANKS) if pieces.is_one and _is_value(whole) else None


def _is_value(text: bytes) -> bool:
    try:
        line_value(text.strip(_BLANKS))
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Element:
    text: bytes
    too_long: bool = False


class _Pieces:
    """Cuts the elements of an array out of bytes as they come."""

    def __init__(self) -> None:
        #: a backslash whose character has not come yet
        self._rest = b""
        self._in_text = False
        self._depth = 0
        self._held = b""
        self._too_long = False
        self._count = 0
        self.ended = False
        self.after = b""

    @property
    def is_one(self) -> bool:
        """Whether what came so far are one bracket, one whole value, and no comma."""
        return not self.ended and self._depth == 1 and self._count == 0

    def feed(self, data: bytes) -> list[_Element]:
        """Take bytes and return the elements that are whole now."""
        data = self._rest + data
        self._rest = b""
        found: list[_Element] = []
        at = start = 0
        if self._in_text:
            start = self._ended_text(data)
            if start is None:
                return found
        for token in _TOKEN.finditer(data, start):
            mark = data[token.start()]
            if mark == _QUOTE:
                if not token[1]:
                    self._hold(data[at : token.end()])
                    self._in_text, self._rest = True, data[token.end() :]
                    return found
                continue
            self._depth += _STEPS[mark]
            if _STEPS[mark] > 0:
                at = token.end() if self._depth == 1 else at
                continue
            if self._depth == 0 or (self._depth == 1 and mark == _COMMA):
                found.append(self._element(data[at : token.start()]))
                at = token.end()
            if self._depth <= 0:
                self.ended, self.after = True, data[at:]
                return found
        if self._depth:
            self._hold(data[at:])
        return found

    def _ended_text(self, data: bytes) -> int | None:
        """Return where the text that is open ends; ``None`` if it goes on."""
        found = _REST_OF_TEXT.match(data)
        assert found is not None  # It matches nothing at all, too.
        if found[1]:
            self._in_text = False
            return found.end()
        self._hold(data[: found.end()])
        self._rest = data[found.end() :]
        return None

    def _hold(self, data: bytes) -> None:
        if not self._too_long:
            self._held += data
        if len(self._held) > LINE_BYTES_MAX:
            self._too_long = True
            self._held = self._held[:RAW_BYTES_MAX]

    def _element(self, data: bytes) -> _Element:
        self._hold(data)
        made = _Element(self._held.strip(_BLANKS), self._too_long)
        self._held, self._too_long = b"", False
        self._count += 1
        return made


def _array(source: _Rewound, asked: Asked) -> Iterator[ReadChunk]:
    pieces = _Pieces()
    group: list[bytes] = []
    first = size = 0
    count = 0
    while not pieces.ended:
        block = source.read(_BLOCK_BYTES)
        if not block:
            raise CutOff("it ends before its array does", hint="it was cut off: fetch it again")
        for element in pieces.feed(block):
            if element.too_long:
                yield from _flushed(group, first, asked)
                yield _long(count, element)
                group, size, first = [], 0, count + 1
            else:
                group.append(element.text)
                size += len(element.text) + _ELEMENT_BYTES
            count += 1
        if size >= _GROUP_BYTES:
            yield from _flushed(_without_end(group, pieces, count), first, asked)
            group, size, first = [], 0, count
    yield from _flushed(_without_end(group, pieces, count), first, asked)
    _refuse_more(pieces.after, source)


def _without_end(group: list[bytes], pieces: _Pieces, count: int) -> list[bytes]:
    """Leave out the nothing between the brackets of an empty array."""
    return [] if pieces.ended and count == 1 and group == [b""] else group


def _flushed(group: list[bytes], first: int, asked: Asked) -> Iterator[ReadChunk]:
    if group:
        yield _typed(group, first, asked)


def _refuse_more(after: bytes, source: _Rewound) -> None:
    while True:
        if after.strip(_BLANKS):
            raise CutOff(
                "something follows its array", hint="write one array, or one object on each line"
            )
        after = source.read(_BLOCK_BYTES)
        if not after:
            return


def _long(number: int, element: _Element) -> ReadChunk:
    detail = f"longer than {LINE_BYTES_MAX >> 20} MiB"
    return ReadChunk(UsageBatch.from_rows([]), [Unreadable(number, raw_text(element.text), detail)])


def _typed(texts: list[bytes], first: int, asked: Asked) -> ReadChunk:
    chunk = exact_chunk(texts, range(first, first + len(texts)), source=asked.source)
    empty = [
        Unreadable(first + place, "", "nothing between two commas")
        for place, text in enumerate(texts)
        if not text
    ]
    if empty:
        bad = sorted([*chunk.unreadable, *empty], key=lambda item: item.offset)
        chunk = ReadChunk(chunk.batch, bad)
    if len(texts) >= ROWS_MAX or first:
        chunk = in_columns(chunk)

    def written(offset: int) -> tuple[str, Record]:
        text = texts[offset - first]
        return raw_text(text), read_record(text)

    return typed_chunk(chunk, asked.declared, written=written)
