"""payload, meta, push and state: what goes in, what comes out, in which order."""

import pytest

from meterhouse.sandbox import ScriptDefinitionError


def test_pushed_object_is_the_outcome(pushed):
    assert pushed("await push({a: payload.a, b: 2})", {"a": 1}) == ({"a": 1, "b": 2},)


def test_no_push_filters_the_record(pushed):
    assert pushed("if (payload.a > 1) await push(payload)", {"a": 1}) == ()


def test_push_may_be_called_often_and_without_await(pushed):
    assert pushed("push({n: 1}); await push({n: 2}); push({n: 3})") == (
        {"n": 1},
        {"n": 2},
        {"n": 3},
    )


def test_push_can_be_chained(pushed):
    assert pushed("return push({n: 1}).then(() => push({n: 2}))") == ({"n": 1}, {"n": 2})


def test_pushed_object_is_a_copy_of_that_moment(pushed):
    script = "payload.deep.n = 1; await push(payload); payload.deep.n = 2; payload.more = 3"
    assert pushed(script, {"deep": {"n": 0}}) == ({"deep": {"n": 1}},)


def test_payload_may_be_changed(pushed):
    assert pushed("delete payload.a; payload.b = null; push(payload)", {"a": 1}) == ({"b": None},)


def test_meta_is_given_per_record(run):
    outcomes = run("push(meta)", {}, {}, metas=[{"line": 1}, {"line": 2}])
    assert [outcome.pushed for outcome in outcomes] == [({"line": 1},), ({"line": 2},)]


def test_meta_is_empty_where_none_is_given(pushed):
    assert pushed("push(meta)") == ({},)


def test_outcomes_keep_the_order_of_the_records(run):
    records = [{"i": i} for i in range(3000)]
    outcomes = run("await null; if (payload.i % 3) await push({i: payload.i})", *records)
    made = [[item["i"] for item in outcome.pushed] for outcome in outcomes]
    assert made == [[i] if i % 3 else [] for i in range(3000)]


def test_empty_batch_has_no_outcomes(session):
    session.define("n", name="N", transform="push(payload)")
    assert session.transform("n", []) == []


def test_big_records_are_sent_in_small_slices(run):
    records = [{"i": i, "text": "x" * 200_000} for i in range(40)]
    outcomes = run("push({i: payload.i, size: payload.text.length})", *records)
    assert [o.pushed[0] for o in outcomes] == [{"i": i, "size": 200_000} for i in range(40)]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("1", "not 1"),
        ("'text'", "not text"),
        ("true", "not true"),
        ("null", "not null"),
        ("undefined", "not undefined"),
        ("[1]", "not an array"),
        ("() => 1", "not () => 1"),
        ("Symbol('s')", "not Symbol(s)"),
        ("10n", "not 10"),
        ("new Date()", "not an object with the JSON"),
        ("new String('s')", "not an object with the JSON"),
        ("{toJSON() { return undefined }}", "not an object with the JSON undefined"),
    ],
)
def test_push_takes_objects_only(failure, value, what):
    message = failure(f"await push({value})")
    assert message.startswith("TypeError: push takes an object, ")
    assert what in message
    assert message.endswith("(line 1)")


def test_wrong_push_that_is_not_caught_spoils_the_record(run):
    [first, second] = run("push({a: 1}); push(payload.v)", {"v": 5}, {"v": {}})
    assert first.error == "TypeError: push takes an object, not 5 (line 1)"
    assert first.pushed == ()
    assert second.pushed == ({"a": 1}, {})


def test_throwing_record_leaves_the_others_alone(run):
    script = "await push({i: payload.i});\nif (payload.i === 1) payload.missing.field;"
    outcomes = run(script, {"i": 0}, {"i": 1}, {"i": 2})
    assert [outcome.pushed for outcome in outcomes] == [({"i": 0},), (), ({"i": 2},)]
    assert outcomes[1].error == (
        "TypeError: Cannot read properties of undefined (reading 'field') (line 2)"
    )


@pytest.mark.parametrize(
    ("thrown", "message"),
    [
        ("null", "thrown: null"),
        ("undefined", "thrown: undefined"),
        ("42", "thrown: 42"),
        ("'sorry'", "thrown: sorry"),
        ("{code: 7}", 'thrown: {"code":7}'),
        ("Symbol('s')", "thrown: Symbol(s)"),
        ("{toString() { throw 1 }, toJSON() { throw 2 }}", "thrown: a value that cannot be shown"),
        ("new Proxy({}, {get() { throw 1 }})", "thrown: a value that cannot be shown"),
        ("new RangeError('far')", "RangeError: far (line 1)"),
        ("Object.assign(new Error('x'), {name: {}})", "Error: x (line 1)"),
        ("Object.assign(new Error('x'), {stack: 'mine'})", "Error: x"),
        ("new Error('')", "Error (line 1)"),
    ],
)
def test_anything_may_be_thrown(failure, thrown, message):
    assert failure(f"throw {thrown}") == message


def test_line_of_a_deeper_call_is_told(failure):
    script = "const f = () => {\n  throw new Error('deep');\n};\n\nawait f();"
    assert failure(script) == "Error: deep (line 2)"


def test_line_after_an_await_is_told(failure):
    assert failure("await null;\n\nthrow new Error('late')") == "Error: late (line 3)"


def test_long_message_is_cut(failure):
    assert len(failure("throw new Error('x'.repeat(1e6))")) < 1100


def test_push_after_the_end_is_refused(run):
    script = """
        if (payload.i === 0) state.stream.late = push;
        else if (payload.i === 1) state.stream.late({stolen: true});
        await push({i: payload.i});
    """
    outcomes = run(script, {"i": 0}, {"i": 1}, {"i": 2})
    assert [outcome.pushed for outcome in outcomes] == [({"i": 0},), (), ({"i": 2},)]
    assert "await every promise" in outcomes[1].error


def test_script_that_never_settles_spoils_its_record_only(run):
    script = "push({i: 1}); if (payload.wait) await new Promise(() => {}); push({i: 2})"
    outcomes = run(script, {}, {"wait": True}, {}, {"wait": True})
    assert [len(outcome.pushed) for outcome in outcomes] == [2, 0, 2, 0]
    assert "never ended" in outcomes[1].error
    assert "never ended" in outcomes[3].error


def test_promise_that_settles_after_its_record_was_given_up_changes_nothing(run):
    script = """
        if (payload.i === 0) await new Promise((go) => { state.stream.go = go; });
        if (payload.i === 1) { state.stream.go(); await null; await null; await null; }
        await push({i: payload.i});
    """
    outcomes = run(script, {"i": 0}, {"i": 1}, {"i": 2})
    assert [outcome.pushed for outcome in outcomes] == [(), ({"i": 1},), ({"i": 2},)]


def test_node_state_is_kept_between_records_and_batches(session):
    script = "state.node.n = (state.node.n || 0) + 1; push({n: state.node.n})"
    session.define("n", name="N", transform=script)
    first = session.transform("n", [{}, {}])
    second = session.transform("n", [{}])
    assert [outcome.pushed[0]["n"] for outcome in first + second] == [1, 2, 3]


def test_stream_state_is_shared_and_node_state_is_not(session):
    script = "push({node: state.node.from, stream: state.stream.from});"
    session.define("a", name="A", transform="state.node.from = state.stream.from = 'a'")
    session.define("b", name="B", transform=script)
    session.transform("a", [{}])
    assert session.transform("b", [{}])[0].pushed == ({"stream": "a"},)


def test_state_may_be_replaced_as_a_whole(session):
    session.define("a", name="A", transform="state.node = {n: 1}; state.stream = {s: 2}")
    session.define("b", name="B", transform="push({s: state.stream.s, n: state.node.n})")
    session.transform("a", [{}])
    assert session.transform("b", [{}])[0].pushed == ({"s": 2},)


def test_flush_runs_with_its_meta_and_the_state(session):
    session.define(
        "n",
        name="N",
        transform="state.node.sum = (state.node.sum || 0) + payload.v",
        flush="if (meta.lastCall) await push({sum: state.node.sum, payload: typeof payload})",
    )
    session.transform("n", [{"v": 1}, {"v": 2}])
    assert session.flush("n", {"lastCall": False}).pushed == ()
    outcome = session.flush("n", {"lastCall": True})
    assert outcome.pushed == ({"sum": 3, "payload": "undefined"},)


def test_flush_that_throws_is_an_outcome(session):
    session.define("n", name="N", transform="", flush="\nthrow new Error('no')")
    assert session.flush("n", {}).error == "Error: no (line 2)"


def test_node_without_flush_pushes_nothing(session):
    session.define("n", name="N", transform="")
    assert session.flush("n", {"lastCall": True}).pushed == ()


def test_node_is_defined_once(session):
    session.define("n", name="N", transform="")
    with pytest.raises(ValueError, match="defined already"):
        session.define("n", name="N", transform="")


def test_definition_error_names_node_part_and_place(session):
    with pytest.raises(ScriptDefinitionError) as caught:
        session.define("n", name="Enrich", transform="", flush="let a = 1;\nlet b = ;")
    error = caught.value
    assert (error.node_id, error.part, error.fault.line, error.fault.column) == ("n", "flush", 2, 9)
    assert str(error) == (
        "the flush script of node 'Enrich' is not valid JavaScript: "
        "Unexpected token ';', at line 2, column 9"
    )


def test_record_that_is_no_json_is_an_outcome(run):
    outcomes = run("push(payload)", {"a": 1}, {"a": "\ud800"}, {"a": object()}, {"a": 2})
    assert [outcome.pushed for outcome in outcomes] == [({"a": 1},), (), (), ({"a": 2},)]
    assert all("cannot be given to a script" in outcome.error for outcome in outcomes[1:3])


def test_batch_of_records_that_are_no_json_runs_nothing(run):
    assert [outcome.pushed for outcome in run("push({})", {"a": object()})] == [()]


def test_unusual_keys_and_texts_survive(run):
    record = {
        "__proto__": 1,
        "constructor": "c",
        "": "empty",
        "é\u2028": '\u0000"\\\n😀',
        "7": [[]],
    }
    assert run("push(payload)", record)[0].pushed == (record,)


def test_half_a_surrogate_pair_is_an_error(failure):
    assert "surrogate" in failure("push({a: '\\ud83d'})")
    assert "surrogate" in failure("push({['\\udc00']: 1})")


def test_text_that_only_looks_like_a_surrogate_is_none(pushed):
    assert pushed(r"push({a: '\\ud800'})") == ({"a": "\\ud800"},)


def test_deep_objects_are_refused(pushed, failure):
    script = "let o = {}; for (let i = 1; i < %d; i++) o = i %% 2 ? [o] : {o}; push({o})"
    assert len(pushed(script % 99)) == 1
    assert "nested more than 100 levels" in failure(script % 200)
    assert pushed("push({a: '[{'.repeat(1000)})") == ({"a": "[{" * 1000},)
