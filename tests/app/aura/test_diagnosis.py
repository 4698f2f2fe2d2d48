"""What the doctor says of the Aura side."""

import json
from collections import Counter

import pytest

from meterhouse.app.aura.diagnosis import (
    import_finding,
    look_back_finding,
    place_finding,
    storage_findings,
    upload_findings,
)
from meterhouse.app.aura.importing import ReportMode, import_files, put_report
from meterhouse.app.aura.operation_report import (
    BusinessReport,
    BusinessStatus,
    MonthReport,
    OperationReport,
    StreamReport,
    put_operation_report,
)
from meterhouse.app.diagnosis import Grade
from meterhouse.connectors.dataset_storage import FolderStorage
from meterhouse.datasets.sample_month import SampleMonth
from tests.app.aura.place import AT, HOUR, Place


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    made.fill("ES", month=SampleMonth(2026, 10, 60))
    made.upload()
    return made


def findings(place, *, at):
    with place.importing() as means:

        def is_catalogued(name):
            return bool(means.ledger.dataset_files_called(name))

        return storage_findings(
            FolderStorage(place.common), place=str(place.common), at=at, catalogued=is_catalogued
        )


def test_c28_the_newest_file_of_each_dataset_is_told_with_its_age(place):
    uploads = [one for one in findings(place, at=AT) if one.name == "aura uploads"]
    assert [one.message for one in uploads if "Audit" in one.message] == [
        "Aura_Audit: 0 hours ago, of 2026-11-01T10:00:00.000Z"
    ]
    assert len(uploads) == 9
    assert {one.grade for one in uploads} == {Grade.OK}


def test_c28_more_than_two_hours_is_a_warning_also_once_the_file_is_imported(place):
    place.imported()
    grades = {
        hours: {
            one.grade
            for one in findings(place, at=AT - AT % HOUR + hours * HOUR)
            if one.name == "aura uploads"
        }
        for hours in (2, 3)
    }
    assert grades == {2: {Grade.OK}, 3: {Grade.WARN}}


def test_rows_that_were_rejected_are_told_after_their_upload_too(place):
    [path] = place.common.glob("uploads/ES/*.account.json")
    datasets = json.loads(path.read_text("utf-8"))["datasets"]
    wanted = Counter(datasets["Aura_Audit"]["rejected"])
    wanted += Counter(datasets["Aura_Atria_Message"]["rejected"])
    [path] = place.common.glob("rejected/ES/*.ndjson")
    assert len(path.read_text("utf-8").splitlines()) == wanted.total() > 0
    [found] = [one for one in findings(place, at=AT) if one.name == "aura rejected rows"]
    assert found.grade is Grade.WARN
    assert found.message.startswith(f"ES: {wanted.total()} rows of logs of the last 92 days: ")
    assert all(f"{reason} {count}" in found.message for reason, count in wanted.items())
    late = findings(place, at=AT + 93 * 24 * HOUR)
    assert not [one for one in late if one.name == "aura rejected rows"]


def test_c28_no_file_at_all_is_a_warning():
    assert [one.grade for one in upload_findings({}, at=AT)] == [Grade.WARN]


def report_of(place):
    with place.importing() as means:
        imported = import_files(means, at=AT)
        put_report(means, imported, mode=ReportMode.ALL, at=AT)
    return import_finding(FolderStorage(place.common), at=AT)


def test_c29_the_newest_report_of_an_import_is_read_with_its_errors(place):
    assert import_finding(FolderStorage(place.common), at=AT).grade is Grade.WARN
    assert report_of(place).grade is Grade.OK
    [path] = place.common.glob("processed/entity/Aura_Audit/6.0.0/*")
    bad = place.common / "avro/entity/Aura_Audit/6.0.0/ES_Aura_Audit_20261101T110000Z.avro"
    bad.parent.mkdir(parents=True, exist_ok=True)
    bad.write_bytes(path.read_bytes()[:-200])
    found = report_of(place)
    assert found.grade is Grade.FAIL
    assert found.message.endswith("1 file has an error")


def operation(place, *, hour, statuses, undone=()):
    businesses = [BusinessReport(code, "ESP", code, status, 0) for code, status in statuses.items()]
    at = AT + hour * HOUR
    report = OperationReport(
        "aura", at, [StreamReport("s", "r")], [MonthReport("2026-10", businesses)], undone
    )
    return put_operation_report(FolderStorage(place.common), report, scratch=place.scratch)


def test_c29_a_report_of_the_billing_operation_is_no_report_of_an_import(place):
    assert report_of(place).grade is Grade.OK
    operation(place, hour=1, statuses={"ES": BusinessStatus.DRAFTED})
    found = findings(place, at=AT)
    assert [one.grade for one in found if one.name == "aura imports"] == [Grade.OK]
    [billing] = [one for one in found if one.name == "aura billing"]
    assert (billing.grade, "complete" in billing.message) == (Grade.OK, True)


def test_the_newest_report_of_the_operation_says_who_has_not_what_is_due(place):
    assert not [one for one in findings(place, at=AT) if one.name == "aura billing"]
    operation(place, hour=0, statuses={"ES": BusinessStatus.ISSUED})
    for number in range(2, 12):  # several of one instant: the eleventh is the newest
        status = BusinessStatus.MISSING if number == 11 else BusinessStatus.BLOCKED
        operation(
            place,
            hour=1,
            statuses={"ES": BusinessStatus.ISSUED, "BR": status},
            undone=[f"file-{number}"],
        )
    [found] = [one for one in findings(place, at=AT) if one.name == "aura billing"]
    assert found.grade is Grade.FAIL
    assert "BR missing in 2026-10" in found.message
    assert "ES" not in found.message
    assert "file-11" in found.message


def test_a_report_of_the_operation_that_is_none_is_told(place):
    name = operation(place, hour=0, statuses={"ES": BusinessStatus.ISSUED})
    (place.common / name).write_text('{"complete": false, "months": 3}')
    [found] = [one for one in findings(place, at=AT) if one.name == "aura billing"]
    assert (found.grade, "is no report" in found.message) == (Grade.FAIL, True)


def test_c29_a_report_that_is_none_is_told(place):
    report_of(place)
    (place.common / "reports/aura-avro-kpis-report-2027-01-01.json").write_text(json.dumps({}))
    assert import_finding(FolderStorage(place.common), at=AT).grade is Grade.FAIL


def test_c29_reports_of_the_billing_operation_are_none_of_imports(place):
    """Both lie in one folder, and theirs come later in the order of names."""
    report_of(place)
    told = place.common / "reports/aura-billing-report-2026-11-06T030000.000Z.json"
    told.write_text(json.dumps({"operation": "liceo", "complete": False}))
    found = import_finding(FolderStorage(place.common), at=AT)
    assert (found.grade, "aura-avro-kpis-report-2026-11-01" in found.message) == (Grade.OK, True)


@pytest.mark.parametrize(
    ("where", "grade"),
    [
        ("az://aura-common/kpis", Grade.OK),
        ("/srv/aura/common-storage", Grade.OK),
        ("s3://aura/v2", Grade.FAIL),
        ("/srv/aura-9.3.0/common", Grade.FAIL),
        ("az://aura-common/release-9", Grade.FAIL),
        ("/srv/pytest-12/2026-10/common", Grade.OK),
    ],
)
def test_c30_a_place_has_no_release_in_its_path(where, grade):
    assert place_finding(where).grade is grade


@pytest.mark.parametrize(
    "name",
    [
        "fourth_platform.conversations.days_to_find",
        "FOURTH_PLATFORM_CONVERSATIONS_DAYS_TO_FIND",
        "FOURTH_PLATFORM__CONVERSATIONS__DAYS_TO_FIND",
    ],
)
def test_c31_the_variable_that_was_removed_is_flagged_in_the_environment(name):
    found = look_back_finding(["HOME", name])
    assert (found.grade, name in found.message) == (Grade.WARN, True)


def test_c31_and_in_a_configuration_but_not_in_its_comments():
    nested = "fourth_platform:\n  conversations:\n    days_to_find: 5\n"
    assert look_back_finding([], {"aura.yaml": nested}).grade is Grade.WARN
    assert look_back_finding([], {"aura.yaml": "# days_to_find: 5\nobs: []\n"}).grade is Grade.OK
