"""Problems and errors: what they say, and where."""

import pytest

from meterhouse.core.problem import (
    ConflictError,
    DefinitionError,
    MeterhouseError,
    NotFoundError,
    Problem,
)

PROBLEM = Problem("hour", "is 25", "use 0 to 23")


def test_a_problem_says_place_value_and_remedy():
    assert str(PROBLEM) == "hour: is 25 (use 0 to 23)"


def test_a_problem_without_a_place_says_no_place():
    assert str(Problem("", "never fires", "choose a day")) == "never fires (choose a day)"


def test_a_problem_without_a_remedy_says_none():
    assert str(Problem("hour", "is 25")) == "hour: is 25"


@pytest.mark.parametrize(
    ("place", "seen_from_outside"),
    [
        ("hour", "resetSchedule.hour"),
        ("[0]", "resetSchedule[0]"),
        ("[0].name", "resetSchedule[0].name"),
        ("", "resetSchedule"),
    ],
)
def test_a_problem_can_be_seen_from_outside(place, seen_from_outside):
    outer = Problem(place, "is wrong", "mend it").at("resetSchedule")

    assert outer == Problem(seen_from_outside, "is wrong", "mend it")


def test_a_definition_error_lists_every_problem():
    error = DefinitionError(iter([PROBLEM, Problem("day", "is 0")]), what="The meter type")

    assert (
        str(error) == "The meter type has 2 problems:\n  - hour: is 25 (use 0 to 23)\n  - day: is 0"
    )
    assert error.problems == (PROBLEM, Problem("day", "is 0"))


def test_a_definition_error_of_one_problem_says_so():
    assert str(DefinitionError([PROBLEM])) == (
        "The definition has 1 problem:\n  - hour: is 25 (use 0 to 23)"
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MeterhouseError("x"), "error"),
        (MeterhouseError("x", code="meter_gone"), "meter_gone"),
        (DefinitionError([PROBLEM]), "definition_invalid"),
        (NotFoundError("x"), "not_found"),
        (ConflictError("x"), "conflict"),
        (ConflictError("x", code="stream_running"), "stream_running"),
    ],
)
def test_every_error_has_a_stable_code(error, code):
    assert isinstance(error, MeterhouseError)
    assert error.code == code


def test_a_code_of_one_error_is_not_that_of_its_class():
    assert ConflictError("x", code="stream_running").code != ConflictError("y").code == "conflict"


def test_an_error_says_its_hint_after_the_message():
    assert str(NotFoundError("there is no meter 7", hint="List them with meter list")) == (
        "there is no meter 7. List them with meter list"
    )
    assert str(NotFoundError("there is no meter 7")) == "there is no meter 7"
