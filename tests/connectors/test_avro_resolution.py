"""A reader's schema in columns: the same records as row by row, and in columns where it can be."""

from io import FileIO
from pathlib import Path
from typing import Any

import fastavro
import pytest

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.avro import reader as avro_reader
from meterhouse.connectors.avro.reader import read_avro
from meterhouse.connectors.avro.resolving import resolution
from meterhouse.datasets.schema import BUILT_IN
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.ports import InputFile
from tests.audit_files import AUDIT, audit_file, audit_rows, later_audit

OLD, NEW = BUILT_IN[AUDIT].document, later_audit().document


def schema(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields)}


def field(name: str, type_: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, **more}


def enum(*symbols: str, default: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "enum", "name": "E", "symbols": list(symbols)}
    return found | ({} if default is None else {"default": default})


def batches(path: Path, reader: Any, *, raw: bool = False) -> list[UsageBatch]:
    stat = path.stat()
    file = InputFile(str(path), stat.st_size, stat.st_mtime_ns)
    with FileIO(path, "r") as handle:
        chunks = read_avro(handle, Asked(0), file=file, schema=reader, raw=raw)
        return [chunk.batch for chunk in chunks]


def rows(path: Path, reader: Any, *, raw: bool = False) -> list[dict[str, Any]]:
    return [row for batch in batches(path, reader, raw=raw) for row in batch.rows()]


def by_rows(
    path: Path, reader: Any, monkeypatch: pytest.MonkeyPatch, *, raw: bool = False
) -> list[dict[str, Any]]:
    """What the other library makes of it, record by record."""
    with monkeypatch.context() as patched:
        patched.setattr(avro_reader, "is_columnar", lambda _: False)
        return rows(path, reader, raw=raw)


def write(path: Path, writer: dict[str, Any], *records: dict[str, Any]) -> Path:
    with path.open("wb") as out:
        fastavro.writer(out, fastavro.parse_schema(writer), records)
    return path


def test_the_schema_of_audits_stays_in_columns(tmp_path: Path):
    path = audit_file(tmp_path / "a.avro", audit_rows(5_000))
    for reader in (None, OLD, NEW):
        assert all(batch.columnar for batch in batches(path, reader))


def test_symbols_that_the_reader_does_not_know_are_kept_beside_their_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    records = audit_rows(4)
    for record, service in zip(records, ("stt", "ai", "tts", "other"), strict=True):
        record |= {"AURA_SERVICE_NAME_CD": service, "TENANT_CD": "t"}
    path = audit_file(tmp_path / "a.avro", records, schema=later_audit())
    found = rows(path, OLD, raw=True)
    assert found == by_rows(path, OLD, monkeypatch, raw=True)
    assert [row["AURA_SERVICE_NAME_CD"] for row in found] == ["other", "ai", "other", "other"]
    assert [row.get("AURA_SERVICE_NAME_CD_RAW") for row in found] == ["stt", None, "tts", None]
    assert all(batch.columnar for batch in batches(path, OLD, raw=True))
    # Whoever knows all symbols, or never asked, has none of it.
    assert "_RAW" not in str(rows(path, NEW, raw=True)) + str(rows(path, OLD))


def test_a_null_of_an_enum_is_no_unknown_symbol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    writer = schema(field("a", ["null", enum("x", "y", "other", default="other")]))
    reader = schema(
        field("b", ["null", enum("x", "other", default="other")], aliases=["a"], default=None)
    )
    symbols = (None, "x", "y")
    path = write(tmp_path / "a.avro", writer, *({"a": symbol} for symbol in symbols))
    found = rows(path, reader, raw=True)
    assert found == by_rows(path, reader, monkeypatch, raw=True)
    assert found == [{}, {"b": "x"}, {"b": "other", "b_RAW": "y"}]


def test_an_older_file_is_read_by_a_later_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = audit_file(tmp_path / "a.avro", audit_rows(50))
    found = rows(path, NEW)
    assert found == by_rows(path, NEW, monkeypatch)
    assert found == rows(path, OLD)


def test_a_later_file_is_read_by_an_older_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    records = audit_rows(4)
    for record, service in zip(records, ("stt", "ai", "tts", "message"), strict=True):
        record |= {"AURA_SERVICE_NAME_CD": service, "TENANT_CD": "t"}
    path = audit_file(tmp_path / "a.avro", records, schema=later_audit())
    found = rows(path, OLD)
    assert found == by_rows(path, OLD, monkeypatch)
    assert [row["AURA_SERVICE_NAME_CD"] for row in found] == ["other", "ai", "other", "message"]
    assert all("TENANT_CD" not in row for row in found)
    assert rows(path, NEW)[0]["TENANT_CD"] == "t"


CASES = {
    "a nullable field": (
        schema(field("a", "string")),
        schema(field("a", ["null", "string"])),
        [{"a": "x"}],
        True,
    ),
    "a wider number": (schema(field("a", "int")), schema(field("a", "long")), [{"a": 7}], False),
    "an alias": (
        schema(field("old", "string")),
        schema(field("new", "string", aliases=["old"])),
        [{"old": "x"}],
        True,
    ),
    "a field that is gone": (
        schema(field("a", "string"), field("b", "int")),
        schema(field("b", "int")),
        [{"a": "x", "b": 1}],
        True,
    ),
    "a default that is a value": (
        schema(field("a", "string")),
        schema(field("a", "string"), field("b", "string", default="none")),
        [{"a": "x"}],
        True,
    ),
    "a number that becomes a float": (
        schema(field("a", "int")),
        schema(field("a", "double")),
        [{"a": 7}],
        False,
    ),
    "a field that was nullable": (
        schema(field("a", ["null", "string"])),
        schema(field("a", "string")),
        [{"a": "x"}],
        False,
    ),
    "unknown symbols with a default": (
        schema(field("a", enum("x", "y"))),
        schema(field("a", enum("x", "z", default="z"))),
        [{"a": "y"}, {"a": "x"}],
        True,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_columns_say_the_same_as_rows(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    writer, reader, records, in_columns = CASES[name]
    path = write(tmp_path / "a.avro", writer, *records)
    assert (resolution(writer, reader) is not None) == in_columns
    assert rows(path, reader) == by_rows(path, reader, monkeypatch)
