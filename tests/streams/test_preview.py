from meterhouse.core.instant import DAY
from meterhouse.streams.graph import load_graph
from meterhouse.streams.preview import RECORDS_MAX, preview
from meterhouse.streams.record import ConsumedFile, Requeued
from meterhouse.streams.world import Services
from tests.streams.documents import (
    AT,
    chain,
    document,
    facts,
    meter_node,
    node,
    noop,
    reader,
    state,
)
from tests.streams.meters import KEY
from tests.streams.twins import Files, Outcome, Scripts, Snapshot, Spools


def previewed(stream: dict, files: Files, *, snapshot: Snapshot | None = None, **more):
    spools = Spools()
    services = Services(files, spools, more.pop("scripts", None))
    views = preview(
        load_graph(stream), facts(**more), snapshot=snapshot or Snapshot(), services=services
    )
    assert not spools.opened
    return {view.id: view for view in views}


def test_it_shows_what_goes_in_and_out_of_every_node():
    shaped = node("m", "transforms/map", mappings=[{"userId": "user"}, {"value": "n"}])
    stream = document(
        [reader(), shaped, meter_node(flushType="END_OF_STREAM"), noop()],
        "in -> m",
        "m -> meter",
        "meter:reset -> end",
    )
    files = Files({"a": [{"user": "ann", "n": 2}, {"user": "bob", "n": 1}, "broken"]})
    views = previewed(stream, files, snapshot=Snapshot({KEY: state("ann")}))
    assert list(views) == ["in", "m", "meter", "end"]
    assert views["m"].records_in == [{"user": "ann", "n": 2}, {"user": "bob", "n": 1}]
    assert views["m"].out == {"out": [{"userId": "ann", "value": 2}, {"userId": "bob", "value": 1}]}
    assert [record["value"] for record in views["meter"].out["reset"]] == [2]
    assert views["meter"].out["threshold"] == []
    assert [s.reason.value for s in views["meter"].suspended] == ["no_meter_found"]
    assert [s.raw for s in views["in"].suspended] == ["broken"]
    assert views["end"].records_in == views["meter"].out["reset"]


def test_at_most_ten_records_are_read_by_each_reader_and_shown_of_each_port():
    counter = node("c", "readers/counter", max=1000)
    scripts = Scripts({"t": lambda r: Outcome(({"n": 1},) * 5)})
    script = node("s", "transforms/script", transform="t")
    stream = document([reader(), counter, script, noop()], "in -> s", "c -> s", "s -> end")
    files = Files({name: [{"n": n} for n in range(8)] for name in "abc"})
    views = previewed(stream, files, scripts=scripts)
    assert len(views["in"].out["out"]) == RECORDS_MAX
    assert len(views["c"].out["out"]) == RECORDS_MAX
    assert len(views["s"].out["out"]) == RECORDS_MAX
    assert files.read_paths == ["a", "b"]


def test_a_huge_reset_is_not_gone_through():
    meters = state(*(f"user-{n}" for n in range(50)))
    stream = chain(reader(), meter_node(), noop())
    views = previewed(stream, Files({}), snapshot=Snapshot({KEY: meters}), at=AT + 31 * DAY)
    assert len(views["meter"].out["reset"]) == RECORDS_MAX


def test_what_runs_remember_is_left_out_of_account():
    dedup = node("d", "transforms/deduplicate", key="${payload.n}")
    snapshot = Snapshot(
        consumed_files={"in": {"a": ConsumedFile("in", "a", 1, 1)}},
        queue=[Requeued(1, "d", {"n": 9}, "old.csv", 0)],
    )
    views = previewed(chain(reader(), dedup, noop()), Files({"a": [{"n": 1}]}), snapshot=snapshot)
    assert views["d"].records_in == views["d"].out["unique"] == [{"n": 1}]


def test_all_fields_are_shown_though_none_is_needed():
    files = Files({"a": [{"n": 1, "m": 2}]}, columnar=True)
    views = previewed(chain(reader(), noop()), files)
    assert files.needed == [None]
    assert views["end"].records_in == [{"n": 1, "m": 2}]


def test_a_limit_of_bad_records_does_not_end_a_preview():
    policy = {"enabled": True, "eventThreshold": 1}
    check = node("v", "transforms/validate", schema={"required": ["x"]}, suspenseManagement=policy)
    views = previewed(chain(reader(), check, noop()), Files({"a": [{"n": 1}, {"n": 2}]}))
    assert len(views["v"].suspended) == 2


def test_its_json_form():
    stream = chain(reader(), node("v", "transforms/validate", schema={"required": ["x"]}), noop())
    views = previewed(stream, Files({"a": [{"n": 1}]}))
    assert views["v"].to_api() == {
        "id": "v",
        "name": "v",
        "type": "transforms/validate",
        "in": [{"n": 1}],
        "out": {"valid": []},
        "suspended": [
            {
                "record": {"n": 1},
                "reason": "schema_invalid",
                "detail": 'record: "x" is a required property (rule required)',
            }
        ],
    }
