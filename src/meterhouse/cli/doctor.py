"""``meterhouse doctor``: what is well here, what is not, and what to do about it."""

from __future__ import annotations

from meterhouse.cli.command import Call, command
from meterhouse.cli.options import new_group
from meterhouse.cli.output import write_json, write_text
from meterhouse.core.problem import MeterhouseError

app = new_group("What is well here and what is not, with remedies.")


class Unwell(MeterhouseError):
    """Something that the program stands on does not hold."""

    code = "unwell"


@command(app, "meterhouse doctor", "meterhouse doctor --json")
def doctor(call: Call) -> None:
    """Examine the data directory, the ledger, the disk, the clock and what is installed.

    Nothing is changed. Exit code 1 where something fails; warnings are none.
    """
    from meterhouse import bootstrap_aura

    findings = bootstrap_aura.diagnose(call.directory)
    for finding in findings:
        if call.as_json:
            write_json(finding.to_api())
            continue
        grade = finding.grade.value
        write_text(f"{grade:<4} {finding.name}: {finding.message}")
        if finding.remedy:
            write_text(f"     {finding.remedy}")
    failed = [finding.name for finding in findings if finding.grade.value == "fail"]
    if failed:
        raise Unwell(f"not well: {', '.join(failed)}", hint="each has its remedy above")
