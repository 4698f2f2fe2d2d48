"""Which months a file that waits to be imported may have rows of."""

import pytest

from meterhouse.app.aura.completeness import Inputs
from meterhouse.app.aura.operation import Month, read_operation
from meterhouse.app.aura.upload_accounts import UploadsTold
from meterhouse.app.billing.periods import read_days
from meterhouse.app.datasets.ports import StoredFile
from meterhouse.core.instant import parse_instant


def _instant(text: str) -> int:
    found = parse_instant(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("hour", "put_at", "months"),
    [
        ("20261031T230000Z", "2026-10-31T23:10:00Z", ["2026-10"]),
        # The second upload in the first hour of November has the hour before.
        ("20261031T230000Z", "2026-11-01T00:30:00Z", ["2026-10", "2026-11"]),
        # That of an hour whose day is full of uploads has the last free one, long before.
        ("20260930T100000Z", "2026-11-20T10:40:00Z", ["2026-09", "2026-10", "2026-11"]),
        ("20261102T230000Z", "2026-11-02T23:10:00Z", ["2026-10", "2026-11"]),
        # Late rows of a month that is drafted are on the next invoice.
        ("20261103T000000Z", "2026-11-03T00:10:00Z", ["2026-11"]),
    ],
)
def test_a_file_blocks_the_months_that_it_may_have_rows_of(
    hour: str, put_at: str, months: list[str], tmp_path
):
    from meterhouse.bootstrap import open_installation
    from meterhouse.bootstrap_aura import table_means

    body = {"name": "o", "since": "2026-09", "streams": ["aura-audit"]}
    body["businesses"] = [{"code": "ES", "country": "ESP", "customer": "ES"}]
    operation = read_operation(body)
    name = f"avro/entity/Aura_Audit/6.0.0/ES_Aura_Audit_{hour}.avro"
    with open_installation(tmp_path) as house, table_means(house, operation) as tables:
        inputs = Inputs(
            house.ledger,
            operation,
            catalogue=tables.catalogue,
            waiting=[StoredFile(name, 1, _instant(put_at))],
            rejected=[],
            uploads=UploadsTold(),
        )
        blocked = [
            text
            for text in ("2026-08", "2026-09", "2026-10", "2026-11", "2026-12")
            if inputs.judged(operation.businesses[0], Month(read_days(text))).problems
        ]
    assert blocked == months
