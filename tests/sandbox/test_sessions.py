"""What scripts of an aggregator see as `session`, and what becomes of it."""

from decimal import Decimal

import pytest

from meterhouse.sandbox import ScriptDefinitionError
from tests.sandbox.conftest import node_ids

NOW = "2025-12-01T00:00:00.123Z"


def fresh(**data) -> dict:
    return {"data": data, "meta": {"count": 0}, "timeoutAt": None}


@pytest.fixture
def gather(shared_session):
    """Return a function that runs a transform over records of one session."""

    def run(script: str, *records: dict, state: dict | None = None, part="transform", **more):
        node_id = next(node_ids)
        shared_session.define(
            node_id, name=node_id, transform=script, timeout=script, aggregates=True
        )
        sessions = {"k": ("ann", {"user": "ann"}, state or fresh())}
        given = list(records) if part == "transform" else None
        keys = ["k"] * (len(records) or 1)
        outcomes, states = shared_session.aggregate(
            node_id, part, keys=keys, sessions=sessions, records=given, **more
        )
        return outcomes, states.get("k", "as it was")

    return run


def test_a_session_has_a_key_data_and_counts_its_records(gather):
    outcomes, state = gather("session.data.n = session.meta.count; push({k: session.key})", {}, {})
    assert [outcome.pushed for outcome in outcomes] == [({"k": "ann"},)] * 2
    meta = {"count": 2, "firstEvent": NOW, "lastEvent": NOW}
    assert state == {"data": {"n": 2}, "meta": meta, "timeoutAt": None}


def test_the_session_goes_on_from_what_it_was_however_many_records_there_are(gather):
    old = fresh(n=5) | {"meta": {"count": 5, "firstEvent": "2020-01-01T00:00:00.000Z", "own": 1}}
    _, state = gather("session.data.n++", *[{}] * 1300, state=old)
    assert state["data"] == {"n": 1305}
    assert state["meta"]["count"] == 1305
    assert (state["meta"]["firstEvent"], state["meta"]["own"]) == ("2020-01-01T00:00:00.000Z", 1)


def test_push_lets_out_the_data_over_the_fields_of_the_key_and_the_session_goes_on(gather):
    outcomes, state = gather("session.data.n = payload.n; await session.push()", {"n": 1}, {"n": 2})
    assert [outcome.pushed for outcome in outcomes] == [({"user": "ann", "n": n},) for n in (1, 2)]
    assert state["data"] == {"n": 2}
    assert state["meta"]["flushType"] == "PUSH"


def test_data_may_rename_the_key(gather):
    [outcome], _ = gather("session.data.user = 'x'; session.push()", {})
    assert outcome.pushed == ({"user": "x"},)


def test_flush_lets_out_and_ends_the_session(gather):
    script = "session.data.n = (session.data.n ?? 0) + 1; if (payload.end) await session.flush()"
    outcomes, state = gather(script, {}, {"end": True})
    assert outcomes[1].pushed == ({"user": "ann", "n": 2},)
    assert state is None


def test_a_record_after_a_flush_begins_a_new_session(gather):
    script = "session.data.n = session.meta.count; if (payload.end) await session.flush()"
    _, state = gather(script, {}, {"end": True}, {})
    assert (state["data"], state["meta"]["count"]) == ({"n": 1}, 1)


def test_a_flush_without_the_present_record_begins_a_new_session_with_it(gather):
    script = "await session.flush(true, 'NEXT'); session.data.n = session.meta.count"
    old = fresh(n=3) | {"meta": {"count": 3}}
    [outcome], state = gather(script, {}, state=old, meta_field="meta")
    assert outcome.pushed == ({"user": "ann", "n": 3, "meta": {"count": 3, "flushType": "NEXT"}},)
    assert (state["data"], state["meta"]["count"]) == ({"n": 1}, 1)


def test_the_meta_leaves_where_it_is_asked_for(gather):
    [outcome], _ = gather("session.meta.own = 1; session.push(false, 'X')", {}, meta_field="m")
    meta = {"count": 1, "firstEvent": NOW, "lastEvent": NOW, "own": 1, "flushType": "X"}
    assert outcome.pushed == ({"user": "ann", "m": meta},)


def test_a_record_whose_script_throws_leaves_the_session_as_it_was(gather):
    script = """
        session.data.n = payload.n; session.meta.own = payload.n; session.setTimeout(5);
        await session.flush();
        session.data.n = payload.n;
        if (payload.n === 2) throw new Error("no");
    """
    outcomes, state = gather(script, {"n": 1}, {"n": 2})
    assert (outcomes[1].pushed, outcomes[1].error) == ((), "Error: no (line 5)")
    assert state["data"] == {"n": 1}
    outcomes, state = gather(script, {"n": 2})
    assert state == "as it was"


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("session.data = [1]", "session.data must be an object, not an array"),
        ("session.data = undefined", "session.data must be an object, not undefined"),
        ("session.meta = 5; session.push()", "session.meta must be an object, not 5"),
        ("session.data.self = session.data", "circular"),
        ("session.push(false, 7)", "a flush type is a text, not number"),
        ("session.setTimeout('some day')", "a time-out is a date, not some day"),
        ("session.timeoutAt = {}", "a time-out is a date"),
        ("delete session.data", "session.data must be an object"),
    ],
)
def test_what_is_no_session_any_more_is_an_error_of_the_record(gather, script, error):
    [outcome], state = gather(
        f"await null; {script.replace('session.push', 'await session.push')}", {}
    )
    assert error in (outcome.error or "")
    assert state == "as it was"


@pytest.mark.parametrize(
    ("when", "instant"),
    [
        ("'2026-01-02T00:00:00+01:00'", "2026-01-01T23:00:00.000Z"),
        ("new Date(Date.UTC(2026, 0, 2))", "2026-01-02T00:00:00.000Z"),
        ("require('moment').utc('2026-01-02')", "2026-01-02T00:00:00.000Z"),
        ("1767312000000", "2026-01-02T00:00:00.000Z"),
        ("60 * 60 * 1000", "2025-12-01T01:00:00.123Z"),
    ],
)
def test_a_time_out_is_an_instant_or_a_number_of_milliseconds_from_now(gather, when, instant):
    for script in (f"session.setTimeout({when})", f"session.timeoutAt = {when}"):
        _, state = gather(script.replace("= 60 * 60", "= Date.now() + 60 * 60"), {})
        assert state["timeoutAt"] == instant


def test_a_time_out_can_be_cleared(gather):
    _, state = gather("session.setTimeout(5); session.clearTimeout()", {})
    assert state["timeoutAt"] is None


def test_a_time_out_script_has_no_record_and_counts_none(gather):
    script = "push({none: payload === undefined}); await session.flush(false, 'TIMEOUT')"
    old = fresh(n=3) | {"meta": {"count": 3}}
    [outcome], state = gather(script, part="timeout", state=old, meta_field="m")
    assert outcome.pushed[1] == {"user": "ann", "n": 3, "m": {"count": 3, "flushType": "TIMEOUT"}}
    assert outcome.pushed[0] == {"none": True}
    assert state is None


def test_numbers_that_a_script_leaves_alone_keep_their_digits(gather):
    exact = Decimal("0.1234567890123456789")
    [outcome], state = gather("session.data.n = 1; session.push()", {}, state=fresh(x=exact))
    assert state["data"]["x"] == exact
    assert outcome.pushed[0]["x"] == exact


def test_scripts_that_tamper_with_prototypes_reach_their_own_session_only(gather):
    script = """
        Object.defineProperty(Object.prototype, "count", {set() { throw new Error("seen") }});
        Object.keys = () => ["hidden"];
        session.data.n = 1; await session.push();
    """
    [outcome], state = gather(script, {})
    assert outcome.pushed == ({"user": "ann", "n": 1},)
    assert state["meta"]["count"] == 1


def test_push_after_the_script_has_ended_lets_nothing_out(gather):
    script = "globalThis.late?.(); globalThis.late = () => session.push().catch(() => null)"
    outcomes, _ = gather(script, {}, {})
    assert [outcome.pushed for outcome in outcomes] == [(), ()]


def test_a_script_may_not_name_something_else_session(session):
    with pytest.raises(ScriptDefinitionError, match="'session' has already been declared"):
        session.define("n", name="N", transform="let session = 1", aggregates=True)
    session.define("n", name="N", transform="let session = 1; push({session})")
    assert session.transform("n", [{}])[0].pushed == ({"session": 1},)
