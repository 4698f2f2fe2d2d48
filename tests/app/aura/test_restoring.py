"""Files of uploads that are gone: who says so, and how they are had again."""

import json
import shutil

import pytest

from meterhouse.app.aura.rejecting import reject_file, rejected_files
from meterhouse.app.aura.restoring import restore
from meterhouse.app.aura.upload_accounts import LOOK_BACK_DAYS, lost_files
from meterhouse.app.aura.upload_diagnosis import lost_findings
from meterhouse.app.diagnosis import Grade
from meterhouse.connectors.dataset_storage import FolderStorage
from meterhouse.core.instant import DAY
from meterhouse.core.problem import NotFoundError
from meterhouse.datasets.sample_month import SampleMonth
from tests.app.aura.place import AT, Place

LOST = "avro/entity/Aura_Audit/6.0.0/ES_Aura_Audit_20261101T100000Z.avro"


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    made.fill("ES", "BR", month=SampleMonth(2026, 10, 60))
    made.upload()
    return made


def _restored(place, **options):
    with place.importing() as means:
        ledger = means.ledger
        return restore(
            place.means(), at=AT, catalogued=lambda name: _is_catalogued(ledger, name), **options
        )


def _is_catalogued(ledger, name):
    return bool(ledger.dataset_files_called(name))


def _lost(place, *, at=AT):
    with place.importing() as means:
        storage = FolderStorage(place.common)
        ledger = means.ledger
        found = lost_files(storage, at=at, catalogued=lambda name: _is_catalogued(ledger, name))
        told = lost_findings(storage, at=at, catalogued=lambda name: _is_catalogued(ledger, name))
    assert [one.grade for one in told] == [Grade.FAIL] * len(found)
    return [one.path for one in found]


def test_an_account_says_of_which_days_its_rows_are(place):
    [path] = place.common.glob("uploads/ES/*.account.json")
    audit = json.loads(path.read_text("utf-8"))["datasets"]["Aura_Audit"]
    rows = [row["DAY_DT"] for row in place.rows("Aura_Audit", "ES")]
    assert audit["days"] == {day: rows.count(day) for day in sorted(set(rows))}
    assert sum(audit["days"].values()) == audit["written"]


def test_a_file_that_is_gone_before_its_import_is_an_error_until_it_is_made_again(place):
    body = (place.common / LOST).read_bytes()
    rows = len(place.rows("Aura_Audit", "ES"))
    (place.common / LOST).unlink()
    for number in range(2):
        report = place.imported(at=AT + number * DAY)
        assert report.errors == 1
        [error] = report.datasets["Aura_Audit"].errors
        assert (error["file"], error["code"]) == (LOST, "dataset_file_lost")
        assert (error["ob"], error["rows"]) == ("ES", rows)
        assert "`meterhouse aura restore --logs DIR`" in error["error"]
    assert _lost(place) == [LOST]
    [done] = _restored(place)
    assert (done.file.path, done.error) == (LOST, None)
    assert (place.common / LOST).read_bytes() == body
    report = place.imported(at=AT + 2 * DAY)
    assert (report.errors, report.counts.uploaded) == (0, 1)
    assert (_lost(place), _restored(place)) == ([], [])


class CountingStorage(FolderStorage):
    """A folder that counts how often it is read, and which of its folders are listed."""

    def __init__(self, folder):
        super().__init__(folder)
        self.reads, self.lists = [], []

    def read(self, name):
        self.reads.append(name)
        return super().read(name)

    def list(self, prefix):
        self.lists.append(prefix)
        return super().list(prefix)


def _looked(place):
    """Return what is gone, which files a look has read, and which folders it has listed."""
    with place.importing() as means:
        storage, ledger = CountingStorage(place.common), means.ledger
        found = lost_files(storage, at=AT, catalogued=lambda name: _is_catalogued(ledger, name))
    return [one.path for one in found], storage.reads, storage.lists


@pytest.fixture
def fewer(tmp_path):
    """Uploads of two OBs, of which one has no logs of tokens."""
    made = Place(tmp_path / "fewer")
    made.fill("ES", "BR", month=SampleMonth(2026, 10, 60))
    shutil.rmtree(made.logs / "BR/atria")
    made.upload()
    assert not list(made.common.glob("avro/entity/Aura_Atria_Message/6.0.0/BR_*"))
    return made


def test_a_look_reads_no_account_where_nothing_is_gone(fewer):
    assert _looked(fewer) == ([], [], ["uploads", "avro"])
    fewer.imported()
    assert _looked(fewer) == ([], [], ["uploads"])
    shutil.rmtree(fewer.common / "processed")
    assert _looked(fewer) == ([], [], ["uploads"])


def test_a_file_that_is_gone_costs_one_account(fewer):
    (fewer.common / LOST).unlink()
    lost, reads, lists = _looked(fewer)
    assert (lost, reads) == ([LOST], ["uploads/ES/ES_20261101T100000Z.account.json"])
    assert lists == ["uploads", "avro", "processed", "rejected/files"]


def test_an_account_that_an_older_version_put_is_read_where_a_name_is_nowhere(fewer):
    for path in fewer.common.glob("uploads/*/*.written.json"):
        path.unlink()
    lost, reads, _ = _looked(fewer)
    assert (lost, reads) == ([], ["uploads/BR/BR_20261101T100000Z.account.json"])
    (fewer.common / LOST).unlink()
    lost, reads, _ = _looked(fewer)
    accounts = [f"uploads/{ob}/{ob}_20261101T100000Z.account.json" for ob in ("BR", "ES")]
    assert (lost, sorted(reads)) == ([LOST], accounts)


def test_names_of_uploads_say_of_which_datasets_they_have_rows(fewer):
    said = {}
    for path in fewer.common.glob("uploads/*/*.account.json"):
        account = json.loads(path.read_text("utf-8"))["datasets"]
        said[path.name.partition(".")[0]] = [name for name in account if account[name]["written"]]
    assert {len(datasets) for datasets in said.values()} == {2, 3}
    names = {path.name for path in fewer.common.glob("uploads/*/*.written.json")}
    assert names == {f"{name}.{'-'.join(some)}.written.json" for name, some in said.items()}


def test_nothing_is_gone_where_all_is_imported_and_processed_was_cleared_or_it_is_rejected(place):
    shutil.move(place.common / LOST, place.common / "away")
    other = place.common / "rejected/files/0123/entity/Aura_Audit/6.0.0" / LOST.rpartition("/")[2]
    other.parent.mkdir(parents=True)
    shutil.move(place.common / "away", other)
    assert place.imported().errors == 0
    shutil.rmtree(place.common / "processed")
    assert _lost(place) == []
    other.unlink()
    assert _lost(place) == [LOST]
    assert _lost(place, at=AT + (LOOK_BACK_DAYS + 1) * DAY) == []


def test_a_file_is_not_made_again_with_fewer_rows_than_it_had(place):
    (place.common / LOST).unlink()
    log = next((place.logs / "ES/groot").rglob("*.jsonl"))
    log.rename(place.folder / "away")
    [done] = _restored(place)
    assert done.error is not None
    assert f"{log.relative_to(place.logs).as_posix()} is gone" in done.error
    assert not (place.common / LOST).exists()
    (place.folder / "away").rename(log)
    assert _restored(place, obs=("BR",)) == []
    [done] = _restored(place, obs=("ES",))
    assert (done.error, (place.common / LOST).exists()) == (None, True)


def test_somebody_may_do_without_a_file_that_is_gone(place):
    (place.common / LOST).unlink()
    storage = FolderStorage(place.common)
    words = {"reason": "Its logs are gone, too", "by": "ana", "at": AT, "scratch": place.scratch}
    with pytest.raises(NotFoundError):
        reject_file(storage, LOST, **words)
    for _ in range(2):
        rejected = reject_file(storage, LOST, **words, lost=[LOST])
    assert rejected_files(storage) == [rejected]
    assert rejected.file == LOST
    assert (_lost(place), place.imported().errors) == ([], 0)


def test_what_keeps_one_ob_from_being_restored_keeps_no_other(place):
    for path in place.common.glob("avro/entity/Aura_Audit/6.0.0/*"):
        path.unlink()
    (place.logs / "BR/configuration/channels.json").unlink()
    done = {one.file.file.ob: one.error for one in _restored(place)}
    assert done["ES"] is None
    assert "channels.json" in done["BR"]
