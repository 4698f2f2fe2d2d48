"""What can go wrong with a session; an error of one record is an outcome, not an exception."""

from meterhouse.core.problem import MeterhouseError
from meterhouse.sandbox.outcome import SyntaxFault


class SandboxError(MeterhouseError):
    """The base of the errors that a sandbox raises."""

    code = "script_failed"


class ScriptDefinitionError(SandboxError):
    """A script of a node is not a text of its language."""

    def __init__(
        self,
        node_id: str,
        name: str,
        *,
        part: str,
        fault: SyntaxFault,
        language: str = "JavaScript",
    ) -> None:
        super().__init__(
            f"the {part} script of node {name!r} is not valid {language}: {fault.message}, "
            f"at line {fault.line}, column {fault.column}"
        )
        self.node_id = node_id
        self.part = part
        self.fault = fault


class ScriptLimitExceeded(SandboxError):
    """A script took too much time or memory; its worker has ended and the session is closed.

    `record` is the position in the batch, counted from 0, or None outside of a batch.
    """

    def __init__(
        self, node_id: str, name: str, *, limit: str, record: int | None, message: str
    ) -> None:
        super().__init__(message)
        self.node_id = node_id
        self.name = name
        self.limit = limit
        self.record = record


class ScriptWorkerLost(SandboxError):
    """The process that runs the scripts could not be started, or ended for no known reason."""


class ScriptSessionClosed(SandboxError):
    """The session was used after its end."""
