"""NDJSON inputs: what is a record, what is not, and in which form they come."""

from __future__ import annotations

import gzip
import io
import json
from decimal import Decimal

import pytest

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.lines import LINE_BYTES_MAX, RAW_BYTES_MAX, Block
from meterhouse.connectors.ndjson import block as block_module
from meterhouse.connectors.ndjson.block import read_block
from meterhouse.connectors.ndjson.quick import Refusal, quick_columns
from meterhouse.connectors.ndjson.reader import read_ndjson
from meterhouse.connectors.ndjson.shape import FieldType, Shape
from meterhouse.connectors.opened import CutOff
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import ColumnKind
from meterhouse.streams.ports import InputError


@pytest.fixture
def usage(tmp_path):
    def usage(data, name="usage.ndjson"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return usage


def clean(count, **more):
    record = {"userId": "u1", "kind": "L1", "tokens": 7, "flag": True, **more}
    return b"".join(json.dumps({**record, "tokens": n}).encode() + b"\n" for n in range(count))


def test_few_records_stay_rows(usage, read):
    result = read(usage(clean(1999)), records_max=5000)

    assert [chunk.batch.columnar for chunk in result.chunks] == [False]
    assert result.chunks[0].batch.origins()[:2] == [(3, 0), (3, 1)]


def test_many_records_come_in_columns_of_their_types(usage, read):
    result = read(usage(clean(20_000, cost=0.5)), records_max=100_000)

    (chunk,) = result.chunks
    assert chunk.batch.columnar
    assert {name: column.kind for name, column in chunk.batch.columns().items()} == {
        "userId": ColumnKind.TEXT,
        "kind": ColumnKind.TEXT,
        "tokens": ColumnKind.NUMBER,
        "flag": ColumnKind.BOOLEAN,
        "cost": ColumnKind.NUMBER,
    }
    assert result.values[19_999]["tokens"] == 19_999
    assert chunk.batch.origins()[19_999] == (3, 19_999)


@pytest.mark.parametrize("records_max", [1, 1000, 2500])
def test_chunks_are_bounded_and_in_order(usage, read, records_max):
    lines = clean(5000 if records_max > 1 else 5).splitlines(keepends=True)
    lines[2] = b"oops\n"

    result = read(usage(b"".join(lines)), records_max=records_max)

    sizes = [len(chunk.batch) + len(chunk.unreadable) for chunk in result.chunks]
    assert max(sizes) == records_max
    assert sum(sizes) == len(lines)
    assert list(result.bad) == [2]


def test_numbers_are_as_written(usage, read):
    numbers = ["0.1", "12345678901234567890.123456789012345678", "1e400", "9" * 200, "-0.0", "1E-2"]

    result = read(usage("".join(f'{{"n":{number}}}\n' for number in numbers)))

    assert [row["n"] for row in result.values] == [Decimal(number) for number in numbers]


def test_number_and_text_stay_apart(usage, read):
    lines = b'{"level":5}\n' * 3000 + b'{"level":"5"}\n' * 3000

    result = read(usage(lines), records_max=10_000)

    assert result.records[0] == '{"level":5}'
    assert result.records[3000] == '{"level":"5"}'
    assert result.chunks[0].batch.columns()["level"].kind is ColumnKind.JSON


def test_null_is_absent(usage, read):
    assert read(usage('{"a":null,"b":{"c":null}}')).values == [{"b": {"c": None}}]


def test_timestamps_stay_text(usage, read):
    lines = b'{"t":"2026-01-31T00:00:00Z"}\n' * 3000

    result = read(usage(lines), records_max=5000)

    assert result.chunks[0].batch.columns()["t"].kind is ColumnKind.TEXT


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b"{oops", "not JSON: Expecting property name enclosed in double quotes at character 2"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":1', "not JSON: Expecting ',' delimiter at character 7"),
        (b"[1]", "not a JSON object but an array"),
        (b"null", "not a JSON object but null"),
        (b"5", "not a JSON object but a number"),
        (b"1.5", "not a JSON object but a number"),
        (b'"x"', "not a JSON object but a text"),
        (b"true", "not a JSON object but true or false"),
        (b'{"a":"\xff"}', "not UTF-8: invalid start byte at byte 7"),
        (rb'{"a":["\ud800"]}', "a text holds half of a surrogate pair, which is no character"),
        (rb'{"\udc00":1}', "a text holds half of a surrogate pair, which is no character"),
        (b'{"a":' + b"[" * 101 + b"]" * 101 + b"}", "nests deeper than 100 levels"),
        (b'{"a":' + b"[" * 99_999 + b"]" * 99_999 + b"}", "nests deeper than 100 levels"),
        (b'{"a":1e99999999999999999999}', "a number has an exponent beyond all reach"),
        (b'{"a":1} {"a":2}', "not JSON: Extra data at character 9"),
    ],
)
def test_a_line_that_is_no_record_is_unreadable(usage, read, line, detail):
    result = read(usage(b'{"a":1}\n\n' + line + b'\r\n{"a":2}\n'))

    assert result.records == {0: '{"a":1}', 3: '{"a":2}'}
    assert result.bad == {2: detail}
    assert result.chunks[0].unreadable[0].raw == line.decode(errors="replace")[:RAW_BYTES_MAX]


def test_brackets_in_texts_do_not_nest(usage, read):
    assert len(read(usage('{"a":"' + "[" * 500 + '"}')).records) == 1


def test_a_byte_order_mark_and_carriage_returns(usage, read):
    result = read(usage(b"\xef\xbb\xbf" + b'{"a":"x"}\r\n' * 3000), records_max=5000)

    assert len(result.records) == 3000
    assert not result.bad
    assert result.chunks[0].batch.columnar


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("count", [1, 5000])
@pytest.mark.parametrize("end", [b'{"a":', b'{"a":"b"', b"5", b'"\xc3'])
def test_a_file_that_was_cut_off_within_its_last_line_is_refused_whole(
    usage, read, count, end, packed
):
    data = b'{"a":1}\n' * count + end
    path = usage(gzip.compress(data), "u.ndjson.gz") if packed else usage(data)

    with pytest.raises(InputError) as refusal:
        read(path)

    assert str(path) in str(refusal.value)
    assert f"last line, {count + 1}," in str(refusal.value)
    assert "fetch it again" in str(refusal.value)
    assert "end that line with a newline" in str(refusal.value)


def test_a_bad_last_line_that_is_whole_is_unreadable(usage, read):
    result = read(usage('{"a":1}\nnope\n{"a":\n'))

    assert (list(result.records), list(result.bad)) == ([0], [1, 2])


def test_a_misfit_on_a_last_line_without_newline_is_a_record(usage, read):
    result = read(usage('{"a":1}\n{"a":"x"}'), fields={"a": "number"})

    assert (list(result.records), list(result.bad)) == ([0], [1])


def test_a_last_line_needs_no_newline(usage, read):
    assert list(read(usage('{"a":1}\n{"a":2}')).records) == [0, 1]


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n  \n", b"\xef\xbb\xbf"])
def test_an_input_without_records(usage, read, data):
    result = read(usage(data))

    assert (result.records, result.bad) == ({}, {})


def test_a_line_without_end_is_not_kept_in_memory(monkeypatch, seen):
    monkeypatch.setattr("meterhouse.connectors.lines.LINE_BYTES_MAX", 5000)
    data = b'{"a":1}\n{"a":"' + b"x" * 30_000 + b'"}\n{"a":3}\n'

    result = seen(read_ndjson(io.BytesIO(data), Asked(0), block_bytes=1000))

    assert result.records == {0: '{"a":1}', 2: '{"a":3}'}
    assert list(result.bad) == [1]
    assert "longer than" in result.bad[1]


def test_a_line_without_end_at_the_end(monkeypatch, seen):
    monkeypatch.setattr("meterhouse.connectors.lines.LINE_BYTES_MAX", 5000)
    data = b'{"a":1}\n{"a":"' + b"x" * 30_000

    with pytest.raises(CutOff, match="last line, 2,"):
        seen(read_ndjson(io.BytesIO(data), Asked(0), block_bytes=1000))


def test_long_lines_are_fine(usage, read):
    text = "x" * (LINE_BYTES_MAX // 4)

    assert read(usage(f'{{"a":"{text}"}}\n')).values == [{"a": text}]


def test_what_is_kept_of_a_long_bad_line_is_capped(usage, read):
    result = read(usage("{" + "é" * RAW_BYTES_MAX + "\n"))

    assert len(result.chunks[0].unreadable[0].raw) == RAW_BYTES_MAX // 2 + 1


@pytest.mark.parametrize("count", [1, 5000])
def test_a_misfit_keeps_its_record_with_all_fields(usage, read, count):
    data = '{"v":1,"o":[2],"n":null}\n' * count + '{"v":"x","o":"kept"}\n'

    result = read(usage(data), fields={"v": "number"}, needed=frozenset({"v"}), records_max=9000)

    (bad,) = result.chunks[-1].unreadable
    assert (bad.raw, bad.record) == ('{"v":"x","o":"kept"}', {"v": "x", "o": "kept"})


def test_declared_fields(usage, read):
    lines = b'{"v":"1.5","n":5}\n{"v":"x"}\n' + b'{"v":"2","n":true}\n' * 3000

    result = read(usage(lines), fields={"v": "number", "n": "string"}, records_max=5000)

    assert result.records[0] == '{"n":"5","v":1.5}'
    assert result.bad == {1: 'v is "x", which is not a number'}
    assert result.chunks[0].unreadable[0].raw == '{"v":"x"}'
    assert result.records[2] == '{"n":"true","v":2}'


def test_declared_fields_of_few_records(usage, read):
    result = read(usage('{"v":"1.5"}\n{"v":"x"}\n'), fields={"v": "number"})

    assert (result.records, list(result.bad)) == ({0: '{"v":1.5}'}, [1])


def test_records_with_thousands_of_fields_stay_rows(usage, read):
    lines = "".join(json.dumps({f"f{n}": n, "userId": "u"}) + "\n" for n in range(5000))

    result = read(usage(lines), records_max=10_000)

    assert len(result.records) == 5000
    assert not any(chunk.batch.columnar for chunk in result.chunks)


# ------------------------------------------------------------------ quick or exact


def quickly(data, **fields):
    block = memoryview(data)
    return quick_columns(block, line_count=data.count(b"\n"), fields=fields)


def test_clean_blocks_are_read_quickly(monkeypatch, seen):
    """All but the first lines, from which the shape is learnt."""
    exact_lines = []
    exactly = block_module.exact_chunk
    monkeypatch.setattr(
        block_module,
        "exact_chunk",
        lambda lines, *more, **rest: (
            exact_lines.append(len(lines)) or exactly(lines, *more, **rest)
        ),
    )
    data = clean(5000, cost=0.25)

    result = seen([read_block(Block(memoryview(data), 0, 5000), Asked(0), shape=Shape())])

    assert len(result.records) == 5000
    assert sum(exact_lines) <= 128


def test_a_few_dirty_lines_do_not_slow_the_others(monkeypatch, seen):
    exact_lines = []
    exactly = block_module.exact_chunk
    monkeypatch.setattr(
        block_module,
        "exact_chunk",
        lambda lines, *more, **rest: (
            exact_lines.append(len(lines)) or exactly(lines, *more, **rest)
        ),
    )
    lines = clean(20_000).splitlines(keepends=True)
    lines[5_000], lines[9_000] = b"oops\n", b'{"userId":5}\n'
    lines[12_000], lines[15_000] = b'{"tokens":0.5}\n', b'{"new":"x"}\n'
    data = b"".join(lines)

    result = seen([read_block(Block(memoryview(data), 0, 20_000), Asked(0), shape=Shape())])

    assert list(result.bad) == [5_000]
    assert len(result.records) == 19_999
    assert result.records[15_000] == '{"new":"x"}'
    assert sum(exact_lines) < 2_000


@pytest.mark.parametrize(
    "data",
    [
        b'{"d":"0.1"}\n',
        b'{"d" : "0.1"}\n',
        b'{"\\u0064":0.1}\n',
        b'{"d":0.1} {"d":0.2}\n',
        b'{"d":100000000000000000000}\n',
        b'{"d":0.1234567890123456789}\n',
        b'{"other":0.1}\n',
        b"{\n",
    ],
)
def test_what_is_not_proven_is_refused(data):
    with pytest.raises(Refusal):
        quickly(data, d=FieldType.DECIMAL)


def test_texts_that_are_no_utf_8_are_refused(usage, read):
    lines = clean(5000).splitlines(keepends=True)
    lines[2000] = b'{"userId":"\xff"}\n'
    lines[3000] = '{"userId":"é"}\n'.encode()

    result = read(usage(b"".join(lines)), records_max=10_000)

    assert list(result.bad) == [2000]
    assert result.records[3000] == '{"userId":"é"}'


def test_a_shape_goes_by_the_last_type_and_widens_numbers():
    shape = Shape()
    for row in ({"a": 1, "b": []}, {"a": Decimal("0.5")}, {"a": 2}, {"b": "x"}):
        shape.learn(UsageBatch.from_rows([row]))

    assert dict(shape.fields) == {"a": FieldType.DECIMAL, "b": FieldType.TEXT}
    shape.learn(UsageBatch.from_rows([{"a": True}]))
    assert shape.fields["a"] is FieldType.BOOLEAN


# ------------------------------------------------------------------ gzip


def test_gzip_by_content_whatever_the_name(usage, read):
    packed = gzip.compress(clean(3000)) + gzip.compress(clean(2))

    for name in ("usage.ndjson.gz", "usage.jsonl"):
        assert len(read(usage(packed, name), records_max=5000).records) == 3002


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-9], lambda d: d[: len(d) // 2], lambda d: d[:-8] + b"\0" * 8]
)
def test_damaged_gzip_is_refused_whole(usage, read, damage):
    packed = damage(gzip.compress(clean(30_000)))

    with pytest.raises(InputError, match=r"usage\.ndjson\.gz cannot be read.*fetch it again"):
        read(usage(packed, "usage.ndjson.gz"))


@pytest.mark.parametrize("data", [b"", b'{"a":1}\n'])
def test_a_gz_file_must_be_gzip(usage, read, data):
    with pytest.raises(InputError, match="it is not gzip"):
        read(usage(data, "usage.ndjson.gz"))


def test_real_usage(test_data, read):
    result = read(test_data / "llm_usage" / "aider_events_2024-08_2025-02.jsonl.gz")

    assert len(result.records) == 16_067
    assert not result.bad


@pytest.mark.parametrize("count", [10, 5_000])
@pytest.mark.parametrize("name", ["usage.ndjson", "usage.json"])
@pytest.mark.parametrize(
    ("line", "twice"),
    [
        ('{"userId":"u1","tokens":1,"tokens":2}', "tokens"),
        ('{"userId" :"u1","tokens": 1, "tokens"\t: 1}', "tokens"),
        ('{"userId":"u1","of":[{"a":1},{"b":1,"\\u0062":2}]}', "b"),
        ('{"kind": "L1", "userId": "u1", "kind": "L1", "tokens": 7, "flag": true}', "kind"),
    ],
)
def test_a_name_that_stands_twice_makes_its_record_unreadable(
    usage, read, count, name, line, twice
):
    lines = [line.decode() for line in clean(count).splitlines()]
    lines[count // 2] = line
    text = "\n".join(lines) if name.endswith("ndjson") else f"[{','.join(lines)}]"

    result = read(usage(text, name), records_max=count)

    said = f'names "{twice}" twice, and which value is meant cannot be known'
    assert result.bad == {count // 2: said}
    assert len(result.records) == count - 1


def test_what_looks_like_a_name_within_a_text_is_none(usage, read):
    line = '{"a":"\\":","b":{"a":1},"c":[{"a":1},{"a":2}]}\n'

    assert read(usage(line * 3)).bad == {}
