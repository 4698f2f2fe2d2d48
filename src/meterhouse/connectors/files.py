"""Files of usage: NDJSON, CSV, Parquet and Avro, told apart by their names or by the stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePath

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.chunking import gathered
from meterhouse.connectors.folders import ALL_FOLDERS, AllowedFolders
from meterhouse.connectors.listing import listed_files
from meterhouse.connectors.opened import CutOff, opened, os_refusal, unreadable
from meterhouse.streams.ports import InputFile, ReadChunk

_SUFFIXES = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".parquet": "parquet",
    ".avro": "avro",
}
_TEXT_FORMATS = frozenset({"ndjson", "csv"})


class UsageFiles:
    """Reads usage files from a file system; ``home`` is what ``~`` stands for."""

    def __init__(self, *, home: Path | None = None, folders: AllowedFolders = ALL_FOLDERS) -> None:
        self._home = home
        self._folders = folders

    def list(self, pattern: str) -> list[InputFile]:
        """Return the regular files that a glob names, sorted by absolute path."""
        return listed_files(pattern, home=self._home, folders=self._folders)

    def read(
        self,
        file: InputFile,
        *,
        source: int,
        format: str | None,
        fields: Mapping[str, str],
        records_max: int,
        needed: frozenset[str] | None = None,
    ) -> Iterator[ReadChunk]:
        """Yield a file's records in order, at most ``records_max`` at a time.

        Fields outside of ``needed`` may be left out, never records.

        The offset of a record is its line number - 1 in text files (so the first record of a CSV
        file has offset 1), its number from 0 in others. Raises ``InputError``; so it does where
        a text file ends in what is no record and has no newline, or within quotes.
        """
        self._folders.check(file.path)
        with opened(file) as handle:
            opening = _Opening(handle, file, records_max)
            asked = Asked(source, fields, needed)
            parts = _parts(opening, asked, format or file_format(file))
            try:
                yield from gathered(map(asked.pruned, parts), records_max=records_max)
            except CutOff as error:
                raise unreadable(file, str(error), hint=error.hint) from error
            except OSError as error:
                raise os_refusal(file, error) from error


def file_format(file: InputFile) -> str:
    """Return the format that a file's name tells. Raises ``InputError``."""
    path = PurePath(file.path.lower())
    packed = path.suffix == ".gz"
    found = _SUFFIXES.get(PurePath(path.stem).suffix if packed else path.suffix)
    if found is None or (packed and found not in _TEXT_FORMATS):
        endings = ", ".join([*_SUFFIXES, ".ndjson.gz", ".csv.gz"])
        hint = f"set format of the reader to ndjson, csv, parquet or avro, or use {endings}"
        raise unreadable(file, "its name does not tell its format", hint=hint)
    return found


@dataclass(frozen=True, slots=True)
class _Opening:
    """A file that is open for one reading."""

    handle: FileIO
    file: InputFile
    records_max: int


def _parts(opening: _Opening, asked: Asked, format: str) -> Iterator[ReadChunk]:
    """Import only what the format needs: small runs must start at once."""
    handle, file = opening.handle, opening.file
    match format:
        case "ndjson":
            from meterhouse.connectors.lines import text_source
            from meterhouse.connectors.ndjson.reader import read_ndjson

            return read_ndjson(text_source(handle, file=file), asked)
        case "csv":
            from meterhouse.connectors.delimited.reader import read_csv
            from meterhouse.connectors.lines import text_source

            return read_csv(text_source(handle, file=file), asked, file=file)
        case "parquet":
            from meterhouse.connectors.parquet import read_parquet

            return read_parquet(handle, asked, file=file, records_max=opening.records_max)
        case "avro":
            from meterhouse.connectors.avro.reader import read_avro

            return read_avro(handle, asked, file=file)
    raise unreadable(
        file, f"there is no format {format!r}", hint="use ndjson, csv, parquet or avro"
    )
