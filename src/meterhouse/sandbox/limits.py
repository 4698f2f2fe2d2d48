"""What scripts may use up, and what is said when they would use more."""

from dataclasses import dataclass

from meterhouse.sandbox.errors import ScriptLimitExceeded


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What the scripts of one session may use up.

    `batch_seconds` is how long a batch may stand still at one record, in time of the processor;
    a batch whose records follow each other may take any time. `memory_bytes` is what all scripts
    together may hold, `output_bytes` what may be pushed for one record, `log_bytes` what may be
    logged before the effects are asked for.
    """

    batch_seconds: float = 10.0
    memory_bytes: int = 256 << 20
    output_bytes: int = 64 << 20
    log_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a script was when it reached a limit: in which node, in which part, at which record."""

    node_id: str
    name: str
    part: str
    record: int | None = None
    records: int = 0

    def __str__(self) -> str:
        text = f"the {self.part} script" + (f" of node {self.name!r}" if self.name else "")
        if self.record is None:
            return text
        return f"{text}, at record {self.record + 1} of {self.records} in its batch,"


def exceeded(limits: SandboxLimits, limit: str, place: Place) -> ScriptLimitExceeded:
    """Return the error that says which limit was reached, where, and what to do about it."""
    if limit == "time":
        message = (
            f"{place} made no progress for {limits.batch_seconds:g} s and was stopped: look for "
            "a loop that does not end, or allow more time (batch_seconds)"
        )
    else:
        message = (
            f"{place} needed more than {limits.memory_bytes >> 20} MiB of memory and was stopped: "
            "look for a list or a text that only grows, keep less in state, or allow more memory "
            "(memory_bytes)"
        )
    return ScriptLimitExceeded(
        place.node_id, place.name, limit=limit, record=place.record, message=message
    )
