"""What is written where: results on standard output, the rest beside it."""

import os
import pty
import re
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from meterhouse import config
from meterhouse.cli.output import columns, indented, write_pairs, write_table
from tests.acceptance import small
from tests.cli.command import EXAMPLES, Meterhouse

TYPES = EXAMPLES / "botbot" / "meter-types.json"


def test_plain_tables_cut_nothing_off(capsys: pytest.CaptureFixture[str]):
    wide = "w" * 300
    write_table(columns("Name", "#Value"), [[wide, Decimal("0.10")], ["n", 5]])
    assert capsys.readouterr().out.splitlines() == [
        "Name" + " " * 296 + "  Value",
        wide + "    0.1",
        "n" + " " * 299 + "      5",
    ]


def test_the_end_of_a_long_text_is_cut_where_a_column_says_so(capsys: pytest.CaptureFixture[str]):
    write_table(columns("Name", "~Error", "Id"), [["n", "w" * 300, "i"]])
    assert capsys.readouterr().out.splitlines()[1] == "n     " + "w" * 119 + "…  i"


def test_user_text_cannot_draw_on_the_terminal(capsys: pytest.CaptureFixture[str]):
    write_pairs({"name": "a\x1b[31mb\nc"})
    assert capsys.readouterr().out == "name  a [31mb c\n"


def test_documents_for_people_keep_what_fits_on_a_line():
    value = {"a": Decimal("1.50"), "b": [{"c": "x" * 40}, {"d": "y" * 40}], "e": {}}
    assert indented(value) == (
        '{\n  "a": 1.5,\n  "b": [\n    {"c": "' + "x" * 40 + '"},\n    {"d": "' + "y" * 40 + '"}\n'
        '  ],\n  "e": {}\n}'
    )


def test_a_list_says_when_there_is_more(meterhouse: Meterhouse):
    meterhouse.done("meter-type", "create", "--file", TYPES)
    ended = meterhouse.done("meter-type", "list", "--limit", "4")
    assert len(ended.out.splitlines()) == 5
    assert ended.err == "the first 4 of the meter types; --all shows all, --limit N more\n"


@pytest.mark.parametrize(
    ("options", "count"), [(["--limit", "4"], 4), (["--limit", "6"], 6), (["--all"], 6), ([], 6)]
)
def test_limits_hold_for_json_too(meterhouse: Meterhouse, options: list[str], count: int):
    meterhouse.done("meter-type", "create", "--file", TYPES)
    assert len(meterhouse.json("meter-type", "list", *options)) == count


def test_an_empty_list_writes_nothing_to_standard_output(meterhouse: Meterhouse):
    ended = meterhouse.done("record", "list")
    assert (ended.out, ended.err) == ("", "no metered records\n")
    assert meterhouse.json("record", "list") == []


def test_the_data_directory_may_stand_on_the_command(tmp_path: Path, meterhouse: Meterhouse):
    meterhouse.done("meter-type", "create", "--file", TYPES)
    other = tmp_path / "other"
    assert meterhouse.json("meter-type", "list", "--data", other) == []
    assert other.is_dir()


def test_a_terminal_gets_what_fits_and_nothing_shortened(meterhouse: Meterhouse):
    meterhouse.done("meter-type", "create", "--file", TYPES)
    [first, *_] = meterhouse.json("meter-type", "list")
    shown = on_a_terminal(meterhouse, "meter-type", "list", "--limit", "1")
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert first["name"] in shown
    assert "…" not in shown


def on_a_terminal(meterhouse: Meterhouse, *words: str) -> str:
    """Run a command with a terminal of 80 columns as its standard output."""
    ours, theirs = pty.openpty()
    process, status = os.fork(), 0
    if process == 0:
        os.close(ours)
        os.dup2(theirs, 1)
        data = ["--data", str(meterhouse.data)]
        line = [sys.executable, "-m", "meterhouse", *data, *words]
        os.execve(sys.executable, line, os.environ | {"COLUMNS": "80", "TERM": "xterm"})
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    _, status = os.waitpid(process, 0)
    os.close(ours)
    assert status == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", b"".join(parts).decode())


class Terminal:
    def __init__(self, *, is_one: bool) -> None:
        self._is_one = is_one

    def isatty(self) -> bool:
        return self._is_one


@pytest.mark.parametrize(
    ("is_one", "environment", "wanted"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    is_one: bool, environment: dict[str, str], wanted: bool
):
    out = Terminal(is_one=is_one)
    assert config.colours(out, environment=environment) is wanted  # pyrefly: ignore


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ("d", {"METERHOUSE_DATA": "e"}, "d"),
        (None, {"METERHOUSE_DATA": "e", "HOME": "/h"}, "e"),
        (None, {"METERHOUSE_DATA": "", "XDG_DATA_HOME": "/x", "HOME": "/h"}, "/x/meterhouse"),
        (None, {"HOME": "/h"}, "/h/.local/share/meterhouse"),
    ],
)
def test_the_data_directory_is_the_nearest_that_is_named(
    given: str | None, environment: dict[str, str], expected: str
):
    found = config.data_directory(Path(given) if given else None, environment=environment)
    assert found == Path(expected)


def test_a_reader_that_goes_away_ends_the_command_in_silence(meterhouse: Meterhouse):
    lines = "".join(
        f'{{"name":"t{n}","aggregation":"sum","resetSchedule":'
        '{"minute":"0","hour":"0","day":"1","month":"*","weekday":"*"}}\n'
        for n in range(1000)
    )
    meterhouse.done("meter-type", "create", "--file", "-", given=lines)
    with meterhouse.start("meter-type", "list", "--all", "--json") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


def test_a_narrow_terminal_keeps_the_kind_of_records_and_drops_zone_and_id(meterhouse: Meterhouse):
    after_a_period(meterhouse)
    shown = on_a_terminal(meterhouse, "record", "list").splitlines()
    assert shown[0].split() == [
        *("Kind", "User", "ID", "Meter", "type", "Value", "Period", "start", "Period", "end"),
    ]
    assert shown[1].split()[0] == "golden"


@pytest.mark.parametrize("noun", ["run", "stream", "meter"])
def test_a_narrow_terminal_shortens_ids_and_breaks_none(meterhouse: Meterhouse, noun: str):
    after_a_period(meterhouse)
    shown = on_a_terminal(meterhouse, noun, "list")
    ids = [item["id"] for item in meterhouse.json(noun, "list")]
    lines = shown.splitlines()
    assert len(lines) == 1 + len(ids)
    assert [line.split()[-1] for line in lines[1:]] == [id[:8] for id in ids]


def after_a_period(meterhouse: Meterhouse) -> None:
    """A stream that has run over the end of a period."""
    stream = small.document(small.node("Count", "readers/counter", max=1), small.meter())
    small.set_up(meterhouse, stream)
    small.run(meterhouse, at=small.FEBRUARY)
