"""Reading by a published schema: fields that were added, symbols that nobody knows, real files."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterhouse.connectors import UsageFiles
from meterhouse.connectors.avro import reader as reader_module
from meterhouse.connectors.avro.containers import AvroContainers
from meterhouse.connectors.avro.resolving import resolution
from meterhouse.connectors.avro.schema import is_columnar
from meterhouse.connectors.avro.writer import write_avro
from meterhouse.core.problem import DefinitionError, MeterhouseError
from meterhouse.datasets.schema import BUILT_IN, read_schema
from meterhouse.streams.ports import InputError, OutputError
from tests.datasets.catalogue import AUDIT, CONTAINERS, Catalogue, a_row, document_of

DATA = os.environ.get("METERHOUSE_TEST_DATA")
FILES = sorted(Path(DATA, "avro").rglob("*.avro*")) if DATA else []


def test_facts_are_read_in_columns():
    for name in ("Aura_Audit", "Aura_Gateway_Message", "Aura_Atria_Message"):
        document = BUILT_IN[name].document
        assert is_columnar(document)
        assert resolution(document, document) is not None


def test_a_reader_with_an_added_field_reads_old_files(tmp_path: Path):
    path = tmp_path / "old.avro"
    write_avro(path, schema=document_of(), rows=[a_row(1)])
    newer = document_of(version="6.1.0")
    newer["fields"].append({"name": "NEW", "type": ["null", "string"], "default": None})
    newer["fields"].append({"name": "ALSO", "type": "string", "default": "x"})
    newer["fields"][2] |= {"name": "CHANNEL", "aliases": ["AURA_CHANNEL_ID"]}
    [row] = CONTAINERS.rows(path, newer)
    wanted = {name: value for name, value in a_row(1).items() if value is not None}
    assert row == wanted | {"ALSO": "x"}


def test_an_unknown_symbol_is_the_default_of_the_reader(tmp_path: Path):
    newer = document_of(version="6.1.0")
    service = next(f for f in newer["fields"] if f["name"] == "AURA_SERVICE_NAME_CD")
    service["type"]["symbols"] = ["stt", *service["type"]["symbols"], "tts"]
    path = tmp_path / "new.avro"
    services = ["stt", "message", "nlpaas", "ai", "other", "tts"]
    rows = [a_row(n, AURA_SERVICE_NAME_CD=code) for n, code in enumerate(services)]
    write_avro(path, schema=newer, rows=rows)
    found = [row["AURA_SERVICE_NAME_CD"] for row in CONTAINERS.rows(path, document_of())]
    assert found == ["other", "message", "nlpaas", "ai", "other", "other"]
    assert resolution(newer, document_of()) is not None
    raw = [row["AURA_SERVICE_NAME_CD"] for row in CONTAINERS.rows(path)]
    assert raw == services


def test_what_cannot_be_resolved_is_refused_and_named(tmp_path: Path):
    path = tmp_path / "old.avro"
    write_avro(path, schema=document_of(), rows=[a_row(1)])
    strict = document_of(version="6.1.0")
    strict["fields"].append({"name": "NEW", "type": "string"})
    with pytest.raises(InputError, match="No default value for field NEW"):
        list(CONTAINERS.rows(path, strict))


# ------------------------------------------------------------------ columns against the library

KINDS = ("string", "int", "long", "boolean", "double", "bytes")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=5),
    "int": st.integers(-9, 9),
    "long": st.integers(-(2**40), 2**40),
    "boolean": st.booleans(),
    "double": st.sampled_from([0.5, -1.25, 3.0]),
    "bytes": st.binary(max_size=3),
}
DEFAULTS = {"string": "d", "int": 7, "long": 7, "boolean": True, "double": 0.5, "bytes": "b"}


@st.composite
def fields(draw: st.DrawFn, number: int) -> dict[str, Any]:
    kind = draw(st.sampled_from([*KINDS, "enum", "marked"]))
    if kind == "enum":
        symbols = draw(st.lists(st.sampled_from("abcd"), min_size=1, unique=True))
        return {
            "name": f"f{number}",
            "type": {"type": "enum", "name": f"E{number}", "symbols": symbols}
            | {"default": symbols[0]},
        }
    if kind == "marked":
        return {"name": f"f{number}", "type": {"type": "string", "logicalType": "datetime"}}
    return {"name": f"f{number}", "type": ["null", kind] if draw(st.booleans()) else kind}


@st.composite
def readers(draw: st.DrawFn, written: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for number, field in enumerate(written):
        choice = draw(st.integers(0, 6))
        if choice == 0:
            continue
        changed = copy.deepcopy(field)
        if choice == 1:
            changed |= {"name": f"r{number}", "aliases": [field["name"]]}
        elif choice == 2 and isinstance(field["type"], str):
            changed["type"] = ["null", field["type"]]
        elif choice == 3 and isinstance(field["type"], dict) and "symbols" in field["type"]:
            changed["type"]["symbols"] = draw(st.permutations("abcdxy"))[: draw(st.integers(1, 6))]
            changed["type"]["default"] = changed["type"]["symbols"][0]
        elif choice == 4 and field["type"] == "int":
            changed["type"] = draw(st.sampled_from(["long", "double"]))
        made.append(changed)
    for number in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(KINDS))
        made.append({"name": f"n{number}", "type": ["null", kind], "default": None})
        if draw(st.booleans()):
            made[-1] |= {"type": kind, "default": DEFAULTS[kind]}
    return draw(st.permutations(made))


def record(fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "record", "name": "x.y.A", "fields": fields}


def value(draw: st.DrawFn, kind: Any) -> Any:
    if isinstance(kind, list):
        return None if draw(st.booleans()) else draw(VALUES[kind[1]])
    if isinstance(kind, dict):
        return draw(st.sampled_from(kind["symbols"])) if "symbols" in kind else "2026-10-03T09:00Z"
    return draw(VALUES[kind])


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_columns_are_resolved_as_the_library_resolves_rows(tmp_path: Path, data: st.DataObject):
    written = [data.draw(fields(number)) for number in range(data.draw(st.integers(1, 5)))]
    wanted = data.draw(readers(written))
    if not wanted:
        return
    rows = [{field["name"]: value(data.draw, field["type"]) for field in written} for _ in range(3)]
    path = tmp_path / "resolved.avro"
    write_avro(path, schema=record(written), rows=rows)
    in_columns = list(AvroContainers().rows(path, record(wanted)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader_module, "is_columnar", lambda _: False)
        by_rows = list(AvroContainers().rows(path, record(wanted)))
    assert in_columns == by_rows


# ------------------------------------------------------------------ writing


def test_the_same_rows_give_the_same_bytes_and_the_header_is_the_schema(tmp_path: Path):
    one, other = tmp_path / "one.avro", tmp_path / "other.avro"
    rows = [a_row(n) for n in range(30_000)]
    for path in (one, other):
        assert write_avro(path, schema=BUILT_IN[AUDIT].document, rows=iter(rows)) == 30_000
    assert one.read_bytes() == other.read_bytes()
    with one.open("rb") as handle:
        reader = fastavro.reader(handle)
        assert reader.metadata["avro.codec"] == "deflate"
        assert list(reader) == rows
    assert read_schema(CONTAINERS.schema(one)) == BUILT_IN[AUDIT]
    assert CONTAINERS.schema(one) == BUILT_IN[AUDIT].document


def test_a_marker_may_be_given(tmp_path: Path):
    path = tmp_path / "one.avro"
    write_avro(path, schema=document_of(), rows=[a_row(1)], sync=b"0123456789abcdef")
    assert path.read_bytes().endswith(b"0123456789abcdef")


def test_exact_numbers_become_floats_where_the_schema_has_them(tmp_path: Path):
    from decimal import Decimal

    path = tmp_path / "one.avro"
    schema = record([{"name": "f", "type": ["null", "double"]}, {"name": "n", "type": "long"}])
    rows = [{"f": Decimal("0.1"), "n": 2**60}, {"f": None, "n": 1}]
    write_avro(path, schema=schema, rows=rows)
    assert list(CONTAINERS.rows(path)) == [{"f": Decimal("0.1"), "n": 2**60}, {"n": 1}]


def test_a_row_that_is_not_of_the_schema_is_named(tmp_path: Path):
    rows = [a_row(1), a_row(2, AURA_SERVICE_NAME_CD="stt")]
    with pytest.raises(OutputError, match=r"Row 2 cannot be written as Avro: .*stt"):
        write_avro(tmp_path / "one.avro", schema=document_of(), rows=rows)


# ------------------------------------------------------------------ files of others


@pytest.mark.skipif(not FILES, reason="METERHOUSE_TEST_DATA is not set, or has no files of Avro")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_real_files_are_read_or_refused_by_readers_and_by_the_catalogue(
    path: Path, catalogue: Catalogue
):
    if path.suffix != ".avsc" and not path.is_dir():
        files = UsageFiles()
        [found] = files.list(str(path))
        try:
            chunks = files.read(found, source=0, format="avro", fields={}, records_max=100_000)
            count = sum(len(chunk.batch) for chunk in chunks)
        except InputError as error:
            assert path.name in str(error) and error.hint  # noqa: PT017
        else:
            assert count > 0 or path.name in ("syncInMeta.avro",)
        # None of them is a dataset that was published.
        with pytest.raises(MeterhouseError) as raised:
            catalogue.add(path)
        assert isinstance(raised.value, DefinitionError | InputError)
        assert catalogue.names() == []


@pytest.mark.skipif(not FILES, reason="METERHOUSE_TEST_DATA is not set, or has no files of Avro")
def test_a_real_file_becomes_a_dataset_once_its_schema_is_one(catalogue: Catalogue):
    """The rows of userdata, with what the schema of a dataset has beside them."""
    from meterhouse.app.datasets.publishing import publish
    from tests.datasets.catalogue import AT

    assert DATA is not None
    source = Path(DATA, "avro", "kylo-userdata1.avro")
    schema = dict(CONTAINERS.schema(source)) | {"name": "Users", "x-fp-version": "1.0.0"}
    schema["fields"] = [
        {"name": "DAY_DT", "type": {"type": "string", "logicalType": "iso-date"}}
        | {"x-fp-partition-key": True},
        *schema["fields"],
    ]
    publish(catalogue.ledger, read_schema(schema), at=AT)
    rows = [row | {"DAY_DT": str(row["registration_dttm"])[:10]} for row in CONTAINERS.rows(source)]
    content = catalogue.written(rows, schema=schema)
    added = catalogue.add(content, dataset="Users", name="ES_Users_20160203T000000Z.avro")
    assert sum(file.rows for file in added) == len(rows) == 1_000
    assert {str(file.day) for file in added} == {row["DAY_DT"] for row in rows}
