"""The node types that exist, by their stored names: our own, and those of other packages."""

from __future__ import annotations

from meterhouse.core.problem import NotFoundError
from meterhouse.core.reading import shown
from meterhouse.streams.nodes import (
    counter,
    data_aggregate,
    dataset_reader,
    date,
    deduplicate,
    email_writer,
    file_reader,
    file_writer,
    filter,
    http,
    http_reader,
    http_writer,
    kafka_reader,
    kafka_writer,
    log,
    lookup,
    map,
    meter,
    nats_reader,
    nats_writer,
    noop,
    rabbitmq_reader,
    rabbitmq_writer,
    script,
    script_aggregate,
    split,
    sql_reader,
    sql_writer,
    validate,
    xmap,
)
from meterhouse.streams.nodes.description import NodeDescription, own_description, type_id
from meterhouse.streams.nodes.node import NodeType
from meterhouse.streams.nodes.packages import packaged_type, packaged_types

_TYPES = (
    counter.TYPE,
    file_reader.TYPE,
    kafka_reader.TYPE,
    nats_reader.TYPE,
    rabbitmq_reader.TYPE,
    sql_reader.TYPE,
    http_reader.TYPE,
    dataset_reader.TYPE,
    script.TYPE,
    validate.TYPE,
    deduplicate.TYPE,
    map.TYPE,
    xmap.TYPE,
    filter.TYPE,
    lookup.TYPE,
    date.TYPE,
    data_aggregate.TYPE,
    script_aggregate.TYPE,
    http.TYPE,
    split.TYPE,
    meter.TYPE,
    log.TYPE,
    noop.TYPE,
    file_writer.TYPE,
    http_writer.TYPE,
    email_writer.TYPE,
    kafka_writer.TYPE,
    nats_writer.TYPE,
    rabbitmq_writer.TYPE,
    sql_writer.TYPE,
)

#: Every node type of ours, by name.
NODE_TYPES: dict[str, NodeType] = {type_.name: type_ for type_ in _TYPES}


def node_type(name: str) -> NodeType | None:
    """Return a type by its name, ours or that of a package. Raises ``NodePackageBroken``."""
    if (own := NODE_TYPES.get(name)) is not None:
        return own
    found = packaged_type(name)
    return None if found is None else found.type


def described_types() -> list[NodeDescription]:
    """Return every type: ours, then those of packages. Raises ``NodePackageBroken``."""
    own = [own_description(type_) for type_ in NODE_TYPES.values()]
    return own + packaged_types(taken=frozenset(NODE_TYPES))


def described_type(name: str) -> NodeDescription:
    """Return a type by its name, or its name with a dot for the slash.

    Raises ``NotFoundError``, ``NodePackageBroken``.
    """
    name = name.replace(".", "/", 1) if "/" not in name else name
    if (own := NODE_TYPES.get(name)) is not None:
        return own_description(own)
    if (found := packaged_type(name)) is not None:
        return found
    hint = f"these exist: {', '.join(sorted(type_id(known) for known in NODE_TYPES))}"
    raise NotFoundError(f"there is no node type {shown(name)}", hint=hint)
