"""The quick reading of CSV equals RFC 4180, read character by character."""

from __future__ import annotations

import io

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.delimited.reader import read_csv
from meterhouse.connectors.opened import CutOff
from meterhouse.core.json_text import canonical_text
from meterhouse.streams.ports import InputFile

FILE = InputFile("usage.csv", 0, 0)
HEADER = ["a", "b", "ü"]
PLAIN = [b"x", b"", b"", b"5", b"0.1", b" s ", b"\xc3\xa9", b'5" disk', b'a"b"', b"NULL", b"\x00"]
QUOTED = [b'"x"', b'""', b'"a,b"', b'"l1\nl2"', b'"l1\r\nl2"', b'"say ""hi"""', b'"\n\n"', b'""""']
BROKEN = [b'"open', b'"a"b', b'"a" ', b"\xff", b"a\rb", b'"\xff"', b'"a\rb"', b'"', b"a\r", b'x"']


@st.composite
def lines(draw: st.DrawFn, cells: list[bytes]) -> bytes:
    count = draw(st.sampled_from([3, 3, 3, 3, 3, 2, 4, 0]))
    ending = draw(st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r\r\n"]))
    return b",".join(draw(st.sampled_from(cells)) for _ in range(count)) + ending


def bodies() -> st.SearchStrategy[bytes]:
    kinds = [PLAIN[:7], PLAIN[:7] + QUOTED, PLAIN + QUOTED, PLAIN + QUOTED + BROKEN]
    one = st.sampled_from(kinds).flatmap(lambda cells: st.lists(lines(cells), max_size=12))
    return st.lists(one, max_size=4).map(lambda parts: b"".join(b"".join(part) for part in parts))


def by_character(data: bytes) -> tuple[dict[int, str], set[int]]:
    """Records and unreadable lines of a body whose first line has number 1."""
    rows: dict[int, str] = {}
    bad: set[int] = set()
    starts = [0, *(at + 1 for at, byte in enumerate(data) if byte == 0x0A)]
    number = 0
    while starts[number] < len(data):
        cells, end = _record(data, starts[number])
        if cells is None:
            bad.add(number + 1)
            number += 1
            continue
        if cells:
            try:
                texts = [cell.decode() for cell in cells]
            except UnicodeDecodeError:
                texts = []
            if len(texts) == len(HEADER):
                row = {name: text for name, text in zip(HEADER, texts, strict=True) if text}
                rows[number + 1] = canonical_text(row)
            else:
                bad.add(number + 1)
        number = starts.index(end)
    return rows, bad


def _record(data: bytes, at: int) -> tuple[list[bytes] | None, int]:
    """The cells of the record at a place, and where the next one begins."""
    cells: list[bytes] = []
    cell, state = b"", "start"
    while at < len(data):
        byte = data[at : at + 1]
        if state == "quoted":
            state, cell = ("after", cell) if byte == b'"' else (state, cell + byte)
        elif byte == b'"' and state == "start":
            state = "quoted"
        elif byte == b'"' and state == "after":
            state, cell = "quoted", cell + byte
        elif byte == b",":
            cells, cell, state = [*cells, cell], b"", "start"
        elif byte in b"\r\n":
            rest = data[at:].lstrip(b"\r")
            if not rest.startswith(b"\n"):
                return None, 0
            blank = not cells and state == "start"
            return ([] if blank else [*cells, cell]), len(data) - len(rest) + 1
        elif state == "after":
            return None, 0
        else:
            state, cell = "plain", cell + byte
        at += 1
    return None, 0


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=bodies(),
    block_bytes=st.sampled_from([3, 20, 100, 1000, 100_000]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
@example(body=b'x,"y\n1,2,3\n', block_bytes=3, mark=b"")
@example(body=b'x,5" disk,z\n1,"2\n3",4\n', block_bytes=3, mark=b"")
def test_any_cut_gives_the_records_of_rfc_4180(body, block_bytes, mark, seen):
    data = mark + ",".join(HEADER).encode() + b"\n" + body

    rows, bad = by_character(body)
    bad_end = max(bad, default=0) > max(rows, default=0)
    open_end = not body.endswith(b"\n")
    try:
        result = seen(read_csv(io.BytesIO(data), Asked(0), file=FILE, block_bytes=block_bytes))
    except CutOff:
        assert bad
        assert bad_end or open_end
        return
    assert not (bad_end and open_end and body)
    assert result.records == rows
    assert set(result.bad) == bad
