"""Libraries that only some documents need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from meterhouse.core.problem import MeterhouseError


@contextmanager
def needed(extra: str, what: str) -> Iterator[None]:
    """Say how to install what an import inside does not find."""
    try:
        yield
    except ImportError as error:
        raise MeterhouseError(
            f"{what} need a library that is not installed ({error.name})",
            hint=f"Install it: pip install 'meterhouse[{extra}]'.",
            code="extra_missing",
        ) from error
