"""How the columnar engine is told what to do with freed memory."""

import os
import subprocess
import sys

import pytest

from meterhouse.config import allocator_settings, keep_freed_memory

_VARIABLE = "_RJEM_MALLOC_CONF"


@pytest.mark.parametrize(("settings", "code"), [("", 0), (",no_such_setting:1", -6)])
def test_the_allocator_knows_all_of_the_settings(settings: str, code: int):
    # It says nothing of what it does not know, unless it is told to abort.
    conf = f"abort_conf:true,{allocator_settings()}{settings}"
    command = [sys.executable, "-c", "import polars; polars.Series([1])"]
    environment = os.environ | {_VARIABLE: conf}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr


def test_the_choice_of_the_user_stands(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(_VARIABLE, "narenas:7")
    keep_freed_memory()
    assert os.environ[_VARIABLE] == "narenas:7"
