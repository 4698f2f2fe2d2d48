"""The node types that exist, by their stored names: our own, and those of other packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from meterhouse.core.problem import NotFoundError
from meterhouse.core.reading import shown
from meterhouse.streams.nodes.description import NodeDescription, own_description, type_id
from meterhouse.streams.nodes.node import NodeType
from meterhouse.streams.nodes.packages import packaged_type, packaged_types

#: name -> its module, which has it as ``TYPE``.
_MODULES = {
    "readers/counter": "counter",
    "readers/file": "file_reader",
    "readers/kafka": "kafka_reader",
    "readers/nats": "nats_reader",
    "readers/rabbitmq": "rabbitmq_reader",
    "readers/sql": "sql_reader",
    "readers/http": "http_reader",
    "readers/dataset": "dataset_reader",
    "transforms/script": "script",
    "transforms/validate": "validate",
    "transforms/deduplicate": "deduplicate",
    "transforms/map": "map",
    "transforms/xmap": "xmap",
    "transforms/filter": "filter",
    "transforms/lookup": "lookup",
    "transforms/date": "date",
    "transforms/data_aggregate": "data_aggregate",
    "transforms/script_aggregate": "script_aggregate",
    "transforms/http": "http",
    "transforms/split": "split",
    "transforms/meter": "meter",
    "writers/log": "log",
    "writers/noop": "noop",
    "writers/file": "file_writer",
    "writers/http": "http_writer",
    "writers/email": "email_writer",
    "writers/kafka": "kafka_writer",
    "writers/nats": "nats_writer",
    "writers/rabbitmq": "rabbitmq_writer",
    "writers/sql": "sql_writer",
}


class _OwnTypes(Mapping[str, NodeType]):
    """Our node types by name; what a stream does not use is never imported."""

    def __getitem__(self, name: str) -> NodeType:
        module = _MODULES[name]
        return import_module(f"meterhouse.streams.nodes.{module}").TYPE

    def __contains__(self, name: object) -> bool:
        return name in _MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


#: Every node type of ours, by name.
NODE_TYPES: Mapping[str, NodeType] = _OwnTypes()


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
