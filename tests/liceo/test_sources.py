"""The files of datasets that an invoice was read from are on it, with rows and hashes."""

from datetime import date
from pathlib import Path

from meterhouse.app.billing.periods import read_days
from meterhouse.app.billing.sources import source_files
from meterhouse.app.billing.usage import Gathered
from meterhouse.app.datasets.ports import DatasetFile
from meterhouse.core.instant import parse_instant
from meterhouse.datasets.version import Version
from meterhouse.store.ledger import open_ledger
from tests.acceptance import small
from tests.liceo.world import Liceo

UTC = "Etc/UTC"
OCTOBER, NOVEMBER = read_days("2026-10").in_zone(UTC), read_days("2026-11").in_zone(UTC)
NAME = "ES_Aura_Audit_20261016T010000Z.avro"


def a_file(id: str, day: date, sha256: str) -> DatasetFile:
    at = parse_instant("2026-10-16T02:00:00Z")
    assert at is not None
    return DatasetFile(id, "Aura_Audit", Version(6, 0, 0), "ES", day, NAME, 1, 10, sha256, at)


def test_files_that_runs_have_read_are_found_in_the_catalogue(meterhouse, tmp_path: Path):
    house = Liceo(meterhouse, tmp_path)
    read, other = a_file("a", date(2026, 10, 15), "ab" * 32), a_file("b", date(2026, 10, 14), "cd")
    path = tmp_path / read.path
    path.parent.mkdir(parents=True)
    path.write_text('{"userId": "ES", "value": 1}\n', "utf-8")
    house.file("plain.ndjson", {"userId": "ES", "value": 2})
    plain = small.reader(tmp_path / "plain.ndjson") | {"id": "Plain", "name": "Plain"}
    document = small.document(
        small.reader(path, format="ndjson"),
        small.meter(),
        more=(plain,),
        edges=("Plain -> Meter",),
    )
    small.set_up(meterhouse, document, users=("ES",))
    small.run(meterhouse, at="2026-10-20T00:00:00Z")
    [run] = meterhouse.json("run", "list")
    ledger = open_ledger(meterhouse.data)
    try:
        ledger.add_dataset_files([read, other])
        gathered = Gathered((), (), (), (), (run["id"],), ())
        [found] = source_files(ledger, gathered, period=OCTOBER)
        assert source_files(ledger, gathered, period=NOVEMBER) == ()
    finally:
        ledger.close()
    assert (found.name, found.dataset, found.version) == (read.path, "Aura_Audit", "6.0.0")
    assert (found.rows, found.sha256) == (1, "ab" * 32)
