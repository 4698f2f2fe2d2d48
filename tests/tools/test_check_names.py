import pytest

from tools.check_names import names, phrases
from tools.house import Module


@pytest.mark.parametrize(
    "path",
    [
        "src/meterhouse/core/utils.py",
        "src/meterhouse/store/sql_helpers.py",
        "src/meterhouse/common/period.py",
        "src/meterhouse/streams/pipeline.py",
    ],
)
def test_a_module_named_for_nothing_is_refused(path):
    assert [fault.line for fault in names(Module.parse(path, ""))] == [1]


@pytest.mark.parametrize(
    "name", ["StreamManager", "RecordHandler", "HTTPProcessor", "MeterData", "StreamJob"]
)
def test_a_class_named_for_nothing_is_refused(name):
    module = Module.parse("src/meterhouse/streams/run.py", f"class {name}: ...")

    assert len(list(names(module))) == 1


@pytest.mark.parametrize("name", ["Meter", "DataCorrection", "Overflow", "_"])
def test_the_words_of_the_field_are_fine(name):
    module = Module.parse("src/meterhouse/core/overflow.py", f"class {name}: ...")

    assert list(names(module)) == []


def test_another_word_for_the_price_book_is_refused(tmp_path):
    (tmp_path / "docs").mkdir()
    phrase = " ".join(("Price", "plan"))
    (tmp_path / "docs" / "prices.md").write_text(f"# Prices\n\n{phrase}s are versioned.\n")

    faults = [str(fault) for fault in phrases(tmp_path)]

    assert len(faults) == 1
    assert faults[0].startswith("docs/prices.md:3: ")
