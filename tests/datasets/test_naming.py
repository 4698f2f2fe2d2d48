"""Names of files and their places, both ways."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.country import alpha_3, countries
from meterhouse.core.problem import DefinitionError
from meterhouse.datasets.naming import (
    DIMENSIONS,
    PROCESSED,
    DimensionFile,
    EntityFile,
    is_global,
    parse_catalogue_path,
    parse_common_path,
    parse_file_name,
)
from meterhouse.datasets.version import Version

HOUR = 3_600_000_000
hours = st.integers(-62_135_596_800 // 3600, 253_402_300_799 // 3600).map(lambda n: n * HOUR)
obs = st.sampled_from(sorted(two for two, _, _ in countries()))
versions = st.builds(Version, *[st.integers(0, 999)] * 3)
days = st.dates()
entities = st.builds(
    EntityFile, obs, st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,30}", fullmatch=True), hours
).filter(lambda file: file.dataset not in DIMENSIONS.values() and "DIM" not in file.dataset)
own = st.builds(DimensionFile, obs, st.sampled_from(sorted(DIMENSIONS.values())), hours)
shared = st.builds(
    DimensionFile,
    st.none(),
    st.sampled_from([name for name in DIMENSIONS.values() if is_global(name)]),
    hours,
)


@given(st.one_of(entities, own, shared))
def test_every_name_is_read_as_it_was_written(file: EntityFile | DimensionFile):
    assert parse_file_name(file.name) == file


@given(st.one_of(entities, own, shared), versions, days)
def test_every_path_is_read_as_it_was_written(
    file: EntityFile | DimensionFile, version: Version, day: date
):
    found = parse_common_path(file.common_path(version))
    assert (found.file, found.version, found.root) == (file, version, "avro")
    moved = parse_common_path(file.common_path(version, root=PROCESSED))
    assert (moved.file, moved.root) == (file, PROCESSED)
    if isinstance(file, EntityFile):
        placed = parse_catalogue_path(file.catalogue_path(version.major, day=day))
        assert (placed.file, placed.major, placed.day) == (file, version.major, day)
    else:
        placed = parse_catalogue_path(file.catalogue_path(version.major))
        assert (placed.file, placed.major, placed.day) == (file, version.major, None)


def test_the_names_of_the_uploader():
    audit = parse_file_name("ES_Aura_Audit_20261003T100000Z.avro")
    assert audit == EntityFile("ES", "Aura_Audit", 1_791_021_600_000_000)
    channel = parse_file_name("ES_DIM_CHANNEL_20261003T100000Z.avro")
    assert channel == DimensionFile("ES", "D_Aura_Channel", audit.hour)
    path = "avro/dimensional/D_Aura_Channel/6.0.0/ES_DIM_CHANNEL_20261003T100000Z.avro"
    assert channel.common_path(Version(6, 0, 0)) == path


@pytest.mark.parametrize("token", ["PRESET", "PRESETS"])
def test_presets_have_two_names_and_are_written_by_one(token: str):
    found = parse_file_name(f"es_DIM_{token}_20261003T100000Z.avro")
    assert found == DimensionFile("ES", "D_Aura_Preset", found.hour)
    assert found.name == "ES_DIM_PRESETS_20261003T100000Z.avro"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("audit.avro", "write <OB>_<dataset>_YYYYMMDDTHH0000Z.avro, such as"),
        ("ES_Aura_Audit_20261003T101500Z.avro", "is no name of a file of a dataset"),
        ("ES_Aura_Audit_20261003T100000Z.csv", "is no name of a file of a dataset"),
        ("UK_Aura_Audit_20261003T100000Z.avro", 'OB: is "UK" (write the country of ISO 3166-1'),
        ("ES_Aura_Audit_20261303T100000Z.avro", "hour: is 20261303T100000Z (write an hour"),
        ("ES_Aura_Audit_20261003T240000Z.avro", "hour: is 20261003T240000Z (write an hour"),
        ("ES_DIM_CHANNELS_20261003T100000Z.avro", "dimensions are APP, CHANNEL, COMPONENT"),
        ("ES_D_Aura_App_20261003T100000Z.avro", "write ES_DIM_APP_20261003T100000Z.avro"),
        ("GBL_DIM_APP_20261003T100000Z.avro", 'OB: is "GBL"'),
        ("../ES_Aura_Audit_20261003T100000Z.avro", "is no name of a file of a dataset"),
    ],
)
def test_what_is_no_name_is_told_what_one_looks_like(name: str, said: str):
    with pytest.raises(DefinitionError) as raised:
        parse_file_name(name)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "path",
    [
        "avro/entity/Aura_Audit/6.0.0/ES_DIM_APP_20261003T100000Z.avro",
        "avro/entity/Aura_Audit/6.0/ES_Aura_Audit_20261003T100000Z.avro",
        "avro/dimensional/Aura_Audit/6.0.0/ES_Aura_Audit_20261003T100000Z.avro",
        "other/entity/Aura_Audit/6.0.0/ES_Aura_Audit_20261003T100000Z.avro",
        "avro/entity/Aura_Audit/ES_Aura_Audit_20261003T100000Z.avro",
    ],
)
def test_what_is_no_path_of_common_storage_is_refused(path: str):
    with pytest.raises(DefinitionError, match=r"The path|The name"):
        parse_common_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "Aura_Audit/6/ES_Aura_Audit_20261003T100000Z.avro",
        "Aura_Audit/six/DAY_DT=2026-10-03/ES_Aura_Audit_20261003T100000Z.avro",
        "Aura_Audit/6/DAY_DT=2026-13-03/ES_Aura_Audit_20261003T100000Z.avro",
        "Aura_Gateway_Message/6/DAY_DT=2026-10-03/ES_Aura_Audit_20261003T100000Z.avro",
        "D_Aura_App/6/DAY_DT=2026-10-03/ES_DIM_APP_20261003T100000Z.avro",
    ],
)
def test_what_is_no_path_of_the_catalogue_is_refused(path: str):
    with pytest.raises(DefinitionError, match="The path"):
        parse_catalogue_path(path)


def test_versions_are_ordered_as_numbers():
    texts = ["6.10.0", "6.9.1", "10.0.0", "6.9.0"]
    found = sorted(version for text in texts if (version := Version.read(text)) is not None)
    assert [str(version) for version in found] == ["6.9.0", "6.9.1", "6.10.0", "10.0.0"]
    assert [Version.read(text) for text in ("6", "6.0", "06.0.0", "6.0.0-a", "٦.0.0", 6)] == [
        None
    ] * 6


def test_each_country_has_three_letters_of_its_own():
    assert len({three for _, three, _ in countries()}) == len(countries()) == 249
    assert [alpha_3(code) for code in ("ES", "DE", "BR", "GB", "CH", "XX")] == [
        *("ESP", "DEU", "BRA", "GBR", "CHE"),
        None,
    ]
