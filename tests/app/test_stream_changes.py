"""Streams are checked, replaced, renamed, tagged and restored; runs keep what they began with."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from meterhouse import bootstrap
from meterhouse.app.running import run_stream
from meterhouse.app.stream_import import ChosenSecret, ImportOptions, OnConflict, import_document
from meterhouse.app.stream_ports import StreamEdit
from meterhouse.app.stream_versions import (
    find_version,
    list_versions,
    lost_by_restoring,
    restore_version,
    tag_version,
)
from meterhouse.app.streams import (
    delete_stream,
    find_stream,
    import_stream,
    rename_stream,
    replace_stream,
    validate_stream,
)
from meterhouse.bootstrap import Installation
from meterhouse.core.problem import (
    ConflictError,
    DefinitionError,
    NotFoundError,
)
from meterhouse.core.revision import StaleRevision
from meterhouse.streams.graph import read_graph
from meterhouse.streams.record import (
    DuplicateKeys,
    Run,
    RunResult,
    RunStatus,
    StreamDefinition,
)
from tests.acceptance.small import document, meter, node
from tests.app.scheduled import NOON, by_hand
from tests.cli.command import Meterhouse
from tests.store.factories import a_meter_type, a_suspended, add_meters

COUNT = node("Count", "readers/counter", max=3)
END = node("End", "writers/noop")
EDIT = StreamEdit(NOON + 1, "ann")


def plain(*, count: int = 3) -> dict[str, Any]:
    return document(node("Count", "readers/counter", max=count), END)


def metered() -> dict[str, Any]:
    return document(COUNT, meter())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with bootstrap.open_installation(tmp_path / "data") as opened:
        yield opened


def add(house: Installation, body: dict[str, Any]) -> StreamDefinition:
    return import_stream(house.ledger, body, new_id=house.new_id, at=NOON)


def change(house: Installation, body: dict[str, Any], **edit: Any) -> StreamDefinition:
    return replace_stream(
        house.ledger, "Small", body, new_id=house.new_id, edit=replace(EDIT, **edit)
    )


def take_in(house: Installation, body: Any, **options: Any) -> Any:
    edit = replace(EDIT, allow_node_removal=options.pop("removal", False))
    asked = ImportOptions(**options)
    return import_document(house.ledger, body, options=asked, edit=edit, new_id=house.new_id)


# ------------------------------------------------------------ checking and changing


def test_a_document_is_checked_without_being_stored(house: Installation):
    assert validate_stream(plain()) == []
    assert len(validate_stream({"name": 5, "nodes": [], "edges": 7})) >= 3
    assert house.ledger.streams().items == []


def test_what_stays_keeps_its_keys(house: Installation):
    before = add(house, metered())
    second = {**meter(), "id": "Other", "name": "Other"}
    after = change(house, document(COUNT, meter(), more=(second,), edges=("Count -> Other",)))
    assert (after.id, after.created_at, after.updated_at) == (before.id, NOON, NOON + 1)
    assert after.meter_keys["Meter"] == before.meter_keys["Meter"]
    assert set(after.meter_keys) == {"Meter", "Other"}
    assert find_stream(house.ledger, "Small") == after


def test_a_bad_document_changes_nothing(house: Installation):
    before = add(house, plain())
    with pytest.raises(DefinitionError):
        change(house, {"name": "Small", "nodes": []})
    assert find_stream(house.ledger, "Small") == before
    assert list(list_versions(house.ledger, "Small")) == []


def test_the_same_document_is_no_change_and_another_order_of_keys_is_one(house: Installation):
    before = add(house, plain())
    assert change(house, plain()) == before
    turned = dict(reversed(plain().items()))
    assert list(change(house, turned).document) == list(turned)
    assert change(house, turned).revision != before.revision


def test_a_change_of_what_somebody_else_has_changed_is_refused(house: Installation):
    seen = add(house, plain()).revision
    changed = change(house, plain(count=4), expected_revision=seen)
    with pytest.raises(StaleRevision, match="Read it again") as error:
        change(house, plain(count=5), expected_revision=seen)
    assert error.value.code == "revision_stale"
    with pytest.raises(StaleRevision):
        delete_stream(house.ledger, "Small", edit=StreamEdit(NOON, expected_revision=seen))
    edit = StreamEdit(NOON, expected_revision=changed.revision)
    assert delete_stream(house.ledger, "Small", edit=edit) == changed


def test_a_stream_is_renamed_with_its_document(house: Installation):
    before = add(house, metered())
    after = rename_stream(house.ledger, "Small", "New", edit=EDIT)
    assert (after.name, after.document["name"], after.id) == ("New", "New", before.id)
    assert (after.meter_keys, after.revision != before.revision) == (before.meter_keys, True)
    add(house, plain())
    with pytest.raises(ConflictError, match="A stream is named 'Small'"):
        rename_stream(house.ledger, "New", "Small", edit=EDIT)
    with pytest.raises(DefinitionError, match="name: is missing"):
        rename_stream(house.ledger, "New", "", edit=EDIT)


def test_a_run_keeps_what_it_began_with(house: Installation):
    add(house, plain(count=3))
    means = house.means()

    def look() -> None:
        change(house, plain(count=7))

    means = replace(means, services=replace(means.services, checkpoint=look))
    ended = run_stream(house.ledger, "Small", means=means, run_id="r", seed=1, at=NOON)
    assert ended.run.status is RunStatus.COMPLETE
    assert ended.run.nodes[0].out == {"out": 3}
    assert by_hand(house, NOON).nodes[0].out == {"out": 7}


# ------------------------------------------------------------ nodes that would go


@pytest.fixture
def remembering(house: Installation) -> StreamDefinition:
    """A stream whose meter has a meter, a suspended record and whose Once knows a key."""
    once = node("Once", "transforms/deduplicate", key="${payload}")
    stream = add(house, document(COUNT, once, meter()))
    meter_type = a_meter_type()
    house.ledger.add_meter_types([meter_type])
    add_meters(house.ledger, ["ann"], meter_type=meter_type, key=stream.meter_keys["Meter"])
    run = Run("r", stream.id, "Small", RunStatus.RUNNING, NOON, 1, NOON)
    house.ledger.start_run(run, house.means().lease, alive=frozenset())
    keys = DuplicateKeys("Once", pl.Series([b"k" * 16]), NOON * 2)
    suspended = [a_suspended(node_id="Meter")]
    house.ledger.commit_run(run, RunResult(duplicate_keys=[keys], suspended=suspended))
    return stream


def test_nodes_that_a_run_uses_do_not_go_even_if_it_is_allowed(
    house: Installation, remembering: StreamDefinition
):
    means = house.means()
    refused: list[str] = []

    def look() -> None:
        with pytest.raises(ConflictError, match="is running") as error:
            change(house, plain(), allow_node_removal=True)
        refused.append(error.value.code)

    means = replace(means, services=replace(means.services, checkpoint=look))
    ended = run_stream(house.ledger, "Small", means=means, run_id="s", seed=1, at=NOON)
    assert ended.run.status is RunStatus.COMPLETE
    assert set(refused) == {"conflict"}
    assert change(house, plain(), allow_node_removal=True).meter_keys == {}


def test_nodes_that_remember_something_are_not_dropped_by_the_way(
    house: Installation, remembering: StreamDefinition
):
    with pytest.raises(ConflictError) as error:
        change(house, plain())
    message = str(error.value)
    assert '"Once" (transforms/deduplicate) has keys of records it has seen' in message
    assert '"Meter" (transforms/meter) has 1 meter, 1 record in Data Correction' in message
    assert "--allow-node-removal" in message
    assert error.value.code == "node_removal"
    assert find_stream(house.ledger, "Small") == remembering


def test_nodes_without_memory_go_at_once(house: Installation):
    add(house, metered())
    assert change(house, plain()).meter_keys == {}


def test_records_of_a_node_that_goes_stay_and_wait_for_nothing(
    house: Installation, remembering: StreamDefinition
):
    [entry] = house.ledger.suspense().items
    house.ledger.requeue_suspense([entry.id], at=NOON)
    change(house, plain(), allow_node_removal=True)
    [entry] = house.ledger.suspense().items
    assert (entry.state, entry.stream_id) == ("open", remembering.id)


def test_a_restored_node_finds_its_meters_and_its_keys(
    house: Installation, remembering: StreamDefinition
):
    change(house, plain(), allow_node_removal=True)
    [kept] = list_versions(house.ledger, "Small")
    restored = restore_version(
        house.ledger, "Small", version=kept.id, new_id=house.new_id, edit=EDIT
    )
    assert restored.stream.meter_keys == remembering.meter_keys
    assert restored.stream.revision == remembering.revision
    assert [node.id for node in restored.lost] == ["End"]
    assert house.ledger.meters_with_key(restored.stream.meter_keys["Meter"]) == 1


# ------------------------------------------------------------ versions


def tag(house: Installation, name: str, **note: str) -> Any:
    return tag_version(
        house.ledger, "Small", tag=name, new_id=house.new_id, at=NOON, by="ann", **note
    )


def test_a_version_is_a_snapshot(house: Installation):
    stream = add(house, plain())
    version = tag(house, "v1", description="first")
    change(house, plain(count=9))
    assert find_version(house.ledger, "Small", version="v1") == version
    assert find_version(house.ledger, "Small", version=version.id) == version
    assert (version.document, version.description) == (stream.document, "first")
    assert (version.created_by, version.created_at) == ("ann", NOON)
    with pytest.raises(NotFoundError, match="no version 'v2'"):
        find_version(house.ledger, "Small", version="v2")


def test_a_tag_is_used_once_for_ever_in_one_stream(house: Installation):
    add(house, plain())
    tag(house, "v1")
    change(house, plain(count=9))
    with pytest.raises(ConflictError, match="A tag is used once"):
        tag(house, "v1")
    with pytest.raises(DefinitionError, match="a name of our own"):
        tag(house, "Latest")
    add(house, {**plain(), "name": "Other"})
    other = tag_version(house.ledger, "Other", tag="v1", new_id=house.new_id, at=NOON)
    assert other.tag == "v1"


def test_the_history_has_what_was_replaced_but_nothing_twice(house: Installation):
    add(house, plain())
    tag(house, "v1")
    change(house, plain(count=4))
    change(house, plain(count=5))
    restore_version(house.ledger, "Small", version="v1", new_id=house.new_id, edit=EDIT)
    history = list(list_versions(house.ledger, "Small"))
    counts = [v.document["nodes"][0]["params"]["max"] for v in history]
    # The version v1 was the working copy when it was first replaced: it is kept already.
    assert counts == [5, 4, 3]
    assert [v.tag for v in history] == [None, None, "v1"]
    assert history[0].description == "kept when v1 was restored"
    assert history[1].created_by == "ann"


def test_restoring_says_what_disappears_before_and_after(house: Installation):
    add(house, plain())
    tag(house, "v1")
    change(house, metered())
    assert [n.id for n in lost_by_restoring(house.ledger, "Small", version="v1")] == ["Meter"]
    rename_stream(house.ledger, "Small", "New", edit=EDIT)
    restored = restore_version(house.ledger, "New", version="v1", new_id=house.new_id, edit=EDIT)
    assert [str(n) for n in restored.lost] == ['"Meter" (transforms/meter)']
    assert (restored.stream.name, restored.stream.document["name"]) == ("New", "New")


def test_a_run_tells_which_version_it_ran(house: Installation):
    add(house, plain())
    assert by_hand(house, NOON).version is None
    tag(house, "v1")
    tag(house, "v2")
    assert by_hand(house, NOON).version == "v2"
    change(house, plain(count=4))
    assert by_hand(house, NOON).version is None
    entries = [entry.to_api() for entry in house.ledger.usage_audit().items]
    assert [e["streamVersion"] for e in entries] == ["Autosaved", "v2", "Autosaved"]


# ------------------------------------------------------------ importing


def test_a_taken_name_cancels_an_import_unless_told_otherwise(house: Installation):
    add(house, plain())
    with pytest.raises(ConflictError, match=r"A stream is named 'Small'.*--name"):
        take_in(house, plain())
    assert take_in(house, plain(), name="Other").stream.name == "Other"


def test_replacing_keeps_id_keys_and_versions(house: Installation):
    before = add(house, metered())
    tag(house, "v1")
    once = node("Once", "transforms/deduplicate", key="${payload}")
    imported = take_in(house, document(COUNT, once, meter()), on_conflict=OnConflict.REPLACE)
    assert imported.replaced
    assert imported.stream.id == before.id
    assert imported.stream.meter_keys == before.meter_keys
    assert find_version(house.ledger, "Small", version="v1").document == before.document


def test_replacing_what_is_not_there_imports_it(house: Installation):
    imported = take_in(house, plain(), on_conflict=OnConflict.REPLACE)
    assert (imported.replaced, imported.stream.name) == (False, "Small")


def test_replacing_may_drop_nodes_if_it_is_allowed(
    house: Installation, remembering: StreamDefinition
):
    with pytest.raises(ConflictError, match="would lose nodes that are in use"):
        take_in(house, plain(), on_conflict=OnConflict.REPLACE)
    imported = take_in(house, plain(), on_conflict=OnConflict.REPLACE, removal=True)
    assert [node.id for node in imported.lost] == ["Once", "Meter"]


def test_a_new_one_gets_a_free_name(house: Installation):
    add(house, plain())
    names = [take_in(house, plain(), on_conflict=OnConflict.NEW).stream.name for _ in range(2)]
    assert names == ["Small (2)", "Small (3)"]
    assert find_stream(house.ledger, "Small (3)").document["name"] == "Small (3)"
    long = {**plain(), "name": "x" * 200}
    add(house, long)
    assert take_in(house, long, on_conflict=OnConflict.NEW).stream.name == "x" * 196 + " (2)"


def test_what_is_rewritten_on_the_way_in_is_counted(house: Installation):
    imported = take_in(house, plain(), api_base="http://127.0.0.1:1", secret=ChosenSecret("s-1"))
    assert (imported.moved_nodes, imported.secret_nodes) == (0, 0)


DATA = os.environ.get("METERHOUSE_TEST_DATA")


@pytest.mark.skipif(DATA is None, reason="METERHOUSE_TEST_DATA is not set")
def test_real_exports_come_out_as_they_went_in_byte_for_byte(tmp_path: Path):
    assert DATA is not None
    meterhouse = Meterhouse(tmp_path / "data")
    checked = 0
    for file in sorted((Path(DATA) / "reference" / "stream_graphs").glob("*.json")):
        body = json.loads(file.read_text("utf-8"))
        _, problems = read_graph(body)
        if any("unknown type" in problem.message for problem in problems):
            continue
        meterhouse.done("stream", "import", file)
        for words in ((), ("--json",)):
            first = meterhouse.done("stream", "export", body["name"], *words).out
            meterhouse.done("stream", "import", "-", "--on-conflict", "replace", given=first)
            again = meterhouse.done("stream", "export", body["name"], *words).out
            assert again == first
            assert json.loads(first) == body
        assert meterhouse.json("stream", "version", "list", body["name"]) == []
        meterhouse.done("stream", "delete", body["name"])
        checked += 1
    assert checked >= 3
