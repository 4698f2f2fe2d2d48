"""``readers/dataset`` on the catalogue of an installation: what is read, in which order, once."""

import json
from pathlib import Path
from typing import Any

import pytest

from meterhouse.app.datasets.files import add_file
from meterhouse.app.datasets.publishing import publish
from meterhouse.bootstrap import open_installation
from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading
from meterhouse.datasets.schema import BUILT_IN, DatasetSchema
from meterhouse.streams.nodes.dataset_reader import TYPE
from tests.acceptance import small
from tests.acceptance.small import document, node
from tests.audit_files import AUDIT, audit_file, audit_rows, file_name, later_audit
from tests.cli.command import Meterhouse

OUT = "records.ndjson"


class Catalogue:
    """An installation with Aura_Audit, and a stream that writes what it reads of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meterhouse = Meterhouse(folder / "data")
        self.publish(BUILT_IN[AUDIT])

    def publish(self, schema: DatasetSchema) -> None:
        with open_installation(self.meterhouse.data) as house:
            publish(house.ledger, schema, at=house.clock())

    def add(
        self,
        ob: str = "ES",
        *,
        hour: str = "20261003T10",
        rows: list[dict[str, Any]] | None = None,
        schema: DatasetSchema | None = None,
    ) -> str:
        """Add a file; the path of the catalogue's."""
        day = f"{hour[:4]}-{hour[4:6]}-{hour[6:8]}"
        given = audit_rows(2, day=day, ob=ob) if rows is None else rows
        path = audit_file(self.folder / file_name(ob, hour=hour), given, schema=schema)
        with open_installation(self.meterhouse.data) as house:
            storage = house.datasets()
            [added] = add_file(
                *(house.ledger, storage, path),
                dataset=AUDIT,
                name=path.name,
                at=house.clock(),
                containers=house.containers(),
            )
            return storage.location(added.path)

    def stream(self, **params: Any) -> None:
        reader = node("Reader", "readers/dataset", **{"dataset": AUDIT, "major": 6, **params})
        writer = node("Writer", "writers/file", path=str(self.folder / "{run}" / OUT))
        given = json.dumps(document(reader, writer))
        self.meterhouse.import_stream("-", given=given)

    def read(self) -> list[dict[str, Any]]:
        """Run the stream; what this run has read."""
        before = set(self.folder.rglob(OUT))
        counts = small.run(self.meterhouse, at="2026-11-01T00:00:00Z")
        files = set(self.folder.rglob(OUT)) - before
        lines = [line for path in files for line in path.read_text().splitlines()]
        assert counts["Reader"]["in"] == counts["Reader"]["out"].get("out", 0) == len(lines)
        return [json.loads(line) for line in lines]

    def consumed(self) -> list[Any]:
        with open_installation(self.meterhouse.data) as house:
            runs = house.ledger.runs().items
            return [file for run in runs for file in house.ledger.files_of_run(run.id)]


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path)


def test_files_are_read_by_day_and_then_by_name(catalogue: Catalogue):
    for ob, hour in (("ES", "20261004T01"), ("ES", "20261003T23"), ("DE", "20261004T02")):
        catalogue.add(ob, hour=hour)
    catalogue.stream(obField="OB")
    found = [(row["DAY_DT"], row["OB"]) for row in catalogue.read()]
    assert found == [
        *[("2026-10-03", "ES")] * 2,
        *[("2026-10-04", "DE")] * 2,
        *[("2026-10-04", "ES")] * 2,
    ]


def test_records_are_as_they_were_written(catalogue: Catalogue):
    rows = audit_rows(4)
    catalogue.add(rows=rows)
    catalogue.stream()
    written = [{name: v for name, v in row.items() if v is not None} for row in rows]
    assert catalogue.read() == written


def test_a_file_is_read_once_and_later_ones_follow(catalogue: Catalogue):
    catalogue.add(hour="20261003T10")
    catalogue.stream()
    assert len(catalogue.read()) == 2
    assert catalogue.read() == []
    catalogue.add(hour="20261003T09", rows=audit_rows(1, first=90))
    assert [row["INTERACTION_ID"] for row in catalogue.read()] == ["ES-2026-10-03-90"]


def test_the_ledger_has_the_hash_and_the_rows_of_each_file_that_a_run_read(catalogue: Catalogue):
    catalogue.add(rows=audit_rows(7))
    catalogue.stream()
    catalogue.read()
    [file] = catalogue.consumed()
    with open_installation(catalogue.meterhouse.data) as house:
        [kept] = house.ledger.dataset_files(AUDIT).items
    assert file.path == f"dataset://Aura_Audit/6/DAY_DT=2026-10-03/{file_name()}"
    assert (file.size, file.records) == (kept.size, 7)
    assert file.etag == f"sha256:{kept.sha256}"


def test_only_some_days_and_one_ob_are_read_where_that_is_asked_for(catalogue: Catalogue):
    for hour in ("20261001T01", "20261002T01", "20261003T01"):
        catalogue.add(hour=hour)
    catalogue.add("DE", hour="20261002T01")
    catalogue.stream(**{"from": "2026-10-02", "to": "2026-10-03", "ob": "ES"})
    found = {(row["DAY_DT"], row["COUNTRY_3_ALPHA_CD"]) for row in catalogue.read()}
    assert found == {("2026-10-02", "ESP"), ("2026-10-03", "ESP")}


def test_files_of_every_minor_version_are_read_by_the_newest_schema(catalogue: Catalogue):
    later = later_audit()
    catalogue.add(hour="20261003T01", rows=audit_rows(1))
    catalogue.publish(later)
    row = audit_rows(1, first=1)[0] | {"AURA_SERVICE_NAME_CD": "stt", "TENANT_CD": "t"}
    catalogue.add(hour="20261003T02", rows=[row], schema=later)
    catalogue.stream()
    found = [(row["AURA_SERVICE_NAME_CD"], row.get("TENANT_CD")) for row in catalogue.read()]
    assert found == [("message", None), ("stt", "t")]


def test_an_unknown_symbol_is_the_default_and_an_unknown_field_is_left_out(catalogue: Catalogue):
    """A file of a minor version that nobody has published yet."""
    row = audit_rows(1)[0] | {"AURA_SERVICE_NAME_CD": "stt", "TENANT_CD": "t"}
    catalogue.add(rows=[row], schema=later_audit())
    catalogue.stream()
    [found] = catalogue.read()
    assert found["AURA_SERVICE_NAME_CD"] == "other"
    assert "TENANT_CD" not in found


@pytest.mark.parametrize("count", [5, 5_000])
def test_few_and_many_records_are_the_same(catalogue: Catalogue, count: int):
    """Few are rows, many are columns."""
    catalogue.add(rows=audit_rows(count))
    catalogue.stream(obField="OB")
    found = catalogue.read()
    assert {row["OB"] for row in found} == {"ES"}
    assert [row["INTERACTION_ID"] for row in found] == [f"ES-2026-10-03-{n}" for n in range(count)]


def test_a_file_that_somebody_changed_fails_the_run_and_nothing_is_kept(catalogue: Catalogue):
    place = Path(catalogue.add())
    content = bytearray(place.read_bytes())
    content[-20] ^= 1
    place.chmod(0o600)
    place.write_bytes(content)
    catalogue.stream()
    ended = catalogue.meterhouse("stream", "run", small.STREAM)
    assert ended.code == 1
    assert "another SHA-256" in ended.err
    assert catalogue.consumed() == []


def test_a_dataset_that_is_not_published_is_named(catalogue: Catalogue):
    catalogue.stream(dataset="Aura_Gateway_Message")
    ended = catalogue.meterhouse.done("stream", "run", small.STREAM)
    assert "no file of Aura_Gateway_Message 6" in ended.err + ended.out


def test_the_field_of_the_ob_is_none_of_the_datasets_own(catalogue: Catalogue):
    catalogue.add()
    catalogue.stream(obField="DAY_DT")
    ended = catalogue.meterhouse("stream", "run", small.STREAM)
    assert ended.code == 1
    assert "DAY_DT" in ended.err


def test_a_preview_shows_records_and_consumes_nothing(catalogue: Catalogue):
    catalogue.add()
    catalogue.stream()
    [reader, *_] = catalogue.meterhouse.json("stream", "preview", small.STREAM)
    assert len(reader["out"]["out"]) == 2
    assert len(catalogue.read()) == 2


def problems(**params: Any) -> list[Problem]:
    reading = Reading({"dataset": AUDIT, "major": 6, **params})
    TYPE.read(reading)
    return reading.problems


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"dataset": "Aura Audit"}, "dataset"),
        ({"dataset": None}, "dataset"),
        ({"major": "6"}, "major"),
        ({"major": True}, "major"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "to"),
        ({"ob": "Spain"}, "ob"),
        ({"fields": {"a": "date"}}, "fields.a"),
        ({"readerSchema": {"type": "enum"}}, "readerSchema"),
        ({"kernel": {"url": "ftp://x"}}, "kernel.url"),
        ({"kernel": {"url": "https://x"}}, "kernel.secretsWalletEntry"),
        ({"kernel": {"url": "https://x", "secret": "s3cret"}}, "kernel.secret"),
        ({"path": "x"}, "path"),
    ],
)
def test_wrong_parameters_are_refused_with_a_remedy(params: dict[str, Any], place: str):
    found = problems(**params)
    assert place in [problem.place for problem in found]
    assert all(problem.hint for problem in found)
