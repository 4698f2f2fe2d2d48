"""Where a text is not a script: V8's report on it, read back into lines and columns.

V8 tells the place of a fault only when it parses a whole program, but a script is the body of
a function. So it is parsed inside of one, followed by a bracket that fits nowhere: whatever
the script holds, the program is never valid and so never runs.
"""

import re

from meterhouse.sandbox.outcome import SyntaxFault

_PARAMETERS = "payload, meta, push, state, store, sharedStore, audit, log, require"
_WITH_SESSION = f"{_PARAMETERS}, session"
_AFTER = "\n})\n}"
_LINES_BEFORE = 1

_REPORT = re.compile(r"\A[^\n]*?:(\d+): (?:SyntaxError: )?(.*)$", re.MULTILINE)
_MARK = re.compile(r"^( *)\^+$", re.MULTILINE)
_LINE_END = re.compile(r"\r\n|[\n\r\u2028\u2029]")


def probe(source: str, *, aggregates: bool = False) -> bytes:
    """Return the program that has V8 report on `source`, which may be that of an aggregator."""
    parameters = _WITH_SESSION if aggregates else _PARAMETERS
    return f"(async function ({parameters}) {{\n{source}{_AFTER}".encode()


def fault_of(source: str, *, refusal: str, report: str) -> SyntaxFault:
    """Return the fault of `source`, which V8 refused; `report` is about its probe."""
    message = refusal.removeprefix("SyntaxError: ")
    found = _REPORT.match(report)
    lines = _LINE_END.split(source)
    if found is None:
        return SyntaxFault(1, 1, message)
    line = int(found[1]) - _LINES_BEFORE
    if line > len(lines):
        # Only the bracket that fits nowhere was noticed, or the end of the function was not.
        hint = "a bracket, a quote or a comment is not closed, or is closed twice"
        return SyntaxFault(len(lines), len(lines[-1]) + 1, f"{message} ({hint})")
    mark = _MARK.search(report)
    return SyntaxFault(line, len(mark[1]) + 1 if mark else 1, found[2])
