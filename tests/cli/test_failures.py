"""How errors are told, and the exit code of each."""

import pytest

from meterhouse.cli.exits import WrongUsage, exit_code, exit_code_of_parser
from meterhouse.cli.failures import message
from meterhouse.core.problem import ConflictError, DefinitionError, Problem


def test_every_problem_has_a_line_and_beyond_a_hundred_they_are_counted():
    error = DefinitionError([Problem("a", "is wrong", "mend it")] * 103, what="The meters")
    lines = message(error).splitlines()
    assert lines[0] == "The meters has 103 problems:"
    assert lines[1] == "  - a: is wrong (mend it)"
    assert (len(lines), lines[-1]) == (102, "  … and 3 more")


def test_what_else_went_wrong_stands_below():
    error = ConflictError("one thing failed", hint="mend it")
    error.add_note("another failed too")
    assert message(error) == "one thing failed\n  another failed too\n  hint: mend it"


def test_an_error_of_the_system_names_its_file():
    error = OSError(28, "No space left on device", "/data/x")
    assert message(error) == "/data/x: No space left on device"
    assert message(OSError("odd")) == "odd"


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConflictError("x"), 1), (OSError("x"), 1), (WrongUsage("x"), 2)],
    ids=str,
)
def test_each_error_has_its_exit_code(error: Exception, code: int):
    assert exit_code(error) == code


@pytest.mark.parametrize(("given", "code"), [(None, 0), (0, 0), (1, 1), (2, 2), (130, 1)])
def test_the_parser_gives_no_other_codes(given: int | None, code: int):
    assert exit_code_of_parser(given) == code
