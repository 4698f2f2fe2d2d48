"""Who lives on this host: a killed process is dead at once, and its number may come again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from meterhouse import bootstrap
from meterhouse.app.ports import Lease


def test_this_process_lives():
    assert bootstrap.this_process() in bootstrap.living_processes()
    assert bootstrap.this_process() == bootstrap.this_process()


def test_a_process_that_nobody_has_waited_for_is_dead():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    name = next(n for n in bootstrap.living_processes() if f"{process.pid}-" in n)
    process.kill()
    # Waits for its end, and leaves it unburied.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert name not in bootstrap.living_processes()
    process.wait()


@pytest.mark.skipif(not Path("/bin/ps").exists(), reason="needs /bin/ps")
def test_systems_without_proc_are_asked_by_ps(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootstrap, "_PROC", Path("/nowhere"))
    assert bootstrap.this_process() in bootstrap.living_processes()
    assert bootstrap.this_process().startswith(f"{os.getpid()}-")
    assert bootstrap.this_host()


def test_a_lease_of_this_process_is_alive_and_one_of_an_ended_process_is_dead():
    host = bootstrap.this_host()
    assert not bootstrap._is_dead(Lease(host, bootstrap.this_process()))
    assert bootstrap._is_dead(Lease(host, "0-0"))
    assert not bootstrap._is_dead(Lease("elsewhere", "0-0"))
