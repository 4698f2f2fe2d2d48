"""Texts of users in files of others: what a format cannot hold is replaced, nothing is executed."""

from __future__ import annotations

import re

#: What XML 1.0 cannot hold, however it is written.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: Half a character, which UTF-8 cannot hold.
_HALF = re.compile("[\ud800-\udfff]")
_FORMULA_STARTS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "|",
    "%",
    "＝",
    "＋",
    "－",
    "＠",
    "｜",
    "％",
)


def xml_text(text: str) -> str:
    """Return a text that XML can hold."""
    return _NOT_XML.sub("\ufffd", text)


def utf8_text(text: str) -> str:
    """Return a text that UTF-8 can hold."""
    return _HALF.sub("\ufffd", text)


def csv_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula (OWASP: an apostrophe before it).

    >>> csv_text("=1+1"), csv_text("+34 600"), csv_text("plain")
    ("'=1+1", "'+34 600", 'plain')
    """
    text = utf8_text(text).replace("\0", "\ufffd")
    # Some programs drop spaces before they look.
    return f"'{text}" if text.lstrip(" \u00a0\u3000\ufeff").startswith(_FORMULA_STARTS) else text
