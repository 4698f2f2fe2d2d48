"""What becomes of local files that were read."""

import json
from pathlib import Path

import pytest

from meterhouse.connectors import UsageFiles
from meterhouse.connectors.scratch import Scratch, TooLong
from meterhouse.streams.file_options import AfterReading
from meterhouse.streams.ports import InputError, InputFile, OutputError
from tests.acceptance.small import document, node, reader
from tests.cli.command import Meterhouse

LINES = '{"a":1}\n{"a":2}\n'


@pytest.fixture
def file(tmp_path: Path, describe) -> InputFile:
    path = tmp_path / "in" / "2026" / "a.ndjson"
    path.parent.mkdir(parents=True)
    path.write_text(LINES)
    return describe(path)


def test_a_file_is_moved_with_its_folders_and_a_second_time_does_no_harm(tmp_path, file):
    files = UsageFiles()
    target = files.moved(file, pattern=f"{tmp_path}/in/**/*.ndjson", move_to=f"{tmp_path}/done/")
    assert target == f"{tmp_path}/done/2026/a.ndjson"
    for _ in range(2):
        files.release(file, AfterReading.MOVE, target=target)
        assert Path(target).read_text() == LINES
        assert not Path(file.path).exists()


def test_a_move_that_was_cut_short_is_finished(tmp_path, file):
    target = tmp_path / "done.ndjson"
    target.write_text(LINES)
    UsageFiles().release(file, AfterReading.MOVE, target=str(target))
    assert not Path(file.path).exists()


def test_a_move_overwrites_nothing(tmp_path, file):
    target = tmp_path / "done.ndjson"
    target.write_text("other")
    with pytest.raises(OutputError, match="is there already, with other content"):
        UsageFiles().release(file, AfterReading.MOVE, target=str(target))
    assert (target.read_text(), Path(file.path).read_text()) == ("other", LINES)


@pytest.mark.parametrize("action", [AfterReading.MOVE, AfterReading.DELETE])
def test_a_file_that_changed_since_it_was_read_stays(tmp_path, file, action):
    Path(file.path).write_text(LINES + LINES)
    with pytest.raises(OutputError, match="has changed since it was read, and stays"):
        UsageFiles().release(file, action, target=str(tmp_path / "x"))
    assert Path(file.path).exists()


def test_a_move_to_another_file_system_copies(tmp_path, file, monkeypatch):
    def no_links(source, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("meterhouse.connectors.releasing.os.link", no_links)
    monkeypatch.setattr("meterhouse.connectors.delivery.os.link", no_links)
    target = tmp_path / "done" / "a.ndjson"
    UsageFiles().release(file, AfterReading.MOVE, target=str(target))
    assert [path.name for path in target.parent.iterdir()] == ["a.ndjson"]
    assert target.read_text() == LINES


@pytest.mark.parametrize("move_to", ["in/read", "in", "in/./x/.."])
def test_a_folder_that_the_glob_names_is_refused(tmp_path, file, move_to):
    pattern = f"{tmp_path}/in/**/*.ndjson"
    with pytest.raises(InputError, match="and read again there"):
        UsageFiles().moved(file, pattern=pattern, move_to=f"{tmp_path}/{move_to}")


def test_home_is_home_in_both(tmp_path, file):
    files = UsageFiles(home=tmp_path)
    target = files.moved(file, pattern="~/in/**/*", move_to="~/done")
    assert target == f"{tmp_path}/done/2026/a.ndjson"


def counted(ran: dict) -> int:
    return next(n["in"] for n in ran["nodes"] if n["name"] == "Reader")


@pytest.mark.parametrize("action", ["move", "delete"])
def test_files_leave_after_the_run_has_committed(tmp_path: Path, action: str):
    house = Meterhouse(tmp_path / "data")
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.ndjson").write_text(LINES)
    params = {"afterReading": action}
    params |= {"moveTo": str(tmp_path / "done")} if action == "move" else {}
    given = document(reader(tmp_path / "in" / "*.ndjson", **params), node("End", "writers/noop"))
    house.import_stream("-", given=json.dumps(given))
    [ran] = house.json("stream", "run", "Small")
    assert counted(ran) == 4
    assert list((tmp_path / "in").iterdir()) == []
    done = tmp_path / "done"
    assert sorted(path.name for path in done.glob("*")) == (
        ["a.ndjson", "b.ndjson"] if action == "move" else []
    )


def test_a_failed_run_moves_nothing_and_what_could_not_be_moved_goes_with_the_next(
    tmp_path: Path,
):
    house = Meterhouse(tmp_path / "data")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.ndjson").write_text(LINES)
    (folder / "b.ndjson").write_text('{"a":1')
    params = {"afterReading": "move", "moveTo": str(tmp_path / "done")}
    given = document(reader(folder / "*.ndjson", **params), node("End", "writers/noop"))
    house.import_stream("-", given=json.dumps(given))
    assert house("stream", "run", "Small").code == 1
    assert len(list(folder.iterdir())) == 2

    (folder / "b.ndjson").write_text(LINES)
    (tmp_path / "done").write_text("a file where the folder should be")
    ended = house("stream", "run", "Small")
    assert ended.code == 0
    assert "was read, and could not be moved" in ended.err
    assert len(list(folder.iterdir())) == 2

    (tmp_path / "done").unlink()
    [ran] = house.json("stream", "run", "Small")
    assert counted(ran) == 0
    assert list(folder.iterdir()) == []
    assert len(list((tmp_path / "done").iterdir())) == 2


# ---------------------------------------------------------------- temporary files


def test_a_temporary_file_goes_whatever_happens(tmp_path: Path):
    scratch = Scratch(tmp_path)
    with scratch.filled([b"ab", b"c"], size_max=3) as handle:
        assert handle.read() == b"abc"
        assert len(list((tmp_path / "scratch").iterdir())) == 1
    with pytest.raises(TooLong), scratch.filled([b"ab", b"cd"], size_max=3):
        pass
    with pytest.raises(KeyError), scratch.filled([b"ab"], size_max=3):
        raise KeyError
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_a_killed_process_left_goes_and_what_is_in_use_stays(tmp_path: Path):
    scratch = Scratch(tmp_path)
    with scratch.filled([b"in use"], size_max=9) as handle:
        (tmp_path / "scratch" / "meterhouse-old.part").write_bytes(b"left")
        with scratch.filled([b"next"], size_max=9):
            names = {path.name for path in (tmp_path / "scratch").iterdir()}
            assert Path(str(handle.name)).name in names
            assert "meterhouse-old.part" not in names
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_disk_without_room_is_named(tmp_path: Path):
    with (
        pytest.raises(OutputError, match="has no room for"),
        Scratch(tmp_path).filled([], size=1 << 60, size_max=1 << 60),
    ):
        pass
