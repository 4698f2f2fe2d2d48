"""Whether a version of a schema may follow another: old files must be read by it."""

from __future__ import annotations

from meterhouse.core.problem import Problem
from meterhouse.datasets.schema import DatasetSchema


def evolution_problems(old: DatasetSchema, new: DatasetSchema) -> list[Problem]:
    """Return everything that keeps ``new`` from following ``old``; nothing if it is another major."""
    raise NotImplementedError
