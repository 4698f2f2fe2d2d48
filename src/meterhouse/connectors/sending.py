"""What forwarders to brokers and databases have in common: settings, records, and words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from meterhouse.core.json_text import JsonValue, Record, parse_json
from meterhouse.core.problem import DefinitionError, MeterhouseError
from meterhouse.core.reading import Reading
from meterhouse.streams.ports import ForwardItem, Refused, TryAgain

#: Metered records nest a little deeper than what they are made of.
_NESTING_MAX = 120
_SAID_CHARS_MAX = 300
Params = TypeVar("Params")


def read_settings(
    settings: Mapping[str, JsonValue], read: Callable[[Reading], Params | None]
) -> Params:
    """Return the parameters of a writer as the outbox kept them. Raises ``DefinitionError``."""
    reading = Reading(settings)
    params = read(reading)
    if params is None:
        raise DefinitionError(reading.problems, what="The settings of a writer")
    return params


def record_of(item: ForwardItem) -> Record:
    """Return a record that is on its way."""
    return parse_json(item.text, nesting_max=_NESTING_MAX)


def unfit(error: object) -> Refused:
    """Say that nothing was sent of a record, and why."""
    return Refused(f"was not sent: {error}")


def away(error: MeterhouseError | str) -> TryAgain:
    """Say that nobody has judged a record; the hint of an error is for readers of runs."""
    text = error.args[0] if isinstance(error, MeterhouseError) else error
    return TryAgain(brief(text), away=True)


def brief(text: object) -> str:
    """Return the beginning of what a receiver says, on one line."""
    return " ".join(str(text).split())[:_SAID_CHARS_MAX]
