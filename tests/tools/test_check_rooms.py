import pytest

from tools.check_rooms import columns_by_literal, core_is_standard, readmes
from tools.house import Module


def _room(root, name):
    folder = root / "src/meterhouse" / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    return folder


def test_a_room_without_a_readme_is_named(tmp_path):
    _room(tmp_path, "store")
    (_room(tmp_path, "core") / "README.md").write_text("# core\n")

    assert [str(fault.path) for fault in readmes(tmp_path)] == ["src/meterhouse/store/README.md"]


def test_a_readme_of_61_lines_is_too_long(tmp_path):
    (_room(tmp_path, "core") / "README.md").write_text("line\n" * 61)

    assert len(list(readmes(tmp_path))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import polars as pl",
        "from msgspec import json",
        "from meterhouse.engine import plan",
        "from meterhouse import engine",
        "def late():\n    import yaml",
    ],
)
def test_core_imports_nothing_from_outside(source):
    module = Module.parse("src/meterhouse/core/x.py", source)

    assert len(list(core_is_standard(module))) == 1


def test_core_imports_the_standard_library_and_itself():
    source = "import decimal\nfrom zoneinfo import ZoneInfo\nfrom meterhouse.core import period"

    assert list(core_is_standard(Module.parse("src/meterhouse/core/x.py", source))) == []


@pytest.mark.parametrize("call", ["pl.col(name)", "pl.col('a', *names)", "pl.col('*')", "c('^x$')"])
def test_a_computed_column_name_is_refused_outside_engine(call):
    source = f"import polars as pl\nfrom polars import col as c\n{call}"

    refused = columns_by_literal(Module.parse("src/meterhouse/streams/x.py", source))
    engine = columns_by_literal(Module.parse("src/meterhouse/engine/x.py", source))

    assert [fault.line for fault in refused] == [3]
    assert list(engine) == []


def test_a_literal_column_name_is_fine():
    source = "import polars as pl\npl.col('c0') + pl.col('c1', 'c2') + pl.lit(name)"

    assert list(columns_by_literal(Module.parse("src/meterhouse/streams/x.py", source))) == []
