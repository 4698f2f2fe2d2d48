"""Messages of brokers: which records one holds."""

import pytest

from meterhouse.connectors.message import records_of


@pytest.mark.parametrize(
    "payload", [b'{"value":1,"value":2}', b'[{"a":1},{"b":{"value" :1,"value":1}}]']
)
def test_a_message_in_which_a_name_stands_twice_holds_no_record(payload: bytes) -> None:
    with pytest.raises(ValueError, match='names "value" twice'):
        records_of(payload)
