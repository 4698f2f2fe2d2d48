"""The resources of the API: one file each. A new one is a file and a line here."""

from meterhouse.api.resources import (
    bulk,
    corrections,
    discovery,
    groups,
    health,
    inspector,
    meter_types,
    meters,
    previews,
    records,
    runs,
    schedules,
    stream_versions,
    streams,
    tokens,
    usage_audit,
)

RESOURCES = (
    tokens.resource,
    meter_types.resource,
    meters.resource,
    bulk.resource,
    streams.resource,
    stream_versions.resource,
    previews.resource,
    groups.resource,
    schedules.resource,
    runs.resource,
    usage_audit.resource,
    records.resource,
    corrections.resource,
    inspector.resource,
    discovery.resource,
    health.resource,
)
