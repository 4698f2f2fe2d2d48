"""Checking a dataset: files that are not what they were, and ids that no dimension knows."""

from __future__ import annotations

from pathlib import Path

from meterhouse.app.datasets.checking import DatasetCheck, Wanted, check_dataset
from tests.datasets.catalogue import AT, AUDIT, CONTAINERS, Catalogue, a_row


def check(catalogue: Catalogue, **wanted) -> DatasetCheck:
    return check_dataset(
        catalogue.ledger, catalogue.storage, AUDIT, wanted=Wanted(**wanted), containers=CONTAINERS
    )


def app(catalogue: Catalogue, ob: str, *ids: str) -> None:
    rows = [
        {
            "AURA_APP_ID": id,
            "AURA_APP_NAME": id,
            "COUNTRY_3_ALPHA_CD": {"ES": "ESP", "DE": "DEU"}[ob],
            "EXTRACTION_TM": "2026-10-03T09:00:00Z",
        }
        for id in ids
    ]
    content = catalogue.written(rows, dataset="D_Aura_App")
    name = f"{ob}_DIM_APP_20261003T100000Z.avro"
    catalogue.add(content, dataset="D_Aura_App", name=name)


def test_ids_that_the_newest_snapshot_does_not_know_are_counted(catalogue: Catalogue):
    ids = ["a", "b", "b", "c", "c", "c", None]
    catalogue.add(catalogue.written([a_row(n, AURA_APP_ID=id) for n, id in enumerate(ids)]))
    app(catalogue, "ES", "a")
    found = {one.field: one for one in check(catalogue).references}
    apps = found["AURA_APP_ID"]
    assert (apps.ids, apps.rows, apps.unknown) == (3, 5, (("c", 3), ("b", 2)))
    assert found["AURA_COMPONENT_ID"].snapshots == 0
    assert found["AURA_CHANNEL_ID"].ids == 0


def test_each_ob_has_dimensions_of_its_own(catalogue: Catalogue):
    catalogue.add(catalogue.written([a_row(1, AURA_APP_ID="spanish")]))
    german = catalogue.written([a_row(1, AURA_APP_ID="spanish", COUNTRY_3_ALPHA_CD="DEU")])
    catalogue.add(german, name="DE_Aura_Audit_20261003T100000Z.avro")
    app(catalogue, "ES", "spanish")
    app(catalogue, "DE", "german")
    [apps] = [one for one in check(catalogue).references if one.field == "AURA_APP_ID"]
    assert (apps.snapshots, apps.unknown) == (2, (("spanish", 1),))
    [apps] = [one for one in check(catalogue, ob="ES").references if one.field == "AURA_APP_ID"]
    assert apps.unknown == ()


def test_files_that_are_gone_or_changed_are_told(catalogue: Catalogue, tmp_path: Path):
    names = [f"ES_Aura_Audit_20261003T1{hour}0000Z.avro" for hour in range(3)]
    files = [catalogue.add(catalogue.written([a_row(n)]), name=n_)[0] for n, n_ in enumerate(names)]
    assert check(catalogue, whole=True).faults == ()
    paths = [tmp_path / "catalogue" / file.path for file in files]
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes() + b"x")
    changed = bytearray(paths[2].read_bytes())
    changed[-20] ^= 1
    paths[2].write_bytes(bytes(changed))
    faults = check(catalogue, whole=True).faults
    assert [fault.message.partition(" ")[2] for fault in faults] == [
        "not in the storage",
        f"{files[1].size + 1:,} bytes, and had {files[1].size:,}",
        "another content",
    ]
    found = check(catalogue, whole=True)
    assert (found.files, found.rows, found.newest_at) == (3, 3, AT)
