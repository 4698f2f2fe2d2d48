"""Reason codes: their names and order are promised, and each has a remedy."""

import re

import pytest

from meterhouse.core.suspense import REMEDIES, Reason


def test_the_reasons_stand_in_order_of_precedence():
    assert [reason.value for reason in Reason] == (
        "not_readable user_id_missing value_missing value_not_numeric value_too_precise "
        "value_out_of_range timestamp_invalid timestamp_in_future outside_active_period "
        "no_meter_found schema_invalid script_error reference_missing "
        "day_forgotten"
    ).split()


def test_every_reason_has_a_remedy():
    assert list(REMEDIES) == list(Reason)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.value)
def test_a_remedy_says_what_is_wrong_and_then_what_to_do(reason):
    wrong, to_do = REMEDIES[reason].split("; ")
    assert len(wrong) > 20
    assert re.match(r"(correct|create|round|set|write) ", to_do)
