"""A small process that starts the measured programs.

Linux counts the memory of the process that starts a program into the program's own peak, so the
starter has to be small: this one imports nothing but the standard library. One JSON object a line
in (command, environment, folder), one out (what it took).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any


def launch(command: list[str], environment: dict[str, str], folder: str) -> dict[str, Any]:
    """Run one program from process start to exit."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=output, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        return {
            "code": process.returncode,
            "seconds": seconds,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_mb": usage.ru_maxrss / 1024,
            "output": output.read(),
            "errors": errors.read(),
        }


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(launch(**json.loads(line))), flush=True)
