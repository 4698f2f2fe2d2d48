"""The functions of expressions: one table, from which the reference page is written too."""

from __future__ import annotations

from meterhouse.core.expression.condition_functions import CONDITIONS
from meterhouse.core.expression.date_functions import DATES
from meterhouse.core.expression.number_functions import NUMBERS
from meterhouse.core.expression.signature import Example, Function
from meterhouse.core.expression.text_functions import TEXTS

__all__ = ["FUNCTIONS", "Example", "Function"]

_GROUPS = {
    "Conditions and missing values": CONDITIONS,
    "Numbers": NUMBERS,
    "Texts": TEXTS,
    "Dates": DATES,
}

#: All functions by name, in the order of the reference.
FUNCTIONS: dict[str, Function] = {
    function.name: function
    for group, makers in _GROUPS.items()
    for function in (make(group) for make in makers)
}
