"""Names of files in an archive: relative, and never leading out of it."""

from __future__ import annotations

from meterhouse.app.billing.archive_ports import ArchiveFault
from meterhouse.connectors.relative_name import NAME_HINT, is_relative_name


def checked(name: str) -> str:
    """Return a name that can be used as it is. Raises ``ArchiveFault`` for any other."""
    if not is_relative_name(name):
        raise ArchiveFault(f"{name!r} is no name of a file in an archive", hint=NAME_HINT)
    return name
