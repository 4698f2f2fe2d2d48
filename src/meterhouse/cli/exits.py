"""Exit codes, and which error means which. They are stated nowhere else."""

from __future__ import annotations

from meterhouse.core.problem import MeterhouseError

#: What was asked for is done.
DONE = 0
#: It failed: a definition is wrong, something does not exist, a run failed, the disk is full.
FAILED = 1
#: The command line itself is wrong: an unknown option, a value that cannot be read.
WRONG_USAGE = 2


class WrongUsage(MeterhouseError):
    """The command line is wrong in a way that its parser cannot know."""

    code = "wrong_usage"


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error.

    >>> exit_code(WrongUsage("give one id")), exit_code(MeterhouseError("no"))
    (2, 1)
    """
    return WRONG_USAGE if isinstance(error, WrongUsage) else FAILED


def exit_code_of_parser(code: object) -> int:
    """Return our code for what the parser of the command line gave (130 is an interrupt)."""
    if code is None or code == DONE:
        return DONE
    return WRONG_USAGE if code == WRONG_USAGE else FAILED
