"""The resources of the API: one file each. A new one is a file and a line here."""

from meterhouse.api.resources import (
    bulk,
    corrections,
    discovery,
    health,
    inspector,
    meter_types,
    meters,
    records,
    runs,
    streams,
    tokens,
)

RESOURCES = (
    tokens.resource,
    meter_types.resource,
    meters.resource,
    bulk.resource,
    streams.resource,
    runs.resource,
    records.resource,
    corrections.resource,
    inspector.resource,
    discovery.resource,
    health.resource,
)
