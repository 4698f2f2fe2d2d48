"""Messages of brokers: which records one holds, and chunks of them.

A message is one JSON object, or a list of them: several records with one place. Everything else is
unreadable as a whole, and kept with its text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from meterhouse.core.json_names import count_names, may_repeat, repeated_name
from meterhouse.core.json_text import Record, parse_json
from meterhouse.core.reading import shown
from meterhouse.engine.batch import Origin, UsageBatch
from meterhouse.streams.ports import ReadChunk, Unreadable

#: A chunk is closed when it has so many messages, or so many bytes of them.
MESSAGES_MAX = 50_000
BYTES_MAX = 32_000_000


def records_of(payload: bytes) -> list[Record]:
    """Return the records of a message. Raises ``ValueError`` saying what it is instead.

    >>> records_of(b'[{"a": 1}, {"a": 2}]')
    [{'a': 1}, {'a': 2}]
    """
    if not payload:
        raise ValueError("the message is empty")
    try:
        value = parse_json(payload)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {error.start} of the message") from None
    if may_repeat(payload, count_names(value)) and (name := repeated_name(payload)) is not None:
        raise ValueError(f"names {shown(name)} twice, and which value is meant cannot be known")
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list):
        for position, item in enumerate(value):
            if not isinstance(item, dict):
                raise ValueError(f"item {position} of the list is {shown(item)}, not a JSON object")
        return value
    raise ValueError(f"is {shown(value)}, not a JSON object")


@dataclass(slots=True)
class MessageChunk:
    """Messages of one source as they come in, up to the size of a chunk."""

    source: int
    messages_max: int = MESSAGES_MAX
    messages: int = 0
    _bytes: int = 0
    _records: list[Record] = field(default_factory=list)
    _origins: list[Origin] = field(default_factory=list)
    _unreadable: list[Unreadable] = field(default_factory=list)

    def add(self, offset: int, payload: bytes) -> None:
        """Take a message in. Offsets ascend."""
        self.messages += 1
        self._bytes += len(payload)
        try:
            records = records_of(payload)
        except ValueError as error:
            raw = payload.decode("utf-8", errors="backslashreplace")
            self._unreadable.append(Unreadable(offset, raw, str(error)))
            return
        self._records += records
        self._origins += [(self.source, offset)] * len(records)

    @property
    def full(self) -> bool:
        """Whether it is time to close it."""
        return self.messages >= self.messages_max or self._bytes >= BYTES_MAX

    def closed(self) -> ReadChunk:
        """Return it as it is."""
        return ReadChunk(UsageBatch.from_rows(self._records, self._origins), self._unreadable)
