"""Reason codes: their names and order are promised, and each has a remedy."""

from meterhouse.core.suspense import REMEDIES, Reason


def test_the_reasons_stand_in_order_of_precedence():
    assert [reason.value for reason in Reason] == (
        "not_readable user_id_missing value_missing value_not_numeric value_too_precise "
        "value_out_of_range timestamp_invalid timestamp_in_future outside_active_period "
        "no_meter_found schema_invalid script_error"
    ).split()


def test_every_reason_has_a_remedy():
    assert list(REMEDIES) == list(Reason)
    assert all(len(text) > 20 for text in REMEDIES.values())
