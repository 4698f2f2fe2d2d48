import pytest

from tools.check_clock import clock
from tools.house import Fault, Module, judge


def _faults(source: str, path: str = "src/meterhouse/store/x.py") -> list[Fault]:
    return judge(Module.parse(path, source), [clock])


@pytest.mark.parametrize(
    "source",
    [
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime as dt, UTC\ndt.now(UTC)",
        "from datetime import date\ndate.today()",
        "import time\ntime.time()",
        "from time import time_ns\ntime_ns()",
        "import os\nos.environ.get('HOME')",
        "from os import environ\nenviron['HOME']",
        "import os\nclock = os.getenv",
        "import uuid\nuuid.uuid4()",
        "import random\nrandom.random()",
        "import secrets\nsecrets.token_hex()",
        "from pathlib import Path\nPath.home()",
    ],
)
def test_reading_the_world_is_refused(source):
    assert [fault.line for fault in _faults(source)] == [2]


@pytest.mark.parametrize("path", ["src/meterhouse/bootstrap.py", "src/meterhouse/config.py"])
def test_bootstrap_and_config_may_read_it(path):
    assert _faults("import os\nos.environ", path=path) == []


def test_code_outside_the_package_may_read_it():
    assert _faults("import os\nos.environ", path="tools/x.py") == []


def test_a_seeded_generator_and_a_given_instant_are_fine():
    source = "import random, uuid\nrandom.Random(7).random()\nuuid.uuid5(space, name)\nself.time()"

    assert _faults(source) == []


def test_a_stop_watch_is_for_adapters_only():
    source = "import time\ntime.monotonic()"

    assert _faults(source, path="src/meterhouse/sandbox/x.py") == []
    assert len(_faults(source, path="src/meterhouse/streams/x.py")) == 1


def test_a_line_may_be_allowed_with_a_reason():
    allowed = "import os\nos.environ  # house: allow clock (the child gets a copy)"
    without_reason = "import os\nos.environ  # house: allow clock ()"
    other_law = "import os\nos.environ  # house: allow float (the child gets a copy)"

    assert _faults(allowed) == []
    assert len(_faults(without_reason)) == 1
    assert len(_faults(other_law)) == 1
