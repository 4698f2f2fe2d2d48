"""Rejecting files of common storage that the catalogue refuses, and that nobody can mend.

Theory of operation. A file that is refused stays where the uploader put it, and keeps the invoice
of its business back: its rows are on none. Somebody who answers for that rejects it. The file goes
out of the import's way, with a note of who said so and why, and the invoice and the report of its
month tell it. Storage alone knows all of this, whichever one it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meterhouse.app.aura.upload_plans import put_text
from meterhouse.app.datasets.ports import DatasetStorage
from meterhouse.core.instant import Instant, instant_text, parse_instant
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.party_reading import TEXT_CHARS_MAX
from meterhouse.core.problem import DefinitionError, MeterhouseError, NotFoundError, Problem
from meterhouse.datasets.naming import AVRO

#: Where rejected files lie in common storage, each below the beginning of its SHA-256.
REJECTED = "rejected/files"
_NOTE = ".json"
_HASH_CHARS = 12
_NAMED_MAX = 5
_FIELDS = ("file", "sha256", "reason", "by", "at")


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A file of common storage that somebody has rejected. ``file`` is its path as uploaded."""

    file: str
    sha256: str
    reason: str
    by: str
    at: Instant

    @property
    def path(self) -> str:
        """Where it lies by now."""
        return f"{REJECTED}/{self.sha256[:_HASH_CHARS]}/{self.file.removeprefix(AVRO + '/')}"

    @property
    def text(self) -> str:
        """What an invoice says of it."""
        return f"file {self.file} was rejected by {self.by}: {self.reason}"

    def to_api(self) -> dict[str, Any]:
        """Return it as JSON: what its note says."""
        return {
            "file": self.file,
            "sha256": self.sha256,
            "reason": self.reason,
            "by": self.by,
            "at": instant_text(self.at),
        }


def reject_file(
    storage: DatasetStorage,
    name: str,
    *,
    reason: str,
    by: str,
    at: Instant,
    scratch: Path,
    lost: Collection[str] = (),
) -> RejectedFile:
    """Reject a file that was not imported; ``name`` is its path, or what it is called alone.

    ``lost`` are paths of files that are gone: an empty one is kept instead. Killed in between, the
    file is still where it was: reject it again.
    """
    said = " ".join(reason.split())
    if not said or len(said) > TEXT_CHARS_MAX:
        message = "is missing" if not said else f"has {len(said):,} characters"
        hint = f"say why in at most {TEXT_CHARS_MAX:,} characters: the invoice has it"
        raise DefinitionError([Problem("reason", message, hint)], what="The rejection")
    path = _found(name, [*(file.name for file in storage.list(AVRO)), *lost])
    content = hashlib.sha256()
    for block in () if path in lost else storage.read(path):
        content.update(block)
    rejected = RejectedFile(path, content.hexdigest(), said, by, at)
    note = rejected.path + _NOTE
    if storage.find(note) is None:
        put_text(storage, note, json_text(rejected.to_api()) + "\n", scratch=scratch)
    else:  # Somebody was killed here, or the same file came again: what was said first counts.
        rejected = _noted(storage, note)
    if path in lost:
        put_text(storage, rejected.path, "", scratch=scratch)
    else:
        storage.move(path, rejected.path)
    return rejected


def rejected_files(storage: DatasetStorage) -> Sequence[RejectedFile]:
    """Return what was rejected, by place."""
    names = {file.name for file in storage.list(REJECTED)}
    notes = (
        name for name in sorted(names) if name.endswith(_NOTE) and name[: -len(_NOTE)] in names
    )
    return [_noted(storage, name) for name in notes]


def _found(name: str, waiting: Iterable[str]) -> str:
    wanted = name.strip("/")
    names = sorted(waiting)
    found = [one for one in names if one == wanted or one.rpartition("/")[2] == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        hint = f"give the whole path: {', '.join(found)}"
        raise MeterhouseError(f"There are {len(found)} files {name!r} not imported", hint=hint)
    few = ", ".join(names[:_NAMED_MAX]) + (" ..." if len(names) > _NAMED_MAX else "")
    hint = f"not imported: {few}" if names else "there is none that was not imported"
    raise NotFoundError(f"Common storage has no file {name!r} that waits to be imported", hint=hint)


def _noted(storage: DatasetStorage, name: str) -> RejectedFile:
    try:
        body = parse_json(b"".join(storage.read(name)))
        if not isinstance(body, Mapping):
            raise ValueError
        file, sha256, reason, by, at = (str(body[key]) for key in _FIELDS)
        return RejectedFile(file, sha256, reason, by, parse_instant(at) or 0)
    except (ValueError, KeyError) as error:
        hint = "remove it with the file beside it, or put back what was there"
        message = f"{name} in common storage is no note of a rejection"
        raise MeterhouseError(message, hint=hint) from error
