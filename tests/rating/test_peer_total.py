"""How many vectors of other billing engines we answer as they do, over all families in scope."""

import pytest

from tests.connectors import test_llm_price_data as tokens
from tests.rating import test_peer_vectors as prices
from tests.rating import test_peers_billing as billing

_FAMILIES = (
    *("price.", "round", "convert.units", "credit.", "threshold.", "agg", "rerate.", "llm."),
    *("proration.", "period."),
)
#: By adapters of each file; each file has tests that its list of others is exact.
_BY_FILE = (
    (prices.ADAPTERS, prices.OTHERWISE),
    (billing.ADAPTERS, billing.DIFFERENT),
    (tokens.ADAPTERS, tokens.DIFFERENT),
)


@pytest.mark.skipif(not prices.VECTORS.is_file(), reason="METERHOUSE_TEST_DATA has no vectors")
def test_at_least_220_vectors_are_answered_as_their_engines_do():
    vectors = [one for one in billing._vectors() if one["kind"].startswith(_FAMILIES)]
    same = [
        one
        for one in vectors
        for adapters, otherwise in _BY_FILE
        if one["kind"] in adapters and one["id"] not in otherwise
    ]
    assert len({one["id"] for one in same}) >= 220
