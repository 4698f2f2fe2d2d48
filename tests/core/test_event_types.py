"""How meter types say that timestamps decide: what is read, shown and refused."""

from typing import Any

import pytest

from meterhouse.core.duration import duration_text, read_duration
from meterhouse.core.instant import DAY, MINUTE, SECOND
from meterhouse.core.meter_type import MeterType
from meterhouse.core.problem import DefinitionError

_BODY: dict[str, Any] = {
    "name": "Calls",
    "aggregation": "sum",
    "resetSchedule": {"minute": "0", "hour": "0", "day": "1", "month": "*", "weekday": "*"},
}


def _type(**given: Any) -> MeterType:
    return MeterType.from_api(_BODY | given, id="t", at=0)


@pytest.mark.parametrize(
    ("given", "grace"),
    [
        ({}, None),
        ({"periodAssignment": "processing"}, None),
        ({"periodAssignment": None, "gracePeriod": None}, None),
        ({"periodAssignment": "event"}, 0),
        ({"periodAssignment": "event", "gracePeriod": "P3D"}, 3 * DAY),
        ({"periodAssignment": "event", "gracePeriod": "P1DT2H30M"}, DAY + 150 * MINUTE),
        ({"periodAssignment": "event", "gracePeriod": "P1000D"}, 1000 * DAY),
    ],
)
def test_the_assignment_is_read(given: dict[str, Any], grace: int | None) -> None:
    assert _type(**given).grace_period == grace


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"periodAssignment": "later"}, "periodAssignment"),
        ({"periodAssignment": 5}, "periodAssignment"),
        ({"gracePeriod": "P3D"}, "gracePeriod"),
        ({"periodAssignment": "processing", "gracePeriod": "P3D"}, "gracePeriod"),
        ({"periodAssignment": "event", "gracePeriod": "3 days"}, "gracePeriod"),
        ({"periodAssignment": "event", "gracePeriod": "P1M"}, "gracePeriod"),
        ({"periodAssignment": "event", "gracePeriod": "P"}, "gracePeriod"),
        ({"periodAssignment": "event", "gracePeriod": 3}, "gracePeriod"),
        ({"periodAssignment": "event", "gracePeriod": "P1001D"}, "gracePeriod"),
        ({"keepUsage": False}, "keepUsage"),
        ({"periodAssignment": "event", "keepUsage": "no"}, "keepUsage"),
    ],
)
def test_what_is_wrong_is_told_with_a_remedy(given: dict[str, Any], place: str) -> None:
    with pytest.raises(DefinitionError) as error:
        _type(**given)
    [problem] = error.value.problems
    assert (problem.place, bool(problem.message), bool(problem.hint)) == (place, True, True)


def test_the_default_is_not_shown() -> None:
    assert {"periodAssignment", "gracePeriod"}.isdisjoint(_type().to_api())
    shown = _type(periodAssignment="event", gracePeriod="PT36H").to_api()
    assert (shown["periodAssignment"], shown["gracePeriod"]) == ("event", "P1DT12H")
    assert MeterType.from_api(shown, id="t", at=0).to_api() == shown


def test_a_patch_keeps_it_and_changes_it() -> None:
    meter_type = _type(periodAssignment="event", gracePeriod="P3D")
    assert meter_type.merged({"unit": "call"}, at=1).grace_period == 3 * DAY
    assert meter_type.merged({"gracePeriod": None}, at=1).grace_period == 0
    patch = {"periodAssignment": None, "gracePeriod": None}
    assert meter_type.merged(patch, at=1).grace_period is None


@pytest.mark.parametrize(
    "text", ["PT0S", "P1D", "PT1H", "PT1M", "PT1S", "P2DT3H4M5S", "PT23H59M59S"]
)
def test_durations_read_as_they_are_written(text: str) -> None:
    duration = read_duration(text)
    assert duration is not None
    assert duration_text(duration) == text


@pytest.mark.parametrize("text", ["", "P", "PT", "P1", "1D", "P1W", "PT1D", "P1DT", "P-1D", "P١D"])
def test_other_texts_are_no_durations(text: str) -> None:
    assert read_duration(text) is None


def test_units_of_durations_add_up() -> None:
    assert read_duration("P1DT1H1M1S") == DAY + 61 * MINUTE + SECOND


def test_single_usage_is_kept_unless_the_type_says_otherwise() -> None:
    assert _type(periodAssignment="event").keep_usage
    told = _type(periodAssignment="event", keepUsage=False)
    assert not told.keep_usage
    assert told.to_api()["keepUsage"] is False
    assert not told.merged({"unit": "call"}, at=0).keep_usage
    assert "keepUsage" not in _type(periodAssignment="event", keepUsage=True).to_api()
