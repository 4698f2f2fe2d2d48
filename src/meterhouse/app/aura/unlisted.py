"""Operating businesses that have rows in the catalogue, and that no operation bills.

Their records find no country in the look-up tables and wait in Data Correction; as the operation
looks at its own businesses only, nobody would hear of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from meterhouse.app.aura.catalogue import OperationCatalogue
from meterhouse.app.aura.operation import Month, Operation
from meterhouse.app.aura.operation_report import BusinessReport, BusinessStatus
from meterhouse.core.counted import counted
from meterhouse.core.country import alpha_3
from meterhouse.core.problem import Problem


def unlisted(
    operation: Operation, catalogue: OperationCatalogue, month: Month
) -> Iterator[BusinessReport]:
    """Report on each business with rows of a month that the operation does not list.

    Raises ``InputError`` where the catalogue does not answer.
    """
    listed = {business.code for business in operation.businesses}
    for code, rows in catalogue.others(listed, month).items():
        country = alpha_3(code) or ""
        if code in operation.not_billed:
            yield BusinessReport(code, country, "", BusinessStatus.NOT_BILLED, rows)
            continue
        message = f"is none of the operation, and has {counted(rows, 'row')} of {month.text}"
        hint = (
            "list it with its customer, run `meterhouse aura init`, then `meterhouse correction "
            "requeue --all --reason reference_missing`; or name it in notBilled"
        )
        problem = Problem("businesses", message, hint)
        yield BusinessReport(code, country, "", BusinessStatus.UNLISTED, rows, problems=[problem])
