"""The uploader: what logs become in common storage, once, wherever it is killed."""

import gzip
import json
import os
import shutil
import zipfile
from collections import Counter

import fastavro
import pytest

from meterhouse.app.aura.gathering import DATASETS
from meterhouse.app.aura.ports import LogFile
from meterhouse.app.aura.upload_plans import BATCH_BYTES, new_plans
from meterhouse.connectors.dataset_storage import FolderStorage
from meterhouse.core.instant import DAY
from meterhouse.datasets.sample_month import Rates, SampleMonth
from meterhouse.datasets.schema import BUILT_IN
from tests.app.aura.place import AT, HOUR, Place, counted, log_records, wanted_counts

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
    logs = [(LogFile("ES", "groot", f"{n}", size, AT), f"{n}") for n in range(7)]
    plans = list(new_plans("ES", logs, taken=[AT - AT % HOUR], at=AT))
    assert [len(plan.logs) for plan in plans] == [3, 3, 1]
    assert [one for plan in plans for one in plan.logs] == logs
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
    assert [name for name in place.files() if "Aura_Audit" in name]
    place.imported()
    place.upload()
    assert [name for name in place.files() if "Aura_Audit" in name] == [
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


# ------------------------------------------------------------------------------ other obstacles


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
