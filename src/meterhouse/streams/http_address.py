"""Addresses of servers as messages show them."""

from __future__ import annotations

import re

_CHARS_MAX = 200


def shown_url(url: str) -> str:
    """Return a URL without what may be secret in it: query, fragment, user name and password.

    >>> shown_url("https://ann:pw@example.com/v1/rates?key=s3cret#x")
    'https://example.com/v1/rates'
    """
    plain = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, mark, rest = plain.partition("://")
    authority, slash, path = rest.partition("/")
    text = f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}" if mark else plain
    return text if len(text) <= _CHARS_MAX else text[: _CHARS_MAX - 3] + "..."
