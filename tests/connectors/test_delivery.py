"""Delivery: at its destination whole, once, or not at all."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest

from meterhouse.connectors import FileDelivery, SpoolFolder
from meterhouse.connectors import delivery as delivery_module
from meterhouse.streams.ports import OutputError


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def delivery(data):
    return FileDelivery(data)


def spooled(data, text="x"):
    spool = SpoolFolder(data).open("run-1", "node-1")
    spool.write([{"text": text}])
    return spool.finish(format="ndjson")


def test_a_file_is_delivered_and_stays_in_the_spool_until_it_is_swept(data, out, delivery):
    name = spooled(data)

    path = delivery.deliver(name, str(out / "new" / "deep" / "u.ndjson"))

    assert path.read_text() == '{"text":"x"}\n'
    assert [p.name for p in path.parent.iterdir()] == ["u.ndjson"]
    assert delivery.spooled() == [name]
    delivery.sweep([name], known=(), live_runs=())
    assert not list((data / "spool").iterdir())


def test_relative_destinations_start_from_the_working_directory(data, out, delivery, monkeypatch):
    monkeypatch.chdir(out)

    assert delivery.deliver(spooled(data), "u.ndjson") == out / "u.ndjson"


def test_a_tilde_is_the_home_that_was_given(data, out):
    path = FileDelivery(data, home=out).deliver(spooled(data), "~/u.ndjson")

    assert path == out / "u.ndjson"


def test_delivering_again_changes_nothing(data, out, delivery):
    name = spooled(data)
    delivery.deliver(name, str(out / "u.ndjson"))

    path = delivery.deliver(name, str(out / "u.ndjson"))

    assert path.read_text() == '{"text":"x"}\n'


def test_the_same_content_counts_as_delivered(data, out, delivery):
    (out / "u.ndjson").write_text('{"text":"x"}\n')
    name = spooled(data)

    path = delivery.deliver(name, str(out / "u.ndjson"))

    assert path.read_text() == '{"text":"x"}\n'
    assert [p.name for p in out.iterdir()] == ["u.ndjson"]


def test_other_content_is_never_overwritten(data, out, delivery):
    (out / "u.ndjson").write_text("mine\n")
    name = spooled(data)

    with pytest.raises(OutputError, match=r"u\.ndjson exists already.*\{run\}"):
        delivery.deliver(name, str(out / "u.ndjson"))

    assert (out / "u.ndjson").read_text() == "mine\n"
    assert (data / name).exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_overwritten(data, out, delivery, links, monkeypatch):
    target = out / "u.ndjson"
    copy, link = delivery_module.copy_bytes, os.link

    def meanwhile(source, part):
        copy(source, part)
        target.write_text("mine\n")

    def no_links(*names):
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(delivery_module, "copy_bytes", meanwhile)
    monkeypatch.setattr(delivery_module.os, "link", link if links else no_links)

    with pytest.raises(OutputError, match="exists already"):
        delivery.deliver(spooled(data), str(target))

    assert target.read_text() == "mine\n"
    assert [p.name for p in out.iterdir()] == ["u.ndjson"]


def test_a_file_system_without_hard_links(data, out, delivery, monkeypatch):
    def no_links(*names):
        raise OSError(errno.EOPNOTSUPP, "no hard links here")

    monkeypatch.setattr(delivery_module.os, "link", no_links)

    delivery.deliver(spooled(data), str(out / "u.ndjson"))

    assert [p.name for p in out.iterdir()] == ["u.ndjson"]


def test_a_crash_leaves_nothing_at_the_destination(data, out, delivery, monkeypatch):
    def crash(source, part):
        part.write_text("half of")
        raise KeyboardInterrupt

    name = spooled(data)
    monkeypatch.setattr(delivery_module, "copy_bytes", crash)
    with pytest.raises(KeyboardInterrupt):
        delivery.deliver(name, str(out / "u.ndjson"))
    assert not (out / "u.ndjson").exists()
    monkeypatch.undo()

    assert delivery.deliver(name, str(out / "u.ndjson")).read_text() == '{"text":"x"}\n'
    assert [p.name for p in out.iterdir()] == ["u.ndjson"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "right to write"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "deliver again"),
    ],
)
def test_what_the_disk_refuses_stays_in_the_spool(data, out, delivery, number, remedy, monkeypatch):
    def refuse(source, part):
        raise OSError(number, os.strerror(number))

    name = spooled(data)
    monkeypatch.setattr(delivery_module, "copy_bytes", refuse)

    with pytest.raises(OutputError, match=remedy):
        delivery.deliver(name, str(out / "u.ndjson"))

    assert (data / name).exists()
    assert not list(out.iterdir())


def test_a_path_through_a_file(data, out, delivery):
    (out / "file").write_text("")

    with pytest.raises(OutputError, match="use another path"):
        delivery.deliver(spooled(data), str(out / "file" / "u.ndjson"))


def test_a_folder_at_the_destination(data, out, delivery):
    with pytest.raises(OutputError, match="exists already"):
        delivery.deliver(spooled(data), str(out))


def test_a_lost_spool_is_reported(data, out, delivery):
    with pytest.raises(OutputError, match="gone before it was delivered"):
        delivery.deliver("spool/run-9/node.ndjson", str(out / "u.ndjson"))


@pytest.mark.parametrize("name", ["../x", "spool/../../x", "/etc/passwd", "ledger.db"])
def test_only_spooled_files_are_delivered(out, delivery, name):
    with pytest.raises(OutputError, match="not the name of a spooled file"):
        delivery.deliver(name, str(out / "u.ndjson"))


def test_a_second_delivery_never_opens_what_the_first_has_published(
    data, out, delivery, monkeypatch
):
    name = spooled(data)
    publish, copy = delivery_module.publish, delivery_module.copy_bytes
    seen = []

    def two_at_once(part, target):
        monkeypatch.setattr(delivery_module, "publish", publish)
        publish(part, target)
        # The other process looked for the target just before, and copies now.
        monkeypatch.setattr(delivery_module, "copy_bytes", look)
        monkeypatch.setattr(delivery_module.os.path, "lexists", lambda _: False)
        FileDelivery(data).deliver(name, str(out / "u.ndjson"))
        monkeypatch.undo()

    def look(source, part):
        with part.open("wb"):
            seen.append((out / "u.ndjson").read_text())
        part.unlink()
        copy(source, part)

    monkeypatch.setattr(delivery_module, "publish", two_at_once)
    path = delivery.deliver(name, str(out / "u.ndjson"))

    assert seen == ['{"text":"x"}\n']
    assert path.read_text() == '{"text":"x"}\n'
    assert [p.name for p in out.iterdir()] == ["u.ndjson"]


def test_what_another_process_delivers_meanwhile_is_delivered(data, out, delivery, monkeypatch):
    name = spooled(data)
    target = str(out / "u.ndjson")
    place = delivery_module._place

    def after_the_other(*arguments):
        monkeypatch.undo()
        other = FileDelivery(data)
        other.deliver(name, target)
        other.sweep([name], known=(), live_runs=())
        place(*arguments)

    monkeypatch.setattr(delivery_module, "_place", after_the_other)

    assert delivery.deliver(name, target).read_text() == '{"text":"x"}\n'


def test_parts_that_a_crash_left_are_swept(data, out, delivery, monkeypatch):
    name = spooled(data)
    with monkeypatch.context() as patch:
        patch.setattr(delivery_module, "publish", interrupt)
        patch.setattr(delivery_module.Path, "unlink", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            delivery.deliver(name, str(out / "u.ndjson"))
    assert len(list(out.iterdir())) == 1

    delivery.deliver(name, str(out / "u.ndjson"))

    assert [p.name for p in out.iterdir()] == ["u.ndjson"]


def interrupt(*_):
    raise KeyboardInterrupt


def test_one_process_at_a_time_delivers(data, monkeypatch):
    monkeypatch.setattr(delivery_module, "_WAIT_SECONDS", 0.0)
    first, second = FileDelivery(data), FileDelivery(data)

    with first.alone() as ours, second.alone() as theirs:
        assert (ours, theirs) == (True, False)
    with second.alone() as theirs:
        assert theirs


def test_a_file_system_without_locks(delivery, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)

    with delivery.alone() as ours:
        assert ours
