"""``meterhouse aura``: from logs to the catalogue by commands, and killed on the way."""

import json
import time

import pytest

from meterhouse.config import COMMON_STORAGE_VARIABLE
from tests.app.aura.place import avro_rows

MONTH = ("--month", "2026-10", "--requests", 150)


@pytest.fixture
def logs(meterhouse, tmp_path):
    meterhouse.done("aura", "generate", tmp_path / "logs", "--ob", "ES", "--ob", "BR", *MONTH)
    return tmp_path / "logs"


def test_logs_are_generated_uploaded_and_imported(meterhouse, logs):
    meterhouse.done("dataset", "publish", "--all-builtin")
    spain = meterhouse.json("aura", "upload", "--logs", logs)[1]
    [account] = spain["uploads"]
    [report] = meterhouse.json("aura", "import")
    files = meterhouse.json("dataset", "files", "Aura_Audit", "--ob", "ES", "--all")
    assert sum(one["rows"] for one in files) == account["datasets"]["Aura_Audit"]["written"]
    assert report["num_errors"] == 0
    assert "nothing to import" in meterhouse.done("aura", "import").out


def test_the_shared_dimensions_can_be_added_as_they_are(meterhouse, logs):
    meterhouse.done("dataset", "publish", "--all-builtin")
    for path in sorted((logs / "shared").iterdir()):
        meterhouse.done("dataset", "add", path)
    assert meterhouse.json("dataset", "files", "D_Gbl_Country")[0]["rows"] == 249


def test_the_same_seed_gives_the_same_logs(meterhouse, logs, tmp_path):
    meterhouse.done("aura", "generate", tmp_path / "again", "--ob", "ES", *MONTH)
    one, other = (
        {path.name: path.read_bytes() for path in (top / "ES").rglob("*.*")}
        for top in (logs, tmp_path / "again")
    )
    assert one == other


def test_an_ob_that_fails_is_named_and_the_others_are_uploaded(meterhouse, logs):
    (logs / "BR/configuration/channels.json").write_text("no JSON")
    ended = meterhouse("aura", "upload", "--logs", logs)
    assert ended.code == 1
    assert "not all is uploaded of BR" in ended.err
    assert "ES: ES_" in ended.out


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("es/groot/x.jsonl", "es is ignored: OBs have capital letters: call it ES"),
        ("Spain/groot/x.jsonl", "Spain is ignored: is no OB: these are called by the two letters"),
        ("XX/groot/x.jsonl", "XX is ignored: is no OB"),
        ("groot/x.jsonl", "groot is ignored: lies in no folder of an OB: move it, such as to ES/"),
        ("x.jsonl", "x.jsonl is ignored: lies in no folder of an OB, such as ES/groot"),
        ("", ""),
    ],
)
def test_a_folder_without_a_folder_of_logs_is_refused_and_says_why(meterhouse, tmp_path, name, why):
    path = tmp_path / "logs" / (name or ".hidden")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    said = meterhouse.refused("aura", "upload", "--logs", tmp_path / "logs")
    assert why in said
    assert f"There is no folder of logs in {tmp_path / 'logs'}" in said


def test_misspelt_folders_are_told_and_the_others_are_uploaded(meterhouse, logs):
    (logs / "ES/gateway").rename(logs / "ES/gatway")
    (logs / "BR/readme.txt").write_text("x")
    ended = meterhouse.done("aura", "upload", "--logs", logs)
    assert "ES/gatway is ignored: is none of groot, gateway, atria" in ended.err
    assert "BR/readme.txt is ignored: lies in none of the folders groot" in ended.err
    assert "shared" not in ended.err
    # What is uploaded already is no reason to fail.
    again = meterhouse.done("aura", "upload", "--logs", logs, "--ob", "BR")
    assert ("BR: no new logs" in again.out, "gatway" in again.err) == (True, False)
    for kind in ("groot", "atria"):
        (logs / "ES" / kind).rename(logs / "ES" / f"{kind}s")
    ended = meterhouse("aura", "upload", "--logs", logs, "--ob", "ES")
    assert (ended.code, "ES/groots is ignored" in ended.err) == (1, True)
    ended = meterhouse("aura", "upload", "--logs", logs, "--ob", "PT")
    assert (ended.code, "PT is ignored: there is no such folder" in ended.err) == (1, True)


def test_a_file_that_is_refused_makes_the_import_fail_and_says_why(meterhouse, logs):
    meterhouse.done("aura", "upload", "--logs", logs, "--ob", "ES")
    ended = meterhouse("aura", "import")
    assert ended.code == 1
    assert "There is no dataset 'Aura_Audit'" in ended.err
    assert "dataset publish" in ended.err


def test_a_file_that_is_gone_is_told_and_made_again_of_its_logs(meterhouse, logs):
    meterhouse.done("dataset", "publish", "--all-builtin")
    meterhouse.done("aura", "upload", "--logs", logs)
    [path] = meterhouse.data.glob("common-storage/avro/entity/Aura_Audit/6.0.0/ES*.avro")
    body = path.read_bytes()
    path.unlink()
    ended = meterhouse("aura", "import")
    assert ended.code == 1
    told = ended.err
    assert f"{path.name}: is gone: ES has uploaded it with " in told
    assert "`meterhouse aura restore --logs DIR`" in told
    checks = [one for one in meterhouse("doctor", "--json").objects if one["status"] == "fail"]
    assert {one["check"] for one in checks} >= {"aura uploads", "aura imports"}
    assert "made again" in meterhouse.done("aura", "restore", "--logs", logs).out
    assert path.read_bytes() == body
    meterhouse.done("aura", "import")
    assert "no file of an upload is gone" in meterhouse.done("aura", "restore", "--logs", logs).err


def test_a_file_that_is_gone_for_good_is_rejected_by_its_name(meterhouse, logs):
    meterhouse.done("dataset", "publish", "--all-builtin")
    meterhouse.done("aura", "upload", "--logs", logs)
    [path] = meterhouse.data.glob("common-storage/avro/entity/Aura_Audit/6.0.0/ES*.avro")
    path.unlink()
    for other in (logs / "ES/groot").rglob("*.*"):
        other.unlink()
    ended = meterhouse("aura", "restore", "--logs", logs)
    assert (ended.code, "its logs have" in ended.err) == (1, True)
    assert not path.exists()
    meterhouse.done("aura", "reject", path.name, "--reason", "Its logs are gone, too")
    meterhouse.done("aura", "import")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("generate", "x", "--ob", "ES", "--month", "2026-13"), "is no month"),
        (("import", "--reports", "some"), "is none of all, error, none"),
        (("import", "--at", "yesterday"), "is no instant"),
    ],
)
def test_wrong_usage_is_told(meterhouse, words, said):
    ended = meterhouse("aura", *words)
    assert (ended.code, said in ended.err) == (2, True)


def test_an_ob_that_is_no_country_is_told(meterhouse, tmp_path):
    said = meterhouse.refused("aura", "generate", tmp_path / "x", "--ob", "ESP", *MONTH)
    assert 'There is no OB "ESP"' in said


def test_the_doctor_says_nothing_of_aura_where_it_is_not_in_use(meterhouse):
    assert not [one for one in meterhouse("doctor", "--json").objects if "aura" in one["check"]]


def test_c28_to_c31_by_the_doctor(meterhouse, logs, monkeypatch, tmp_path):
    monkeypatch.setenv(COMMON_STORAGE_VARIABLE, str(tmp_path / "aura-9.3.0"))
    monkeypatch.setenv("FOURTH_PLATFORM_CONVERSATIONS_DAYS_TO_FIND", "5")
    meterhouse.done("aura", "upload", "--logs", logs)
    found = [one for one in meterhouse("doctor", "--json").objects if "aura" in one["check"]]
    grades = {one["check"]: one["status"] for one in found}
    assert grades == {
        "aura look-back": "warn",
        "aura common storage": "fail",
        "aura uploads": "ok",
        "aura imports": "warn",
        "aura rejected rows": "warn",
    }


def test_killed_again_and_again_an_upload_comes_to_the_same_rows(meterhouse, logs, tmp_path):
    """Processes are killed for good, at moments that are each a little later."""
    words = ("aura", "upload", "--logs", logs, "--at", "2026-11-01T10:20:00Z", "--days", 36_500)
    common = meterhouse.data / "common-storage"
    for number in (1, 7, 8, 10, 17):
        with meterhouse.start(*words) as process:
            deadline = time.monotonic() + 60
            while len(list(common.rglob("*.*"))) < number and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.002)
            process.kill()
        if process.returncode == 0:
            break
    meterhouse.done(*words)
    plain = type(meterhouse)(tmp_path / "plain")
    plain.done(*words)

    def rows(of):
        found = of.data.glob("common-storage/avro/entity/*/6.0.0/*.avro")
        return {path.name: avro_rows(path) for path in found}

    assert rows(meterhouse) == rows(plain)
    assert len(rows(plain)) == 6
    assert not list(meterhouse.data.glob("common-storage/uploads/*/*missed*"))


def test_the_report_in_common_storage_is_that_of_the_import(meterhouse, logs):
    meterhouse.done("dataset", "publish", "--all-builtin")
    meterhouse.done("aura", "upload", "--logs", logs)
    [report] = meterhouse.json("aura", "import", "--at", "2027-01-01T02:00:00Z")
    path = "common-storage/reports/aura-avro-kpis-report-2027-01-01.json"
    assert json.loads((meterhouse.data / path).read_text("utf-8")) == report
