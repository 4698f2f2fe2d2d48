from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.streams.number_column import at_most, equals, less_than

WHOLE = pl.Series([-3, -1, 0, 1, 2, 3, None, 2**63 - 1, -(2**63)], dtype=pl.Int64)
TENTHS = pl.Series(
    [Decimal("-0.2"), Decimal("0.1"), Decimal("0.3"), None, Decimal("2.0")], dtype=pl.Decimal(38, 1)
)
FINE = pl.Series(
    [Decimal("0.1"), Decimal("99999999999999999999.999999999999999999")], dtype=pl.Decimal(38, 18)
)
LIMITS = st.one_of(
    st.integers(-4, 4).map(Decimal),
    st.decimals(-4, 4, places=2),
    st.sampled_from(
        [
            Decimal("2.5"),
            Decimal("-0.15"),
            Decimal("0.1000000000000000000000001"),
            Decimal(2**63),
            Decimal(-(2**63)),
            Decimal(-(2**63) - 1),
            Decimal("1e20"),
            Decimal("-1e38"),
            Decimal("1e400"),
            Decimal("-1e400"),
            Decimal("1e-400"),
            Decimal(0),
        ]
    ),
)


@pytest.mark.parametrize("values", [WHOLE, TENTHS, FINE], ids=["whole", "tenths", "fine"])
@given(limit=LIMITS)
def test_columns_are_compared_exactly(values, limit):
    numbers = [None if value is None else Decimal(value) for value in values]
    assert less_than(values, limit).to_list() == [n if n is None else n < limit for n in numbers]
    assert at_most(values, limit).to_list() == [n if n is None else n <= limit for n in numbers]
    assert equals(values, limit).to_list() == [n if n is None else n == limit for n in numbers]
