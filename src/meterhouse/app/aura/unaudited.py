"""Requests of the gateway that nobody has audited: files that the datasets of a business lack.

Theory of operation. Each row of Aura_Gateway_Message is a request, so that the upload that wrote it
wrote a row of Aura_Audit, into a file of the same hour. A file of the one without that of the other
tells of a file that was lost, whoever has the list of uploads. It tells nothing of a business whose
files are named otherwise: there no two share an hour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from meterhouse.app.aura.catalogue import AUDIT, OperationCatalogue
from meterhouse.app.aura.operation import Month
from meterhouse.core.counted import counted
from meterhouse.core.problem import Problem
from meterhouse.datasets.gateway_log import DATASET as GATEWAY
from meterhouse.streams.dataset_ports import InputForbidden


def unaudited(
    catalogue: OperationCatalogue, month: Month, *, ob: str, told: Collection[str]
) -> Iterator[Problem]:
    """Yield the files of Aura_Audit that must have been, but for those that were told.

    Raises ``InputError`` where the catalogue does not answer.
    """
    try:
        messages = catalogue.files(GATEWAY, month, ob=ob)
    except InputForbidden:
        return  # Who may not read them bills without this check.
    audited = {file.name for file in catalogue.files(AUDIT, month, ob=ob)}
    rows: dict[str, int] = {}
    for file in messages:
        name = file.name.replace(f"_{GATEWAY}_", f"_{AUDIT}_")
        rows[name] = rows.get(name, 0) + file.rows
    if not rows.keys() & audited:
        return
    for name in sorted(rows.keys() - audited - set(told)):
        message = (
            f"is not in the catalogue, which has {counted(rows[name], 'row')} of {GATEWAY} of its "
            f"hour and {month.text}"
        )
        hint = (
            "see that it was uploaded and imported: `meterhouse doctor` and `meterhouse aura "
            "restore` where its uploads are"
        )
        yield Problem(name, message, hint)
