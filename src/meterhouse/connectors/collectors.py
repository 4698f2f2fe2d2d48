"""``CollectorKinds``: opens inputs with positions, each kind with the module that knows it.

A kind is imported when a run first needs it: most streams have none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from meterhouse.connectors.folders import AllowedFolders
from meterhouse.connectors.http.guard import Guard
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.secret import Credentials
from meterhouse.streams.ports import Collector

#: kind -> the module that has ``open_collector(settings, credentials, guard=...)``; where files can
#: be opened, it gets the ``folders`` as well
_MODULES = {
    "kafka": "meterhouse.connectors.kafka.collector",
    "nats": "meterhouse.connectors.nats.collector",
    "rabbitmq": "meterhouse.connectors.rabbitmq.collector",
    "sql": "meterhouse.connectors.sql.collector",
}
_OPEN_FILES = frozenset({"sql"})


class CollectorKinds:
    """Opens collectors; servers that they connect to have to pass the guard.

    ``folders`` are those whose files may be opened.
    """

    def __init__(self, guard: Guard, *, folders: AllowedFolders) -> None:
        self._guard = guard
        self._folders = folders

    def open(
        self, kind: str, settings: Mapping[str, JsonValue], credentials: Credentials | None
    ) -> Collector:
        """Return a collector of a kind; nothing is connected yet."""
        module = import_module(_MODULES[kind])
        more = {"folders": self._folders} if kind in _OPEN_FILES else {}
        return module.open_collector(settings, credentials, guard=self._guard, **more)


class ExtraMissing(MeterhouseError):
    """A library that only some streams need is not installed."""

    code = "extra_missing"

    def __init__(self, extra: str, *, what: str) -> None:
        hint = f"Install it: pip install 'meterhouse[{extra}]'"
        super().__init__(f"{what} needs the extra {extra!r}, which is not installed", hint=hint)
