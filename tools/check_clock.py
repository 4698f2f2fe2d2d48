"""Time, ids and randomness are arguments: only bootstrap and config read the world.

The clock, the environment and the sources of randomness are read in the exempt rooms and
handed down. A stop watch (`time.monotonic`) tells no time of day, so the adapters may use
it; the inner rooms may not, because nothing in them may depend on how long it took.
"""

import ast
from collections.abc import Iterator

from tools.house import Fault, Module, dotted_name

#: room -> why it may read the clock, the environment and randomness.
EXEMPT = {
    "bootstrap": "wires the adapters: the one place that has a clock and ids to hand out",
    "bootstrap_aura": "the same for the Aura side: its doctor says how old files are",
    "bootstrap_server": "the same for the server: it makes the key of its cursors",
    "config": "reads the environment once and turns it into values",
}

INNER_ROOMS = frozenset({"core", "engine", "rating", "streams", "datasets", "app"})

_CLOCK = "reads the clock: take the instant as an argument"
_ENVIRONMENT = "reads the environment: take the value as an argument, config.py reads it"
_RANDOM = "is random: take ids or a seeded random.Random as an argument"
_STOP_WATCH = "measures time: an inner room must not depend on how long something takes"

FORBIDDEN = {
    "datetime.datetime.now": _CLOCK,
    "datetime.datetime.today": _CLOCK,
    "datetime.datetime.utcnow": _CLOCK,
    "datetime.date.today": _CLOCK,
    "time.time": _CLOCK,
    "time.time_ns": _CLOCK,
    "time.localtime": _CLOCK,
    "time.gmtime": _CLOCK,
    "time.ctime": _CLOCK,
    "os.environ": _ENVIRONMENT,
    "os.environb": _ENVIRONMENT,
    "os.getenv": _ENVIRONMENT,
    "os.path.expanduser": _ENVIRONMENT,
    "pathlib.Path.home": _ENVIRONMENT,
    "os.urandom": _RANDOM,
    "random.SystemRandom": _RANDOM,
    "uuid.uuid1": _RANDOM,
    "uuid.uuid4": _RANDOM,
}

FORBIDDEN_INSIDE = {
    "time.monotonic": _STOP_WATCH,
    "time.monotonic_ns": _STOP_WATCH,
    "time.perf_counter": _STOP_WATCH,
    "time.perf_counter_ns": _STOP_WATCH,
    "time.process_time": _STOP_WATCH,
    "time.sleep": _STOP_WATCH,
}


def clock(module: Module) -> Iterator[Fault]:
    if module.room is None or module.room in EXEMPT:
        return
    names = module.imports()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            name = dotted_name(node, names)
            reason = _reason(name, inner=module.room in INNER_ROOMS) if name else None
            if reason:
                yield module.fault("clock", node, f"{name} {reason}")


def _reason(name: str, *, inner: bool) -> str | None:
    if name in FORBIDDEN:
        return FORBIDDEN[name]
    if inner and name in FORBIDDEN_INSIDE:
        return FORBIDDEN_INSIDE[name]
    package, _, rest = name.partition(".")
    if package == "secrets" and rest:
        return _RANDOM
    # random.Random(seed) is an argument like any other; the functions share hidden state.
    if package == "random" and rest and not rest.startswith("Random"):
        return _RANDOM
    return None


MODULE_LAWS = (clock,)
