"""Scripts in Python: the same API as in JavaScript, exact numbers, and no way out."""
# ruff: noqa: E501 -- one script a line

import itertools
import os
from dataclasses import replace
from decimal import Decimal

import pytest

from meterhouse.sandbox import (
    DELETED,
    Sandbox,
    SandboxLimits,
    ScriptDefinitionError,
    ScriptLimitExceeded,
)
from tests.sandbox.conftest import AT

pytest.importorskip("pydantic_monty", reason="the extra `python` is not installed")

LIMITS = SandboxLimits(batch_seconds=5.0, memory_bytes=64 << 20)
CANARY = "canary-7f3a9c"
_ids = (f"p{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def session():
    opened = Sandbox(LIMITS).open(at_us=AT, seed=7, shared_store={"rate": Decimal("0.10")})
    yield opened
    opened.close()


@pytest.fixture
def run(session):
    """Return a function that runs one script over records and returns the outcomes."""

    def run_script(script, *records, metas=None):
        node_id = next(_ids)
        session.define(node_id, name=node_id, transform=script, language="python")
        return session.transform(node_id, list(records) or [{}], metas)

    return run_script


def test_what_is_pushed_leaves_and_payload_is_a_copy(run):
    record = {"n": 1, "deep": {"list": [1, None, "x", True]}}
    (outcome,) = run("payload['n'] = 2\npush(payload)\npush({**payload, 'deep': None})", record)
    assert outcome.pushed == ({**record, "n": 2}, {"n": 2, "deep": None})
    assert record["n"] == 1


def test_numbers_are_exact(run):
    script = "push({'sum': payload['a'] + payload['b'], 'product': payload['a'] * 3, 'float': 0.1 + 0.2})"
    (outcome,) = run(script, {"a": Decimal("0.1"), "b": Decimal("0.2")})
    assert outcome.pushed[0] == {
        "sum": Decimal("0.3"),
        "product": Decimal("0.3"),
        "float": Decimal("0.3"),
    }


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("payload['v'] * 0.1", "0.3"),
        ("payload['d'] * 0.1", "0.11"),
        ("1_0.5 + -.5 + 1e-1", "10.1"),
        ("1 / 8 / 2", "0.0625"),
        ("(1 + payload['v']) / (payload['v'] * 8 + 8) * 4", "0.5"),
        ("7 / 3 * 3", "6.999999999999999999999999999"),
        ("max(0.1, 1 /\n  4)", "0.25"),
        ("len('0.1 / 2')", "7"),
        ("'é/' and 1.5 / 2", "0.75"),
        ("9 // 2 / 2", "2"),
        ("1 / 3.0 < 0.34 and 0.1 / 0.2", "0.5"),
    ],
)
def test_literals_and_quotients_are_decimals(run, expression, value):
    (outcome,) = run(f"push({{'n': {expression}}})", {"v": 3, "d": Decimal("1.10")})
    assert (outcome.error, outcome.pushed) == (None, ({"n": Decimal(value)},))


def test_a_division_in_place_is_exact_and_keeps_its_line(run):
    script = "x = 3  # 1 / 0.5\nx /= 8\npush({'x': x, 'text': f'{0.5}'})\nx /= 0"
    (outcome,) = run(script)
    assert "at line 4" in outcome.error
    (outcome,) = run(script.removesuffix("\nx /= 0"))
    assert outcome.pushed == ({"x": Decimal("0.375"), "text": "0.5"},)


def test_a_number_that_is_left_alone_keeps_its_digits(run):
    record = {"a": Decimal("12345678901234567890.123456789012345678"), "b": 2**80}
    assert run("push(payload)", record)[0].pushed == (record,)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("float('nan')", "nan is no JSON number"),
        ("float('inf')", "inf is no JSON number"),
        ("Decimal('NaN')", "NaN is no JSON number"),
        ("{1, 2}", "a set is no JSON value"),
        ("datetime.date(2026, 1, 1)", "a date is no JSON value"),
        ("{1: 2}", "the key 1 of an object is no text"),
        ("b'x'", "a bytes is no JSON value"),
    ],
)
def test_what_is_no_json_is_refused_by_name(run, value, why):
    script = f"import datetime\nfrom decimal import Decimal\npush({{'v': {value}}})"
    (outcome,) = run(script)
    assert why in outcome.error
    assert "line 3" in outcome.error


def test_what_holds_itself_is_refused(run):
    (outcome,) = run("x = {}\nx['x'] = x\npush(x)")
    assert outcome.error.startswith("ValueError: it is nested too deeply")


def test_a_failure_spoils_its_own_record_and_names_its_line(run):
    script = "push({'before': payload['n']})\nif payload['n'] == 2:\n    raise ValueError('two')\nstate.node['n'] = payload['n']\npush({'seen': state.node['n']})"
    outcomes = run(script, {"n": 1}, {"n": 2}, {"n": 3}, {})
    assert [len(outcome.pushed) for outcome in outcomes] == [2, 0, 2, 0]
    assert outcomes[1].error == "ValueError: two, at line 3"
    assert outcomes[3].error == "KeyError: 'n', at line 1"


def test_return_ends_the_script_and_texts_over_lines_stay(run):
    script = 'text = """a\n  b\n"""\nif payload:\n    return\npush({"text": text})'
    assert [outcome.pushed for outcome in run(script, {"x": 1}, {})] == [
        (),
        ({"text": "a\n  b\n"},),
    ]


def test_meta_tells_where_a_record_is_from(run):
    (outcome,) = run("push(meta)", {}, metas=[{"source": "a.csv", "offset": 3}])
    assert outcome.pushed == ({"source": "a.csv", "offset": 3},)


def test_stores_audit_and_log_are_effects():
    session = Sandbox(LIMITS).open(at_us=AT, seed=7, shared_store={"rate": 3})
    script = (
        "store.set('n', store.get('n') + payload['n'])\nstore.delete('gone')\n"
        "sharedStore.set('last', sharedStore.get('rate') * payload['n'])\n"
        "audit.count('seen')\naudit.sum('total', payload['n'])\naudit.set('note', 'x')\n"
        "log.info('%s of %j: %d%%', 'a', {'b': [1, None]}, 5, 'rest')\nlog.error('bad')\n"
        "push({'has': store.has('gone'), 'keys': store.keys(), 'none': store.get('nothing')})"
    )
    given = {"n": 1, "gone": True}
    flush = "push({'last': meta['lastCall'], 'n': store.get('n')})"
    session.define("a", name="A", transform=script, flush=flush, store=given, language="python")
    first, second = session.transform("a", [{"n": Decimal("0.1")}, {"n": 2}])
    assert first.pushed == second.pushed == ({"has": False, "keys": ["n"], "none": None},)
    assert session.flush("a", {"lastCall": True}).pushed == ({"last": True, "n": Decimal("3.1")},)
    effects = session.effects()
    assert effects.stores == {"a": {"n": Decimal("3.1"), "gone": DELETED}}
    assert effects.shared == {"last": 6}
    assert effects.audit == {"a": {"seen": 2, "total": Decimal("2.1"), "note": "x"}}
    assert [tuple(line) for line in effects.log] == [
        ("a", "info", 'a of {"b":[1,null]}: 5% rest'),
        ("a", "error", "bad"),
    ] * 2
    assert session.effects().stores == session.effects().audit == {}
    session.close()


def test_nodes_have_their_own_state_and_share_the_streams(session):
    mine = "state.node['n'] = state.node.get('n', 0) + 1\nstate.stream['s'] = state.stream.get('s', 0) + 1\npush({'n': state.node['n'], 's': state.stream['s']})"
    first, second = next(_ids), next(_ids)
    for node_id in (first, second):
        session.define(node_id, name=node_id, transform=mine, language="python")
    before = session.transform(first, [{}, {}])[1].pushed[0]
    after = session.transform(second, [{}])[0].pushed[0]
    assert (before["n"], after["n"]) == (2, 1)
    assert after["s"] == before["s"] + 1


def test_clock_and_chance_are_the_runs_however_batches_are_cut():
    script = "import random, datetime\npush({'r': random.random(), 'at': datetime.datetime.now(datetime.timezone.utc).isoformat()})"
    seen = []
    for cuts in ([6], [1, 2, 3], [5, 1]):
        session = Sandbox(LIMITS).open(at_us=AT, seed=7)
        for node_id in "ab":
            session.define(node_id, name=node_id, transform=script, language="python")
        outcomes = {"a": [], "b": []}
        for size in cuts:
            for node_id in "ab":
                outcomes[node_id] += session.transform(node_id, [{}] * size)
        session.close()
        seen.append(outcomes)
    assert seen[0] == seen[1] == seen[2]
    assert seen[0]["a"] != seen[0]["b"]
    assert seen[0]["a"][0].pushed[0]["at"] == "2025-12-01T00:00:00.123456+00:00"
    assert len({outcome.pushed[0]["r"] for outcome in seen[0]["a"]}) == 6


def test_both_languages_in_one_stream():
    session = Sandbox(LIMITS).open(at_us=AT, seed=7)
    session.define("js", name="JS", transform="await push({n: payload.n + 1})")
    session.define("py", name="PY", transform="push({'n': payload['n'] + 1})", language="python")
    assert session.transform("js", [{"n": 1}])[0].pushed == ({"n": 2},)
    assert session.transform("py", [{"n": 1}])[0].pushed == ({"n": 2},)
    session.close()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("x = = 2", "at line 1, column 5"),
        ("if True:\n    push({})\n  x = 1", "at line 3"),
        ("push({}", "is not valid Python"),
        ("del payload", "'del' statement"),
        ("class", "is not valid Python"),
        ('"""open', "is not valid Python"),
    ],
)
def test_what_is_no_script_is_refused_with_its_place(session, script, message):
    with pytest.raises(ScriptDefinitionError, match="is not valid Python") as refused:
        session.define(next(_ids), name="Bad", transform=script, language="python")
    assert message in str(refused.value)


def test_what_a_script_prints_goes_nowhere(run, capfd):
    assert run("print('hello')\npush({})")[0].pushed == ({},)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize(
    ("script", "limit"),
    [
        ("while True:\n    pass", "time"),
        (
            "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
            "time",
        ),
        ("try:\n    while True:\n        pass\nfinally:\n    while True:\n        pass", "time"),
        ("for i in range(10**12):\n    pass", "time"),
        ("sum(range(10**12))", "time"),
        ("x = 'x' * (1 << 40)", "memory"),
        ("x = []\nwhile True:\n    x.append('x' * 1000)", "memory"),
        ("x = [0] * 10**9", "memory"),
        ("x = 9 ** 9 ** 9", "memory"),
        ("x = {}\nfor i in range(10**9):\n    x[i] = str(i)", "memory"),
        (
            "state.node['x'] = 'y' * (1 << 20)\nwhile True:\n    state.node['x'] += state.node['x']",
            "memory",
        ),
        ("x = '{:>999999999999}'.format(1)", "memory"),
        ("x = b'0' * (1 << 36)", "memory"),
        ("x = (1 << (1 << 40))", "memory"),
    ],
)
def test_a_limit_ends_the_session_and_names_the_node(script, limit):
    short = replace(LIMITS, batch_seconds=1.5)
    session = Sandbox(short).open(at_us=AT, seed=7)
    session.define("a", name="Greedy", transform=script, language="python")
    with pytest.raises(ScriptLimitExceeded, match="Greedy") as stopped:
        session.transform("a", [{}])
    assert stopped.value.limit in (limit, "time")
    session.close()


#: What may hold something of the machine, or lead to it. ``{secret}`` is the path of a file.
ESCAPES = [
    "open('{secret}').read()",
    "open('/etc/passwd').read()",
    "open('/proc/self/environ').read()",
    "open('/proc/1/cmdline').read()",
    "open('{secret}', 'w').write('x')",
    "open('../../../../../../{secret}').read()",
    "open(0).read()",
    "open(1, 'w').write('x')",
    "import io\npush({{'got': io.open('{secret}').read()}})",
    "import os\npush({{'got': os.environ['METERHOUSE_CANARY']}})",
    "import os\npush({{'got': os.getenv('METERHOUSE_CANARY')}})",
    "import os\npush({{'got': str(dict(os.environ))}})",
    "import os\npush({{'got': str(os.listdir('/'))}})",
    "import os\nos.system('cat {secret}')",
    "import os\nos.popen('cat {secret}').read()",
    "import os\nos.remove('{secret}')",
    "import os\nos.unlink('{secret}')",
    "import os\nos.rename('{secret}', '/tmp/x')",
    "import os\nos.kill(1, 9)",
    "import os\nos.fork()",
    "import os\nos._exit(3)",
    "import os\nos.execv('/bin/sh', ['sh'])",
    "import os\nos.chdir('/')\npush({{'got': open('etc/passwd').read()}})",
    "import os\nos.symlink('{secret}', '/x')\npush({{'got': open('/x').read()}})",
    "import os\npush({{'got': os.readlink('/proc/self/exe')}})",
    "from pathlib import Path\npush({{'got': Path('{secret}').read_text()}})",
    "from pathlib import Path\npush({{'got': str(list(Path('/').iterdir()))}})",
    "from pathlib import Path\nPath('{secret}').unlink()",
    "from pathlib import Path\nPath('{secret}').write_text('x')",
    "import shutil\nshutil.rmtree('/')",
    "import glob\npush({{'got': str(glob.glob('/*'))}})",
    "import tempfile\ntempfile.mkdtemp()",
    "import subprocess\nsubprocess.run(['cat', '{secret}'])",
    "import socket\nsocket.socket()",
    "import socket\nsocket.create_connection(('127.0.0.1', {port}))",
    "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:{port}')",
    "import http.client\nhttp.client.HTTPConnection('127.0.0.1', {port}).connect()",
    "import asyncio\nasyncio.run(asyncio.open_connection('127.0.0.1', {port}))",
    "import ssl",
    "import ctypes\nctypes.CDLL(None)",
    "import cffi",
    "import mmap",
    "import fcntl",
    "import signal\nsignal.alarm(1)",
    "import threading\nthreading.Thread(target=print).start()",
    "import multiprocessing\nmultiprocessing.Process().start()",
    "import importlib\nimportlib.import_module('os').system('id')",
    "import builtins\nbuiltins.open('{secret}')",
    "import pickle\npickle.loads(b'cos\\nsystem\\n(S\\'id\\'\\ntR.')",
    "import marshal",
    "import inspect\ninspect.currentframe()",
    "import gc\npush({{'got': str(gc.get_objects())}})",
    "import sys\npush({{'got': str(sys.modules)}})",
    "import sys\nsys.exit(3)",
    "import sys\npush({{'got': str(sys.argv)}})",
    "import sys\npush({{'got': str(sys._getframe())}})",
    "import sys\nsys.setrecursionlimit(10**9)",
    "import resource",
    "import platform\npush({{'got': platform.node()}})",
    "import getpass\npush({{'got': getpass.getuser()}})",
    "import pwd",
    "import webbrowser",
    "import code",
    "import pdb\npdb.set_trace()",
    "import meterhouse",
    "import polars",
    "import pydantic_monty",
    "__import__('os').system('id')",
    "__builtins__['open']('{secret}')",
    "push({{'got': str(globals())}})",
    "push({{'got': str(locals())}})",
    "push({{'got': str(vars())}})",
    "push({{'got': str(dir())}})",
    "().__class__.__bases__[0].__subclasses__()",
    "''.__class__.__mro__[1].__subclasses__()",
    "(lambda: 0).__globals__['__builtins__']",
    "(lambda: 0).__code__.co_consts",
    "push.__globals__",
    "push.__self__",
    "push.__closure__",
    "store.get.__func__.__globals__",
    "log.__class__.__init__.__globals__",
    "type(log)._write = None",
    "getattr(push, '__glo' + 'bals__')",
    "'{{0.__class__}}'.format(push)",
    "'{{0.__globals__}}'.format(push)",
    "f'{{push.__globals__}}'",
    "eval('open(\"{secret}\").read()')",
    "exec('import os\\nos.system(\"id\")')",
    "compile('1', 'x', 'eval').co_code",
    "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    error.__traceback__.tb_frame.f_globals",
    "def g():\n    yield\ng().gi_frame.f_globals",
    "async def c():\n    pass\nc().cr_frame.f_back",
    "def f():\n    return f()\nf()",
    "import re\nre.match('(a+)+$', 'a' * 64 + 'b')",
    "input()",
    "breakpoint()",
    "help()",
    "exit()",
    "quit()",
    "memoryview(b'x').obj",
    "object.__subclasses__()",
    "type('X', (), {{}})()",
    "class A:\n    def __del__(self):\n        open('{secret}')\nA()",
    "push({{'got': repr(push)}})",
    "sharedStore.__init__({{}})",
    "store._values",
    "import json\njson.load(open('{secret}'))",
    "import tomllib\ntomllib.load(open('{secret}', 'rb'))",
    "import csv\nlist(csv.reader(open('{secret}')))",
    "import random\nrandom.SystemRandom().random()",
    "import time\ntime.sleep(3600)",
    "import secrets\npush({{'got': secrets.token_hex()}})",
    "import uuid\npush({{'got': str(uuid.getnode())}})",
]


@pytest.fixture(scope="module")
def canaries(tmp_path_factory):
    secret = tmp_path_factory.mktemp("canary") / "secret"
    secret.write_text(CANARY)
    os.environ["METERHOUSE_CANARY"] = CANARY
    yield secret
    del os.environ["METERHOUSE_CANARY"]


@pytest.fixture(scope="module")
def listener():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.01)
        yield server


@pytest.fixture(scope="module")
def captive(canaries):
    """A session whose worker has the canary in its parent's environment."""
    session = Sandbox(LIMITS).open(at_us=AT, seed=7)
    yield session
    session.close()


def test_there_are_a_hundred_ways_out():
    assert len(set(ESCAPES)) >= 100


@pytest.mark.parametrize("number", range(len(ESCAPES)))
def test_there_is_no_way_out(captive, canaries, listener, number):
    port = listener.getsockname()[1]
    script = ESCAPES[number].format(secret=canaries, port=port)
    if "push(" not in script and "\n" not in script and not script.startswith(("import", "from")):
        script = f"push({{'got': str({script})}})" if "=" not in script else script
    try:
        captive.define(f"e{number}", name="Escape", transform=script, language="python")
    except ScriptDefinitionError:
        outcome = None
    else:
        (outcome,) = captive.transform(f"e{number}", [{}])
    told = str(outcome)
    assert CANARY not in told
    assert "root:" not in told
    assert canaries.read_text() == CANARY
    with pytest.raises(TimeoutError):
        listener.accept()
    # The session is as good as before.
    captive.define(f"after{number}", name="After", transform="push({})", language="python")
    assert captive.transform(f"after{number}", [{}])[0].pushed == ({},)
