"""What every place can do, against real servers: S3 (moto), Azure (Azurite), SFTP; GCS: a fake."""

import threading
import uuid

import pytest

from meterhouse.connectors import SpoolFolder
from meterhouse.connectors.remote import objects
from meterhouse.connectors.remote.place import PlaceFault
from meterhouse.streams.file_options import AfterReading
from meterhouse.streams.ports import InputError, InputFile, OutputError
from tests.connectors.remote.conftest import Lab

LINES = b'{"userId":"ann","value":1}\n{"userId":"bob","value":2}\n'


def rows(lab: Lab, file: InputFile) -> list[dict]:
    chunks = lab.files.read(
        file, source=0, format=None, fields={}, records_max=10, options=lab.options
    )
    return [row for chunk in chunks for row in chunk.batch.rows()]


def listed(lab: Lab, pattern: str) -> list[InputFile]:
    return lab.files.list(lab.uri(pattern), options=lab.options)


def scratch(lab: Lab) -> list[str]:
    return [path.name for path in (lab.data / "scratch").glob("*")]


def spooled(lab: Lab, content: bytes = LINES) -> str:
    name = f"spool/{uuid.uuid4().hex}/w.ndjson"
    path = lab.data / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return name


def test_a_glob_names_files_in_the_order_of_their_names(lab: Lab):
    for name in ("in/b.ndjson", "in/a.ndjson", "in/2026/c d#%.ndjson", "in/.part", "out/x.ndjson"):
        lab.put(name, LINES)

    found = listed(lab, "in/**/*.ndjson")

    names = ["in/2026/c d#%.ndjson", "in/a.ndjson", "in/b.ndjson"]
    assert [file.path for file in found] == [lab.uri(name) for name in names]
    assert {file.size for file in found} == {len(LINES)}
    assert [rows(lab, file)[0] for file in found] == [{"userId": "ann", "value": 1}] * 3
    assert [file.path for file in listed(lab, "in/*.ndjson")] == [
        lab.uri(name) for name in names[1:]
    ]


def test_a_name_without_a_star_is_one_file_or_none(lab: Lab):
    lab.put("a.ndjson", LINES)
    (file,) = listed(lab, "a.ndjson")
    assert (file.path, file.size) == (lab.uri("a.ndjson"), len(LINES))
    assert listed(lab, "b.ndjson") == []
    assert listed(lab, "nowhere/*.ndjson") == []


def test_every_format_is_read_from_afar_and_nothing_stays_behind(lab: Lab):
    import polars as pl

    frame = pl.DataFrame({"userId": ["ann"], "value": [1]})
    local = lab.data / "a.parquet"
    frame.write_parquet(local)
    lab.put("a.parquet", local.read_bytes())
    (file,) = listed(lab, "*.parquet")
    assert rows(lab, file) == [{"userId": "ann", "value": 1}]
    assert scratch(lab) == []


def test_a_file_that_changes_between_listing_and_reading_is_refused(lab: Lab):
    lab.put("a.ndjson", LINES)
    (file,) = listed(lab, "a.ndjson")
    lab.put("a.ndjson", LINES + LINES)
    with pytest.raises(InputError, match=r"a\.ndjson cannot be read: it changed since it was"):
        rows(lab, file)
    assert scratch(lab) == []


def test_a_file_that_is_gone_is_an_input_error(lab: Lab):
    lab.put("a.ndjson", LINES)
    (file,) = listed(lab, "a.ndjson")
    lab.files.release(file, AfterReading.DELETE, options=lab.options)
    assert lab.get("a.ndjson") is None
    with pytest.raises(InputError, match="changed since it was listed"):
        rows(lab, file)
    lab.files.release(file, AfterReading.DELETE, options=lab.options)


def test_a_file_is_moved_once_and_a_second_time_does_no_harm(lab: Lab):
    lab.put("in/2026/a.ndjson", LINES)
    (file,) = listed(lab, "in/**/*.ndjson")
    target = lab.files.moved(
        file, pattern=lab.uri("in/**/*.ndjson"), move_to=lab.uri("done").removesuffix("/")
    )
    assert target == lab.uri("done/2026/a.ndjson")
    for _ in range(2):
        lab.files.release(file, AfterReading.MOVE, target=target, options=lab.options)
        assert lab.names() == ["done/2026/a.ndjson"]
    assert lab.get("done/2026/a.ndjson") == LINES


def test_a_move_that_was_cut_short_is_finished(lab: Lab):
    """The copy was made, and the process died before it removed the original."""
    lab.put("in/a.ndjson", LINES)
    lab.put("done/a.ndjson", LINES)
    (file,) = listed(lab, "in/*.ndjson")
    lab.files.release(file, AfterReading.MOVE, target=lab.uri("done/a.ndjson"), options=lab.options)
    assert lab.names() == ["done/a.ndjson"]


def test_a_move_overwrites_nothing_and_loses_nothing(lab: Lab):
    lab.put("in/a.ndjson", LINES)
    lab.put("done/a.ndjson", b"other")
    (file,) = listed(lab, "in/*.ndjson")
    with pytest.raises(OutputError, match="is there already, with other content"):
        lab.files.release(
            file, AfterReading.MOVE, target=lab.uri("done/a.ndjson"), options=lab.options
        )
    assert (lab.get("in/a.ndjson"), lab.get("done/a.ndjson")) == (LINES, b"other")


@pytest.mark.parametrize("action", [AfterReading.MOVE, AfterReading.DELETE])
def test_what_changed_since_it_was_read_stays(lab: Lab, action: AfterReading):
    lab.put("in/a.ndjson", LINES)
    (file,) = listed(lab, "in/*.ndjson")
    lab.put("in/a.ndjson", LINES + LINES)
    with pytest.raises(OutputError, match="has changed since it was read"):
        lab.files.release(file, action, target=lab.uri("done/a.ndjson"), options=lab.options)
    assert lab.names() == ["in/a.ndjson"]


def test_an_output_is_delivered_whole_and_delivering_twice_equals_once(lab: Lab):
    name = spooled(lab)
    for _ in range(2):
        target = lab.uri("out/2026/bill.ndjson")
        assert lab.delivery.deliver(name, target, storage=lab.storage) == target
        assert lab.get("out/2026/bill.ndjson") == LINES
    assert lab.names() == ["out/2026/bill.ndjson"]


def test_other_content_at_the_destination_is_never_overwritten(lab: Lab):
    lab.put("bill.ndjson", LINES[::-1])
    with pytest.raises(OutputError, match="exists already and is not the output of this run"):
        lab.delivery.deliver(spooled(lab), lab.uri("bill.ndjson"), storage=lab.storage)
    assert lab.get("bill.ndjson") == LINES[::-1]


def test_a_large_output_goes_up_in_parts(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(objects, "SINGLE_PUT_BYTES", 1 << 20)
    monkeypatch.setattr(objects, "PART_BYTES", 5 << 20)
    content = bytes(range(256)) * (11 << 12)
    name = spooled(lab, content)
    for _ in range(2):
        lab.delivery.deliver(name, lab.uri("large.ndjson"), storage=lab.storage)
    assert lab.get("large.ndjson") == content
    assert lab.names() == ["large.ndjson"]
    with pytest.raises(OutputError, match="exists already"):
        lab.delivery.deliver(
            spooled(lab, content[::-1]), lab.uri("large.ndjson"), storage=lab.storage
        )


def test_what_s3_cannot_name_in_one_request_is_refused_before_anything_is_there(
    s3: Lab, monkeypatch: pytest.MonkeyPatch
):
    s3.put("usage.ndjson", LINES)
    [file] = listed(s3, "usage.ndjson")
    monkeypatch.setattr(objects, "SINGLE_PUT_BYTES", 0)
    monkeypatch.setitem(objects.FILE_BYTES_MAX, "s3", len(LINES) - 1)
    with pytest.raises(OutputError, match="can be put there at once") as refused:
        s3.delivery.deliver(spooled(s3), s3.uri("bill.ndjson"), storage=s3.storage)
    assert "smaller files" in (refused.value.hint or "")
    with pytest.raises(OutputError, match="can be put there at once") as refused:
        s3.files.release(
            file, AfterReading.MOVE, target=s3.uri("read/usage.ndjson"), options=s3.options
        )
    assert "leave files where they are" in (refused.value.hint or "")
    assert s3.names() == ["usage.ndjson"]


def test_of_twenty_writers_of_one_name_one_wins(lab: Lab):
    names = [spooled(lab, b'{"writer":%d}\n' % number) for number in range(20)]
    won: list[int] = []
    lost: list[OutputError] = []
    together = threading.Barrier(len(names))

    def write(number: int) -> None:
        together.wait()
        try:
            lab.delivery.deliver(names[number], lab.uri("bill.ndjson"), storage=lab.storage)
            won.append(number)
        except OutputError as error:
            lost.append(error)

    threads = [threading.Thread(target=write, args=[number]) for number in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(won), len(lost)) == (1, 19), [str(error) for error in lost]
    assert lab.get("bill.ndjson") == b'{"writer":%d}\n' % won[0]
    assert all("exists already" in str(error) for error in lost)
    assert lab.names() == ["bill.ndjson"]


def test_an_output_whose_spool_is_gone_counts_as_delivered_where_it_is_there(lab: Lab):
    name = spooled(lab)
    lab.delivery.deliver(name, lab.uri("a.ndjson"), storage=lab.storage)
    (lab.data / name).unlink()
    lab.delivery.deliver(name, lab.uri("a.ndjson"), storage=lab.storage)
    with pytest.raises(OutputError, match="gone before it was delivered"):
        lab.delivery.deliver(name, lab.uri("b.ndjson"), storage=lab.storage)


def test_a_spool_is_delivered_as_it_was_written(lab: Lab):
    spool = SpoolFolder(lab.data).open("run-1", "w")
    spool.write([{"userId": "ann"}])
    name = spool.finish(format="csv")
    lab.delivery.deliver(name, lab.uri("a.csv"), storage=lab.storage)
    assert lab.get("a.csv") == b"userId\nann\n"


def test_no_message_shows_a_secret(lab: Lab):
    from dataclasses import replace

    wrong = replace(lab.at("a.ndjson"), container="nobody-has-this")
    if wrong.scheme == "sftp":
        pytest.skip("a server has no containers")
    with pytest.raises(PlaceFault) as raised, lab.places.open(wrong, lab.storage) as place:
        list(place.list(""))
    assert "canary" not in str(raised.value)
    assert "sig=" not in str(raised.value)
