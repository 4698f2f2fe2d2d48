"""Who lives on this host: a killed process is dead at once, and its number may come again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from meterhouse import processes
from meterhouse.app.ports import Lease


def test_this_process_lives():
    assert processes.this_process() in processes.living_processes()
    assert processes.this_process() == processes.this_process()


def test_a_process_that_nobody_has_waited_for_is_dead():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    name = next(n for n in processes.living_processes() if f"{process.pid}-" in n)
    process.kill()
    # Waits for its end, and leaves it unburied.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert name not in processes.living_processes()
    process.wait()


@pytest.mark.skipif(not Path("/bin/ps").exists(), reason="needs /bin/ps")
def test_systems_without_proc_are_asked_by_ps(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(processes, "_PROC", Path("/nowhere"))
    assert processes.this_process() in processes.living_processes()
    assert processes.this_process().startswith(f"{os.getpid()}-")
    assert processes.this_host()


def test_a_lease_of_this_process_is_alive_and_one_of_an_ended_process_is_dead():
    host = processes.this_host()
    assert not processes.is_dead(Lease(host, processes.this_process()))
    assert processes.is_dead(Lease(host, "0-0"))
    assert not processes.is_dead(Lease("elsewhere", "0-0"))
