"""Names of files in an archive: relative, and never leading out of it."""

from __future__ import annotations

import re

from meterhouse.app.billing.archive_ports import ArchiveFault

_NAME = re.compile(r"[A-Za-z0-9=._-]+(?:/[A-Za-z0-9=._-]+)*")


def checked(name: str) -> str:
    """Return a name that can be used as it is. Raises ``ArchiveFault`` for any other."""
    parts = name.split("/")
    if not _NAME.fullmatch(name) or any(part in (".", "..") for part in parts):
        hint = "use letters, digits and = . _ - with slashes between"
        raise ArchiveFault(f"{name!r} is no name of a file in an archive", hint=hint)
    return name
