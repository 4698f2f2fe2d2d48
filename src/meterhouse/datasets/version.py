"""Versions of schemas: three numbers, of which the first one is what readers ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEXT = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version, such as 6.0.0. Versions are ordered as numbers, not as text.

    >>> Version(6, 10, 0) > Version(6, 9, 0), str(Version(6, 0, 0))
    (True, '6.0.0')
    """

    major: int
    minor: int
    patch: int

    @classmethod
    def read(cls, text: object) -> Version | None:
        """Return the version that a text is; ``None`` where it is none.

        >>> Version.read("6.1.0"), Version.read("6.1"), Version.read("06.1.0")
        (Version(major=6, minor=1, patch=0), None, None)
        """
        found = _TEXT.fullmatch(text) if isinstance(text, str) else None
        return None if found is None else cls(*map(int, found.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"
