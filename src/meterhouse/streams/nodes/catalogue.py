"""The node types that exist, by their stored names."""

from __future__ import annotations

from meterhouse.streams.nodes import (
    counter,
    deduplicate,
    file_reader,
    file_writer,
    http,
    log,
    map,
    meter,
    noop,
    script,
    split,
    validate,
)
from meterhouse.streams.nodes.node import NodeType

_TYPES = (
    counter.TYPE,
    file_reader.TYPE,
    script.TYPE,
    validate.TYPE,
    deduplicate.TYPE,
    map.TYPE,
    http.TYPE,
    split.TYPE,
    meter.TYPE,
    log.TYPE,
    noop.TYPE,
    file_writer.TYPE,
)

#: Every node type, by name.
NODE_TYPES: dict[str, NodeType] = {type_.name: type_ for type_ in _TYPES}
