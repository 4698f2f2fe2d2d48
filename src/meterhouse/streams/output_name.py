"""The names of output files: the run, its day, and values of the records in them.

``{run}`` is the run's id; ``{date}``, ``{year}``, ``{month}`` and ``{day}`` are of its clock (UTC).
``{payload.field}`` is a value of each record: records with different values go to different files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePath

from meterhouse.core.instant import Instant, to_datetime
from meterhouse.core.json_text import JsonValue, Record, field_value, json_text

RUN_MARK = "{run}"
_MARK = re.compile(r"\$?\{(run|date|year|month|day|payload\.[^{}/]+)\}")
_ANY_MARK = re.compile(r"\{[^{}]*\}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._=@+-]")
#: Longer values are cut, and told apart by a digest.
VALUE_CHARS_MAX = 100
#: What stands for a field that is not there; no value is ever written so.
ABSENT = "%absent"
_EMPTY = "%empty"


@dataclass(frozen=True, slots=True)
class OutputName:
    """A path with marks. ``fields`` are those of the records that it names."""

    path: str
    fields: tuple[str, ...]
    #: the path as it was written, maybe without the run
    written: str

    @classmethod
    def parse(cls, path: str) -> OutputName:
        """Read a path. Raises ``ValueError`` saying what is wrong with a mark.

        >>> OutputName.parse("out/{payload.region}/{date}.csv").fields
        ('region',)
        """
        for mark in _ANY_MARK.findall(path):
            if not _MARK.fullmatch(mark):
                raise ValueError(
                    f"has {mark}: known are {{run}}, {{date}}, {{year}}, {{month}}, {{day}} "
                    "and {payload.field}"
                )
        written = path
        if RUN_MARK not in path:
            path = _with_run(path)
        names = [found[1] for found in _MARK.finditer(path)]
        fields = [name[len("payload.") :] for name in names if name.startswith("payload.")]
        return cls(path, tuple(dict.fromkeys(fields)), written)

    def values(self, record: Record) -> tuple[str, ...]:
        """Return what a record is told apart by: its values, safe as parts of a path."""
        return tuple(safe_part(field_value(record, field)) for field in self.fields)

    def of(self, values: Sequence[str], *, run_id: str, at: Instant) -> str:
        """Return the path of the file for records with these values."""
        moment = to_datetime(at)
        known: Mapping[str, str] = {
            "run": run_id,
            "date": f"{moment:%Y-%m-%d}",
            "year": f"{moment:%Y}",
            "month": f"{moment:%m}",
            "day": f"{moment:%d}",
        } | {f"payload.{field}": value for field, value in zip(self.fields, values, strict=True)}
        return _MARK.sub(lambda found: known[found[1]], self.path)


def _with_run(path: str) -> str:
    """Put the run before the suffix of the name.

    >>> _with_run("out/bill.csv.gz")
    'out/bill-{run}.csv.gz'
    """
    name = PurePath(path).name
    # A dot at the front hides a file, one in a mark belongs to it; neither begins a suffix.
    found = re.compile(r"\.(?![^{]*\})").search(name, 1)
    cut = len(name) if found is None else found.start()
    return f"{path[: len(path) - len(name)]}{name[:cut]}-{RUN_MARK}{name[cut:]}"


def safe_part(value: JsonValue) -> str:
    """Return a value as a part of a path; different values give different parts.

    >>> safe_part("eu west/1"), safe_part(".."), safe_part(None), safe_part(5)
    ('eu%20west%2F1', '%2E%2E', '%absent', '5')
    """
    if value is None:
        return ABSENT
    text = value if isinstance(value, str) else json_text(value)
    if not text:
        return _EMPTY
    safe = _UNSAFE.sub(_escaped, text)
    if not safe.strip("."):
        safe = safe.replace(".", "%2E")
    if len(safe) > VALUE_CHARS_MAX:
        digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        safe = f"{safe[:VALUE_CHARS_MAX]}~{digest}"
    return safe


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))
