"""Meter types as meters see them, and buckets made of rows: parsed once, shared by all meters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.meter import Meter
from meterhouse.core.meter_state import Period
from meterhouse.core.meter_type import MeterType
from meterhouse.core.quantity import number_text
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.threshold import Threshold
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.columns.breakdowns import Breakdowns
from meterhouse.engine.source import Profile
from meterhouse.store.connection import Database, Row, StoreError
from meterhouse.store.contents import state_from_contents
from meterhouse.store.sql_text import queries

_SQL = queries("meter_types")
_METERS = queries("meters")
#: What a meter may have of its own: the API's name and the field of ``Meter``.
_FIELDS = {"capacity": "capacity", "thresholds": "thresholds", "activeTo": "active_to"}
#: So many meter types are kept parsed.
_PARSED_MAX = 1024


class Catalogue:
    """The meter types of one transaction as their meters see them, each parsed once.

    What a meter inherited is that of its version; category, schedule and zone are as they are now.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._versions: dict[int, MeterType] = {}

    def version(self, version_no: int) -> MeterType:
        """Return a version of a meter type."""
        found = self._versions.get(version_no)
        if found is None:
            row = self._database.row(_SQL["version"], (version_no,))
            assert row is not None, f"meter type version {version_no} is missing"
            found = self._versions[version_no] = meter_type_from_row(row)
        return found

    def profile(self, version_no: int, own: str | None = None) -> Profile:
        """Return the profile of meters of a version, with what is their own."""
        row = (0, "", 0, "", "", 0, version_no, own, None, False, 0)
        return Profile.of(_meter_from_row(row, self.version(version_no)))

    def buckets(self, rows: Iterable[Row]) -> Iterator[Bucket]:
        """Make buckets of rows of the view ``bucket``."""
        return iter(self._buckets(list(rows)))

    def periods(self, rows: Iterable[Row]) -> Iterator[Bucket]:
        """Make buckets of rows of the view ``period_bucket``."""
        told = list(rows)
        for bucket, row in zip(self._buckets([row[:-2] for row in told]), told, strict=True):
            closed, bucket.adjustments = row[-2:]
            bucket.closed = bool(closed)
            yield bucket

    def pack(self, number: int) -> Breakdowns:
        """Return the breakdowns that a pack has."""
        content = self._database.value(_METERS["pack"], (number,))
        if content is None:
            message = f"The ledger {self._database.path} lacks pack {number}, which meters need"
            raise StoreError(message, hint="Put the ledger back from a backup")
        return Breakdowns.of_content(content)

    def _buckets(self, rows: Sequence[Row]) -> list[Bucket]:
        """Make buckets; each pack that has breakdowns of them is read once."""
        buckets = [self._bucket_from_row(row) for row in rows]
        packed: dict[int, dict[int, Bucket]] = {}
        for bucket, (*_, pack_no) in zip(buckets, rows, strict=True):
            if pack_no is not None:
                packed.setdefault(pack_no, {})[bucket.meter.no] = bucket
        for pack_no, mine in packed.items():
            for no, groups in self.pack(pack_no).groups(mine).items():
                mine[no].state.groups |= groups
        return buckets

    def _bucket_from_row(self, row: Row) -> Bucket:
        meter_type = self.version(row[6])
        *_, sequence, start_at, end_at, timezone, updated_at, contents, _ = row
        state = state_from_contents(
            contents,
            period=Period(sequence, start_at, end_at),
            timezone=timezone,
            updated_at=updated_at,
            aggregation=meter_type.aggregation,
        )
        return Bucket(_meter_from_row(row, meter_type), state)


def _meter_from_row(row: Row, meter_type: MeterType) -> Meter:
    no, id, _, meter_key, user_id, _, _, own, custom_fields, delete_on_reset, at = row[:11]
    return Meter.of_type(
        meter_type,
        no=no,
        id=id,
        user_id=user_id,
        meter_key=meter_key,
        at=at,
        own={_FIELDS[key]: value for key, value in own_from_text(own).items()} if own else {},
        custom_fields=parse_json(custom_fields) if custom_fields else {},
        delete_on_reset=bool(delete_on_reset),
    )


@lru_cache(maxsize=_PARSED_MAX)
def meter_type_from_row(row: Row) -> MeterType:
    """Make a meter type of its columns, which have the order of its fields.

    Equal rows are one type: a server is asked for the same ones all the time.
    """
    id, name, aggregation, schedule, created_at, updated_at, category, description, *rest = row
    external_ref, unit, timezone, active_from, active_to, capacity, thresholds, grace, keep, *_ = (
        rest
    )
    return MeterType(
        id,
        name,
        Aggregation(aggregation),
        ResetSchedule(**parse_json(schedule)),
        created_at,
        updated_at,
        category,
        description,
        external_ref,
        unit,
        timezone,
        active_from,
        active_to,
        None if capacity is None else Decimal(capacity),
        thresholds_from_text(thresholds),
        grace,
        bool(keep),
    )


def own_values(meter: Meter, given: Collection[str]) -> dict[str, Any]:
    """Return those of the given fields that may be a meter's own."""
    return {key: getattr(meter, field) for key, field in _FIELDS.items() if key in given}


def own_text(own: Mapping[str, Any]) -> str | None:
    """Write what is a meter's own."""
    if not own:
        return None
    thresholds = own.get("thresholds")
    listed = {} if thresholds is None else {"thresholds": [t.to_api() for t in thresholds]}
    return json_text({**own, **listed})


def own_from_text(text: str | None) -> dict[str, Any]:
    """Read what ``own_text`` wrote, as fields have it."""
    own = {} if text is None else parse_json(text)
    if "capacity" in own:
        own["capacity"] = _optional_decimal(own["capacity"])
    if "thresholds" in own:
        own["thresholds"] = tuple(map(_threshold, own["thresholds"]))
    return own


def thresholds_text(thresholds: Iterable[Threshold]) -> str:
    """Write thresholds as the API's list."""
    return json_text([threshold.to_api() for threshold in thresholds])


def thresholds_from_text(text: str) -> tuple[Threshold, ...]:
    """Read what ``thresholds_text`` wrote."""
    return tuple(_threshold(item) for item in parse_json(text))


def _threshold(item: Mapping[str, Any]) -> Threshold:
    return Threshold(
        item["name"],
        _optional_decimal(item.get("capacityPercentage")),
        _optional_decimal(item.get("absoluteValue")),
        item["customFields"],
    )


def _optional_decimal(number: object) -> Decimal | None:
    """Return a stored number as a decimal."""
    return None if number is None else Decimal(str(number))


def optional_text(number: Decimal | None) -> str | None:
    """Write a number for storing."""
    return None if number is None else number_text(number)
