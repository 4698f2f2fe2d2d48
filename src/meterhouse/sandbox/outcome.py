"""What comes out of a script: pushed objects or an error, and its effects on the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple


class Deleted(Enum):
    """The type of `DELETED`."""

    DELETED = "deleted"


#: Stands for the value of a store key that a script has deleted.
DELETED: Final = Deleted.DELETED


@dataclass(frozen=True, slots=True)
class ScriptOutcome:
    """What a script made of one record: the objects it pushed, or why it failed.

    >>> ScriptOutcome(pushed=({"userId": "ann"},)).error is None
    True
    """

    pushed: tuple[dict[str, Any], ...] = ()
    error: str | None = None


class LogLine(NamedTuple):
    """A line that a script wrote with `log`."""

    node_id: str
    level: str
    text: str


class SyntaxFault(NamedTuple):
    """A place where a text is not JavaScript; line and column count from 1."""

    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class ScriptEffects:
    """What scripts changed beside the records, since the effects were last asked for.

    `stores` and `shared` hold the keys that were set or deleted, `audit` the present value of
    each counter that was touched. `log_dropped` counts lines beyond the limit of the log.
    """

    stores: Mapping[str, Mapping[str, Any]]
    shared: Mapping[str, Any]
    audit: Mapping[str, Mapping[str, int | Decimal | str | bool]]
    log: tuple[LogLine, ...]
    log_dropped: int
