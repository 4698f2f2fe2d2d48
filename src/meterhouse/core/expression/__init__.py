"""The expression language: formulas over the fields of a record.

``parse_expression`` reads a text once, ``evaluate`` computes it for a record. An expression is
data (see ``syntax``), so that a compiler to columns can read it too. Nothing here knows nodes,
streams or Data Correction.
"""

from meterhouse.core.expression.certainty import always_decides, never_fails
from meterhouse.core.expression.evaluation import evaluate
from meterhouse.core.expression.expected import expected_fields
from meterhouse.core.expression.fault import ExpressionError
from meterhouse.core.expression.parser import parse_expression
from meterhouse.core.expression.syntax import Expression

__all__ = [
    "Expression",
    "ExpressionError",
    "always_decides",
    "evaluate",
    "expected_fields",
    "never_fails",
    "parse_expression",
]
