"""Definitions never change in place."""

from dataclasses import FrozenInstanceError, fields

import pytest

from meterhouse.core.guiding_rule import Carry, Condition, GuidingRule, Operation
from meterhouse.core.meter import MeterPatch, NewMeter
from meterhouse.core.metered_record import Kind, MeteredRecord
from meterhouse.core.problem import Problem
from meterhouse.core.schedule import ResetSchedule
from tests.core.definitions import HALF, a_meter, a_meter_type, a_state

DEFINITIONS = (
    Condition("a", 1),
    GuidingRule("L1", "API"),
    MeterPatch(frozenset()),
    MeteredRecord(Kind.GOLDEN, "id", 1, 0, "{}"),
    NewMeter("ann", "key", "type"),
    Operation("a", Carry.LAST),
    Problem("place", "message"),
    ResetSchedule(),
    HALF,
    a_meter(),
    a_meter_type(),
    a_state().period,
)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: type(each).__name__)
def test_a_definition_does_not_change_in_place(definition):
    with pytest.raises(FrozenInstanceError):
        setattr(definition, fields(definition)[0].name, None)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: type(each).__name__)
def test_a_definition_has_no_other_attributes(definition):
    assert not hasattr(definition, "__dict__")
