"""Which reset schedules are accepted, and what is said of the others."""

from decimal import Decimal

import pytest

from meterhouse.core.schedule import ResetSchedule

MONTHLY = {"minute": "0", "hour": "0", "day": "1", "month": "*", "weekday": "*"}


def problems(**changed: object) -> list[str]:
    """The problems of a monthly schedule with some fields changed; ``...`` removes one."""
    body = {name: text for name, text in (MONTHLY | changed).items() if text is not ...}
    return [str(problem) for problem in ResetSchedule.from_api(body)[1]]


def test_a_schedule_without_more_is_monthly():
    assert ResetSchedule().to_api() == MONTHLY


def test_a_schedule_is_read_and_written_alike():
    schedule, faults = ResetSchedule.from_api(MONTHLY | {"day": "15,L", "hour": "*/6"})

    assert faults == []
    assert schedule is not None
    assert schedule.to_api() == MONTHLY | {"day": "15,L", "hour": "*/6"}


def test_whole_numbers_are_taken_for_texts():
    schedule, _ = ResetSchedule.from_api(MONTHLY | {"hour": 6, "minute": 30})

    assert schedule == ResetSchedule(minute="30", hour="6")


def test_spaces_around_a_text_are_dropped():
    schedule, _ = ResetSchedule.from_api(MONTHLY | {"hour": " */6 "})

    assert schedule == ResetSchedule(hour="*/6")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("minute", "*"),
        ("minute", "0"),
        ("minute", "59"),
        ("minute", "00"),
        ("minute", "*/59"),
        ("minute", "5/15"),
        ("minute", "0-59/2,7"),
        ("minute", "1, 2"),
        ("hour", "23"),
        ("hour", "8-17"),
        ("day", "31"),
        ("day", "L"),
        ("day", "1,15,L"),
        ("month", "1,4,7,10"),
        ("month", "12"),
        ("weekday", "0"),
        ("weekday", "7"),
        ("weekday", "1-5"),
    ],
)
def test_a_text_of_the_dialect_is_accepted(field, text):
    assert problems(**{field: text}) == []


@pytest.mark.parametrize(
    ("field", "text", "low", "high"),
    [
        ("minute", "60", 0, 59),
        ("minute", "-1", 0, 59),
        ("minute", "1-60", 0, 59),
        ("minute", "", 0, 59),
        ("minute", "1,", 0, 59),
        ("minute", "*/0", 1, 59),
        ("minute", "*/60", 1, 59),
        ("minute", "*/", 1, 59),
        ("minute", "/5", 0, 59),
        ("minute", "1-", 0, 59),
        ("minute", "1-2-3", 0, 59),
        ("minute", "**", 0, 59),
        ("minute", "1.5", 0, 59),
        ("minute", "+5", 0, 59),
        ("minute", "٥", 0, 59),
        ("minute", "²", 0, 59),
        ("minute", "0000", 0, 59),
        ("hour", "24", 0, 23),
        ("hour", "?", 0, 23),
        ("day", "0", 1, 31),
        ("day", "32", 1, 31),
        ("day", "l", 1, 31),
        ("day", "LW", 1, 31),
        ("day", "L-1", 1, 31),
        ("day", "L/2", 1, 31),
        ("month", "0", 1, 12),
        ("month", "13", 1, 12),
        ("month", "JAN", 1, 12),
        ("month", "L", 1, 12),
        ("weekday", "8", 0, 7),
        ("weekday", "MON", 0, 7),
        ("weekday", "5L", 0, 7),
    ],
)
def test_a_text_outside_the_dialect_is_refused_with_its_bounds(field, text, low, high):
    (fault,) = problems(**{field: text})
    part = text.split(",")[-1]

    assert fault.startswith(
        f"{field}: {part!r} is not understood; numbers here run from {low} to {high} (use "
    )


def test_a_range_may_not_run_backwards():
    (fault,) = problems(weekday="5-1")

    assert fault.startswith("weekday: '5-1' runs backwards (")


def test_the_remedy_for_a_day_names_the_last_day():
    assert problems(day="x")[0].endswith("(use *, 5, 1-5, 1,15, */10 or L)")


@pytest.mark.parametrize(
    ("day", "month"),
    [("30", "2"), ("31", "2"), ("31", "4"), ("31", "2,4,6,9,11"), ("30-31", "2"), ("30/1", "2")],
)
def test_a_schedule_that_never_fires_is_refused(day, month):
    assert problems(day=day, month=month) == [
        f"never fires: there is no day {day} in month {month} "
        "(choose a day that the month has, or L for its last)"
    ]


@pytest.mark.parametrize(
    ("day", "month", "weekday"),
    [("29", "2", "*"), ("31", "2,3", "*"), ("31", "2", "1"), ("31,L", "2", "*"), ("30", "4", "*")],
)
def test_a_schedule_that_fires_seldom_is_accepted(day, month, weekday):
    assert problems(day=day, month=month, weekday=weekday) == []


def test_all_faults_are_listed_at_once():
    faults = problems(minute="61", hour=..., day=True, month="0", weekday=[1], second="0")

    assert [fault.split(" ")[0] for fault in faults] == [
        "second:",
        "hour:",
        "day:",
        "weekday:",
        "minute:",
        "month:",
    ]


def test_an_unknown_field_is_named_with_those_that_there_are():
    assert problems(second="0") == [
        "second: is not a known field "
        "(fields of a reset schedule are day, hour, minute, month, weekday)"
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (..., "is missing"),
        (None, "is missing"),
        (True, "is true"),
        (Decimal("1.5"), "is 1.5"),
        ([1], "is [1]"),
    ],
)
def test_a_field_that_is_no_text_is_shown(value, said):
    assert problems(hour=value) == [
        f'hour: {said} (all five fields are texts such as "0", "*" or "1,15")'
    ]


def test_a_huge_number_is_refused_like_any_other():
    assert problems(hour=10**5000)[0].startswith("hour: '1E+5000' is not understood")
