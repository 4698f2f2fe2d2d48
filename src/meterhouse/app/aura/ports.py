"""What the Aura use cases ask of the world: the logs of components, and their configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from meterhouse.app.datasets.ports import Containers, DatasetStorage
from meterhouse.core.instant import DAY, Instant, instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import MeterhouseError
from meterhouse.datasets.audit import AuditRules

#: The logs that are known, by the folder that each lies in.
LOG_KINDS = ("groot", "gateway", "atria")


class LogFault(MeterhouseError):
    """A log cannot be read, or there are none where they should be."""

    code = "log_unreadable"


class LogPutOff(LogFault):
    """A log cannot be read now, though nothing is wrong with what is in it: try it again later."""

    code = "log_put_off"


class ConfigurationFault(MeterhouseError):
    """The configuration of an OB cannot be had."""

    code = "aura_configuration_unavailable"


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of a log. ``name`` is its path below the folder of all logs."""

    ob: str
    kind: str
    name: str
    size: int
    modified_at: Instant

    def to_json(self) -> dict[str, JsonValue]:
        """Return what the list of uploads keeps of it, but its hash."""
        said = {"kind": self.kind, "size": self.size}
        return {"name": self.name} | said | {"modifiedAt": instant_text(self.modified_at)}


@dataclass(frozen=True, slots=True)
class IgnoredPlace:
    """A folder or file beside the logs that nobody reads, and why."""

    name: str
    why: str


class LogFolder(Protocol):
    """The logs of all OBs: ``<OB>/<groot|gateway|atria>/...``.

    What fails raises ``LogFault``: ``LogPutOff`` where the world refused it, and not its content.
    """

    def obs(self) -> Sequence[str]:
        """Return the OBs that have a folder, in order."""
        ...

    def files(self, ob: str) -> Sequence[LogFile]:
        """Return the files of an OB by name, whatever their age."""
        ...

    def kinds(self, ob: str) -> Sequence[str]:
        """Return the kinds of logs that an OB has a folder for."""
        ...

    def ignored(self, obs: Sequence[str] = ()) -> Sequence[IgnoredPlace]:
        """Return what lies where logs do and is none: of some OBs, or of the whole folder."""
        ...

    def sha256(self, name: str) -> str | None:
        """Return the hash of a file's content; ``None`` where it is gone."""
        ...

    def unpacked_size(self, name: str) -> int:
        """Return how many bytes a file has when it is unpacked, of a broken one so far as it goes.

        Raises ``LogPutOff`` where it has more than are read.
        """
        ...

    def lines(self, name: str) -> AbstractContextManager[Iterator[str]]:
        """Open a file, packed or not, as lines of text; bytes that are no UTF-8 stay apart.

        A line that is longer than any should be comes in pieces, so that it needs no memory.
        """
        ...


class ConfigurationSource(Protocol):
    """What aura-configuration-api answers. What fails raises ``ConfigurationFault``."""

    def module(self, ob: str, name: str) -> JsonValue:
        """Return the objects of a module, such as channels, of an OB."""
        ...


@dataclass(frozen=True, slots=True)
class UploadMeans:
    """What uploading needs: logs, configuration, common storage, and a folder for what is made."""

    logs: LogFolder
    configuration: ConfigurationSource
    storage: DatasetStorage
    containers: Containers
    scratch: Path
    rules: AuditRules = field(default_factory=AuditRules)
    #: so far after its upload a row may be dated: clocks run ahead
    ahead: int = DAY
