"""Names of files in a storage: relative, and never leading out of it."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9=._-]+(?:/[A-Za-z0-9=._-]+)*")
NAME_HINT = "use letters, digits and = . _ - with slashes between"


def is_relative_name(name: str) -> bool:
    """Whether a name can be used as it is.

    >>> is_relative_name("a/b=1.avro"), is_relative_name("a/../b"), is_relative_name("/a")
    (True, False, False)
    """
    return bool(_NAME.fullmatch(name)) and not {".", ".."} & set(name.split("/"))
