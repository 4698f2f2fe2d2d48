from tools.check_sizes import sizes
from tools.house import Module


def _function(lines: int, docstring: int = 0) -> str:
    doc = ['    """One.', *["    more"] * (docstring - 2), '    """'] if docstring else []
    return "\n".join(["def long():", *doc, *["    pass"] * (lines - 1)])


def test_a_function_of_71_lines_is_named_with_its_line():
    module = Module.parse("src/meterhouse/core/x.py", "\n\n" + _function(71))

    faults = [str(fault) for fault in sizes(module)]

    assert faults == ["src/meterhouse/core/x.py:3: long() has 71 lines, at most 70 [size]"]


def test_the_docstring_does_not_count():
    module = Module.parse("src/meterhouse/core/x.py", _function(70, docstring=20))

    assert list(sizes(module)) == []


def test_a_module_of_601_lines_is_too_long():
    module = Module.parse("tools/x.py", "\n" * 601)

    assert [fault.line for fault in sizes(module)] == [1]
    assert list(sizes(Module.parse("tools/x.py", "\n" * 600))) == []
