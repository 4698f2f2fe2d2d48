"""Every command says what it does; saying so costs no time."""

import subprocess
import sys

import pytest

from tests.cli.command import Meterhouse
from tests.cli.reference import PAGE, commands, page

#: Packages that take long to import; ``--help`` and wrong usage need none of them.
HEAVY = (
    *("polars", "pyarrow", "msgspec", "jsonschema_rs", "rich", "pysqlite3", "fastavro"),
    *("cryptography", "joserfc", "fastapi", "httpx"),
)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_explains_itself(meterhouse: Meterhouse, words: tuple[str, ...]):
    text = meterhouse.done(*words, "--help").out
    assert "Examples:" in text
    assert "--json" in text
    assert "--data DIR" in text


@pytest.mark.parametrize("words", [("meter",), ("record",), ("stream",)], ids=str)
def test_a_noun_without_a_verb_shows_its_verbs(meterhouse: Meterhouse, words: tuple[str, ...]):
    ended = meterhouse(*words)
    assert ended.code == 2
    assert "Commands:" in ended.out + ended.err


@pytest.mark.parametrize(
    "words",
    [
        *[("strem",), ("stream", "halt"), ("stream", "run")],
        *[("stream", "list", "--colour"), ("record", "list", "--limit", "0")],
        *[("record", "list", "--limit", "many"), ("record", "list", "--kind", "silver")],
        *[("correction", "show", "seven"), ("stream", "run", "x", "--seed", "-1")],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(meterhouse: Meterhouse, words: tuple[str, ...]):
    ended = meterhouse(*words)
    assert ended.code == 2
    assert ended.err.startswith("error: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("metertype list", "No such command 'metertype'. Did you mean 'meter-type'?"),
        ("stream run x --seed -1", "--seed: -1 is less than 0"),
        (
            "record list --kind gold",
            "--kind: 'gold' is not one of 'golden', 'threshold', 'adjustment'",
        ),
        ("record list --limit many", "--limit: 'many' is not a whole number"),
        ("stream run", "Missing argument 'N'"),
    ],
)
def test_wrong_usage_is_told_in_our_words(meterhouse: Meterhouse, words: str, said: str):
    first, hint = meterhouse(*words.split()).err.splitlines()
    assert first == f"error: {said}"
    assert hint.startswith("  hint: `meterhouse ")


def test_the_version_is_told(meterhouse: Meterhouse):
    assert meterhouse.done("--version").out.startswith("meterhouse ")


@pytest.mark.parametrize(
    "words",
    [["--help"], ["stream", "run", "--help"], ["strem"], ["secret", "--help"], ["access", "-h"]],
    ids=str,
)
def test_help_imports_nothing_heavy(words: list[str]):
    program = (
        "import sys; from meterhouse.cli import main; main(sys.argv[1:]);"
        f"print('imported:', *[name for name in {HEAVY} if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == "imported:"


def test_completion_knows_the_nouns_and_verbs():
    def completed(*words: str) -> list[str]:
        environment = {
            "_METERHOUSE_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(("meterhouse", *words, "")),
            "COMP_CWORD": str(len(words) + 1),
        }
        program = "from meterhouse.cli import main; main()"
        ended = subprocess.run(
            [sys.executable, "-c", program],
            env=environment | {"PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
        )
        return ended.stdout.split()

    assert "meter-type" in completed()
    assert completed("run") == ["list", "show", "stop", "audit"]


def test_the_reference_is_what_the_commands_say():
    assert PAGE.read_text("utf-8") == page(), "write it anew: python -m tests.cli.reference"


@pytest.mark.parametrize(
    ("words", "code", "said"), [(["--version"], 0, "meterhouse "), (["meter", "lst"], 2, "")]
)
def test_the_program_ends_with_its_code_when_all_is_said_and_done(words, code: int, said: str):
    # What is registered while it runs is done before it leaves; its output is in a buffer.
    program = (
        "import atexit, sys; from meterhouse.cli import program; first = [print]; "
        "at_import = lambda event, _: event == 'import' and first and "
        "atexit.register(first.pop(), 'at the end'); sys.addaudithook(at_import); program()"
    )
    plain = subprocess.run(
        [sys.executable, "-m", "meterhouse", *words], capture_output=True, text=True, check=False
    )
    hooked = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )
    assert plain.returncode == hooked.returncode == code
    assert plain.stdout.startswith(said)
    assert hooked.stdout == f"{plain.stdout}at the end\n"
