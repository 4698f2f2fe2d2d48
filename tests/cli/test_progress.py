"""The bar of long runs: on a terminal, after a second, and never on standard output."""

import io
from contextlib import redirect_stderr

import pytest

from meterhouse.cli import progress as module
from meterhouse.cli.progress import Watch
from meterhouse.streams.world import Progress

HALF = Progress(records=1_234_567, files=1, files_all=2, bytes=50, bytes_all=100)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_a_long_run_shows_a_bar(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", -1.0)
    with redirect_stderr(terminal), Watch(quiet=False) as watch:
        watch.progress(HALF)
        watch.progress(HALF)
        watch.log("Log", "info", "[b]a record[/b]")
    shown = terminal.getvalue()
    assert "file 1/2, 1,234,567 records" in shown
    assert "info Log: [b]a record[/b]" in shown


def test_a_short_run_shows_none(terminal: Terminal):
    with redirect_stderr(terminal), Watch(quiet=False) as watch:
        watch.progress(HALF)
    assert terminal.getvalue() == ""


def test_a_quiet_run_shows_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", -1.0)
    with redirect_stderr(terminal), Watch(quiet=True) as watch:
        watch.progress(HALF)
        watch.log("Log", "info", "a record")
    assert terminal.getvalue() == ""


def test_elsewhere_than_on_a_terminal_there_is_no_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", -1.0)
    with Watch(quiet=False) as watch:
        watch.progress(HALF)
        watch.log("Log", "info", "a record")
    assert capsys.readouterr() == ("", "info Log: a record\n")


def test_a_terminal_gets_lines_of_its_width(terminal: Terminal):
    with redirect_stderr(terminal), Watch(quiet=False) as watch:
        watch.log("Log", "info", "r" * 1000)
    assert terminal.getvalue() == "info Log: " + "r" * 69 + "…\n"
