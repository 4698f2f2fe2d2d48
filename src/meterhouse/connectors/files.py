"""Files of usage: where they lie, and what becomes of them. Their formats: ``formats``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.chunking import gathered
from meterhouse.connectors.folders import ALL_FOLDERS, AllowedFolders
from meterhouse.connectors.formats import Opening, file_format, format_parts, text_parts
from meterhouse.connectors.listing import listed_files
from meterhouse.connectors.opened import CutOff, opened, os_refusal, unreadable
from meterhouse.connectors.releasing import moved_path, release_local
from meterhouse.connectors.scratch import Scratch, TooLong
from meterhouse.streams.file_options import PLAIN, AfterReading, FileOptions
from meterhouse.streams.ports import InputFile, ReadChunk
from meterhouse.streams.storage import is_remote

if TYPE_CHECKING:
    from meterhouse.connectors.archive import Archive
    from meterhouse.connectors.remote import RemotePlaces

_ZIP = ".zip"
_TEXT_FORMATS = ("ndjson", "json", "csv")
#: A member of an archive that must lie in a file to be read may be so large.
_MEMBER_BYTES_MAX = 16 << 30


class UsageFiles:
    """Reads usage files. ``home`` is what ``~`` stands for.

    ``places`` opens what lies elsewhere, and what comes from there lies in temporary files under
    ``data`` while it is read.
    """

    def __init__(
        self,
        *,
        home: Path | None = None,
        data: Path | None = None,
        places: RemotePlaces | None = None,
        folders: AllowedFolders = ALL_FOLDERS,
    ) -> None:
        self._home = home
        self._folders = folders
        self._scratch = Scratch(data)
        self._places = places

    def list(self, pattern: str, *, options: FileOptions = PLAIN) -> list[InputFile]:
        """Return the regular files that a glob names, sorted by absolute path or URI."""
        if is_remote(pattern):
            from meterhouse.connectors.remote.files import listed

            return listed(self._places, pattern, options.storage)
        return listed_files(pattern, home=self._home, folders=self._folders)

    def moved(self, file: InputFile, *, pattern: str, move_to: str) -> str:
        """Return the path that a file has once it was moved: its place below the glob's folder.

        Raises ``InputError`` where the glob names that path, too: it would be read again.
        """
        return moved_path(file, pattern=pattern, move_to=move_to, home=self._home)

    def release(
        self,
        file: InputFile,
        action: AfterReading,
        *,
        target: str | None = None,
        options: FileOptions = PLAIN,
    ) -> None:
        """Move a file that was read to ``target``, or delete it; a second time does no harm."""
        if is_remote(file.path):
            from meterhouse.connectors.remote.files import release

            release(self._places, file, action, target=target, storage=options.storage)
        else:
            self._folders.check(file.path)
            if target is not None:
                self._folders.check(target)
            release_local(file, action, target=target)

    def read(
        self,
        file: InputFile,
        *,
        source: int,
        format: str | None,
        fields: Mapping[str, str],
        records_max: int,
        needed: frozenset[str] | None = None,
        options: FileOptions = PLAIN,
        remark: Callable[[str], None] | None = None,
    ) -> Iterator[ReadChunk]:
        """Yield a file's records in order, at most ``records_max`` at a time.

        Fields outside of ``needed`` may be left out, never records. ``remark`` is told of a header
        that looks as if cells were separated otherwise.

        The offset of a record is its line number - 1 in text files (so the first record of a CSV
        file has offset 1), its number from 0 in others. Those of the members of an archive follow
        one another. Raises ``InputError``; so it does where a text file ends in what is no record
        and has no newline, or within quotes.
        """
        if not is_remote(file.path):
            self._folders.check(file.path)
        with self._opened(file, options) as (handle, path):
            opening = Opening(handle, path, file, records_max=records_max, options=options)
            asked = Asked(source, fields, needed, remark)
            try:
                if file.path.lower().endswith(_ZIP):
                    parts = self._members(opening, asked, format)
                else:
                    parts = format_parts(opening, asked=asked, format=format or file_format(file))
                yield from gathered(map(asked.pruned, parts), records_max=records_max)
            except CutOff as error:
                raise unreadable(file, str(error), hint=error.hint) from error
            except OSError as error:
                raise os_refusal(file, error) from error

    @contextmanager
    def _opened(self, file: InputFile, options: FileOptions) -> Iterator[tuple[FileIO, Path]]:
        """Open a file where it lies, or a copy of what was listed."""
        if not is_remote(file.path):
            with opened(file) as handle:
                yield handle, Path(file.path)
            return
        from meterhouse.connectors.remote.files import content

        with (
            content(self._places, file, options.storage) as blocks,
            self._filled(blocks, file, size=file.size, size_max=file.size) as copy,
        ):
            yield copy

    @contextmanager
    def _filled(
        self, blocks: Iterable[bytes], file: InputFile, *, size: int, size_max: int
    ) -> Iterator[tuple[FileIO, Path]]:
        try:
            with self._scratch.filled(blocks, size=size, size_max=size_max) as handle:
                yield handle, Path(str(handle.name))
        except TooLong:
            hint = "fetch it again once its writer is done"
            raise unreadable(file, f"it is longer than {size_max:,} bytes", hint=hint) from None

    def _members(self, opening: Opening, asked: Asked, format: str | None) -> Iterator[ReadChunk]:
        """Read the members of an archive one after another, as if they were one file."""
        from meterhouse.connectors.archive import Archive, Placing

        archive = Archive(opening.handle, opening.file)
        placing = Placing()
        for name in archive.names(opening.options.members):
            file = replace(opening.file, path=f"{opening.file.path}!{name}")
            member = replace(opening, file=file)
            parts = self._member((archive, name), member, asked=asked, format=format)
            try:
                yield from placing.placed(parts, name)
            except CutOff as error:
                raise unreadable(file, str(error), hint=error.hint) from error

    def _member(
        self, place: tuple[Archive, str], opening: Opening, *, asked: Asked, format: str | None
    ) -> Iterator[ReadChunk]:
        """Read one member: texts as they are unpacked, others from a temporary file."""
        archive, name = place
        kind = format or file_format(opening.file, member_of=name)
        if kind in _TEXT_FORMATS:
            with archive.open(name) as stream:
                yield from text_parts(stream, opening, asked=asked, format=kind)
            return
        filled = self._filled(
            archive.content(name), opening.file, size=0, size_max=_MEMBER_BYTES_MAX
        )
        with filled as (handle, path):
            yield from format_parts(
                replace(opening, handle=handle, path=path), asked=asked, format=kind
            )
