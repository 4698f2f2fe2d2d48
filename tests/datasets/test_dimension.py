"""Dimensions out of the configuration, and which snapshot a period has."""

from hypothesis import given
from hypothesis import strategies as st

from meterhouse.datasets.dimension import (
    MODULES,
    channel_ids,
    component_names,
    country_rows,
    dimension_of,
    snapshot_at,
)
from meterhouse.datasets.naming import DimensionFile
from meterhouse.datasets.sample_configuration import sample_ob

HOUR = 3_600_000_000


def made(module, answer):
    return dimension_of(module, answer, country="ESP", extracted_at=0)


def test_c18_each_of_the_six_modules_becomes_its_dimension():
    configuration = sample_ob("ES").configuration
    dimensions = {module: made(module, list(configuration[module])) for module in MODULES}
    assert {module: len(one.rows) for module, one in dimensions.items()} == {
        module: len(objects) for module, objects in configuration.items()
    }
    assert not [one.problems for one in dimensions.values() if one.problems]


def test_c18_an_application_has_its_presets_brand_and_channel():
    answer = {
        "id": "a1",
        "name": "app",
        "brand": "0401",
        "nlp": {"channelId": "c1"},
        "models": {"level": "user", "presets": ["p1", "p2"]},
    }
    assert made("applications", [answer]).rows == (
        {
            "AURA_APP_ID": "a1",
            "AURA_APP_NAME": "app",
            "AURA_APP_DISABLED_IND": False,
            "GBL_BRAND_ID": "0401",
            "AURA_CHANNEL_ID": "c1",
            "AURA_PRESET_NAMES": ["p1", "p2"],
            "COUNTRY_3_ALPHA_CD": "ESP",
            "EXTRACTION_TM": "1970-01-01T00:00:00.000Z",
        },
    )


def test_c18_a_component_is_known_by_its_name_and_found_by_its_uuid():
    components = made("components", [{"id": "u1", "name": "aura-bot"}])
    assert components.rows[0]["AURA_COMPONENT_ID"] == "aura-bot"
    assert component_names(components) == {"u1": "aura-bot"}


def test_a_channel_is_found_by_its_name_or_its_id():
    channels = made("channels", [{"id": "C1", "name": "Novum"}])
    assert channel_ids(channels) == {"novum": "C1", "c1": "C1"}


def test_a_preset_of_an_unknown_type_is_other_and_one_without_has_none():
    presets = [{"name": "a", "type": "Semantic-Search"}, {"name": "b", "type": "x"}, {"name": "c"}]
    kinds = [row["PRESET_TYPE_CD"] for row in made("presets", presets).rows]
    assert kinds == ["semantic_search", "other", None]


def test_objects_that_are_no_rows_are_told_and_the_others_are_rows():
    found = made("skills", [{"id": "s"}, "x", {"id": "s", "name": "n"}, {"id": "s", "name": "m"}])
    assert [row["AURA_SKILL_NAME"] for row in found.rows] == ["n"]
    assert [problem.place for problem in found.problems] == [
        "skills[0].name",
        "skills[1]",
        "skills[3]",
    ]


def test_an_answer_may_be_a_list_or_an_object_that_has_one():
    objects = [{"id": "s", "name": "n"}]
    answers = [objects, {"items": objects}, {"skills": objects}]
    assert len({str(made("skills", answer).rows) for answer in answers}) == 1
    assert [str(one) for one in made("skills", {"error": 1}).problems] == [
        "skills: has no list (answer with a list of objects, or an object whose items is one)"
    ]


def test_all_countries_have_two_and_three_letters_and_a_name():
    rows = country_rows()
    assert len(rows) == len({row["COUNTRY_3_ALPHA_CD"] for row in rows}) == 249
    assert {
        "COUNTRY_3_ALPHA_CD": "BRA",
        "COUNTRY_2_ALPHA_CD": "BR",
        "COUNTRY_NAME": "Brazil",
    } in rows


@given(
    st.lists(st.tuples(st.sampled_from(["ES", "BR", None]), st.integers(0, 20)), max_size=10),
    st.integers(0, 20),
)
def test_a_period_has_the_last_snapshot_at_or_before_its_end(taken, end):
    files = [DimensionFile(ob, "D_Gbl_Brand", hour * HOUR) for ob, hour in taken]
    found = snapshot_at(files, end * HOUR, ob="ES")
    hours = [hour for ob, hour in taken if ob != "BR" and hour <= end]
    assert (None if found is None else found.hour) == (max(hours) * HOUR if hours else None)
