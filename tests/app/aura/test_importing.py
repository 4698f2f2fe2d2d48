"""The import: from common storage to the catalogue, the same wherever it is killed."""

import json
import shutil
from collections import Counter

import pytest

from meterhouse.app.aura.importing import ReportMode, import_files, put_report
from meterhouse.app.datasets.files import partitions
from meterhouse.connectors.avro.writer import write_avro
from meterhouse.core.instant import DAY
from meterhouse.datasets.sample_month import SampleMonth
from meterhouse.datasets.schema import BUILT_IN
from tests.app.aura.place import AT, Place, avro_rows
from tests.app.aura.test_uploading import KilledStorage

FOREIGN = "avro/entity/Aura_Audit/6.0.0/ES_Aura_Audit_20261101T030000Z.avro"
COUNTERS = {
    "num_files_kernel_uploaded": 9,
    "num_files_moved_to_processed": 9,
    "num_files_deleted": 9,
    "num_files_skipped": 0,
    "num_errors": 0,
}


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    made.fill("ES", month=SampleMonth(2026, 10, 40))
    made.upload()
    return made


def catalogue(place):
    """What is in the catalogue: its files, and what the ledger says of them."""
    with place.importing() as means:
        listed = {
            (day.day.isoformat(), file.name, file.rows, file.sha256)
            for dataset in ("Aura_Audit", "Aura_Gateway_Message", "Aura_Atria_Message")
            for day in partitions(means.ledger, dataset, major=6)
            for file in day.files
        }
    return place.files(place.catalogue), listed


def foreign_file(place):
    """Put a file of Portugal in common storage, under the name of Spain."""
    [path] = place.common.glob("avro/entity/Aura_Audit/6.0.0/*")
    rows = [row | {"COUNTRY_3_ALPHA_CD": "PRT"} for row in avro_rows(path)]
    write_avro(place.common / FOREIGN, schema=BUILT_IN["Aura_Audit"].document, rows=rows)


def test_all_rows_come_to_the_catalogue_day_by_day(place):
    rows = place.rows("Aura_Audit")
    place.imported()
    with place.importing() as means:
        days = partitions(means.ledger, "Aura_Audit", major=6)
        found = {day.day.isoformat(): sum(file.rows for file in day.files) for day in days}
    assert found == dict(Counter(row["DAY_DT"] for row in rows))
    assert not [name for name in place.files() if name.startswith("avro/")]
    assert len([name for name in place.files() if name.startswith("processed/")]) == 9


def test_the_report_has_the_counters_and_an_entry_for_each_dataset(place):
    report = place.imported().to_api()
    summary = report.pop("summary")
    assert report == COUNTERS
    assert sorted(summary) == sorted(name for name in BUILT_IN if not name.startswith("D_Gbl"))
    assert summary["Aura_Audit"] == {
        "dataset_id": "Aura_Audit",
        "schema": "entity",
        "version": "6.0.0",
        "step": "FINISH",
        **dict.fromkeys(COUNTERS, 1) | {"num_files_skipped": 0, "num_errors": 0},
        "errors": [],
        "spark_executions": {
            "dataset_id": "Aura_Audit",
            "version": 6,
            "correlator": "correlator-1",
        },
    }
    assert summary["D_Aura_App"]["schema"] == "dimensional"


def test_a_second_import_finds_nothing(place):
    place.imported()
    before = catalogue(place)
    assert place.imported(at=AT + DAY).to_api()["num_files_kernel_uploaded"] == 0
    assert catalogue(place) == before


def test_a_file_of_another_country_is_refused_stays_and_is_told(place):
    foreign_file(place)
    report = place.imported()
    assert report.errors == 1
    [error] = report.to_api()["summary"]["Aura_Audit"]["errors"]
    assert (error["file"], error["code"]) == (FOREIGN, "dataset_file_refused")
    assert 'COUNTRY_3_ALPHA_CD: is "PRT"' in error["problems"][0]
    assert [name for name in place.files() if name.startswith("avro/")] == [FOREIGN]
    again = place.imported(at=AT + DAY)
    assert (again.errors, again.counts.moved) == (1, 0)


def test_what_is_no_avro_is_skipped_and_a_name_that_is_none_is_an_error(place):
    folder = place.common / "avro/entity/Aura_Audit/6.0.0"
    (folder / "notes.txt").write_text("x")
    shutil.copy(next(folder.glob("*.avro")), folder / "audit.avro")
    report = place.imported()
    assert (report.counts.skipped, report.counts.errors) == (1, 1)
    assert report.to_api()["summary"]["Aura_Audit"]["errors"][0]["code"] == "definition_invalid"


def test_a_file_that_was_added_already_is_skipped_and_moved(place):
    [path] = place.common.glob("avro/entity/Aura_Audit/6.0.0/*")
    body = path.read_bytes()
    place.imported()
    path.write_bytes(body)
    report = place.imported(at=AT + DAY).to_api()
    assert (report["num_files_kernel_uploaded"], report["num_files_skipped"]) == (0, 1)
    assert not path.exists()


def test_killed_after_any_change_the_next_import_comes_to_the_same_catalogue(place, tmp_path):
    others = []
    for changes in range(10):
        other = Place(tmp_path / f"killed-{changes}")
        shutil.copytree(place.common, other.common)
        others.append(other)
    place.imported()
    killed = 0
    for changes, other in enumerate(others):
        with other.importing(KilledStorage(other.common, changes)) as means:
            try:
                import_files(means, at=AT)
            except KeyboardInterrupt:
                killed += 1
        other.imported(at=AT + DAY)
        assert catalogue(other) == catalogue(place), f"after {changes} changes"
        assert sorted(other.files()) == sorted(place.files())
    assert killed == 9


def test_c29_a_report_is_left_each_time_or_with_errors_or_never(place):
    with place.importing() as means:
        fine = import_files(means, at=AT)
        names = [put_report(means, fine, mode=mode, at=AT) for mode in ReportMode]
        second = put_report(means, fine, mode=ReportMode.ALL, at=AT)
    assert names == ["reports/aura-avro-kpis-report-2026-11-01.json", None, None]
    assert second == "reports/aura-avro-kpis-report-2026-11-01T102000.000Z.json"
    assert json.loads(place.files()[names[0]]) == fine.to_api()


def test_a_file_in_the_folder_of_another_version_is_refused_and_told_once(place):
    [path] = place.common.glob("avro/entity/Aura_Audit/6.0.0/*")
    other = place.common / "avro/entity/Aura_Audit/7.0.0" / path.name
    other.parent.mkdir()
    shutil.copy(path, other)
    report = place.imported()
    assert report.to_api()["num_errors"] == 1
    assert report.counts.uploaded == 9
    strange = report.datasets["Aura_Audit:7.0.0"]
    [said] = strange.errors
    assert said["code"] == "dataset_version_differs"
    assert said["file"] == other.relative_to(place.common).as_posix()
    assert '"6.0.0", and its place says 7.0.0' in said["error"]
    assert "move it to the folder of its own version" in said["error"]
    assert (strange.counts.uploaded, strange.counts.skipped, strange.counts.errors) == (0, 0, 1)
    assert other.exists()


def test_a_shared_dimension_under_the_name_of_one_ob_is_refused_and_read_by_none(place):
    schema = BUILT_IN["D_Gbl_Country"]
    folder = place.common / f"avro/dimensional/D_Gbl_Country/{schema.version}"
    row = dict.fromkeys(("COUNTRY_2_ALPHA_CD", "COUNTRY_3_ALPHA_CD"), "XX")
    names = [field["name"] for field in schema.document["fields"]]
    one = {name: row.get(name, "x") for name in names}
    folder.mkdir(parents=True)
    write_avro(folder / "ES_DIM_COUNTRY_20261101T030000Z.avro", schema=schema.document, rows=[one])
    report = place.imported()
    [said] = report.datasets["D_Gbl_Country"].errors
    assert "GBL_DIM_COUNTRY_" not in said["error"]
    [problem] = said["problems"]
    assert "write GBL_DIM_COUNTRY_" in problem
    assert report.counts.errors == 1


def test_the_snapshot_of_an_ob_is_never_that_of_all(place):
    place.imported()
    with place.importing() as means:
        own = means.ledger.newest_snapshot("D_Aura_App", ob="ES")
        assert own is not None
        assert own.ob == "ES"
        assert means.ledger.newest_snapshot("D_Aura_App") is None
