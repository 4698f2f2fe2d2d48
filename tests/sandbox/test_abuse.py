"""Scripts that try to get out, to use everything up, or to break the loop that runs them.

Each ends within its limit, as a plain outcome or at a limit; what it finds is nothing.
"""
# ruff: noqa: E501 -- one script a line

import time
from dataclasses import replace

import pytest

from meterhouse.sandbox import JavaScriptSandbox, SandboxLimits, ScriptLimitExceeded

LIMITS = SandboxLimits(batch_seconds=5.0, memory_bytes=48 << 20, output_bytes=1 << 20)
#: For scripts that are expected to use up their time.
SHORT = replace(LIMITS, batch_seconds=0.1)

#: Names of other hosts of JavaScript, of V8's shells, and of the parts of this one.
NAMES = """
    process global window self document navigator location Deno Bun fetch XMLHttpRequest WebSocket
    Worker importScripts postMessage setTimeout setInterval setImmediate clearTimeout
    queueMicrotask console WebAssembly SharedArrayBuffer Atomics WeakRef FinalizationRegistry
    Temporal performance crypto structuredClone module exports __dirname __filename Buffer os std
    print printErr read readbuffer readline load quit d8 gc version Realm testRunner
    __timer_manager __TimerManager world drive take answers nodes stream shared logged run sink
    begin encode decode rawJSON generator RealDate realNow apply construct progress buffer
""".split()


@pytest.fixture(scope="module")
def reused():
    with JavaScriptSandbox(LIMITS).open(at_us=0, seed=0) as session:
        yield session


@pytest.mark.parametrize("name", NAMES)
def test_name_does_not_exist(reused, name):
    script = (
        f"push({{direct: typeof {name}, globally: typeof globalThis.{name}, "
        f"called: Function('return typeof {name}')(), evaluated: (0, eval)('typeof {name}')}})"
    )
    reused.define(name, name=name, transform=script)
    [outcome] = reused.transform(name, [{}])
    assert set(outcome.pushed[0].values()) == {"undefined"}


#: Each must push {found: nothing} or fail as a script does.
ESCAPES = {
    "import": "let found; try { found = await import('fs') } catch {} push({found})",
    "import of a file": "let found; try { found = await import('/etc/passwd') } catch {} push({found})",
    "import of data": "let found; try { found = await import('data:text/javascript,1') } catch {} push({found})",
    "require by path": "let found; try { found = require('/etc/passwd') } catch {} push({found})",
    "constructor of this": "push({found: this.constructor.constructor('return process')()})",
    "constructor of push": "push({found: push.constructor('return process')()})",
    "constructor of a store method": "push({found: store.get.constructor('return typeof process')() === 'undefined' ? null : 1})",
    "async constructor": "push({found: await (async () => {}).constructor('return drive')()})",
    "generator constructor": "push({found: [...(function* () {}).constructor('yield process')()][0]})",
    "stack shows no path": "push({found: /[/\\\\]|py_mini_racer|python/.test(new Error().stack) || null})",
    "frames of the runner": """
        Error.prepareStackTrace = (error, frames) => frames;
        const frames = (() => new Error().stack)();
        const mine = frames.filter((f) => f.getThis?.() !== undefined && f.getThis() !== globalThis);
        const functions = frames.map((f) => f.getFunction?.()).filter(Boolean);
        push({found: mine.length || functions.some((f) => /callScript|step/.test(f.name)) || null});
    """,
    "caller of a getter": """
        function peek() { try { return peek.caller } catch { return null } }
        let found = null;
        push({get x() { found = peek(); return 1 }});
        push({found});
    """,
    "arguments callee caller": """
        function peek() { return arguments.callee.caller }
        let found = null; ({toJSON() {}}).x;
        push({toJSON() { found = peek() && peek().caller; return {} }});
        push({found});
    """,
    "prototype of the arguments": "push({found: Object.getOwnPropertySymbols(push).length || null})",
    "bound runner": "push({found: Object.getOwnPropertyNames(globalThis).find((n) => /drive|take|mr_|racer/i.test(n)) ?? null})",
    "symbols of the global": "push({found: Object.getOwnPropertySymbols(globalThis).length > 1 || null})",
    "real clock by Date": "const a = Date.now(); for (let i = 0; i < 3e6; i++); push({found: Date.now() - a || null})",
    "real clock by locale": "const a = new Intl.DateTimeFormat('en', {fractionalSecondDigits: 3}); const b = a.format(); for (let i = 0; i < 3e6; i++); push({found: a.format() !== b || null})",
    "environment by locale": "push({found: Intl.DateTimeFormat().resolvedOptions().timeZone === 'UTC' ? null : 1})",
    "native syntax": "try { push({found: eval('%DebugPrint(1)')}) } catch { push({found: null}) }",
    "hash bang": "try { push({found: eval('#!/bin/sh')}) } catch { push({found: null}) }",
    "source map comment": "//# sourceMappingURL=file:///etc/passwd\npush({found: null})",
    "source name comment": "//# sourceURL=/etc/passwd\npush({found: null})",
    "debugger": "debugger; push({found: null})",
    "proto of payload": "payload.__proto__.polluted = 1; push({found: null})",
}  # fmt: skip


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_is_found(name):
    with JavaScriptSandbox(LIMITS).open(at_us=0, seed=0) as session:
        session.define("n", name=name, transform=ESCAPES[name])
        [outcome] = session.transform("n", [{}])
    if outcome.error is None:
        assert outcome.pushed[-1].get("found") is None
    else:
        assert outcome.error.startswith(("ReferenceError", "TypeError"))


#: Tampering with the world that scripts share; a quiet record after it must still be answered.
TAMPERING = {
    "delete all globals": "for (const k of Object.getOwnPropertyNames(globalThis)) { try { delete globalThis[k] } catch {} }",
    "freeze the global": "Object.freeze(globalThis); Object.freeze(Object.prototype); Object.freeze(Array.prototype)",
    "replace JSON": "JSON.stringify = () => 'broken'; JSON.parse = () => 'broken'",
    "replace Promise": "globalThis.Promise = null; globalThis.Error = null; globalThis.TypeError = 1",
    "then of promises": "Promise.prototype.then = () => { throw 1 }",
    "constructor of promises": "Object.defineProperty(Promise.prototype, 'constructor', {get() { throw 1 }})",
    "then of objects": "Object.prototype.then = function (go) { go() }",
    "toJSON of objects": "Object.prototype.toJSON = () => ({hijacked: true})",
    "toJSON of texts": "String.prototype.toJSON = () => 5; Number.prototype.toJSON = () => 'n'",
    "setters on arrays": "for (let i = 0; i < 20; i++) Object.defineProperty(Array.prototype, i, {set() { throw 1 }, get() { return 'x' }})",
    "setters on objects": "for (const k of ['text', 'open', 'size', 'index', 'node', 'lines', 'value', 'changed']) Object.defineProperty(Object.prototype, k, {set() { throw 1 }, get() { return 'x' }})",
    "iterators": "Array.prototype[Symbol.iterator] = () => { throw 1 }; Map.prototype.get = null",
    "texts": "for (const k of Object.getOwnPropertyNames(String.prototype)) { try { String.prototype[k] = () => { throw 1 } } catch {} }",
    "functions": "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw 1 }",
    "Reflect and Object": "Reflect.apply = Reflect.construct = Object.keys = Object.freeze = () => { throw 1 }",
    "source of numbers": "Object.prototype.source = '9E+999999'",
    "Math": "Math.floor = Math.imul = () => NaN",
    "own random": "Math.random = () => 4",
    "Error stack": "Error.prepareStackTrace = () => { throw 1 }; Error.stackTraceLimit = 0",
    "forged line": "state.forged = Object.assign(new Error('x'), {stack: 'meterhouse-script-1:99999999999999999999:1'})",
    "prototype of the prototype": "try { Object.setPrototypeOf(Object.prototype, {evil: 1}) } catch {}",
    "Date": "Date.now = () => 5; globalThis.Date = null",
    "api objects": "try { store.get = log.info = audit.count = null } catch {}; state.node = null",
    "push itself": "push.call = push.then = null; Object.defineProperty(push, 'name', {value: {}})",
    "species": "Object.defineProperty(Promise, Symbol.species, {value: function () { throw 1 }})",
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_does_not_break_the_loop(name):
    script = f"if (payload.first) {{ {TAMPERING[name]} }} else await push({{quiet: payload.n}});"
    with JavaScriptSandbox(LIMITS).open(at_us=0, seed=0) as session:
        session.define("n", name=name, transform=script)
        outcomes = session.transform("n", [{"first": True}] + [{"n": n} for n in range(3)])
        assert len(outcomes) == 4
        later = session.transform("n", [{"n": 3}])
        assert len(later) == 1
        assert len(session.effects().stores) == 0
    # A script may spoil its own records, but nothing else can have been made of them.
    made = [item for outcome in outcomes[1:] + later for item in outcome.pushed]
    assert all(list(item) in (["quiet"], ["hijacked"]) for item in made)
    if name not in SPOIL_THEMSELVES:
        assert made == [{"quiet": n} for n in range(4)]


#: Where the records that follow are changed too, because the script changed how values are made.
SPOIL_THEMSELVES = {
    "toJSON of objects",
    "toJSON of texts",
    "then of promises",
    "constructor of promises",
    "source of numbers",
}


ENDS, FAILS, STOPPED = "ends", "fails", "stopped"

#: script -> how it may end.
GREED = {
    "while (true);": {STOPPED},
    "for (;;) await null;": {STOPPED},
    "for (;;) await push({});": {FAILS, STOPPED},
    "for (;;) try { push({}) } catch {}": {STOPPED},
    "for (;;) { try { for (;;) ; } finally { continue } }": {STOPPED},
    "const f = () => Promise.resolve().then(f); await f();": {STOPPED},
    "const f = async () => { await null; return f() }; f();": {STOPPED},
    "(async () => { for (;;) await null })();": {STOPPED},
    "for await (const x of (async function* () { for (;;) yield 1 })()) ;": {STOPPED},
    "await new Promise(() => {});": {FAILS},
    "await {then() {}};": {FAILS},
    "const p = (async () => { await p })(); await p;": {FAILS, ENDS},
    "const f = () => f(); f();": {FAILS},
    "const f = () => { try { f() } catch { f() } }; f();": {STOPPED, FAILS},
    "let o = {}; for (let i = 0; i < 1e5; i++) o = {o}; push(o);": {FAILS},
    "const o = {}; o.o = o; push(o);": {FAILS},
    "push(new Proxy({}, {ownKeys() { for (;;) ; }}));": {STOPPED},
    "push(new Proxy({}, {get(t, k) { return k === 'toJSON' ? undefined : new Proxy(t, this) }, ownKeys() { return ['a'] }, getOwnPropertyDescriptor() { return {enumerable: true, configurable: true} }}));": {FAILS},
    "push({get x() { throw new Error('getter') }});": {FAILS},
    "push({get x() { return push({deep: 1}) }});": {ENDS},
    "push({toJSON() { return this }});": {ENDS},
    "push({get x() { for (;;) ; }});": {STOPPED},
    "throw {get stack() { for (;;) ; }};": {STOPPED},
    "throw {get message() { throw 1 }};": {FAILS},
    "/^(a+)+$/.test('a'.repeat(60) + 'b');": {STOPPED},
    "/(.*)*(.*)*(.*)*x/.test('y'.repeat(5000));": {STOPPED},
    "'a'.repeat(2 ** 30);": {FAILS},
    "let s = 'x'; for (;;) s += s;": {FAILS},
    "'x'.repeat(5e8).split('');": {FAILS, STOPPED},
    "JSON.stringify('x'.repeat(5e8));": {FAILS, STOPPED},
    "'ab'.repeat(2e8).replace(/./g, 'xyz');": {FAILS, STOPPED},
    "encodeURIComponent('\\u20ac'.repeat(1e8));": {FAILS, STOPPED},
    "const a = []; for (;;) a.push(a.length);": {STOPPED},
    "const a = []; for (;;) a.push(new ArrayBuffer(1e6));": {FAILS, STOPPED},
    "const a = []; for (let i = 0; i < 100; i++) a.push(new ArrayBuffer(1e9));": {FAILS},
    "const a = []; for (;;) a.push(new Uint8Array(1e7).fill(1));": {FAILS},
    "const a = new ArrayBuffer(1, {maxByteLength: 1e9}); a.resize(1e9); new Uint8Array(a).fill(1);": {FAILS, STOPPED},
    "new Array(1e9).fill(0);": {STOPPED, FAILS},
    "new Array(2 ** 32 - 1).join('abc');": {FAILS},
    "Array.from({length: 1e9});": {STOPPED, FAILS},
    "[...Array(1e9).keys()];": {STOPPED, FAILS},
    "const m = new Map(); for (let i = 0; ; i++) m.set(i, {});": {STOPPED, FAILS},
    "const s = new Set(); for (let i = 0; ; i++) s.add('k' + i);": {STOPPED, FAILS},
    "for (let i = 0; ; i++) state.node[i] = [i];": {STOPPED},
    "for (let i = 0; ; i++) store.set('k' + i, 'x'.repeat(1000));": {STOPPED},
    "for (let i = 0; ; i++) await sharedStore.set('k' + i, i);": {STOPPED},
    "for (let i = 0; ; i++) audit.count('k' + i);": {STOPPED},
    "for (;;) log.info('x'.repeat(1000));": {STOPPED},
    "for (let i = 0; i < 2e4; i++) log.info('%j', {i});": {ENDS},
    "let b = 3n; for (;;) b *= b;": {STOPPED, FAILS},
    "2n ** 100000000n;": {STOPPED, FAILS, ENDS},
    "push({b: 7n ** 1000000n});": {STOPPED, FAILS},
    "new Array(1e6).fill(0).sort(() => { for (;;) ; });": {STOPPED},
    "[1, 2].sort({valueOf() { for (;;) ; }});": {FAILS},
    "`${{toString() { for (;;) ; }}}`;": {STOPPED},
    "eval('for (;;) ;');": {STOPPED},
    "Function('for (;;) ;')();": {STOPPED},
    "Function('x'.repeat(1e7))();": {FAILS},
    "Function(Array(1e5).fill('(').join(''))();": {FAILS, STOPPED},
    "eval(Array(1e5).fill('[').join(''));": {FAILS, STOPPED},
    "JSON.parse('['.repeat(1e6));": {FAILS},
    "let o = []; for (let i = 0; i < 1e6; i++) o = [o]; JSON.stringify(o);": {FAILS, STOPPED},
    "const g = (function* () { for (;;) yield 1 })(); [...g];": {STOPPED, FAILS},
    "require('moment').duration({toString() { for (;;) ; }}); push({});": {STOPPED, ENDS, FAILS},
    "const a = []; for (;;) a.push(new Intl.DateTimeFormat('en'));": {STOPPED, FAILS},
    "const a = []; for (;;) a.push(Function('return ' + a.length));": {STOPPED, FAILS},
    "const a = []; for (;;) a.push(Symbol(a.length));": {STOPPED, FAILS},
    "for (;;) Promise.reject(1);": {STOPPED},
    "const a = []; for (;;) a.push(new Promise(() => {}));": {STOPPED, FAILS},
    "Promise.reject(new Error('nobody listens')); push({});": {ENDS},
    "throw new Proxy({}, {get() { for (;;) ; }});": {STOPPED},
    "label: for (;;) { for (;;) continue label; }": {STOPPED},
    "do ; while (Date.now() < 1);": {STOPPED},
    "const until = Date.now() + 1; while (Date.now() < until) ;": {STOPPED},
    "with ({}) for (;;) ;": {STOPPED},
    "new RegExp('('.repeat(1e5));": {FAILS, STOPPED},
    "new RegExp('(a{1000}){1000}{1000}').test('a'.repeat(1e6));": {STOPPED, FAILS, ENDS},
    "'a'.localeCompare('b'.repeat(1e8));": {STOPPED, FAILS, ENDS},
    "'x'.normalize.call('\\u1e9b'.repeat(5e7), 'NFKD');": {STOPPED, FAILS, ENDS},
    "new Date(8.64e15).toISOString(); new Date(NaN).toISOString();": {FAILS},
    "Object.defineProperty(globalThis, 'undefined', {value: 1});": {FAILS},
    "globalThis.__proto__ = null; push({});": {ENDS, FAILS},
    "globalThis.globalThis = globalThis.globalThis = null; push({});": {ENDS},
}  # fmt: skip


@pytest.mark.parametrize("script", GREED)
def test_greed_ends_in_time(script):
    limits = SHORT if STOPPED in GREED[script] else LIMITS
    with JavaScriptSandbox(limits).open(at_us=0, seed=0) as session:
        session.define("n", name="Greedy", transform=script)
        begun = time.monotonic()
        end = ending(session)
        # A busy machine takes its time; without a limit these would not end at all.
        assert time.monotonic() - begun < limits.batch_seconds + 20.0
    assert end in GREED[script]


def ending(session):
    try:
        [outcome] = session.transform("n", [{}])
    except ScriptLimitExceeded as error:
        return STOPPED if error.record == 0 else None
    return ENDS if outcome.error is None else FAILS
