import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.date_arithmetic import Unit, difference, shifted
from meterhouse.core.instant import instant_text, parse_instant
from meterhouse.core.moment_format import MomentFormat
from meterhouse.core.timezone import zone

UTC = zone("Etc/UTC")
BERLIN = zone("Europe/Berlin")


def at(text: str) -> int:
    instant = parse_instant(text)
    assert instant is not None
    return instant


AFTERNOON = at("2026-07-05T13:04:09.012345Z")


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("YYYY-MM-DD HH:mm:ss.SSS ZZ", "2026-07-05 13:04:09.012 +0000"),
        ("YYYY-MM-DDTHH:mm:ss.SSS[Z]", "2026-07-05T13:04:09.012Z"),
        ("YYYY-MMM-DD", "2026-Jul-05"),
        ("dddd, MMMM D, YY", "Sunday, July 5, 26"),
        ("ddd D/M h:m:s a", "Sun 5/7 1:4:9 pm"),
        ("hh A H", "01 PM 13"),
        ("S SSSSSS SSSSSSSSS", "0 012345 012345000"),
        ("Q DDD DDDD d E", "3 186 186 0 7"),
        ("GGGG-[W]WW W", "2026-W27 27"),
        ("X x", "1783256649 1783256649012"),
        ("[at] [[x] Z", "at [x +00:00"),
    ],
)
def test_writing(format_, text):
    assert MomentFormat.parse(format_).write(AFTERNOON, zone=UTC) == text


def test_writing_in_a_zone():
    format_ = MomentFormat.parse("YYYY-MM-DD HH:mm Z")
    assert format_.write(AFTERNOON, zone=BERLIN) == "2026-07-05 15:04 +02:00"
    assert format_.write(AFTERNOON, zone=zone("America/St_Johns")) == "2026-07-05 10:34 -02:30"
    midnight = at("2026-07-05T00:00:00Z")
    assert MomentFormat.parse("h A").write(midnight, zone=UTC) == "12 AM"


@pytest.mark.parametrize(
    ("format_", "text", "instant"),
    [
        ("YYYY-MM-DD", "2026-07-05", "2026-07-05T00:00:00Z"),
        ("YYYY", "2026", "2026-01-01T00:00:00Z"),
        ("D.M.YY H:m", "5.7.26 9:04", "2026-07-05T09:04:00Z"),
        ("DD.MM.YY", "05.07.69", "1969-07-05T00:00:00Z"),
        ("MMM D YYYY hh:mm a", "jul 5 2026 12:30 AM", "2026-07-05T00:30:00Z"),
        ("MMMM D YYYY hh:mm A", "July 5 2026 12:30 pm", "2026-07-05T12:30:00Z"),
        ("YYYY-MM-DDTHH:mm:ss.SSSZ", "2026-07-05T15:04:09.012+02:00", "2026-07-05T13:04:09.012Z"),
        ("YYYY-MM-DD HH ZZ", "2026-07-05 08 -0530", "2026-07-05T13:30:00Z"),
        ("YYYY-MM-DD HH Z", "2026-07-05 08 z", "2026-07-05T08:00:00Z"),
        ("ddd, DD MMM YYYY", "Sun, 05 Jul 2026", "2026-07-05T00:00:00Z"),
        ("X", "1783256649", "2026-07-05T13:04:09Z"),
        ("X", "-1.5", "1969-12-31T23:59:58.5Z"),
        ("x", "-1000", "1969-12-31T23:59:59Z"),
    ],
)
def test_reading(format_, text, instant):
    found = MomentFormat.parse(format_).read(text, zone=UTC)
    assert instant_text(found) == instant_text(at(instant))


def test_a_wall_time_is_one_of_the_zone_and_after_a_gap_if_it_does_not_exist():
    format_ = MomentFormat.parse("YYYY-MM-DD HH:mm")
    assert format_.read("2026-07-05 15:04", zone=BERLIN) == at("2026-07-05T13:04:00Z")
    assert format_.read("2026-03-29 02:30", zone=BERLIN) == at("2026-03-29T01:00:00Z")


@pytest.mark.parametrize(
    ("format_", "text", "message"),
    [
        ("YYYY-MM-DD", "2026-7-5", "is not written as"),
        ("YYYY-MM-DD", "2026-02-30", "no date of the calendar"),
        ("YYYY HH", "2026 24", "no date of the calendar"),
        ("YYYY mm", "2026 60", "no date of the calendar"),
        ("YYYY ss", "2026 60", "no date of the calendar"),
        ("YYYY h a", "2026 13 am", "no date of the calendar"),
        ("YYYY Z", "2026 +24:00", "no date of the calendar"),
        ("YYYY Z", "0001 +01:00", "no date of the calendar"),
        ("YYYY", "0000", "no date of the calendar"),
        ("MM", "12", "no date of the calendar"),
        ("ddd YYYY", "Mon 2026", "no date of the calendar"),
        ("x", "999999999999999", "no date of the calendar"),
        ("YYYY Q", "2026 1", "Q in 'YYYY Q' can be written and not read"),
        ("YYYY YYYY", "2026 2026", "YYYY stands twice"),
    ],
)
def test_what_cannot_be_read(format_, text, message):
    with pytest.raises(ValueError, match=message):
        MomentFormat.parse(format_).read(text, zone=UTC)


@pytest.mark.parametrize("text", ["", "Y" * 201, "yyyy", "YYYY foo"])
def test_what_is_no_format(text):
    with pytest.raises(ValueError, match=r"characters|is no part of a date"):
        MomentFormat.parse(text)


WHOLE = "YYYY-MM-DD HH:mm:ss.SSSSSS ZZ"
INSTANTS = st.integers(at("1900-01-02T00:00:00Z"), at("9999-12-30T00:00:00Z"))
ZONES = st.sampled_from(["Etc/UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"]).map(zone)


@given(st.integers(at("1980-01-01T00:00:00Z"), at("2100-01-01T00:00:00Z")), ZONES)
def test_what_is_written_is_read_back(instant, where):
    format_ = MomentFormat.parse(WHOLE)
    assert format_.read(format_.write(instant, zone=where), zone=UTC) == instant


# ------------------------------------------------------------ steps through time


@pytest.mark.parametrize(
    ("start", "amount", "unit", "end"),
    [
        ("2026-01-31T00:00:00Z", 1, Unit.MONTH, "2026-02-28T00:00:00Z"),
        ("2026-03-31T05:00:00Z", -1, Unit.MONTH, "2026-02-28T05:00:00Z"),
        ("2024-02-29T00:00:00Z", 4, Unit.YEAR, "2028-02-29T00:00:00Z"),
        ("2026-01-01T00:00:00Z", -1, Unit.DAY, "2025-12-31T00:00:00Z"),
        ("2026-01-01T00:00:00Z", 2, Unit.WEEK, "2026-01-15T00:00:00Z"),
        ("2026-01-01T00:00:00Z", 1, Unit.MILLISECOND, "2026-01-01T00:00:00.001Z"),
        ("2026-01-01T00:00:00Z", 25, Unit.HOUR, "2026-01-02T01:00:00Z"),
    ],
)
def test_steps(start, amount, unit, end):
    assert shifted(at(start), amount, unit) == at(end)


def test_days_keep_the_wall_time_of_a_zone_and_hours_do_not():
    before = at("2026-03-28T12:00:00Z")
    assert shifted(before, 1, Unit.DAY, zone=BERLIN) == at("2026-03-29T11:00:00Z")
    assert shifted(before, 24, Unit.HOUR, zone=BERLIN) == at("2026-03-29T12:00:00Z")


def test_no_step_from_the_second_showing_of_a_wall_time_stays_there():
    second = at("2026-10-25T01:30:00Z")
    assert shifted(second, 0, Unit.DAY, zone=BERLIN) == second


@pytest.mark.parametrize("amount", [10**9, -(10**9), 4_000_000, -4_000_000, 3_000_000, 10**15])
@pytest.mark.parametrize("unit", [Unit.HOUR, Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.YEAR])
def test_steps_out_of_the_calendar_are_refused(amount, unit):
    if unit is Unit.HOUR:
        amount *= 100
    with pytest.raises(ValueError, match="lead out of the years 1 to 9999"):
        shifted(at("2026-01-01T00:00:00Z"), amount, unit)


def test_a_month_beyond_the_calendar_is_refused():
    with pytest.raises(ValueError, match="lead out"):
        shifted(at("2026-01-01T00:00:00Z"), 8_000, Unit.YEAR)


def test_at_the_ends_of_the_calendar_not_every_zone_has_a_wall_time():
    last, first = at("9999-12-31T23:30:00Z"), at("0001-01-01T00:30:00Z")
    with pytest.raises(ValueError, match="Europe/Berlin shows no wall time"):
        MomentFormat.parse("YYYY").write(last, zone=BERLIN)
    with pytest.raises(ValueError, match="Europe/Berlin shows no wall time"):
        difference(0, last, Unit.DAY, zone=BERLIN)
    for instant, amount in ((last, -1), (first, 1)):
        where = BERLIN if instant == last else zone("America/St_Johns")
        with pytest.raises(ValueError, match="lead out of the years"):
            shifted(instant, amount, Unit.DAY, zone=where)


def test_a_step_beyond_the_calendar_does_not_fit():
    start, end = at("9999-11-30T12:00:00Z"), at("9999-12-31T11:00:00Z")
    assert difference(start, end, Unit.MONTH, zone=BERLIN) == 1
    start = at("9999-12-23T23:45:00Z")
    assert difference(start, at("9999-12-31T22:30:00Z"), Unit.DAY, zone=BERLIN) == 7


@given(INSTANTS, INSTANTS, st.sampled_from(Unit), ZONES)
def test_the_difference_is_how_many_steps_fit(first, second, unit, where):
    start, end = sorted((first, second))
    count = difference(start, end, unit, zone=where)
    assert difference(end, start, unit, zone=where) == -count
    assert shifted(start, count, unit, zone=where) <= end
    try:
        assert shifted(start, count + 1, unit, zone=where) > end
    except ValueError:
        pass  # Beyond the calendar.
