"""A bucket's state begins empty and is its own."""

from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest

from meterhouse.core.meter_state import GroupState, MeterState, Period


def a_state() -> MeterState:
    return MeterState(Period(0, 10, 20), "Etc/UTC", updated_at=10)


def test_a_new_state_is_empty():
    state = a_state()

    assert (state.value, state.count, state.volume) == (None, 0, Decimal(0))
    assert (state.carry_first, state.carry_last, state.groups, state.reached) == ({}, {}, {}, {})


def test_two_states_share_nothing():
    one, other = a_state(), a_state()
    one.carry_first["a"] = one.carry_last["a"] = "1"
    one.groups["a",] = {}
    one.reached["half"] = 15

    assert other == a_state()


def test_two_groups_share_nothing():
    one, other = GroupState(), GroupState()
    one.carry_first["a"] = one.carry_last["a"] = "1"

    assert other == GroupState()


def test_a_period_does_not_change():
    with pytest.raises(FrozenInstanceError):
        a_state().period.end = 30
