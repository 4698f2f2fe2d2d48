"""Which three letters the country of an OB has in the rows of its datasets."""

from __future__ import annotations

from meterhouse.app.datasets.ports import Containers, Datasets, DatasetStorage
from meterhouse.core.country import alpha_3

_DATASET = "D_Gbl_Country"
_TWO, _THREE = "COUNTRY_2_ALPHA_CD", "COUNTRY_3_ALPHA_CD"


def country_of(
    ob: str, ledger: Datasets, storage: DatasetStorage, *, containers: Containers
) -> str | None:
    """Return the country by the newest snapshot of countries; by ISO 3166 where it has none.

    ``None`` where neither knows it.
    """
    snapshot = ledger.newest_snapshot(_DATASET)
    if snapshot is not None:
        with storage.local(snapshot.path) as path:
            for row in containers.rows(path):
                if row.get(_TWO) == ob:
                    return str(row.get(_THREE))
    return alpha_3(ob)
