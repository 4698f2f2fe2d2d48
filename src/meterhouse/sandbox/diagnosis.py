"""Whether scripts can run here: one is run."""

from __future__ import annotations

from meterhouse.app.diagnosis import Finding, Grade
from meterhouse.core.problem import MeterhouseError
from meterhouse.sandbox.session import JavaScriptSandbox

_NAME = "scripts"
_REMEDY = "install the package mini-racer anew; streams without scripts run all the same"


def examine() -> Finding:
    """Run a script in a worker process and look at what comes back."""
    try:
        with JavaScriptSandbox().open(at_us=0, seed=1) as session:
            session.define("doctor", name="doctor", transform="await push({n: payload.n * 2})")
            [outcome] = session.transform("doctor", [{"n": 21}])
    except (MeterhouseError, OSError, ImportError) as error:
        return Finding(_NAME, Grade.FAIL, str(error), _REMEDY)
    if outcome.pushed != ({"n": 42},):
        return Finding(_NAME, Grade.FAIL, f"21 * 2 became {outcome.pushed!r}", _REMEDY)
    return Finding(_NAME, Grade.OK, "a script ran in its worker process")
