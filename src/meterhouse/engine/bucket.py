"""Buckets: a meter with its state, and the compact text form in which states are stored.

The encoding of group breakdowns (``encode_groups``) is one text a meter, so that a meter's
breakdowns are read and written with their meter. Sections are joined by GS (0x1D); a section is
its header and its entries, joined by RS (0x1E); header and entries are cells joined by US (0x1F).
Header: the section's fields, the carry-first fields and the carry-last fields, three JSON lists.
Entry: the canonical JSON text of each field, the value, then each carried text; an empty cell
means "none". Canonical JSON never holds these control characters, so nothing is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.meter import Meter
from meterhouse.core.meter_state import GroupKey, GroupState, MeterState, Period, Section
from meterhouse.core.quantity import ZERO, number_text
from meterhouse.core.threshold import Threshold

SECTION_MARK = "\x1d"
ENTRY_MARK = "\x1e"
CELL_MARK = "\x1f"
#: Numbers of slots begin here: no meter has such a number.
SLOT_FIRST = 2**48


@dataclass(slots=True)
class Bucket:
    """A meter and its state in a period. ``changed`` marks what must be stored.

    ``slot`` numbers the periods of event-time meters in a run; such a period is ``closed`` when
    its golden record has left, and has had so many ``adjustments``.
    """

    meter: Meter
    state: MeterState
    changed: bool = False
    deleted: bool = False
    slot: int = 0
    closed: bool = False
    adjustments: int = 0
    #: value and number of records when the period was last told
    told: Decimal | None = None
    _told_count: int = 0
    _limits: list[tuple[Decimal, Threshold]] | None = field(default=None, repr=False)

    @property
    def no(self) -> int:
        """The number by which a run knows it: the meter's, or that of the slot."""
        return self.slot or self.meter.no

    @property
    def late(self) -> bool:
        """Whether usage came after the golden record or the last adjustment."""
        return self.closed and self.state.count != self._told_count

    def remember(self) -> None:
        """Note what has been told of the period."""
        self.told, self._told_count = self.state.value, self.state.count

    @property
    def limits(self) -> list[tuple[Decimal, Threshold]]:
        """``Meter.limits``, worked out once."""
        if self._limits is None:
            self._limits = self.meter.limits()
        return self._limits


@dataclass(frozen=True, slots=True)
class EncodedState:
    """A state's contents as stored. Texts are ``None`` where they would say nothing."""

    value: str | None
    count: int
    volume: str | None
    carry_first: str | None
    carry_last: str | None
    reached: str | None
    groups: str | None


def new_state(meter: Meter, *, at: Instant) -> MeterState:
    """The state of a meter created at that instant: its period ends at the next reset."""
    end = meter.reset_schedule.next_after(at, meter.timezone)
    return MeterState(
        Period(0, at, end), meter.timezone, updated_at=at, value=meter.aggregation.initial
    )


def encode_state(state: MeterState) -> EncodedState:
    """Encode what a period has gathered; its bounds are stored beside it."""
    value = None if state.value is None else number_text(state.value)
    plain = state.value is not None and state.volume == state.value.copy_abs()
    return EncodedState(
        value=value,
        count=state.count,
        volume=None if plain or not state.volume else number_text(state.volume),
        carry_first=encode_texts(state.carry_first),
        carry_last=encode_texts(state.carry_last),
        reached=json_text(state.reached) if state.reached else None,
        groups=encode_groups(state.groups),
    )


def decode_state(
    encoded: EncodedState,
    *,
    period: Period,
    timezone: str,
    updated_at: Instant,
    aggregation: Aggregation,
) -> MeterState:
    """Decode what ``encode_state`` wrote; volume follows the value where it is not stored."""
    value = None if encoded.value is None else Decimal(encoded.value)
    volume = ZERO
    if aggregation is Aggregation.SUM and value is not None:
        volume = value.copy_abs() if encoded.volume is None else Decimal(encoded.volume)
    return MeterState(
        period,
        timezone,
        updated_at,
        value=value,
        count=encoded.count,
        volume=volume,
        carry_first=decode_texts(encoded.carry_first),
        carry_last=decode_texts(encoded.carry_last),
        groups=decode_groups(encoded.groups),
        reached=parse_json(encoded.reached) if encoded.reached else {},
    )


def encode_texts(texts: Mapping[str, str]) -> str | None:
    """Encode carries: the JSON list of the fields' names, then their texts, as cells."""
    if not texts:
        return None
    return CELL_MARK.join([json_text(list(texts)), *texts.values()])


def decode_texts(text: str | None) -> dict[str, str]:
    """Decode carries into canonical JSON texts."""
    if not text:
        return {}
    names, *texts = text.split(CELL_MARK)
    return dict(zip(_read_names(names), texts, strict=True))


def encode_groups(groups: Mapping[Section, Mapping[GroupKey, GroupState]]) -> str | None:
    """Encode all breakdowns of a meter; see the module's text."""
    sections = [_encode_section(s, entries) for s, entries in groups.items() if entries]
    return SECTION_MARK.join(sections) or None


def section_header(section: Section, first: Iterable[str], last: Iterable[str]) -> str:
    """The header cell texts of an encoded section."""
    return CELL_MARK.join(json_text(list(names)) for names in (section, first, last))


def _encode_section(section: Section, entries: Mapping[GroupKey, GroupState]) -> str:
    first = sorted({name for entry in entries.values() for name in entry.carry_first})
    last = sorted({name for entry in entries.values() for name in entry.carry_last})
    parts = [section_header(section, first, last)]
    for key, entry in entries.items():
        cells = [*key, "" if entry.value is None else number_text(entry.value)]
        cells += [entry.carry_first.get(name, "") for name in first]
        cells += [entry.carry_last.get(name, "") for name in last]
        parts.append(CELL_MARK.join(cells))
    return ENTRY_MARK.join(parts)


def decode_groups(text: str | None) -> dict[Section, dict[GroupKey, GroupState]]:
    """Decode all breakdowns of a meter."""
    groups: dict[Section, dict[GroupKey, GroupState]] = {}
    for part in text.split(SECTION_MARK) if text else ():
        header, *entries = part.split(ENTRY_MARK)
        section, first, last = _read_header(header)
        groups[section] = {
            tuple(cells[: len(section)]): decode_entry(cells[len(section) :], first, last)
            for cells in (entry.split(CELL_MARK) for entry in entries)
        }
    return groups


@lru_cache(maxsize=256)
def _read_header(header: str) -> tuple[Section, tuple[str, ...], tuple[str, ...]]:
    section, first, last = (tuple(parse_json(cell)) for cell in header.split(CELL_MARK))
    return section, first, last


@lru_cache(maxsize=256)
def _read_names(names: str) -> tuple[str, ...]:
    return tuple(parse_json(names))


def decode_entry(
    cells: Sequence[str | None], first: Sequence[str], last: Sequence[str]
) -> GroupState:
    """Decode the cells of an entry behind its key; empty ones may be ``None``."""
    middle = 1 + len(first)
    return GroupState(
        Decimal(cells[0]) if cells[0] else None,
        {name: cell for name, cell in zip(first, cells[1:middle], strict=True) if cell},
        {name: cell for name, cell in zip(last, cells[middle:], strict=True) if cell},
    )
