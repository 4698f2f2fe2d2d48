"""User scripts in JavaScript and Python, run where they can hurt nobody: see README.md."""

from meterhouse.sandbox.diagnosis import examine
from meterhouse.sandbox.errors import (
    SandboxError,
    ScriptDefinitionError,
    ScriptLimitExceeded,
    ScriptSessionClosed,
    ScriptWorkerLost,
)
from meterhouse.sandbox.languages import MixedSession, Sandbox
from meterhouse.sandbox.limits import SandboxLimits
from meterhouse.sandbox.outcome import (
    DELETED,
    Deleted,
    LogLine,
    ScriptEffects,
    ScriptOutcome,
    SyntaxFault,
)
from meterhouse.sandbox.session import JavaScriptSandbox, ScriptSession, check_syntax

__all__ = [
    "DELETED",
    "Deleted",
    "JavaScriptSandbox",
    "LogLine",
    "MixedSession",
    "Sandbox",
    "SandboxError",
    "SandboxLimits",
    "ScriptDefinitionError",
    "ScriptEffects",
    "ScriptLimitExceeded",
    "ScriptOutcome",
    "ScriptSession",
    "ScriptSessionClosed",
    "ScriptWorkerLost",
    "SyntaxFault",
    "check_syntax",
    "examine",
]
