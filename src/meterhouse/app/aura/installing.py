"""What an operation needs before it can run: datasets, meter types, tables, streams and meters.

All of it is made by the documents of this package, and only where it is missing: what somebody has
changed stays, and a second time changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from meterhouse.app.aura.book_zones import refuse_other_zones
from meterhouse.app.aura.countries import check_countries
from meterhouse.app.aura.dimension_tables import TableMeans, make_tables
from meterhouse.app.aura.kernel_access import OpenedKernel, with_kernel
from meterhouse.app.aura.operation import Month, Operation
from meterhouse.app.billing.periods import read_days
from meterhouse.app.datasets.publishing import publish
from meterhouse.app.definitions import Item
from meterhouse.app.ports import Ledger
from meterhouse.app.provisioning import (
    create_each_meter,
    create_meter_types,
    find_meter_type,
)
from meterhouse.app.streams import import_stream
from meterhouse.core.duration import duration_text
from meterhouse.core.instant import DAY, Instant
from meterhouse.core.json_text import parse_json
from meterhouse.core.meter_type import MeterType
from meterhouse.core.problem import DefinitionError, MeterhouseError, Problem
from meterhouse.datasets.schema import BUILT_IN
from meterhouse.streams.record import StreamDefinition

_FOLDER = "documents"
_TYPES = "meter-types.json"
_EXISTS = "meter_exists"


@dataclass(slots=True)
class Installed:
    """Names of what was made; what was there already is not among them."""

    datasets: list[str] = field(default_factory=list)
    meter_types: list[str] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    meters: int = 0

    def to_api(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "datasets": self.datasets,
            "meterTypes": self.meter_types,
            "streams": self.streams,
            "meters": self.meters,
        }


@cache
def document(name: str) -> Any:
    """Return a document of this package by the name of its file."""
    text = files("meterhouse.app.aura").joinpath(_FOLDER, name).read_text("utf-8")
    return parse_json(text)


def install(
    ledger: Ledger,
    operation: Operation,
    *,
    tables: TableMeans,
    new_id: Callable[[], str],
    at: Instant,
    kernel: OpenedKernel | None = None,
) -> Installed:
    """Make what is missing. First periods of meters begin with the operation's first month.

    Nothing is made where a price book is not in UTC, or where months are drafted before they close.
    Where ``kernel`` has the catalogue, its datasets are published there, and streams read it.
    ``DefinitionError`` where a business has another country than its rows; nothing is made then.
    """
    check_countries(operation.businesses, tables.catalogue, at=at)
    first = Month(read_days(operation.since))
    refuse_other_zones(ledger, operation, _month_to_come(first, at))
    _refuse_early_drafts(ledger, operation)
    done = Installed()
    for schema in BUILT_IN.values() if kernel is None else ():
        if publish(ledger, schema, at=at).new:
            done.datasets.append(schema.name)
    _create_types(ledger, done, new_id=new_id, at=at)
    make_tables(operation.businesses, [first], means=tables, at=at)
    for name in operation.streams:
        stream = ledger.stream(name)
        if stream is None:
            body = with_kernel(document(f"{name}.json"), kernel)
            stream = import_stream(ledger, body, new_id=new_id, at=at)
            done.streams.append(stream.name)
        done.meters += _create_meters(ledger, stream, operation, new_id=new_id, at=first.start)
    return done


def _refuse_early_drafts(ledger: Ledger, operation: Operation) -> None:
    """Refuse drafts of months that meters have not closed: nothing of them would be metered."""
    own = {body["name"]: MeterType.from_api(body, id="", at=0) for body in document(_TYPES)}
    types = [ledger.meter_type(name) or type_ for name, type_ in own.items()]
    grace = max(type_.grace_period or 0 for type_ in types)
    if operation.draft_after * DAY < grace:
        message = (
            f"is {operation.draft_after}, and meters wait {duration_text(grace)} for late rows"
        )
        hint = f"use {-(-grace // DAY)} or more: a month is metered when its gracePeriod is over"
        raise DefinitionError([Problem("draftAfterDays", message, hint)], what="The operation")


def _month_to_come(first: Month, at: Instant) -> Month:
    """Return the month of an instant, or the operation's first one where that is later."""
    month = first
    while month.end <= at:
        month = month.next
    return month


def _create_types(
    ledger: Ledger, done: Installed, *, new_id: Callable[[], str], at: Instant
) -> None:
    missing = [body for body in document(_TYPES) if ledger.meter_type(body["name"]) is None]
    items = [Item("", body) for body in missing]
    done.meter_types += [
        made.name for made in create_meter_types(ledger, items, new_id=new_id, at=at)
    ]


def _create_meters(
    ledger: Ledger,
    stream: StreamDefinition,
    operation: Operation,
    *,
    new_id: Callable[[], str],
    at: Instant,
) -> int:
    """Make the meters of each business at each meter of a stream; returns how many are new."""
    bodies = [
        {"userId": business.code, "meterTypeId": find_meter_type(ledger, name).id, "meterKey": key}
        for node, key in stream.meter_keys.items()
        for name in _types_of(_node(stream.document["nodes"], node))
        for business in operation.businesses
    ]
    made = create_each_meter(ledger, [Item("", body) for body in bodies], new_id=new_id, at=at)
    for one in made:
        if isinstance(one, MeterhouseError) and one.code != _EXISTS:
            raise one
    return sum(1 for one in made if isinstance(one, str))


def _node(nodes: Iterable[Mapping[str, Any]], id: str) -> Mapping[str, Any]:
    return next(node for node in nodes if node["id"] == id)


def _types_of(node: Mapping[str, Any]) -> Sequence[str]:
    """Return the meter types that a meter's rules are for: those of the documents, by category."""
    categories = {rule["matchCategory"] for rule in node["params"]["guidingRules"]}
    return [body["name"] for body in document(_TYPES) if body["category"] in categories]
