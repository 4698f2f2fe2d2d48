"""Which files streams may read and write.

A path comes from a document, so whoever writes one could reach what only this process can reach:
the keys in the data directory, the files of the machine. What the data directory holds is closed
to streams, always. A server, where documents come from others, opens only the folders that its
operator allows; a command line is its user's own. Every path is judged by where it leads, with all
links followed.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import shown
from meterhouse.streams.ports import FileRefused

_REMEDY = "An operator can allow folders in METERHOUSE_FILES_ALLOW, with commas between them"


def parse_folders(text: str, *, what: str, home: Path | None = None) -> list[Path]:
    """Read folders with commas between them; ``DefinitionError`` lists what is none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    folders = [Path(_at_home(name, home)).absolute() for name in names]
    problems = [
        Problem("", f"{shown(name)} is no folder", "make it, or leave it out")
        for name, folder in zip(names, folders, strict=True)
        if not folder.is_dir()
    ]
    if problems:
        raise DefinitionError(problems, what=what)
    return folders


@dataclass(frozen=True, slots=True)
class AllowedFolders:
    """What streams may use: nothing of ``closed``, and what lies in ``open`` where that is given.

    ``closed`` are folders and files; ``home`` is what ``~`` stands for.
    """

    closed: tuple[Path, ...] = ()
    open: tuple[Path, ...] | None = None
    home: Path | None = None

    def check(self, path: str) -> None:
        """Raise ``FileRefused`` where a file, wherever its path leads, may not be used."""
        real = _real(_at_home(path, self.home))
        if self._is_closed(real):
            hint = "Keep files of streams outside of it"
            raise FileRefused(f"{path} lies in the data directory or holds a key", hint=hint)
        if not self._is_open(real):
            leads = "" if str(real) == os.path.abspath(path) else f" (it leads to {real})"  # noqa: PTH100
            raise FileRefused(f"{path}{leads} lies in no allowed folder", hint=self._hint())

    def check_pattern(self, pattern: str) -> None:
        """The same of a glob: what comes before its first wildcard must lie in a folder."""
        written = _at_home(pattern, self.home)
        if os.path.lexists(written) or not glob.has_magic(written):
            self.check(pattern)
            return
        parts = PurePath(written).parts
        first = next(number for number, part in enumerate(parts) if glob.has_magic(part))
        if ".." in parts[first:]:
            hint = "Name the folders in which it looks"
            raise FileRefused(f"{pattern} goes up (..) after a wildcard", hint=hint)
        self.check(str(PurePath(*parts[:first])))

    def found(self, paths: Iterable[str]) -> list[str]:
        """Return what a wildcard has found, without what is closed: it is nobody's input.

        Raises ``FileRefused`` where something else is not allowed, such as a link that leads out.
        """
        never = {_real(str(path)) for path in self.closed}
        reals: dict[str, Path | None] = {}
        kept = []
        for path in paths:
            folder, name = os.path.split(path)
            if folder not in reals:
                real = _real(folder)
                reals[folder] = None if self._is_closed(real) else real
                if reals[folder] is not None:
                    self.check(folder)
            real = reals[folder]
            if real is None or real / name in never:
                continue
            if os.path.islink(path):  # noqa: PTH114 (a run may have 100,000 of them)
                self.check(path)
            kept.append(path)
        return kept

    def _is_open(self, real: Path) -> bool:
        if self.open is None:
            return True
        return any(real.is_relative_to(_real(str(folder))) for folder in self.open)

    def _is_closed(self, real: Path) -> bool:
        """Whether a path leads into what is closed, also by another name of the same folder."""
        closed = [_real(str(path)) for path in self.closed]
        if any(real.is_relative_to(path) for path in closed):
            return True
        marks = {mark for path in closed if (mark := _mark(path)) is not None}
        if any(_mark(above) in marks for above in (real, *real.parents)):
            return True
        # A second name of a file that lies there is that file.
        return _has_names(real) and _mark(real) in {
            _mark(kept) for path in closed if path.is_dir() for kept in path.iterdir()
        }

    def _hint(self) -> str:
        allowed = ", ".join(map(str, self.open or ())) or "none"
        return f"{_REMEDY}; now: {allowed}"


#: All files, for tests and for whoever has no data directory.
ALL_FOLDERS = AllowedFolders()


def working_folder(directory: Path) -> tuple[Path, ...]:
    """Return what a server allows unless told otherwise: where it was started, but no root.

    >>> working_folder(Path("/srv/meterhouse")), working_folder(Path("/"))
    ((PosixPath('/srv/meterhouse'),), ())
    """
    return () if directory == Path(directory.anchor) else (directory,)


def _at_home(path: str, home: Path | None) -> str:
    if home is not None and (path == "~" or path.startswith("~/")):
        return str(home) + path[1:]
    return path


def _real(path: str) -> Path:
    try:
        return Path(os.path.realpath(path))
    except ValueError as error:  # a NUL, or half of a surrogate pair
        raise FileRefused(f"{path!r} is no path", hint="Name a file") from error


def _has_names(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_nlink > 1
    except OSError:
        return False


def _mark(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from all others of this machine."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
