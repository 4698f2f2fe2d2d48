"""Datasets by command: published, filled, checked, and what is said of what is wrong."""

import json
from pathlib import Path

import pytest

from meterhouse.config import COMMON_STORAGE_VARIABLE, DATASETS_VARIABLE
from meterhouse.connectors.avro.writer import write_avro
from meterhouse.datasets.schema import BUILT_IN
from tests.cli.command import Meterhouse
from tests.datasets.catalogue import NAME, a_row, document_of


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    rows = [a_row(1), a_row(2, AURA_TM="2026-10-02T23:00:00Z", DAY_DT="2026-10-02")]
    write_avro(path, schema=document_of(), rows=rows)
    return path


def test_a_dataset_is_published_filled_and_checked(meterhouse: Meterhouse, audit: Path):
    published = meterhouse.json("dataset", "publish", "--all-builtin")
    assert [one["name"] for one in published] == list(BUILT_IN)
    assert all(one["new"] for one in published)
    [again] = meterhouse.json("dataset", "publish", "--builtin", "Aura_Audit")
    assert not again["new"]
    added = meterhouse.json("dataset", "add", audit)
    assert [(file["day"], file["rows"]) for file in added] == [("2026-10-02", 1), ("2026-10-03", 1)]
    assert meterhouse.json("dataset", "files", "Aura_Audit") == added
    assert meterhouse.json("dataset", "files", "Aura_Audit", "--from", "2026-10-03") == added[1:]
    assert meterhouse.json("dataset", "files", "Aura_Audit", "--ob", "DE") == []
    listed = {one["name"]: one for one in meterhouse.json("dataset", "list")}
    assert (listed["Aura_Audit"]["files"], listed["Aura_Audit"]["rows"]) == (2, 2)
    [shown] = meterhouse.json("dataset", "show", "Aura_Audit")
    assert shown["key"] == ["INTERACTION_ID", "AURA_COMPONENT_ID"]
    [schema] = meterhouse.json("dataset", "show", "Aura_Audit", "--schema")
    assert schema == document_of()
    [checked] = meterhouse.json("dataset", "check", "Aura_Audit", "--whole")
    assert (checked["files"], checked["faults"]) == (2, [])
    assert "AURA_APP_ID in D_Aura_App" in meterhouse.done("dataset", "check", "Aura_Audit").out


def test_the_catalogue_lies_in_the_data_directory_unless_it_is_said_otherwise(
    meterhouse: Meterhouse, audit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    meterhouse.done("dataset", "publish", "--builtin", "Aura_Audit")
    [file, _] = meterhouse.json("dataset", "add", audit)
    assert (meterhouse.data / "datasets" / file["path"]).is_file()
    monkeypatch.setenv(DATASETS_VARIABLE, str(tmp_path / "elsewhere"))
    meterhouse.done("dataset", "add", audit)
    assert (tmp_path / "elsewhere" / file["path"]).is_file()
    for variable in (DATASETS_VARIABLE, COMMON_STORAGE_VARIABLE):
        monkeypatch.setenv(variable, "ftp://nowhere/x")
    said = meterhouse.refused("dataset", "add", audit)
    assert DATASETS_VARIABLE in said and 'has the scheme "ftp"' in said


def test_a_file_that_is_gone_makes_the_check_fail(meterhouse: Meterhouse, audit: Path):
    meterhouse.done("dataset", "publish", "--builtin", "Aura_Audit")
    [file, _] = meterhouse.json("dataset", "add", audit)
    (meterhouse.data / "datasets" / file["path"]).unlink()
    ended = meterhouse("dataset", "check", "Aura_Audit")
    assert ended.code == 1
    assert f"{file['path']}: is not in the storage" in ended.err
    assert "1 of 2 files are wrong" in ended.err
    meterhouse.done("dataset", "add", audit)
    meterhouse.done("dataset", "check", "Aura_Audit")


def test_what_is_wrong_is_said(meterhouse: Meterhouse, audit: Path, tmp_path: Path):
    assert "There is no dataset 'Aura_Audit'" in meterhouse.refused("dataset", "add", audit)
    meterhouse.done("dataset", "publish", "--builtin", "Aura_Audit")
    german = tmp_path / NAME.replace("ES_", "DE_")
    german.write_bytes(audit.read_bytes())
    assert 'COUNTRY_3_ALPHA_CD: is "ESP" (the file is of DE' in meterhouse.refused(
        "dataset", "add", german
    )
    other = tmp_path / "x.avro"
    other.write_bytes(audit.read_bytes())
    assert "ES_Aura_Audit_20261003T100000Z.avro" in meterhouse.refused("dataset", "add", other)
    assert len(meterhouse.json("dataset", "add", other, "--name", NAME)) == 2
    schema = tmp_path / "schema.avsc"
    schema.write_text("{")
    assert "is not JSON" in meterhouse.refused("dataset", "publish", "--file", schema)
    schema.write_text(json.dumps(document_of() | {"x-fp-version": "6.1.0", "name": "Aura_Audit"}))
    meterhouse.done("dataset", "publish", "--file", schema)
    assert meterhouse("dataset", "publish").code == 2
    assert meterhouse("dataset", "publish", "--builtin", "Nothing").code == 2
    assert meterhouse("dataset", "files", "Aura_Audit", "--from", "soon").code == 2
    assert "has no major version 7" in meterhouse.refused(
        "dataset", "show", "Aura_Audit", "--major", "7"
    )
