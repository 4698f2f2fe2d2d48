"""The uploader: what logs become in common storage, once, wherever it is killed."""

import dataclasses
import gzip
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter

import fastavro
import pytest

from meterhouse.app.aura.diagnosis import too_old_findings
from meterhouse.app.aura.gathering import DATASETS
from meterhouse.app.aura.ports import LogFile
from meterhouse.app.aura.upload_plans import BATCH_BYTES, FreshLog, new_plans, too_old
from meterhouse.app.aura.uploading import upload
from meterhouse.connectors.dataset_storage import FolderStorage
from meterhouse.connectors.log_folder import LogFiles
from meterhouse.core.instant import DAY
from meterhouse.datasets.audit import AuditRules
from meterhouse.datasets.sample_month import Rates, SampleMonth
from meterhouse.datasets.schema import BUILT_IN
from tests.app.aura.place import AT, DAYS, HOUR, Place, counted, log_records, wanted_counts

AUDIT = "avro/entity/Aura_Audit/6.0.0/ES_Aura_Audit_{hour}.avro"
COUNTRIES = {"ES": {"ES", "ESP"}, "BR": {"BR", "BRA"}}


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_c16_a_month_of_logs_is_counted_as_a_hand_would(place):
    place.fill("ES", "BR", month=SampleMonth(2026, 10, 1_500, seed=5))
    assert [report.error for report in place.upload()] == [None, None]
    for ob, country in COUNTRIES.items():
        rows = place.rows("Aura_Audit", ob)
        names = ("AURA_COMPONENT_ID", "AURA_SERVICE_NAME_CD", "AURA_APP_ID", "AURA_CHANNEL_ID")
        found = counted(tuple(row[name] for name in names) for row in rows)
        assert found == wanted_counts(place.logs, ob, country)
        assert min(found["component"].values()) > 20
        assert len(found["app"]) > 4


def test_c16_every_row_of_every_log_is_written_rejected_or_left_out(place):
    place.fill("ES")
    [report] = place.upload()
    account = report.uploads[0].account
    records = {kind: len(list(log_records(place.logs, "ES", kind))) for kind in ("groot",)}
    for kind in ("gateway", "atria"):
        records[kind] = len(list(log_records(place.logs, "ES", kind)))
    rows_in = {name: one["rows"] for name, one in account["datasets"].items()}
    assert rows_in == {
        "Aura_Audit": records["groot"] + records["gateway"],
        "Aura_Gateway_Message": records["gateway"],
        "Aura_Atria_Message": records["atria"],
    }
    for dataset in DATASETS:
        one = account["datasets"][dataset]
        gone = sum(one["rejected"].values()) + sum(one["leftOut"].values())
        assert one["rows"] == one["written"] + gone
        assert one["written"] == len(place.rows(dataset))


def test_c16_rejected_rows_are_kept_with_their_places_and_reasons(place):
    place.fill("ES")
    [report] = place.upload()
    account = report.uploads[0].account
    kept = [
        json.loads(line)
        for line in (place.common / account["rejectedRows"]).read_text("utf-8").splitlines()
    ]
    by_reason = Counter(row["reason"] for row in kept if not row["log"].startswith("ES/atria"))
    assert dict(by_reason) == account["datasets"]["Aura_Audit"]["rejected"]
    foreign = [row for row in kept if "foreign" in row["log"]]
    assert {row["reason"] for row in foreign} == {"country_other"}
    assert [row["place"] for row in foreign] == [f"line {n}" for n in range(1, 6)]


def test_c17_the_compound_key_is_unique_and_the_schema_is_the_published_one(place):
    place.fill("ES")
    place.upload()
    rows = place.rows("Aura_Audit")
    keys = Counter((row["INTERACTION_ID"], row["AURA_COMPONENT_ID"]) for row in rows)
    assert max(keys.values()) == 1
    assert len({interaction for interaction, _ in keys}) < len(keys)
    [path] = place.common.glob("avro/entity/Aura_Audit/6.0.0/*")
    with path.open("rb") as handle:
        header = json.loads(fastavro.reader(handle).metadata["avro.schema"])
    assert header == json.loads(json.dumps(BUILT_IN["Aura_Audit"].document))


def test_c17_of_rows_that_contradict_each_other_the_earliest_stays_and_they_are_told(place):
    place.fill("ES", month=SampleMonth(2026, 10, 400, rates=Rates(contradicting=600)))
    account = place.upload()[0].uploads[0].account
    audit = account["datasets"]["Aura_Audit"]["leftOut"]
    told = [one for one in account["conflicts"] if one["dataset"] == "Aura_Audit"]
    assert len(told) == audit["conflicting"] > 0
    rows = {
        (row["INTERACTION_ID"], row["AURA_COMPONENT_ID"]): row for row in place.rows("Aura_A*t")
    }
    channels = {rows[tuple(one["key"])]["AURA_CHANNEL_ID"] for one in told}
    assert len(channels) > 2


def test_a_row_of_a_day_to_come_is_rejected_by_whoever_makes_its_upload(place):
    place.fill("ES", month=SampleMonth(2026, 10, 40))
    request = {
        "CORR_ID": "c",
        "COUNTRY_3_ALPHA_CD": "ES",
        "AURA_NLP_IND": True,
        "AURA_COMPONENT_ID": "aura-gateway-api",
    }
    times = ("2027-11-01T10:00:00Z", "2026-11-02T10:20:00.001Z", "2026-11-02T10:20:00Z")
    (place.logs / "ES/gateway/ahead.jsonl").write_text(
        "".join(
            json.dumps(request | {"MESSAGE_TM": time, "MESSAGE_ID": time}) + "\n" for time in times
        )
    )
    with pytest.raises(KeyboardInterrupt):
        place.upload(storage=KilledStorage(place.common, 7))
    # What is late depends on when the upload was planned, not on who makes it, and when.
    [report] = place.upload(at=AT + 500 * DAY)
    account = report.uploads[0].account["datasets"]
    for dataset in ("Aura_Audit", "Aura_Gateway_Message"):
        assert account[dataset]["rejected"]["time_ahead"] == 2
    [path] = place.common.glob("rejected/ES/*.ndjson")
    told = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    said = [one for one in told if one["reason"] == "time_ahead"]
    assert [(one["place"], one["value"][:10]) for one in said] == [
        ("line 1", "2027-11-01"),
        ("line 2", "2026-11-02"),
    ]
    ids = {row["MESSAGE_ID"] for row in place.rows("Aura_Gateway_Message")}
    assert ids & set(times) == {times[2]}


def test_c18_six_dimensions_have_the_paths_and_names_of_the_uploader(place):
    place.fill("ES")
    place.upload()
    names = {"App", "Channel", "Component", "Preset", "Recognizer", "Skill"}
    tokens = {name: name.upper() for name in names} | {"Preset": "PRESETS"}
    found = {name for name in place.files() if name.startswith("avro/dimensional/")}
    assert found == {
        f"avro/dimensional/D_Aura_{name}/6.0.0/ES_DIM_{tokens[name]}_20261101T100000Z.avro"
        for name in names
    }


def test_c18_a_dimension_has_what_the_configuration_says(place):
    place.fill("ES")
    place.upload()
    [path] = place.common.glob("avro/dimensional/D_Aura_Component/6.0.0/*")
    with path.open("rb") as handle:
        rows = list(fastavro.reader(handle))
    objects = json.loads((place.logs / "ES/configuration/components.json").read_text())
    assert {(row["AURA_COMPONENT_ID"], row["AURA_COMPONENT_UUID"]) for row in rows} == {
        (one["name"], one["id"]) for one in objects
    }
    assert {row["EXTRACTION_TM"] for row in rows} == {"2026-11-01T10:20:00.000Z"}


def test_c19_gateway_messages_have_eleven_fields_as_they_were_logged(place):
    place.fill("ES")
    place.upload()
    rows = {row["MESSAGE_ID"]: row for row in place.rows("Aura_Gateway_Message")}
    assert {len(row) for row in rows.values()} == {11}
    logged = {one["MESSAGE_ID"]: one for one in log_records(place.logs, "ES", "gateway")}
    assert rows.keys() < logged.keys()
    for id, row in rows.items():
        same = ("CORR_ID", "AURA_COMPONENT_ID", "AURA_COMPONENT_HOST_ID")
        assert [row[name] for name in same] == [logged[id][name] for name in same]
        assert row["DAY_DT"] == row["MESSAGE_TM"][:10]


def test_tokens_are_those_of_whole_requests_and_no_text_of_a_user_is_anywhere(place):
    place.fill("ES")
    place.upload()
    whole = [one for one in log_records(place.logs, "ES", "atria") if not one["STAGE_NAME"]]
    wanted = {one["MESSAGE_ID"]: int(one["PROMPTS_TOKENS_NUM"]) for one in whole}
    found = {row["MESSAGE_ID"]: row["PROMPTS_TOKENS_NUM"] for row in place.rows("Aura_Atria_*")}
    assert found.items() <= wanted.items()
    assert len(found) > 0.9 * len(wanted)
    assert "INPUT_QUERY_DESC" not in place.rows("Aura_Atria_*")[0]
    assert not [name for name, body in place.files().items() if b"my bill" in body]


def test_c26_logs_become_uploads_that_fit_into_memory_each_with_an_hour_of_its_own():
    size = BATCH_BYTES // 3
    logs = [FreshLog(LogFile("ES", "groot", f"{n}", 1, AT), f"{n}", size) for n in range(7)]
    plans = list(new_plans("ES", logs, taken=[AT - AT % HOUR], at=AT, rules=AuditRules()))
    assert [len(plan.logs) for plan in plans] == [3, 3, 1]
    assert [one for plan in plans for one in plan.logs] == [(one.file, one.sha256) for one in logs]
    assert [plan.number for plan in plans] == [2, 3, 4]
    assert [plan.name for plan in plans] == [
        "ES_20261101T090000Z",
        "ES_20261101T080000Z",
        "ES_20261101T070000Z",
    ]


def test_c26_logs_in_several_uploads_come_to_the_same_requests(place, tmp_path):
    place.fill("ES")
    place.upload()
    other = Place(tmp_path / "other")
    later = sorted((place.logs / "ES").rglob("*.txt"))
    shutil.copytree(place.logs, other.logs, ignore=shutil.ignore_patterns("*.txt"))
    other.upload()
    for path in later:
        shutil.copy(path, other.logs / path.relative_to(place.logs))
    other.upload()

    def keys(where):
        return {(row["INTERACTION_ID"], row["AURA_COMPONENT_ID"]) for row in where.rows("Aura_A*t")}

    assert len(list(other.common.glob("avro/entity/Aura_Audit/6.0.0/*"))) == 2
    assert keys(other) == keys(place)


# ---------------------------------------------------------------------- once, and never again


def test_a_log_that_was_uploaded_is_known_by_its_content(place):
    place.fill("ES")
    place.upload()
    before = place.files()
    log = next((place.logs / "ES/groot").rglob("*.jsonl"))
    log.rename(log.with_name("renamed.jsonl"))
    os.utime(log.with_name("renamed.jsonl"))
    assert [report.uploads for report in place.upload()] == [[]]
    assert place.files() == before


def test_the_second_upload_of_an_hour_overwrites_nothing_and_bears_no_hour_to_come(place):
    place.fill("ES")
    place.upload()
    before = place.files()
    log = place.logs / "ES/groot/more.jsonl"
    line = {"MSG_DT": "2026-10-31T23:59:59Z", "MSG_ID": "m", "CORR_ID": "more"}
    log.write_text(json.dumps(line | {"ACTION_CD": "receive", "COUNTRY_CD": "ES"}), "utf-8")
    place.upload(at=AT + HOUR // 2)
    after = place.files()
    assert {name: after[name] for name in before} == before
    new = {name for name in after if name not in before and name.startswith("avro")}
    assert new == {AUDIT.format(hour="20261101T090000Z")}


def test_the_same_logs_give_the_same_files(place, tmp_path):
    place.fill("ES")
    place.upload()
    other = Place(tmp_path / "other")
    shutil.copytree(place.logs, other.logs)
    other.upload()

    def rows_only(where):
        return {name: body for name, body in where.files().items() if name.startswith("avro")}

    assert rows_only(other) == rows_only(place)


class KilledStorage:
    """Common storage of a process that ends after so many changes to it."""

    def __init__(self, folder, changes):
        self._storage, self._left = FolderStorage(folder), changes

    def __getattr__(self, name):
        return getattr(self._storage, name)

    def put(self, name, content):
        self._change()
        return self._storage.put(name, content)

    def move(self, name, to):
        self._change()
        self._storage.move(name, to)

    def _change(self):
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1


def test_killed_after_any_change_the_next_upload_comes_to_the_same(place, tmp_path):
    place.fill("ES", month=SampleMonth(2026, 10, 60))
    place.upload()
    changes = 0
    while True:
        other = Place(tmp_path / f"killed-{changes}")
        shutil.copytree(place.logs, other.logs)
        try:
            other.upload(storage=KilledStorage(other.common, changes))
        except KeyboardInterrupt:
            other.upload()
            assert other.contents() == place.contents(), f"after {changes} changes"
            assert other.upload()[0].uploads == []
            changes += 1
        else:
            break
    assert changes == len(place.files())


def test_killed_and_imported_in_between_nothing_is_uploaded_twice(place):
    place.fill("ES")
    with pytest.raises(KeyboardInterrupt):
        place.upload(storage=KilledStorage(place.common, 8))
    assert [name for name in place.files() if "/Aura_Audit/" in name]
    place.imported()
    place.upload()
    assert [name for name in place.files() if "/Aura_Audit/" in name] == [
        AUDIT.format(hour="20261101T100000Z").replace("avro/", "processed/", 1)
    ]


def test_a_log_that_went_after_it_was_planned_is_told_and_uploaded_when_it_is_back(place):
    place.fill("ES")
    with pytest.raises(KeyboardInterrupt):
        place.upload(storage=KilledStorage(place.common, 7))
    log = next((place.logs / "ES/groot").rglob("*.jsonl"))
    shutil.move(log, place.folder / "away")
    [report] = place.upload()
    assert [one["name"] for one in report.unreadable] == [log.relative_to(place.logs).as_posix()]
    shutil.move(place.folder / "away", log)
    [again] = place.upload()
    assert [file.name for one in again.uploads for file, _ in one.plan.logs] == [
        log.relative_to(place.logs).as_posix()
    ]
    assert place.upload()[0].uploads == []


def test_a_log_that_cannot_be_read_at_the_moment_is_uploaded_when_it_can(place):
    place.fill("ES", month=SampleMonth(2026, 10, 60))
    with pytest.raises(KeyboardInterrupt):
        place.upload(storage=KilledStorage(place.common, 7))
    log = next((place.logs / "ES/groot").rglob("*.jsonl"))
    name = log.relative_to(place.logs).as_posix()
    log.rename(place.folder / "away")
    log.mkdir()
    [report] = place.upload()
    assert [one["name"] for one in report.unreadable] == [name]
    assert "Is a directory" in report.unreadable[0]["error"]
    assert not report.is_complete
    log.rmdir()
    (place.folder / "away").rename(log)
    [again] = place.upload()
    assert [file.name for one in again.uploads for file, _ in one.plan.logs] == [name]
    assert again.is_complete
    whole = Place(place.folder / "whole")
    shutil.copytree(place.logs, whole.logs)
    whole.upload()
    keys = ("INTERACTION_ID", "AURA_COMPONENT_ID")
    assert {tuple(row[key] for key in keys) for row in place.rows("Aura_A*t")} == {
        tuple(row[key] for key in keys) for row in whole.rows("Aura_A*t")
    }
    assert place.upload()[0].uploads == []


def test_what_an_upload_missed_stays_missed_when_it_is_killed_and_made_again(place):
    place.fill("ES", month=SampleMonth(2026, 10, 60))
    with pytest.raises(KeyboardInterrupt):
        place.upload(storage=KilledStorage(place.common, 7))
    log = next((place.logs / "ES/groot").rglob("*.jsonl"))
    log.rename(place.folder / "away")
    with pytest.raises(KeyboardInterrupt):
        place.upload(storage=KilledStorage(place.common, 1))
    assert [name for name in place.files() if name.endswith(".missed.json")]
    (place.folder / "away").rename(log)
    [report] = place.upload()
    assert [len(one.plan.logs) for one in report.uploads][1:] == [1]
    ids = [(row["MESSAGE_ID"]) for row in place.rows("Aura_Gateway_Message")]
    assert len(ids) == len(set(ids))
    assert place.upload()[0].uploads == []


def test_a_killed_upload_is_finished_by_its_own_rules(place):
    place.fill("ES", month=SampleMonth(2026, 10, 60))
    own = AuditRules("send", by_message=True)
    with pytest.raises(KeyboardInterrupt):
        upload(place.means(KilledStorage(place.common, 7), rules=own), at=AT, days=DAYS)
    place.upload()
    whole = Place(place.folder / "whole")
    shutil.copytree(place.logs, whole.logs)
    upload(whole.means(rules=own), at=AT, days=DAYS)
    assert place.rows("Aura_Audit") == whole.rows("Aura_Audit") != []


UPLOADER = """
import sys, time
from pathlib import Path
from meterhouse.app.aura.uploading import upload
from meterhouse.connectors.log_folder import LogFiles
from tests.app.aura.place import Place, DAYS

name, at, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])


class TogetherFiles(LogFiles):
    def files(self, ob):
        # Both have read the list of uploads, and have planned nothing.
        (folder / f"{name}.here").touch()
        end = time.monotonic() + 60
        while len(list(folder.glob("*.here"))) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        return super().files(ob)


place = Place.__new__(Place)
place.folder, place.scratch = folder, folder / name
place.logs, place.common = folder / "logs", folder / "common"
place.scratch.mkdir()
means = place.means()
object.__setattr__(means, "logs", TogetherFiles(place.logs))
[report] = upload(means, at=at, days=DAYS)
assert report.error is None, report.error
print(len(report.uploads))
"""


def test_two_uploaders_that_overlap_the_end_of_an_hour_upload_each_log_once(place):
    place.fill("ES", month=SampleMonth(2026, 10, 60))
    both = [
        subprocess.Popen(
            [sys.executable, "-c", UPLOADER, name, str(AT + hours * HOUR), str(place.folder)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, hours in (("first", 0), ("second", 1))
    ]
    told = [one.communicate(timeout=120)[0].strip() for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sorted(told) == ["0", "1"]
    assert len(list(place.common.glob("avro/entity/Aura_Audit/6.0.0/*"))) == 1
    assert len(list(place.common.glob("uploads/ES/*.plan.json"))) == 1


# ------------------------------------------------------------------------------ other obstacles


def test_a_log_that_would_unpack_to_too_much_is_refused_until_it_may(place):
    place.fill("ES", month=SampleMonth(2026, 10, 60))
    bomb = place.logs / "ES/groot/bomb.gz"
    bomb.write_bytes(gzip.compress(b"\0" * (8 << 20)))
    means = place.means()
    small = dataclasses.replace(means, logs=LogFiles(place.logs, unpacked_max=4 << 20))
    for uploads in (1, 0):
        [report] = upload(small, at=AT, days=DAYS)
        assert len(report.uploads) == uploads
        [one] = report.put_off
        assert "groot/bomb.gz has more than 4,194,304 bytes when it is unpacked" in one["error"]
        assert "--log-limit" in one["error"]
    [report] = upload(means, at=AT, days=DAYS)
    assert [len(one.plan.logs) for one in report.uploads] == [1]
    assert report.uploads[0].account["datasets"]["Aura_Audit"]["rejected"]


def test_packed_logs_count_by_what_they_unpack_to(place):
    place.fill("ES", month=SampleMonth(2026, 10, 60))
    row = b'{"MSG_DT": "2026-10-31T23:59:59Z", "ACTION_CD": "audit", "COUNTRY_CD": "ES"}\n'
    for number in range(2):
        text = row * (BATCH_BYTES // len(row) // 2 + 1000 + number)
        (place.logs / f"ES/groot/{number}.gz").write_bytes(gzip.compress(text, 1))
    files = LogFiles(place.logs)
    assert files.unpacked_size("ES/groot/1.gz") == len(text)
    assert files.unpacked_size("ES/groot/0.gz") == len(text) - len(row)


def test_logs_that_are_too_old_are_kept_in_mind_until_they_are_uploaded(place):
    place.fill("ES", month=SampleMonth(2026, 10, 60))
    old = next((place.logs / "ES/gateway").rglob("*.txt"))
    os.utime(old, (AT / 1e6 - 40 * 86_400,) * 2)
    [report] = place.upload(days=30)
    assert not report.is_complete
    name = old.relative_to(place.logs).as_posix()
    assert too_old(FolderStorage(place.common)) == {"ES": [name]}
    [finding] = too_old_findings(FolderStorage(place.common))
    assert name in finding.message
    assert place.upload(days=50)[0].is_complete
    assert not too_old_findings(FolderStorage(place.common))


def test_c31_logs_that_changed_more_than_30_days_ago_are_left_and_told(place):
    place.fill("ES")
    for path in (place.logs / "ES").rglob("*.*"):
        os.utime(path, (AT / 1e6, AT / 1e6))
    old = next((place.logs / "ES/gateway").rglob("*.txt"))
    os.utime(old, (AT / 1e6 - 40 * 86_400,) * 2)
    [report] = place.upload(at=AT, days=30)
    assert report.too_old == (old.relative_to(place.logs).as_posix(),)
    assert old.name not in {file.name.split("/")[-1] for file, _ in report.uploads[0].plan.logs}
    [wider] = place.upload(at=AT, days=50)
    assert len(wider.uploads[0].plan.logs) == 1


def test_c30_a_new_release_goes_on_where_the_old_one_was(place):
    """What was uploaded is in common storage, not in the data directory of a release."""
    place.fill("ES")
    place.upload()
    newer = Place(place.folder / "release-2")
    newer.logs, newer.common = place.logs, place.common
    assert [report.uploads for report in newer.upload(at=AT + DAY)] == [[]]


def test_packed_logs_are_read_and_a_broken_one_keeps_no_other_away(place):
    place.fill("ES")
    first, second, third = sorted((place.logs / "ES/groot").rglob("*.txt"))[:3]
    packed = gzip.compress(first.read_bytes())
    first.with_suffix(".gz").write_bytes(packed)
    with zipfile.ZipFile(second.with_suffix(".zip"), "w") as archive:
        archive.write(second, "log.txt")
    third.with_suffix(".gz").write_bytes(packed[: len(packed) // 2])
    for path in (first, second):
        path.unlink()
    [report] = place.upload()
    assert [one["name"].endswith(third.stem + ".gz") for one in report.unreadable] == [True]
    read = {one["name"].split("/")[-1] for one in report.uploads[0].account["logs"]}
    assert {first.stem + ".gz", second.stem + ".zip"} < read


def test_an_ob_whose_configuration_is_missing_waits_and_the_others_are_uploaded(place):
    place.fill("ES", "BR")
    path = place.logs / "BR/configuration/channels.json"
    body = path.read_bytes()
    path.unlink()
    brazil, spain = place.upload()
    assert brazil.error is not None
    assert "channels.json cannot be read" in str(brazil.error)
    assert (len(brazil.uploads), len(spain.uploads)) == (0, 1)
    path.write_bytes(body)
    assert len(place.upload()[0].uploads) == 1


def test_a_folder_that_is_not_there_is_named(place):
    with pytest.raises(Exception, match="logs cannot be read: No such file or directory"):
        place.upload()
