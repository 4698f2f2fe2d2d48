"""Look-up tables of the dimensions: what the streams of the Aura side look ids up in.

A table has, for each month, the rows of the last snapshot that was taken before the month's end, or
at it: late rows of a month get the names of that month, whatever is called otherwise since. Where
no snapshot is that old, the oldest one there is counts.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meterhouse.app.aura.catalogue import OperationCatalogue
from meterhouse.app.aura.operation import Month, OperatingBusiness
from meterhouse.app.lookup_tables import TableLedger, TableUpload, upload_table
from meterhouse.app.table_ports import TableFiles
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import Record
from meterhouse.streams.dataset_ports import DatasetInput

MONTH, COUNTRY = "MONTH", "COUNTRY_3_ALPHA_CD"


@dataclass(frozen=True, slots=True)
class DimensionTable:
    """A table of a dimension. ``columns`` are those that streams use; the first one is its id.

    ``is_shared``: one snapshot is that of all businesses.
    """

    name: str
    dataset: str
    columns: tuple[str, ...]
    is_shared: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """What a record must have of a row."""
        return (MONTH, self.columns[0]) if self.is_shared else (MONTH, COUNTRY, self.columns[0])


TABLES = (
    DimensionTable("aura_component", "D_Aura_Component", ("AURA_COMPONENT_ID",)),
    DimensionTable("aura_preset", "D_Aura_Preset", ("AURA_PRESET_NAME", "MODEL_ID")),
    DimensionTable(
        "aura_channel",
        "D_Aura_Channel",
        ("AURA_CHANNEL_ID", "AURA_CHANNEL_NAME", "GBL_BRAND_ID", "GBL_CONTACT_CHANNEL_ID"),
    ),
    DimensionTable("aura_app", "D_Aura_App", ("AURA_APP_ID", "AURA_APP_NAME", "GBL_BRAND_ID")),
    DimensionTable("gbl_brand", "D_Gbl_Brand", ("GBL_BRAND_ID", "GBL_BRAND_NAME"), is_shared=True),
    DimensionTable(
        "gbl_contact_channel",
        "D_Gbl_Contact_Channel",
        ("GBL_CONTACT_CHANNEL_ID", "GBL_CONTACT_CHANNEL_NAME"),
        is_shared=True,
    ),
)
#: Which business a country is.
COUNTRIES = "gbl_country"
_COUNTRY_COLUMNS = (COUNTRY, "COUNTRY_2_ALPHA_CD")


@dataclass(frozen=True, slots=True)
class TableMeans:
    """What making tables needs. ``by`` is who does so."""

    ledger: TableLedger
    catalogue: OperationCatalogue
    tables: TableFiles
    new_id: Callable[[], str]
    by: str


@dataclass(frozen=True, slots=True)
class SnapshotUsed:
    """The snapshot that names of a month are from."""

    month: str
    file: DatasetInput


def make_tables(
    businesses: Sequence[OperatingBusiness],
    months: Sequence[Month],
    *,
    means: TableMeans,
    at: Instant,
) -> list[SnapshotUsed]:
    """Bring the tables up to date; one that would be the same stays. Returns what they are of."""
    snapshots = _Snapshots(means.catalogue)
    for table in TABLES:
        rows = list(_rows(table, businesses, months, snapshots=snapshots))
        _upload(table.name, rows, keys=table.keys, columns=table.columns, means=means, at=at)
    countries = [
        {COUNTRY: business.country, "COUNTRY_2_ALPHA_CD": business.code} for business in businesses
    ]
    _upload(COUNTRIES, countries, keys=(COUNTRY,), columns=_COUNTRY_COLUMNS, means=means, at=at)
    return snapshots.used


def _rows(
    table: DimensionTable,
    businesses: Sequence[OperatingBusiness],
    months: Sequence[Month],
    *,
    snapshots: _Snapshots,
) -> Iterator[dict[str, Any]]:
    for month in months:
        for business in [None] if table.is_shared else businesses:
            own = {} if business is None else {COUNTRY: business.country}
            ob = None if business is None else business.code
            for row in snapshots.rows(table.dataset, month, ob=ob):
                yield {MONTH: month.text, **row, **own}


class _Snapshots:
    """The snapshots that tables are of; ``used`` is which ones."""

    def __init__(self, catalogue: OperationCatalogue) -> None:
        self._catalogue = catalogue
        self.used: list[SnapshotUsed] = []

    def rows(self, dataset: str, month: Month, *, ob: str | None) -> list[Record]:
        """Return the rows that count for a month; none where there is no snapshot at all."""
        file = self._catalogue.snapshot(dataset, ob=ob, until=month.end)
        if file is None:
            return []
        self.used.append(SnapshotUsed(month.text, file))
        return self._catalogue.snapshot_rows(file)


def _upload(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    keys: tuple[str, ...],
    columns: tuple[str, ...],
    means: TableMeans,
    at: Instant,
) -> None:
    """Make rows the newest version of a table, unless it has them."""
    header = list(dict.fromkeys((*keys, *columns)))
    with means.tables.incoming() as path:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(_cells(rows, header))
        upload = TableUpload(name, path, format="csv", keys=keys, fields={}, force=True)
        upload_table(means.ledger, means.tables, upload, new_id=means.new_id, at=at, by=means.by)


def _cells(rows: Iterable[Mapping[str, Any]], header: Sequence[str]) -> list[list[Any]]:
    return sorted(["" if row.get(name) is None else row[name] for name in header] for row in rows)
