"""The quick reading of NDJSON equals the exact one, and both equal reading line by line."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.lines import Block
from meterhouse.connectors.ndjson import block as block_module
from meterhouse.connectors.ndjson.alike import lines_alike
from meterhouse.connectors.ndjson.block import read_block
from meterhouse.connectors.ndjson.reader import read_ndjson
from meterhouse.connectors.ndjson.shape import FieldType, Shape
from meterhouse.connectors.ndjson.span import Span
from meterhouse.connectors.opened import CutOff
from meterhouse.core.json_text import NESTING_MAX, canonical_text, parse_json
from meterhouse.engine.batch import UsageBatch

TEXTS = [b'"x"', b'""', b'"\xc3\xa9"', rb'"\u00e9\n\"q\": 5"', rb'"\ud83d\ude00"', b'"5"', b'"0.1"']
INTEGERS = [b"5", b"0", b"-0", b"-17", b"9223372036854775807"]
DECIMALS = [
    b"0.1",
    b"-0.0",
    b"1e3",
    b"1.5E-2",
    b"12345678901234567890.123456789012345678",
    b"99999999999999999999.999999999999999999",
    b"1.0000000000000000000",
    b"0.30000000000000000000000000000000000000000000000000",
]
HUGE = [
    b"9223372036854775808",
    b"0.1234567890123456789",
    b"100000000000000000000",
    b"123456789012345678901",
    b"170141183460469231731.5",
    b"1e37",
    b"1e400",
    b"-1e-400",
    b"1e9999999",
]
OTHERS = [b"true", b"false", b"null", b"[1, 2.50]", b'{"a": {"b": null}}', b"[]", b"{}"]
BROKEN = [
    *(
        b"NaN",
        b"-Infinity",
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"tru",
        b"",
        b"'x'",
        b"1e99999999999999999999",
    ),
    *(rb'"\ud800"', rb'"\udc00x"', b'"\xff"', b'"\xed\xa0\x80"', b'"a\tb"', b'"a\x01"', b'"open'),
    *(b"9" * 5000, b'"\\x"', b"1 2", b"1}, {", b"[1", b"/**/1", b"1,"),
    *(b"[" * (NESTING_MAX - 1) + b"]" * (NESTING_MAX - 1), b"[" * NESTING_MAX + b"]" * NESTING_MAX),
    b'"' + b"[" * 200 + b'"',
]
KEYS = [b'"t"', b'"n"', b'"d"', b'"b"', rb'"\u0064"', b'"new"', b'"\xc3\xbc"', rb'"x\"d"']
CLEAN = {b'"t"': TEXTS, b'"n"': INTEGERS, b'"d"': DECIMALS, b'"b"': [b"true", b"false"]}
ODD_LINES = [
    b"",
    b"  ",
    b"\x0b",
    b"\x0c\r",
    b"\r",
    b"null",
    b"5",
    b"[{}]",
    b"{}",
    b'{"n":1} {"n":2}',
    b'{"n":1}{"n":2}',
    b'{"n":1,',
    b'"n":2}',
    b'{"t":"a',
    b' {"n":1}',
    b'{"n":1} ',
    b'{"n":1}\r',
    b'{"n":1,"n":2}',
    b'{"n":1,"n":null}',
    b'{"n":null,"n":1}',
    b'{"n":1}x}',
    b"\xef\xbb\xbf{}",
    b'{"n":1}\x00',
    b"\x00",
    b"}",
    b"{",
    b"}{",
    b'{"d" : "0.1"}',
    b'{"d":\t"0.1"}',
    b'{"d"\t:\t7}',
    b'{"d": 7 }',
]


@st.composite
def clean_lines(draw: st.DrawFn) -> bytes:
    keys = [key for key in CLEAN if draw(st.integers(0, 9))]
    members = [key + b":" + draw(st.sampled_from(CLEAN[key])) for key in keys]
    return b"{" + b",".join(members) + b"}"


@st.composite
def dirty_lines(draw: st.DrawFn) -> bytes:
    if draw(st.booleans()):
        return draw(st.sampled_from(ODD_LINES))
    values = st.sampled_from([*TEXTS, *INTEGERS, *DECIMALS, *HUGE, *OTHERS, *BROKEN])
    colon = draw(st.sampled_from([b":", b": ", b" : "]))
    members = draw(st.lists(st.tuples(st.sampled_from(KEYS), values), max_size=4))
    return b"{" + b", ".join(key + colon + value for key, value in members) + b"}"


def lines_mostly_clean() -> st.SearchStrategy[list[bytes]]:
    one = st.integers(0, 12).flatmap(lambda n: dirty_lines() if n == 0 else clean_lines())
    return st.lists(one, max_size=40)


def line_by_line(data: bytes) -> tuple[dict[int, str], set[int]]:
    """What the lines hold, by the definition of the core."""
    records: dict[int, str] = {}
    bad: set[int] = set()
    for offset, line in enumerate(data.split(b"\n")):
        if not line.strip(b" \t\r\n"):
            continue
        try:
            value = parse_json(line.decode())
            json.loads(line, object_pairs_hook=once, parse_int=str)
            if not isinstance(value, dict):
                raise ValueError
            repr_text(value).encode()
        except ValueError:
            bad.add(offset)
        else:
            records[offset] = canonical_text({k: v for k, v in value.items() if v is not None})
    return records, bad


def once(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError


def repr_text(value: object) -> str:
    """All texts of a value in one, as they are."""
    if isinstance(value, dict):
        return "".join(map(repr_text, [*value, *value.values()]))
    return "".join(map(repr_text, value)) if isinstance(value, list) else str(value)


@pytest.fixture(params=["alike first", "alike never"])
def tiny_runs(monkeypatch, request):
    """Let exact runs be short, so that a few lines take all ways through a block."""
    monkeypatch.setattr(block_module, "_EXACT_LINES", 2)
    monkeypatch.setattr(block_module, "_FORM_LINES", 1)
    monkeypatch.setattr("meterhouse.connectors.ndjson.alike._LINES_MIN", 1)
    if request.param == "alike never":
        monkeypatch.setattr(block_module, "_FORMS_MAX", 0)


def learnt(*records: dict[str, object]) -> Shape:
    shape = Shape()
    for record in records:
        shape.learn(UsageBatch.from_rows([record]))
    return shape


@pytest.mark.usefixtures("tiny_runs")
@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=lines_mostly_clean(), decimal=st.booleans())
@example(lines=[b'{"d":0.1}', b'{"d":"0.1"}'], decimal=True)
@example(lines=[b'{"n":1}{"n":2}', b""], decimal=False)
@example(lines=[b'{"n":1}', b'{"n":1,', b'"b":true} {"n":2}'], decimal=False)
@example(lines=[b'{"x\\"d":5,"d":"1"}'], decimal=True)
def test_a_block_holds_what_its_lines_hold(lines, decimal, seen):
    from decimal import Decimal

    known = {"t": "x", "n": 1, "d": Decimal("0.1") if decimal else 1, "b": True, 'x"d': 1}
    data = b"".join(line + b"\n" for line in lines)
    if not data:
        return
    block = Block(memoryview(data), 0, data.count(b"\n"))

    result = seen([read_block(block, Asked(0), shape=learnt(known))])

    records, bad = line_by_line(data)
    assert result.records == records
    assert set(result.bad) == bad


@pytest.mark.usefixtures("tiny_runs")
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lines=lines_mostly_clean(),
    block_bytes=st.sampled_from([1, 7, 64, 300, 100_000]),
    ending=st.sampled_from([b"", b"\n", b"\r\n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_the_size_of_blocks_changes_nothing(lines, block_bytes, ending, mark, seen):
    data = (b"\r\n" if ending == b"\r\n" else b"\n").join(lines) + ending

    records, bad = line_by_line((mark + data).removeprefix(b"\xef\xbb\xbf"))
    if not data.endswith(b"\n") and data.count(b"\n") in bad:
        with pytest.raises(CutOff):
            seen(read_ndjson(io.BytesIO(mark + data), Asked(0), block_bytes=block_bytes))
        return
    result = seen(read_ndjson(io.BytesIO(mark + data), Asked(0), block_bytes=block_bytes))

    assert result.records == records
    assert set(result.bad) == bad


# ------------------------------------------------------------- lines of one form

FORMS = [
    (b"{%s}", b":", b","),
    (b"{ %s }", b": ", b", "),
    (b" {%s} \r", b" :\t", b" ,"),
]
WRITTEN = {
    b'"t"': [b'"x"', b'""', b'"\xc3\xa9"', b'"a, b: {c}"', b'"5"', b'"null"'],
    b'"u"': [b'"x"', b'":"', b'","'],
    b'"n"': [b"5", b"0", b"-17", b"9223372036854775807", b"null"],
    b'"d"': [b"0.1", b"-12345678901234567890.123456789012345678", b"0", b"-0.0", b"null"],
    b'"b"': [b"true", b"false", b"null"],
    b'"\xc3\xbc"': [b"1", b"2"],
}
MISFITS = [
    *(b"1e3", b"-0", b"01", b"+1", b"true", b'"x"', b"null", b"1.5", b"[1]", b"{}", b"1}"),
    *(b'"\\n"', b'"\t"', b'"\xff"', b"0.1234567890123456789", b'1,"n":2', b'"}\n{"'),
]


@st.composite
def lines_of_one_form(draw: st.DrawFn) -> tuple[bytes, int]:
    keys = draw(st.permutations(list(WRITTEN)).map(lambda keys: keys[:4]))
    frame, colon, comma = draw(st.sampled_from(FORMS))
    count = draw(st.integers(1, 8))
    odd = draw(st.integers(0, count * 2))  # the line that may differ, if there is one
    lines = []
    for number in range(count):
        values = {key: draw(st.sampled_from(WRITTEN[key])) for key in keys}
        if number == odd:
            values[draw(st.sampled_from(keys))] = draw(st.sampled_from(MISFITS))
        if number == odd and draw(st.booleans()):
            del values[keys[0]]
        lines.append(frame % comma.join(key + colon + value for key, value in values.items()))
    return b"".join(line + b"\n" for line in lines), odd >= count


@pytest.fixture(params=["cells that differ", "cells that repeat"])
def few_cells(monkeypatch, request):
    """Let a few lines be enough to see that their cells repeat, or never see it."""
    repeat = request.param == "cells that repeat"
    monkeypatch.setattr("meterhouse.connectors.ndjson.cells._SAMPLE", 1 if repeat else 1_000)
    monkeypatch.setattr("meterhouse.connectors.ndjson.cells._RUNS_SHARE", 1)
    monkeypatch.setattr("meterhouse.connectors.ndjson.cells._NUMBERS_SHARE", 1)
    monkeypatch.setattr("meterhouse.connectors.ndjson.alike._LINES_MIN", 1)


@pytest.mark.usefixtures("few_cells")
@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines_of_one_form())
@example((b'{"n":1,"n":2}\n', False))
# What one line has too little, another has too much.
@example((b'{"t":"x","n":1}\n{"t":null,"n":1}\n{"t":"a"b"c","n":1}\n', False))
@example((b'{"t":"x","n":1}\n{"t":","n":1}\n{"t":"a"b","n":1}\n', False))
@example((b'{"t":"x","n":1}\r\n{"t":"x","n":1}\n{"t":"\r","n":1}\r\n', False))
@example((b'{"t":"x","n":1}\n{"t":"x"}\n{"t":"x","n":1,"n":1}\n', False))
@example((b'{"t":"x","b":true,"n":1}\n{"t":"x","n":1}\n{"t":"x","b":true,"n":1,"b":true}\n', False))
@example((b'{"t":"x","n":1}\n{"u":"\xc3\xa9","n":1}\n{"\xc3\xa9":"","n":1}\n', False))
@example((b'{"t":"x","b":true}\n{"t":"x","b":true,"c":"x","b":true}\n', False))
def test_lines_of_one_form_are_cut_where_the_exact_reading_would(given_lines):
    data, clean = given_lines
    fields = {"n": FieldType.INTEGER, "d": FieldType.DECIMAL, "b": FieldType.BOOLEAN}
    span = Span.of(Block(memoryview(data), 0, data.count(b"\n")))

    alike = lines_alike(span, fields)

    if alike is None or alike.mask is not None:
        assert not clean, data
    if alike is None:
        return
    taken = range(span.count) if alike.mask is None else alike.mask.arg_true().to_list()
    records, _ = line_by_line(data)
    batch = UsageBatch.from_columns(alike.columns, length=len(taken))
    assert [canonical_text(row) for row in batch.rows()] == [records[line] for line in taken]
