"""Thresholds: their limits, how they are read, and what is wrong with those that are refused."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.threshold import (
    THRESHOLDS_MAX,
    Threshold,
    capacity_problems,
    read_thresholds,
)

HUNDRED = Decimal(100)
LIMITS = st.builds(
    lambda digits, places: Decimal(f"{digits}E-{places}"),
    st.integers(1, 10**20 - 1),
    st.integers(0, 18),
)


def said(*items: object, capacity: Decimal | None = HUNDRED) -> list[str]:
    return [str(problem) for problem in read_thresholds(items, capacity=capacity)[1]]


def test_a_percentage_is_one_of_the_capacity():
    assert Threshold("t", capacity_percentage=Decimal(75)).limit(Decimal(250)) == Decimal("187.5")


def test_a_percentage_may_exceed_the_capacity():
    assert Threshold("t", capacity_percentage=Decimal(105)).limit(HUNDRED) == 105


def test_an_absolute_value_needs_no_capacity():
    assert Threshold("t", absolute_value=Decimal(150)).limit(None) == 150


@given(LIMITS, LIMITS)
def test_the_limit_of_a_percentage_is_exact(capacity, percentage):
    with localcontext() as context:
        context.prec = 2
        limit = Threshold("t", capacity_percentage=percentage).limit(capacity)

    assert Fraction(limit) == Fraction(capacity) * Fraction(percentage) / 100


def test_thresholds_are_read_in_their_order():
    thresholds, problems = read_thresholds(
        [
            {"name": "stop", "absoluteValue": 600, "customFields": {"action": "DEACTIVATE"}},
            {"name": "80 percent", "capacityPercentage": Decimal("80.0")},
        ],
        capacity=HUNDRED,
    )

    assert problems == []
    assert thresholds == (
        Threshold("stop", None, Decimal(600), {"action": "DEACTIVATE"}),
        Threshold("80 percent", Decimal(80), None, {}),
    )


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a", "capacityPercentage": Decimal("0.5"), "customFields": {"x": {"y": [1]}}},
        {"name": "b", "absoluteValue": Decimal(10), "customFields": {}},
    ],
)
def test_a_threshold_is_read_and_written_alike(body):
    (threshold,), _ = read_thresholds([body], capacity=HUNDRED)

    assert threshold.to_api() == body
    assert list(threshold.to_api()) == list(body)


def test_when_a_threshold_was_reached_is_not_part_of_its_definition():
    (threshold,), problems = read_thresholds(
        [{"name": "a", "absoluteValue": 1, "reachedAt": "2026-01-01T00:00:00.000Z"}], capacity=None
    )

    assert problems == []
    assert "reachedAt" not in threshold.to_api()


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"absoluteValue": 1}, "thresholds[0].name: is missing (give it a text)"),
        (
            {"name": "a"},
            "thresholds[0]: has no limit "
            "(give exactly one of capacityPercentage and absoluteValue)",
        ),
        (
            {"name": "a", "capacityPercentage": 1, "absoluteValue": 1},
            "thresholds[0]: has capacityPercentage and absoluteValue "
            "(give exactly one of capacityPercentage and absoluteValue)",
        ),
        (
            {"name": "a", "absoluteValue": 0},
            "thresholds[0].absoluteValue: is 0 (use a number greater than 0)",
        ),
        (
            {"name": "a", "capacityPercentage": Decimal("-0.5")},
            "thresholds[0].capacityPercentage: is -0.5 (use a number greater than 0)",
        ),
        (
            {"name": "a", "absoluteValue": "5"},
            'thresholds[0].absoluteValue: is "5" '
            "(use a number with at most 20 digits before the point and 18 after it)",
        ),
        (
            {"name": "a", "absoluteValue": 1, "customFields": 5},
            "thresholds[0].customFields: is 5, not a JSON object "
            '(write an object, such as {"team": "A"})',
        ),
        (
            {"name": "a", "absoluteValue": 1, "percent": 5},
            "thresholds[0].percent: is not a known field (fields of a threshold are "
            "absoluteValue, capacityPercentage, customFields, name, reachedAt)",
        ),
        ("a", 'thresholds[0]: is "a", not a JSON object (write the threshold between { and })'),
    ],
)
def test_each_fault_is_told_with_place_value_and_remedy(item, problem):
    assert said(item) == [problem]


def test_all_faults_of_all_thresholds_are_listed_at_once():
    assert [line.split(":")[0] for line in said({"name": 5}, {"name": "a"}, [], {})] == [
        "thresholds[0].name",
        "thresholds[0]",
        "thresholds[1]",
        "thresholds[2]",
        "thresholds[3].name",
        "thresholds[3]",
    ]


def test_names_are_unique():
    good = {"name": "a", "absoluteValue": 1}

    assert said(good, good) == ['thresholds[1].name: is "a" again (give each its own name)']


def test_the_name_of_a_faulty_threshold_counts_too():
    names = [
        line for line in said({"name": "a"}, {"name": "a", "absoluteValue": 1}) if "again" in line
    ]

    assert names == ['thresholds[1].name: is "a" again (give each its own name)']


def test_a_percentage_needs_a_capacity():
    assert said({"name": "a", "capacityPercentage": 50}, capacity=None) == [
        "thresholds[0].capacityPercentage: is 50, and there is no capacity that it is a percentage "
        "of (set capacity, or use absoluteValue)"
    ]


def test_every_percentage_without_a_capacity_is_listed():
    thresholds = (
        Threshold("a", capacity_percentage=Decimal(50)),
        Threshold("b", absolute_value=Decimal(50)),
        Threshold("c", capacity_percentage=Decimal(90)),
    )

    assert [problem.place for problem in capacity_problems(thresholds, capacity=None)] == [
        "thresholds[0].capacityPercentage",
        "thresholds[2].capacityPercentage",
    ]
    assert capacity_problems(thresholds, capacity=HUNDRED) == []


def test_twenty_thresholds_are_the_most():
    assert THRESHOLDS_MAX == 20
