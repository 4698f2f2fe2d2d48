from pathlib import PurePosixPath

import pytest

from tools.check_clock import clock
from tools.check_rooms import readmes
from tools.check_sizes import sizes
from tools.house import Fault, Module, judge, run


def test_a_fault_reads_as_file_line_message():
    fault = Fault(law="float", path=PurePosixPath("src/a.py"), line=3, message="no floats")

    assert str(fault) == "src/a.py:3: no floats [float]"


def test_a_tree_is_judged_by_module_and_as_a_whole(tmp_path):
    room = tmp_path / "src/meterhouse/store"
    room.mkdir(parents=True)
    (room / "__init__.py").write_text("import os\nos.environ\n")

    faults = run(tmp_path, module_laws=[clock], tree_laws=[readmes])

    assert [(fault.path.name, fault.law) for fault in faults] == [
        ("README.md", "readme"),
        ("__init__.py", "clock"),
    ]


def test_no_comment_switches_the_size_law_off():
    source = "def f():  # house: allow size (it is a long story)\n" + "    pass\n" * 70
    module = Module.parse("src/meterhouse/core/x.py", source)

    assert len(judge(module, [sizes])) == 1


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("src/meterhouse/core/period.py", "core"),
        ("src/meterhouse/bootstrap.py", "bootstrap"),
        ("tools/house.py", None),
    ],
)
def test_a_module_knows_its_room(path, room):
    assert Module.parse(path, "").room == room
