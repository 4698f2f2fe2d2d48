"""A month of the Aura side in Meterhouse: the files, the close, the drafts, the invoices.

Use: python -m bench.aura_job DATA_DIRECTORY

Prints what was counted, as one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys

from bench import aura_data
from bench.meterhouse_run import command, environment

_MONTH = f"{aura_data.FIRST:%Y-%m}"
_STEPS = (
    ("stream", "run", "aura-audit", "--at", "2026-10-01T06:00:00Z", "--json"),
    ("stream", "run", "aura-audit", "--at", "2026-10-03T06:00:00Z"),
    ("invoice", "draft", "--all", "--period", _MONTH, "--json"),
    ("invoice", "issue", "--all", "--period", _MONTH, "--issue-date", "2026-10-05", "--json"),
)


def main() -> None:
    """Carry out the month."""
    outputs = []
    for step in _STEPS:
        words = command("--data", sys.argv[1], *step)
        done = subprocess.run(words, env=environment(), check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(step)} failed:\n{done.stdout}{done.stderr}")
        outputs.append(done.stdout)
    issued = len(outputs[-1].strip().splitlines())
    if issued != len(aura_data.BUSINESSES):
        raise SystemExit(f"{issued} invoices were issued:\n{outputs[-1][:2000]}")
    nodes = {n["name"]: n for n in json.loads(outputs[0].strip().splitlines()[-1])["nodes"]}
    unique = nodes["Unique"]["out"]
    told = {
        "rows": nodes["Files"]["out"]["out"],
        "queries": nodes["Queries"]["metered"],
        "interactions": nodes["Interactions"]["metered"],
        "identical": unique["duplicate"],
        "conflicting": unique["conflict"],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
