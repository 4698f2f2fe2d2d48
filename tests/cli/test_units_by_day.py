"""Usage by day says its unit where meters have different ones, and only there."""

from pathlib import Path

import pytest

from tests.cli.billing import Business
from tests.cli.command import Meterhouse
from tests.cli.late_usage import BY_EVENT, PER_UNIT

DAY = {"at": "2026-10-15T00:00:00Z"}
ROWS = [("a", "s", "app", None, 80)]


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


@pytest.mark.parametrize("unit", ["second", "call"])
def test_days_have_units_where_these_differ(business: Business, unit):
    business.meter(["ES"], rows=ROWS, stream="Calls", unit="call", **DAY, **BY_EVENT)
    business.meter(["ES"], rows=ROWS, stream="Others", unit=unit, **DAY, **BY_EVENT)
    business.sell(prices=[PER_UNIT])
    business.customer()
    [draft] = business.draft()
    differ = [{"unit": "call"}, {"unit": "second"}] if unit == "second" else [{}, {}]
    assert [
        {name: text for name, text in window.items() if name == "unit"}
        for window in draft["windows"]
    ] == differ
    [shown] = business.run.json("invoice", "show", draft["id"])
    assert shown["windows"] == draft["windows"]
