"""The process that parses one workbook: ``child.py MEMORY_BYTES CPU_SECONDS PATH [SHEET]``.

It writes each row of a sheet as one JSON array, and knows nothing of the program around it.
Whatever a crafted file makes of the parser happens here: the limits are set before it is loaded.
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal

#: How this process says that a file is no workbook, or has no such sheet.
REFUSED = 3


def _cell(value: object) -> str:
    """Return a cell as JSON: numbers as their shortest decimal text, dates as ISO texts."""
    if value is None or value == "":
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):  # house: allow floats (what the file has is a double)
        return _number(value)
    if isinstance(value, timedelta):
        return json.dumps(f"PT{_number(value.total_seconds())}S")
    if isinstance(value, (date, datetime, time)):
        return json.dumps(value.isoformat())
    return json.dumps(str(value))


def _number(value: float) -> str:
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def main(arguments: list[str]) -> int:
    """Parse and write; return the exit code."""
    memory, seconds, path, *sheets = arguments
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import python_calamine

    try:
        with open(path, "rb") as file:  # noqa: PTH123 (pathlib is not worth its memory here)
            book = python_calamine.load_workbook(file)
            names = book.sheet_names
            if not names or (sheets and sheets[0] not in names):
                known = ", ".join(map(repr, names)) or "none at all"
                sys.stderr.write(f"it has no such sheet; it has {known}")
                return REFUSED
            sheet = book.get_sheet_by_name(sheets[0] if sheets else names[0])
            for row in sheet.to_python(skip_empty_area=False):
                sys.stdout.write(f"[{','.join(map(_cell, row))}]\n")
            sys.stdout.flush()
    except MemoryError:
        sys.stderr.write("it takes more memory than a workbook may")
        return REFUSED
    except Exception as error:  # whatever the parser says of a bad file
        sys.stderr.write(str(error)[:300] or type(error).__name__)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
