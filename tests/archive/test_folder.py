from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meterhouse.app.billing.archive_ports import ArchiveConflict, ArchiveFault
from meterhouse.connectors.archive_store import FolderArchive

NAME = "invoices/esp/2026/10/one.xlsx"
#: Waits for a file to appear, then puts its own content and says what came of it.
RACER = """
import sys, time
from pathlib import Path
from meterhouse.app.billing.archive_ports import ArchiveConflict
from meterhouse.connectors.archive_store import FolderArchive

archive, start = FolderArchive(Path(sys.argv[1])), Path(sys.argv[2])
print("ready", flush=True)
while not start.exists():
    time.sleep(0.0005)
try:
    print("made" if archive.put(sys.argv[3], sys.argv[4].encode() * 20_000) else "there")
except ArchiveConflict:
    print("conflict")
"""
#: Puts one large file after the other, each under its own name.
WORKER = """
import sys
from itertools import count
from pathlib import Path
from meterhouse.connectors.archive_store import FolderArchive

archive = FolderArchive(Path(sys.argv[1]))
for number in count(int(sys.argv[2])):
    archive.put(f"many/{number % 7}.bin", bytes([number % 7]) * 3_000_000)
    archive.put(f"many/{number}-of-its-own.bin", bytes([number % 251]) * 1_000_000)
"""


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_put_comes_back(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path / "archive")
    assert archive.get(NAME) is None
    assert archive.put(NAME, b"one") is True
    assert archive.get(NAME) == b"one"
    assert archive.put(NAME, b"one") is False
    assert names(tmp_path / "archive") == [NAME]


def test_another_content_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    archive.put(NAME, b"one")
    with pytest.raises(ArchiveConflict, match="is there already, with another content"):
        archive.put(NAME, b"two")
    assert archive.get(NAME) == b"one"
    assert names(tmp_path) == [NAME]


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "invoices").write_text("a file where a folder should be")
    with pytest.raises(ArchiveFault, match="cannot be written"):
        FolderArchive(tmp_path).put(NAME, b"one")


def test_of_twenty_writers_at_once_one_makes_the_file(tmp_path: Path) -> None:
    contents = [f"{number % 10}" for number in range(20)]
    start, folder = tmp_path / "start", tmp_path / "archive"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(folder), str(start), NAME, content],
            stdout=subprocess.PIPE,
            text=True,
        )
        for content in contents
    ]
    for racer in racers:
        assert racer.stdout is not None and racer.stdout.readline() == "ready\n"
    start.touch()
    said = [racer.communicate(timeout=120)[0].strip() for racer in racers]
    assert said.count("made") == 1
    winner = contents[said.index("made")]
    assert FolderArchive(folder).get(NAME) == winner.encode() * 20_000
    for content, answer in zip(contents, said, strict=True):
        assert answer in ("made", "there") if content == winner else answer == "conflict"
    assert names(folder) == [NAME]


@pytest.mark.parametrize("delay", [0.02, 0.05, 0.1, 0.2])
def test_a_killed_writer_leaves_whole_files_only(tmp_path: Path, delay: float) -> None:
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    for first in (0, 1_000):
        worker = subprocess.Popen([*command, str(first)])
        while not list(tmp_path.glob("many/[0-9]*.bin")):
            time.sleep(0.001)
        time.sleep(delay)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    archive = FolderArchive(tmp_path)
    whole = [name for name in names(tmp_path) if not name.endswith(".part")]
    assert whole
    for name in whole:
        number = int(Path(name).stem.partition("-")[0])
        own = "own" in name
        expected = bytes([number % (251 if own else 7)]) * (1_000_000 if own else 3_000_000)
        assert archive.get(name) == expected
    # Putting what was being put goes on where it stopped, and leaves nothing behind.
    for left in [name for name in names(tmp_path) if name.endswith(".part")]:
        name = left.rpartition("/")[2].removeprefix(".").partition(".bin.")[0]
        number = int(name.partition("-")[0])
        own = "own" in name
        content = bytes([number % (251 if own else 7)]) * (1_000_000 if own else 3_000_000)
        archive.put(f"many/{name}.bin", content)
    assert not [name for name in names(tmp_path) if name.endswith(".part")]
