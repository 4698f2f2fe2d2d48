"""How the files of a reader are to be read, beyond their format: dialects, sheets, members.

Also what becomes of a file that has been read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from meterhouse.streams.storage import LOCAL, Storage


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How cells stand in a CSV file. ``columns`` names them where the file has no header.

    An empty ``quote`` means that no character quotes. ``decimal_comma`` is for the cells of fields
    that are declared as numbers.
    """

    delimiter: str = ","
    quote: str = '"'
    columns: tuple[str, ...] | None = None
    encoding: str = "utf-8"
    decimal_comma: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether cells stand as RFC 4180 says, so that the quick reading reads them."""
        return (self.delimiter, self.quote, self.decimal_comma) == (",", '"', False)


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Where the files of a reader lie, and what is said about their formats.

    ``sheet`` names one of a workbook, ``members`` (a glob) those of a zip archive.
    """

    storage: Storage = LOCAL
    csv: CsvDialect = CsvDialect()
    sheet: str | None = None
    members: str | None = None
    reader_schema: Mapping[str, Any] | None = None


#: Files of the local file system, as they come.
PLAIN = FileOptions()


class AfterReading(Enum):
    """What becomes of a file after the run that read it has committed."""

    NONE = "none"
    MOVE = "move"
    DELETE = "delete"
