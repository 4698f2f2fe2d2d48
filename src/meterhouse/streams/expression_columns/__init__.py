"""Expressions computed for whole batches: as columns where that is exact, else for rows.

The result is the same as that of ``core.expression.evaluate`` for each record, values and errors.
``compute.py`` says how.
"""

from meterhouse.streams.expression_columns.compute import BatchEvaluation, Computed

__all__ = ["BatchEvaluation", "Computed"]
