"""The wallet's keys: how they are written, and the one key file that many processes make."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from meterhouse.security import KeyFile, WalletKeyError, given_keys, key_file
from tests.security.house import a_key, chance


def a_file(folder: Path) -> KeyFile:
    return KeyFile(folder / "secrets.key", chance)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_keys_are_base64_in_either_alphabet_between_any_whitespace():
    raw = bytes([255]) * 32
    text = f"\n{base64.b64encode(raw).decode()}\t{base64.urlsafe_b64encode(bytes(32)).decode()} \n"
    keys = given_keys(text, source="X")
    assert list(keys.by_id.values()) == [raw, bytes(32)]
    assert keys.first[1] == raw


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" \n", "X holds no key. make one by `openssl rand -base64 32`"),
        ("not base64!", "X: key 1 is not base64"),
        ("схема", "X: key 1 is not base64"),
        (base64.b64encode(bytes(16)).decode(), "X: key 1 has 16 bytes, not 32"),
        (f"{a_key(1)} {base64.b64encode(bytes(33)).decode()}", "X: key 2 has 33 bytes, not 32"),
    ],
)
def test_a_wrong_key_names_its_place_and_shows_nothing(text: str, message: str):
    with pytest.raises(WalletKeyError) as caught:
        given_keys(text, source="X")
    assert message in str(caught.value)
    assert not text.strip() or text.split()[-1] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_is_named_and_missing_is_told(tmp_path: Path):
    with pytest.raises(WalletKeyError, match=r"FILE_VARIABLE: No such file .* check its path"):
        key_file(tmp_path / "none", source="FILE_VARIABLE")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(WalletKeyError, match="FILE_VARIABLE is not text"):
        key_file(tmp_path / "binary", source="FILE_VARIABLE")


def test_the_first_use_makes_a_file_for_its_owner_only(tmp_path: Path):
    file = a_file(tmp_path)
    file.make_once(in_use=lambda: False)
    assert file.path.stat().st_mode & 0o777 == 0o600
    keys = file.keys()
    assert len(keys.first[1]) == 32
    file.make_once(in_use=lambda: True)
    assert file.keys() == keys
    assert names(tmp_path) == ["secrets.key"]


def test_a_lost_file_is_told_and_not_replaced(tmp_path: Path):
    file = a_file(tmp_path)
    with pytest.raises(WalletKeyError, match="is missing, and the ledger has secrets sealed by it"):
        file.make_once(in_use=lambda: True)
    assert names(tmp_path) == []


def test_a_file_that_others_may_read_is_refused_with_the_remedy(tmp_path: Path):
    file = a_file(tmp_path)
    file.make_once(in_use=lambda: False)
    file.path.chmod(0o644)
    with pytest.raises(WalletKeyError, match=r"its mode is 0644.* `chmod 600 .*secrets.key`"):
        file.keys()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(WalletKeyError, match="cannot be made: No such file or directory"):
        a_file(tmp_path / "none").make_once(in_use=lambda: False)


def test_a_change_puts_a_new_key_in_front_and_forgets_the_old_ones_at_its_end(tmp_path: Path):
    file = a_file(tmp_path)
    file.make_once(in_use=lambda: False)
    old = file.keys().first
    with file.changed():
        during = file.keys()
        assert [during.first[0] == old[0], old[0] in during.by_id] == [False, True]
    assert list(file.keys().by_id.items()) == [during.first]
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_a_change_that_fails_keeps_all_keys(tmp_path: Path):
    file = a_file(tmp_path)
    file.make_once(in_use=lambda: False)
    old = file.keys().first
    with pytest.raises(ZeroDivisionError), file.changed():
        raise ZeroDivisionError
    assert old[0] in file.keys().by_id
    assert len(file.keys().by_id) == 2


MAKE = """
import os, sys
from pathlib import Path
from meterhouse.security import KeyFile
sys.stdin.read()
file = KeyFile(Path(sys.argv[1]), os.urandom)
file.make_once(in_use=lambda: False)
print(file.keys().first[0].hex())
"""


def test_processes_that_make_the_first_key_at_once_end_with_one(tmp_path: Path):
    command = [sys.executable, "-c", MAKE, str(tmp_path / "secrets.key")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    children = [subprocess.Popen(command, text=True, **pipes) for _ in range(4)]
    for child in children:
        child.stdin.close()
    for child in children:
        child.wait(60)
    answers = [(child.stdout.read(), child.stderr.read()) for child in children]
    for child in children:
        child.stdout.close()
        child.stderr.close()
    assert len(set(answers)) == 1
    assert answers[0][1] == ""
    assert names(tmp_path) == ["secrets.key"]


def test_the_first_file_in_place_wins_when_two_find_none(tmp_path: Path):
    other = a_file(tmp_path)

    def meanwhile(count: int) -> bytes:
        # Another process makes the file after this one has seen that there is none.
        if count == 32 and not other.path.exists():
            other.make_once(in_use=lambda: False)
        return os.urandom(count)

    file = KeyFile(tmp_path / "secrets.key", meanwhile)
    file.make_once(in_use=lambda: False)
    winner = other.keys()
    assert file.keys() == winner
    assert names(tmp_path) == ["secrets.key"]
