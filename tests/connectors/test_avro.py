"""Avro inputs: both decoders, all codecs, and files that lie."""

from __future__ import annotations

import bz2
import datetime as dt
import json
import lzma
import uuid
import zlib
from decimal import Decimal

import fastavro
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterhouse.connectors.avro import reader as reader_module
from meterhouse.connectors.avro.schema import is_columnar, is_recursive
from meterhouse.core.json_text import parse_json
from meterhouse.streams.ports import InputError


def record(**fields):
    return {
        "type": "record",
        "name": "usage",
        "fields": [{"name": name, "type": kind} for name, kind in fields.items()],
    }


def logical(base, kind, **more):
    return {"type": base, "logicalType": kind, **more}


def optional(kind):
    return ["null", kind]


@pytest.fixture
def write(tmp_path):
    def write(schema, rows, name="usage.avro", **options):
        path = tmp_path / name
        with path.open("wb") as written:
            fastavro.writer(written, fastavro.parse_schema(schema), rows, **options)
        return path

    return write


UTC = dt.UTC
SIMPLE = [
    ("string", "é", "é"),
    ("int", -5, -5),
    ("long", 2**62, 2**62),
    ("boolean", True, True),
    ("double", 0.1, Decimal("0.1")),
    ("float", 0.5, Decimal("0.5")),
    ("bytes", b"ab", "ab"),
    ("bytes", b"\xff", "/w=="),
    ({"type": "fixed", "name": "f", "size": 2}, b"ab", "ab"),
    ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, "B", "B"),
    (logical("bytes", "decimal", precision=38, scale=18), Decimal("-1.5"), Decimal("-1.5")),
    (
        logical("bytes", "decimal", precision=38, scale=18),
        Decimal("99999999999999999999.999999999999999999"),
        Decimal("99999999999999999999.999999999999999999"),
    ),
    (
        logical("fixed", "decimal", name="d", size=8, precision=18, scale=6),
        Decimal("0.000001"),
        Decimal("0.000001"),
    ),
    (logical("int", "date"), dt.date(2026, 1, 31), "2026-01-31"),
    (logical("int", "time-millis"), dt.time(1, 2, 3), "01:02:03"),
    (
        logical("long", "timestamp-millis"),
        dt.datetime(2026, 1, 1, tzinfo=UTC),
        "2026-01-01T00:00:00.000Z",
    ),
    (
        logical("long", "timestamp-micros"),
        dt.datetime(2026, 1, 1, 0, 0, 0, 7, tzinfo=UTC),
        "2026-01-01T00:00:00.000007Z",
    ),
    (
        logical("long", "local-timestamp-micros"),
        dt.datetime(2026, 1, 1),
        "2026-01-01T00:00:00.000Z",
    ),
    (logical("string", "uuid"), str(uuid.UUID(int=5)), str(uuid.UUID(int=5))),
]
NESTED = [
    (optional({"type": "enum", "name": "e", "symbols": ["A", "B"]}), "B", "B"),
    (logical("bytes", "decimal", precision=50, scale=21), Decimal("0.123456789012345678901"),
     Decimal("0.123456789012345678901")),
    (logical("fixed", "decimal", name="d", size=20, precision=38, scale=2), Decimal("-7.25"),
     Decimal("-7.25")),
    (["null", "int", "string"], "a", "a"),
    (["string"], "a", "a"),
    ({"type": "map", "values": "double"}, {"a": 0.1}, {"a": Decimal("0.1")}),
    ({"type": "array", "items": ["null", "int"]}, [1, None], [1, None]),
    ({**record(x=optional("long")), "name": "inner"}, {"x": None}, {"x": None}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "expected"), SIMPLE)
def test_simple_types_are_read_in_columns(write, read, kind, value, expected):
    path = write(record(f=kind), [{"f": value}] * 3)

    assert is_columnar(record(f=kind))
    assert read(path).values == [{"f": expected}] * 3


@pytest.mark.parametrize(("kind", "value", "expected"), SIMPLE)
def test_both_decoders_agree(write, read, kind, value, expected, monkeypatch):
    monkeypatch.setattr(reader_module, "is_columnar", lambda schema: False)
    path = write(record(f=kind), [{"f": value}])

    assert read(path).values == [{"f": expected}]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [case for case in SIMPLE if not (isinstance(case[0], dict) and case[0]["type"] == "enum")],
)
def test_optional_types(write, read, kind, value, expected):
    path = write(record(f=optional(kind)), [{"f": value}, {"f": None}])

    assert is_columnar(record(f=optional(kind)))
    assert read(path).values == [{"f": expected}, {}]


@pytest.mark.parametrize(("kind", "value", "expected"), NESTED)
def test_other_types_are_read_record_by_record(write, read, kind, value, expected):
    path = write(record(f=kind), [{"f": value}])

    assert not is_columnar(record(f=kind))
    assert read(path).values == [{"f": expected}]


def test_a_decimal_larger_than_its_schema_allows_is_kept(write, read):
    wide = logical("bytes", "decimal", precision=60, scale=2)
    path = write(record(f=wide), [{"f": Decimal("1e45")}])
    data = path.read_bytes().replace(b'"precision": 60', b'"precision": 38')
    path.write_bytes(data)

    assert read(path).values == [{"f": 10**45}]


def test_numbers_and_texts_of_a_union_stay_apart(write, read):
    path = write(record(f=["int", "string"]), [{"f": 5}, {"f": "5"}])

    assert read(path).records == {0: '{"f":5}', 1: '{"f":"5"}'}


def test_many_blocks_are_one_sequence(write, read, monkeypatch):
    monkeypatch.setattr("meterhouse.connectors.avro.container._GROUP_BYTES", 100)
    rows = [{"n": n} for n in range(5000)]
    path = write(record(n="long"), rows, sync_interval=50)

    result = read(path, records_max=999)

    assert result.values == rows
    assert list(result.records) == list(range(5000))


def test_declared_fields(write, read):
    path = write(record(v="string", n="int"), [{"v": "1.5", "n": 1}, {"v": "x", "n": 2}])

    result = read(path, fields={"v": "number"})

    assert result.records == {0: '{"n":1,"v":1.5}'}
    assert result.bad == {1: 'v is "x", which is not a number'}
    assert parse_json(result.chunks[0].unreadable[0].raw) == {"v": "x", "n": 2}


# ------------------------------------------------------------- containers made by hand


def varint(number):
    value = (number << 1) ^ (number >> 63)
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def sized(data):
    return varint(len(data)) + data


SYNC = b"0123456789abcdef"


def container(schema, codec, blocks, sync=SYNC):
    meta = {b"avro.schema": json.dumps(schema).encode(), b"avro.codec": codec}
    head = varint(len(meta)) + b"".join(sized(k) + sized(v) for k, v in meta.items()) + b"\0"
    body = b"".join(varint(count) + sized(data) + sync for count, data in blocks)
    return b"Obj\x01" + head + SYNC + body


def deflated(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def snapped(data):
    packed = pa.compress(data, codec="snappy", asbytes=True)
    return packed + zlib.crc32(data).to_bytes(4, "big")


PACKERS = {
    b"null": bytes,
    b"deflate": deflated,
    b"snappy": snapped,
    b"zstandard": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    b"bzip2": bz2.compress,
    b"xz": lzma.compress,
}


@pytest.fixture
def make(tmp_path):
    def make(data):
        path = tmp_path / "made.avro"
        path.write_bytes(data)
        return path

    return make


@pytest.mark.parametrize("codec", PACKERS)
def test_every_codec(make, read, codec):
    blocks = [(2, PACKERS[codec](varint(1) + varint(2))), (1, PACKERS[codec](varint(3)))]
    path = make(container(record(n="long"), codec, blocks))

    assert read(path).values == [{"n": 1}, {"n": 2}, {"n": 3}]


@pytest.mark.parametrize("codec", list(PACKERS)[1:])
def test_damaged_packing_is_refused(make, read, codec):
    data = bytearray(PACKERS[codec](varint(1) * 100))
    data[len(data) // 2] ^= 0xFF
    path = make(container(record(n="long"), codec, [(100, bytes(data))]))

    try:
        assert len(read(path).records) == 100
    except InputError as error:
        assert "made.avro cannot be read" in str(error)  # noqa: PT017


@pytest.mark.parametrize("codec", list(PACKERS)[1:])
def test_a_block_that_grows_without_end_is_refused(make, read, codec, monkeypatch):
    monkeypatch.setattr("meterhouse.connectors.avro.container._UNPACKED_BYTES", 1 << 20)
    path = make(container(record(n="long"), codec, [(5, PACKERS[codec](b"\0" * (2 << 20)))]))

    with pytest.raises(InputError, match="grows"):
        read(path)


ONE = container(record(n="long"), b"null", [(1, varint(5))])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an Avro"),
        (b"PAR1", "not an Avro"),
        (ONE[:20], "middle of a block"),
        (ONE[:-1], "middle of a block"),
        (ONE[:-18], "middle of a block"),
        (ONE + b"\x02", "middle of a block"),
        (ONE + varint(1) + sized(varint(5)) + b"x" * 16, "sync marker"),
        (ONE + varint(-1) + sized(b""), "a block says"),
        (ONE + varint(1) + varint(1 << 40), "a block says"),
        (ONE + b"\xff" * 11, "longer than 64 bits"),
        (ONE + varint(1 << 40) + sized(b"") + SYNC, "a block of 0 bytes"),
        (ONE + varint(2) + sized(varint(5)) + SYNC, "a block of 1 bytes|damaged"),
        (b"Obj\x01" + varint(1) + varint(1 << 40), "header is damaged"),
        (b"Obj\x01" + b"\0" + SYNC, "no readable schema"),
        (
            b"Obj\x01" + varint(1) + sized(b"avro.schema") + sized(b"{") + b"\0" + SYNC,
            "no readable",
        ),
        (container(record(n="long"), b"lzo", []), "lzo"),
        (container("string", b"null", []), "not a record"),
        (container(record(n=optional("usage")), b"null", []), "contains itself"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(make, read, data, message):
    with pytest.raises(InputError, match=message):
        read(make(data))


def test_a_header_without_end_is_refused(make, read, monkeypatch):
    monkeypatch.setattr("meterhouse.connectors.avro.container._HEADER_BYTES_MAX", 1000)
    data = b"Obj\x01" + varint(1 << 40) + (sized(b"k" * 9) + sized(b"v" * 90)) * 20

    with pytest.raises(InputError, match="header is larger"):
        read(make(data))


def test_header_blocks_may_name_their_size(make, read):
    schema = json.dumps(record(n="long")).encode()
    entry = sized(b"avro.schema") + sized(schema)
    head = b"Obj\x01" + varint(-1) + varint(len(entry)) + entry + b"\0" + SYNC

    assert read(make(head + varint(1) + sized(varint(7)) + SYNC)).values == [{"n": 7}]


def test_records_of_no_bytes(make, read):
    path = make(container(record(n="null"), b"null", [(3, b"")]))

    assert read(path).records == {0: "{}", 1: "{}", 2: "{}"}


def test_a_text_as_long_as_it_says_and_not_longer(make, read):
    path = make(container(record(s="string"), b"null", [(1, varint(1 << 33) + b"abc")]))

    with pytest.raises(InputError, match="damaged"):
        read(path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(4, len(ONE) - 1), byte=st.integers(0, 255))
def test_any_damaged_byte_is_an_error_or_a_record(make, read, place, byte):
    data = bytearray(ONE)
    data[place] = byte

    try:
        assert len(read(make(bytes(data))).records) == 1
    except InputError as error:
        assert "made.avro cannot be read" in str(error)  # noqa: PT017


def test_recursive_types_are_found_wherever_they_hide():
    assert is_recursive(record(next=optional("usage")))
    assert is_recursive(record(next={"type": "array", "items": "usage"}))
    assert is_recursive({**record(a={"type": "map", "values": "ns.usage"}), "namespace": "ns"})
    assert not is_recursive(record(a={"type": "fixed", "name": "f", "size": 1}, b="f", c=5))


def test_the_published_examples(test_data, read):
    files = sorted((test_data / "avro").glob("**/*.avro"))
    assert files

    counts = {path.name: len(read(path).records) for path in files}

    assert counts["kylo-userdata1.avro"] == 1000
    assert counts["weather-zstd.avro"] == counts["weather-snappy.avro"] == 5
    assert counts["withUnion.avro"] == 3
    assert counts["syncInMeta.avro"] == 6001


def test_what_is_no_container_is_refused(test_data, read):
    for name in ("messageV1/test_message.bin", "test.avro12", "weather.json"):
        with pytest.raises(InputError, match="not an Avro"):
            read(test_data / "avro" / "apache-avro" / name, format="avro")


def test_codecs_of_the_published_weather_agree(test_data, read):
    folder = test_data / "avro" / "apache-avro"
    plain = read(folder / "weather.avro").records

    for codec in ("deflate", "snappy", "zstd"):
        assert read(folder / f"weather-{codec}.avro").records == plain
    lines = (folder / "weather.json").read_bytes().splitlines()
    assert [parse_json(text) for text in plain.values()] == [parse_json(line) for line in lines]
