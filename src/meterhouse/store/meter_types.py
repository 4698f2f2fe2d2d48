"""The meter types in the ledger: definitions, their versions and who uses them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from meterhouse.app.ports import Page
from meterhouse.core.json_text import json_text
from meterhouse.core.meter_type import MeterType
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store.activities import Recorder, tell_created
from meterhouse.store.billing_records import index_some
from meterhouse.store.catalogue import meter_type_from_row, optional_text, thresholds_text
from meterhouse.store.connection import Database, Row
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries

_SQL = queries("meter_types")
_KIND = "meter type"


class MeterTypeTable(Recorder):
    """The part of the ledger that keeps meter types."""

    _database: Database

    def add_meter_types(self, meter_types: Sequence[MeterType]) -> None:
        """Add all or none."""
        with self._recorded("create", _KIND) as note:
            tell_created(note, [(t.id, t.name) for t in meter_types])
            taken = [fault for t in meter_types for fault in _taken(self._database, t)]
            taken += _repeated(meter_types)
            _refuse(taken)
            for meter_type in meter_types:
                _insert(self._database, meter_type)

    def meter_type(self, reference: str) -> MeterType | None:
        """Find one by id, external reference or name, in this order."""
        with self._database.read():
            no = self._database.value(_SQL["find_type"], {"reference": reference})
            return None if no is None else _by_no(self._database, no)

    def meter_types(
        self, *, name: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page[tuple[MeterType, int]]:
        """List meter types with their numbers of meters."""
        values = {"after": number_after(after), "name": name, "limit": limit + 1}
        with self._database.read():
            rows = self._database.rows(_SQL["page"], values)
            return page_of(rows, partial(_counted, self._database), limit=limit)

    def update_meter_type(self, id: str, change: Callable[[MeterType], MeterType]) -> MeterType:
        """Replace a definition; meters keep the version that they inherited."""
        with self._recorded("update", _KIND, id) as note:
            no, version, *inherited = _current(self._database, id)
            meter_type = change(_by_no(self._database, no))
            note.detail["name"] = meter_type.name
            _refuse(_taken(self._database, meter_type))
            _keep_category(self._database)
            new = _inherited(meter_type)
            if new[2] != inherited[2] and self._database.value(_SQL["has_meters"], (no,)):
                message = (
                    f"Meter type {meter_type.name!r} has meters: its aggregation cannot change"
                )
                raise ConflictError(message, hint="Create another meter type")
            _refuse_other_periods(self._database, _by_no(self._database, no), meter_type, no=no)
            if new != tuple(inherited):
                version += 1
                self._database.execute(_SQL["insert_version"], (no, version, *new))
            looked_up = (*_looked_up(meter_type), version, meter_type.updated_at, no)
            self._database.execute(_SQL["update_type"], looked_up)
        return meter_type

    def delete_meter_type(self, id: str) -> None:
        """Delete; refused while meters of it exist."""
        with self._recorded("delete", _KIND, id) as note:
            no, _, name, *_ = _current(self._database, id)
            note.detail["name"] = name
            if count := self._database.value(_SQL["number_of_meters"], (no,)):
                meters = "1 meter" if count == 1 else f"{count} meters"
                hint = "Delete its meters first"
                raise ConflictError(f"Meter type {name!r} has {meters}", hint=hint)
            _keep_category(self._database)
            self._database.execute(_SQL["delete_type"], (no,))


def _keep_category(database: Database) -> None:
    """Have billing take note of the records there are: with the category of until now."""
    while index_some(database):
        pass


def _refuse_other_periods(
    database: Database, before: MeterType, after: MeterType, *, no: int
) -> None:
    """Meters keep how their periods are assigned; event time knows one calendar only."""
    names = []
    if (before.grace_period is None) != (after.grace_period is None):
        names.append("periodAssignment")
    elif before.grace_period is not None:
        names += ["gracePeriod"] * (before.grace_period != after.grace_period)
        names += ["keepUsage"] * (before.keep_usage != after.keep_usage)
        names += ["resetSchedule"] * (before.reset_schedule != after.reset_schedule)
        names += ["timezone"] * (before.timezone != after.timezone)
    if names and database.value(_SQL["has_meters"], (no,)):
        listed = " and ".join(names)
        message = f"Meter type {after.name!r} has meters: its {listed} cannot change"
        raise ConflictError(message, hint="Create another meter type, or delete its meters first")


def _by_no(database: Database, no: int) -> MeterType:
    values = {"after": no - 1, "name": None, "limit": 1}
    return meter_type_from_row(database.rows(_SQL["page"], values)[0])


def _current(database: Database, id: str) -> Row:
    row = database.row(_SQL["current_version"], (id,))
    if row is None:
        hint = "`meter-type list` shows those that exist"
        raise NotFoundError(f"There is no meter type {id!r}", hint=hint)
    return row


def _taken(database: Database, meter_type: MeterType) -> list[str]:
    checks = (
        ("name", "name_taken", meter_type.name),
        ("external reference", "external_ref_taken", meter_type.external_ref),
    )
    return [
        f"the {noun} {value!r} is used by meter type {holder}"
        for noun, query, value in checks
        if value is not None and (holder := database.value(_SQL[query], (value, meter_type.id)))
    ]


def _insert(database: Database, meter_type: MeterType) -> None:
    looked_up = _looked_up(meter_type)
    values = (meter_type.id, *looked_up, meter_type.created_at, meter_type.updated_at)
    no = database.value(_SQL["insert_type"], values)
    database.execute(_SQL["insert_version"], (no, 1, *_inherited(meter_type)))


def _counted(database: Database, rows: Sequence[Row]) -> list[tuple[MeterType, int]]:
    count = _SQL["number_of_meters"]
    return [(meter_type_from_row(row), database.value(count, (row[-1],))) for row in rows]


def _repeated(meter_types: Sequence[MeterType]) -> list[str]:
    faults: list[str] = []
    for noun, values in (
        ("name", [t.name for t in meter_types]),
        ("external reference", [t.external_ref for t in meter_types if t.external_ref]),
    ):
        repeated = [value for value, count in Counter(values).items() if count > 1]
        faults += [f"the {noun} {value!r} is given more than once" for value in repeated]
    return faults


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        message = "; ".join(faults)
        hint = "Choose another one, or update the meter type that exists"
        raise ConflictError(message[0].upper() + message[1:], hint=hint)


def _looked_up(meter_type: MeterType) -> tuple[Any, ...]:
    return (
        meter_type.name,
        meter_type.external_ref,
        meter_type.description,
        meter_type.category,
        json_text(meter_type.reset_schedule.to_api()),
        meter_type.timezone,
        meter_type.grace_period,
        meter_type.keep_usage,
    )


def _inherited(meter_type: MeterType) -> tuple[Any, ...]:
    return (
        meter_type.name,
        meter_type.unit,
        meter_type.aggregation.value,
        meter_type.active_from,
        meter_type.active_to,
        optional_text(meter_type.capacity),
        thresholds_text(meter_type.thresholds),
    )
