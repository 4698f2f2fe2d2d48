import pytest

from tools.check_floats import floats
from tools.house import Module


@pytest.mark.parametrize("source", ["float(text)", "half = 0.5", "x = Decimal(1) * -1e3"])
def test_a_float_in_core_is_refused(source):
    assert len(list(floats(Module.parse("src/meterhouse/core/x.py", source)))) == 1


def test_asking_whether_a_value_is_a_float_is_fine():
    module = Module.parse("src/meterhouse/engine/x.py", "isinstance(value, float)")

    assert list(floats(module)) == []


def test_other_rooms_may_use_floats():
    assert list(floats(Module.parse("src/meterhouse/cli/x.py", "pause = 0.5"))) == []
