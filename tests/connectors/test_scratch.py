"""Temporary folders: gone afterwards, also those that killed processes left."""

import pytest

from meterhouse.connectors.scratch import SCRATCH, Scratch


def left(data):
    return list((data / SCRATCH).iterdir())


def test_a_folder_is_gone_afterwards_with_all_in_it(tmp_path):
    with Scratch(tmp_path).folder() as folder:
        (folder / "a").write_text("x")
    assert left(tmp_path) == []


def test_a_folder_is_gone_when_its_use_fails(tmp_path):
    with pytest.raises(ValueError, match="no"), Scratch(tmp_path).folder():
        raise ValueError("no")
    assert left(tmp_path) == []


def test_what_a_killed_process_left_goes_with_the_next_and_what_is_in_use_stays(tmp_path):
    dead = tmp_path / SCRATCH / "meterhouse-dead.part"
    dead.parent.mkdir()
    dead.touch()
    dead.with_suffix(".folder").mkdir()
    (dead.with_suffix(".folder") / "a").write_text("x")
    with Scratch(tmp_path).folder() as first:
        with Scratch(tmp_path).folder() as second:
            assert {path for path in left(tmp_path) if path.is_dir()} == {first, second}
        assert first.is_dir()
