"""store, sharedStore, audit, log, require: each against its own small promise."""

import hashlib
from decimal import Decimal
from pathlib import Path

import pytest

import meterhouse.sandbox
from meterhouse.sandbox import DELETED, JavaScriptSandbox, LogLine, ScriptEffects

VENDOR = Path(meterhouse.sandbox.__file__).parent / "vendor"


@pytest.fixture
def stored(session):
    """Return a function that runs a script on a node with a store; the pushes and the effects."""

    def run_script(script: str, store: dict | None = None):
        session.define("n", name="N", transform=script, store=store or {})
        [outcome] = session.transform("n", [{}])
        assert outcome.error is None
        return outcome.pushed, session.effects()

    return run_script


def test_store_gives_what_was_kept_and_null_for_the_rest(stored):
    script = "push({a: store.get('a'), b: await store.get('b'), has: store.has('a')})"
    pushed, effects = stored(script, {"a": {"n": Decimal("1.5")}})
    assert pushed == ({"a": {"n": Decimal("1.5")}, "b": None, "has": True},)
    assert effects.stores == {}


def test_store_changes_are_effects(stored):
    script = "store.set('b', [1]); store.set('a', 2); push({gone: store.delete('c')})"
    pushed, effects = stored(script, {"a": 1, "c": 3})
    assert pushed == ({"gone": True},)
    assert effects.stores == {"n": {"b": [1], "a": 2, "c": DELETED}}


def test_effects_are_told_once(session):
    session.define("n", name="N", transform="store.set('k', payload.v); audit.count('c')")
    session.transform("n", [{"v": 1}])
    assert session.effects().stores == {"n": {"k": 1}}
    assert session.effects() == ScriptEffects(stores={}, shared={}, audit={}, log=(), log_dropped=0)
    session.transform("n", [{"v": 2}])
    assert session.effects().stores == {"n": {"k": 2}}


def test_effects_of_an_unused_session_are_none(session):
    assert session.effects() == ScriptEffects(stores={}, shared={}, audit={}, log=(), log_dropped=0)


def test_stored_value_is_a_copy(stored):
    script = (
        "const o = {n: 1}; store.set('k', o); o.n = 2; store.get('k').n = 3; push(store.get('k'))"
    )
    assert stored(script)[0] == ({"n": 1},)


def test_number_left_alone_in_a_store_keeps_its_digits(stored):
    exact = Decimal("0.12345678901234567890")
    _, effects = stored(
        "const v = store.get('v'); v.seen = true; store.set('v', v)", {"v": {"n": exact}}
    )
    assert effects.stores["n"]["v"] == {"n": exact, "seen": True}


def test_store_lists_its_keys(stored):
    script = "store.set('b', 1); store.delete('a'); push({keys: store.keys()})"
    assert stored(script, {"a": 1, "__proto__": 2})[0] == ({"keys": ["__proto__", "b"]},)


def test_store_keeps_what_json_has(session):
    script = """
        store.set('nan', NaN); store.set('big', 12345678901234567890n); store.set('null', null);
        const nan = Number.isNaN(store.get('nan'));
        push({nan, none: store.get('null'), has: store.has('null')});
    """
    session.define("n", name="N", transform=script)
    assert session.transform("n", [{}])[0].pushed == ({"nan": True, "none": None, "has": True},)
    kept = session.effects().stores["n"]
    assert kept["nan"].is_nan()
    assert (kept["big"], kept["null"]) == (12345678901234567890, None)


@pytest.mark.parametrize(
    "call",
    ["store.set('k', undefined)", "store.set('k', () => 1)", "store.set({}, 1)", "store.get(null)"],
)
def test_store_refuses_what_it_cannot_keep(failure, call):
    assert failure(call).startswith("TypeError: a ")


def test_stores_of_nodes_are_apart(session):
    session.define("a", name="A", transform="store.set('k', 'a')", store={})
    session.define("b", name="B", transform="push({k: store.get('k')})", store={"k": "b"})
    session.transform("a", [{}])
    assert session.transform("b", [{}])[0].pushed == ({"k": "b"},)


def test_shared_store_is_awaited_and_shared():
    with JavaScriptSandbox().open(at_us=0, seed=0, shared_store={"k": 1, "old": 2}) as session:
        session.define(
            "a",
            name="A",
            transform="await sharedStore.set('k', (await sharedStore.get('k')) + 1);"
            "await sharedStore.delete('old')",
        )
        session.define(
            "b",
            name="B",
            transform="push({k: await sharedStore.get('k'), has: await sharedStore.has('old'), "
            "promise: sharedStore.get('k') instanceof Promise, keys: await sharedStore.keys()})",
        )
        session.transform("a", [{}])
        [outcome] = session.transform("b", [{}])
        assert outcome.pushed == ({"k": 2, "promise": True, "has": False, "keys": ["k"]},)
        effects = session.effects()
    assert effects.shared == {"k": 2, "old": DELETED}
    assert effects.stores == {}


def test_audit_counts_sums_and_sets(session):
    script = """
        audit.count('records'); audit.sum('money', payload.v); audit.sum('big', 5n);
        audit.set('last', payload.t); audit.set('flag', true);
    """
    session.define("n", name="N", transform=script)
    session.transform("n", [{"v": Decimal("1.5"), "t": "a"}, {"v": 2, "t": "b"}])
    audit = {"records": 2, "money": Decimal("3.5"), "big": 10, "last": "b", "flag": True}
    assert session.effects().audit == {"n": audit}
    session.transform("n", [{"v": 1, "t": "b"}])
    assert session.effects().audit["n"]["records"] == 3


@pytest.mark.parametrize(
    "call", ["audit.sum('k', NaN)", "audit.sum('k')", "audit.set('k', {})", "audit.count({})"]
)
def test_audit_refuses_what_it_cannot_count(failure, call):
    assert failure(call).startswith("TypeError: a")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("'plain'", "plain"),
        ("'%s is %d, %j, %%', 'a', '4.50', {x: [1]}", 'a is 4.5, {"x":[1]}, %'),
        ("'%s %s', 1", "1 %s"),
        ("'%x %', 1", "%x % 1"),
        ("'a', 'b', {c: 1}", 'a b {"c":1}'),
        ("{a: 1}, 2", '{"a":1} 2'),
        ("'%d', 'x'", "NaN"),
        ("'%d %s', 12n, 12n", "12 12"),
        ("'%j', undefined", "undefined"),
        ("'%s', Symbol('s')", "Symbol(s)"),
        ("'%d', Symbol('s')", "NaN"),
        ("new TypeError('bad')", "TypeError: bad"),
        ("'%s', {toJSON() { throw 1 }}", "a value that cannot be shown"),
        ("'%j', (() => { const o = {}; o.o = o; return o })()", "[no JSON]"),
        ("", ""),
        ("'\\ud800'", "\ufffd"),
    ],
)
def test_log_is_printf(session, call, text):
    session.define("n", name="N", transform=f"log.info({call})")
    assert session.transform("n", [{}])[0].error is None
    assert session.effects().log == (LogLine("n", "info", text),)


def test_log_has_three_levels_and_keeps_its_order(session):
    session.define("n", name="N", transform="log.error(1); log.warning(2); log.info(payload.i)")
    session.transform("n", [{"i": 3}, {"i": 4}])
    lines = [(line.level, line.text) for line in session.effects().log]
    once = [("error", "1"), ("warning", "2")]
    assert lines == [*once, ("info", "3"), *once, ("info", "4")]


def test_long_log_line_is_cut(session):
    session.define(
        "n", name="N", transform="log.info('x'.repeat(250000)); log.info('%s', 'y'.repeat(150000))"
    )
    session.transform("n", [{}])
    assert [line.text for line in session.effects().log] == ["x" * 100_000, "y" * 100_000]


def test_flood_of_log_lines_is_counted_but_not_kept(session):
    session.define(
        "n", name="N", transform="for (let i = 0; i < 100000; i++) log.info('line %d', i)"
    )
    session.transform("n", [{}])
    effects = session.effects()
    assert len(effects.log) + effects.log_dropped == 100_000
    assert 1000 < len(effects.log) < 20_000
    session.define("m", name="M", transform="log.info('again')")
    session.transform("m", [{}])
    assert session.effects().log == (LogLine("m", "info", "again"),)


def test_moment_is_the_run_clock_in_utc(pushed):
    script = """
        const moment = require("moment");
        push({
            now: moment().format(), back: moment().subtract(1, "month").endOf("month").format(),
            parsed: moment("2025-03-30T02:30:00").toISOString(), version: moment.version,
            day: moment.utc("2024-02-29").add(1, "year").format("YYYY-MM-DD"),
            duration: moment.duration(90, "minutes").asHours(), same: require("moment") === moment,
        });
    """
    assert pushed(script) == (
        {
            "now": "2025-12-01T00:00:00+00:00",
            "back": "2025-11-30T23:59:59+00:00",
            "parsed": "2025-03-30T02:30:00.000Z",
            "version": "2.31.0",
            "day": "2025-02-28",
            "duration": Decimal("1.5"),
            "same": True,
        },
    )


@pytest.mark.parametrize("name", ["'fs'", "'node:fs'", "'./moment'", "undefined", "{}"])
def test_no_other_module_exists(failure, name):
    message = failure(f"require({name})")
    assert '"moment" is the only one (line 1)' in message


def test_vendored_moment_is_the_one_its_readme_names():
    digest = hashlib.sha256((VENDOR / "moment.min.js").read_bytes()).hexdigest()
    assert digest in (VENDOR / "README.md").read_text("utf-8")
    assert "Permission is hereby granted" in (VENDOR / "LICENSE-moment").read_text("utf-8")
