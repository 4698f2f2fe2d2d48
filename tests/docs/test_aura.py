"""The page on Aura: its first month runs, and prints what the page shows."""

from pathlib import Path

from meterhouse.datasets.cleaning import Reason
from tests.docs.test_documents import bash, blocks, section

PAGE = "docs/aura.md"


def test_the_first_month_runs_and_prints_what_is_shown(tmp_path: Path) -> None:
    part = section(PAGE, "## A month to try it with")
    (script,) = blocks(part, "sh")
    settings, *commands = script.splitlines()
    # One by one: each may take its time on a busy machine.
    outputs = [bash(f"{settings}\n{command}", cwd=tmp_path) for command in commands]
    printed = "".join(outputs).splitlines()
    shown = [line for block in blocks(part, "text") for line in block.splitlines()]
    assert len(shown) == 9
    assert [line for line in shown if line not in printed] == []


def test_each_reason_of_a_rejected_row_is_told() -> None:
    part = section(PAGE, "## Logs")
    assert [reason.value for reason in Reason if f"| `{reason.value}` |" not in part] == []
