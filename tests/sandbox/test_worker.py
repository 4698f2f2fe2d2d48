"""The worker process: what surrounds it, when it starts and ends, what is said when it is lost."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import meterhouse.sandbox
from meterhouse.sandbox import JavaScriptSandbox, ScriptSessionClosed, ScriptWorkerLost
from meterhouse.sandbox.channel import _engine_files
from meterhouse.sandbox.worker import confine, engine
from meterhouse.sandbox.worker.serve import Worker

SOURCE = Path(meterhouse.sandbox.__file__).parents[2]
ON_LINUX = sys.platform == "linux" and os.uname().machine in ("x86_64", "aarch64")


def gone(process_id: int) -> bool:
    """Return whether a process ends within some seconds."""
    for _ in range(200):
        try:
            state = (
                Path(f"/proc/{process_id}/stat").read_text("ascii").rpartition(")")[2].split()[0]
            )
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(not ON_LINUX, reason="the walls are those of Linux")
def test_all_walls_stand(session):
    session.define("n", name="N", transform="")
    walls = {"memory", "core", "fsize", "nproc", "nofile", "calls"}
    assert session.walls == walls
    process = Path(f"/proc/{session.process_id}")
    assert sorted(path.name for path in (process / "fd").iterdir()) == ["0", "1", "2", "3"]
    assert (process / "environ").read_text("ascii") == "TZ=UTC\0LANG=en_US.UTF-8\0"
    status = (process / "status").read_text("ascii")
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status
    tasks = [(task / "status").read_text("ascii") for task in (process / "task").iterdir()]
    assert all("Seccomp:\t2" in task for task in tasks)


CONFINED = """
import os, signal, socket, sys
sys.path.insert(0, {source!r})
for name in ("meterhouse", "meterhouse.sandbox"):
    sys.modules[name] = type(sys)(name)
    sys.modules[name].__path__ = [{source!r} + "/" + name.replace(".", "/")]
from meterhouse.sandbox.worker import confine
os.dup2(1, 3)
opened = os.open(os.devnull, os.O_RDONLY)
os.close(opened)
attempts = {{
    "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "write a file": lambda: os.open("/tmp/escaped", os.O_WRONLY | os.O_CREAT),
    "socket": lambda: socket.socket(socket.AF_UNIX),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "signal": lambda: os.kill(os.getppid(), signal.SIGTERM),
    "own signal": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "list": lambda: os.listdir("/"),
    "remove": lambda: os.unlink("/tmp/escaped"),
    "pipe": os.pipe,
    "memory": lambda: bytearray(512 << 20),
    "copy descriptor": lambda: os.dup(0),
    "change folder": lambda: os.chdir("/tmp"),
}}
confine.confine(64 << 20)
for name, attempt in attempts.items():
    try:
        attempt()
        os.write(3, f"{{name}}: worked\\n".encode())
    except BaseException as error:
        os.write(3, f"{{name}}: {{type(error).__name__}}\\n".encode())
os._exit(0)
"""


@pytest.mark.skipif(not ON_LINUX, reason="the filter of calls is Linux's")
def test_nothing_can_be_reached_behind_the_walls():
    command = [sys.executable, "-I", "-S", "-c", CONFINED.format(source=str(SOURCE))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    results = dict(line.split(": ") for line in done.stdout.splitlines())
    assert len(results) == 13
    assert results.pop("memory") == "MemoryError"
    assert set(results.values()) <= {"PermissionError", "OSError"}


def test_filter_lists_the_same_calls_for_both_machines():
    (_, _, intel), (_, _, arm) = confine._MACHINES["x86_64"], confine._MACHINES["aarch64"]
    assert set(intel) - set(arm) == {"poll"}
    assert set(arm) <= set(intel)


def test_filter_jumps_to_its_last_line():
    program = confine._program(7, [1, 5, 9])
    lines = [program.filter[index] for index in range(program.length)]
    for index, line in enumerate(lines[4:7], start=4):
        assert lines[index + 1 + line.if_true].operand == confine._ALLOW
        assert line.if_false == 0


PARENT = """
import sys, threading, time
sys.path.insert(0, {source!r})
from meterhouse.sandbox import JavaScriptSandbox
session = JavaScriptSandbox().open(at_us=0, seed=0)
def start():
    session.define("n", name="N", transform={script!r})
    print(session.process_id, flush=True)
    session.transform("n", [{{}}])
{how}
time.sleep(60)
"""


@pytest.mark.parametrize("script", ["", "while (true);"], ids=["idle", "busy"])
@pytest.mark.parametrize("how", ["start()", "threading.Thread(target=start, daemon=True).start()"])
def test_worker_ends_when_its_parent_is_killed(script, how):
    code = PARENT.format(source=str(SOURCE), script=script, how=how)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        time.sleep(0.1)
        parent.kill()
        assert gone(worker)


def test_worker_survives_the_thread_that_started_it(session):
    thread = threading.Thread(
        target=session.define, args=("n",), kwargs={"name": "N", "transform": "push({})"}
    )
    thread.start()
    thread.join()
    time.sleep(0.05)
    assert len(session.transform("n", [{}])[0].pushed) == 1


def test_closing_ends_the_worker(session):
    session.define("n", name="N", transform="")
    worker = session.process_id
    session.close()
    assert gone(worker)


def test_killed_worker_is_lost_with_its_signal(session):
    session.define("n", name="N", transform="while (payload.on);")
    os.kill(session.process_id, signal.SIGKILL)
    with pytest.raises(ScriptWorkerLost, match="was ended by signal 9"):
        session.transform("n", [{}])


def test_stopped_worker_is_noticed_from_outside(monkeypatch):
    monkeypatch.setattr("meterhouse.sandbox.conversation._GRACE_SECONDS", 0.1)
    limits = meterhouse.sandbox.SandboxLimits(batch_seconds=0.2)
    with JavaScriptSandbox(limits).open(at_us=0, seed=0) as session:
        session.define("n", name="N", transform="")
        os.kill(session.process_id, signal.SIGSTOP)
        with pytest.raises(meterhouse.sandbox.ScriptLimitExceeded, match="made no progress"):
            session.transform("n", [{}])


def test_missing_mini_racer_says_what_to_do(monkeypatch):
    monkeypatch.setattr("meterhouse.sandbox.channel.find_spec", lambda name: None)
    with pytest.raises(ScriptWorkerLost, match="pip install mini-racer"):
        JavaScriptSandbox().open(at_us=0, seed=0).check_syntax("")


def test_worker_that_cannot_start_is_lost(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(ScriptWorkerLost, match="could not be started"):
        JavaScriptSandbox().open(at_us=0, seed=0).check_syntax("")


def test_worker_that_ends_at_its_start_is_lost(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ScriptWorkerLost, match="ended with status 1"):
        JavaScriptSandbox().open(at_us=0, seed=0).check_syntax("")


def test_session_that_was_interrupted_is_closed(session):
    session.define("n", name="N", transform="push(payload)")
    records = [{}] * 2000
    metas = [{}] * 1999 + [{"broken": object()}]
    with pytest.raises(TypeError):
        session.transform("n", records, metas)
    with pytest.raises(ScriptSessionClosed):
        session.transform("n", [{}])


def test_two_sessions_share_nothing(session):
    with JavaScriptSandbox().open(at_us=0, seed=0) as other:
        for one in (session, other):
            one.define("n", name="N", transform="state.stream.n ??= payload.n; push(state.stream)")
        assert session.transform("n", [{"n": 1}])[0].pushed == ({"n": 1},)
        assert other.transform("n", [{"n": 2}])[0].pushed == ({"n": 2},)


def test_c_interface_is_that_of_the_installed_mini_racer():
    from py_mini_racer._dll import _build_dll_handle

    theirs = _build_dll_handle(_engine_files()[0])
    for name, (result, arguments) in engine.SIGNATURES.items():
        function = getattr(theirs, name)
        if result is not None:
            assert ctypes.sizeof(function.restype) == ctypes.sizeof(result), name
        sizes = [ctypes.sizeof(argument) for argument in function.argtypes]
        assert sizes == [ctypes.sizeof(argument) for argument in arguments], name


# ---------------------------------------------------------------- the worker's own code, here


class Ended(Exception):
    """Takes the place of the end of the process."""


@pytest.fixture(scope="module")
def worker():
    """A worker on two pipes in this process, where its lines can be seen by coverage."""
    requests, to_worker = os.pipe()
    from_worker, answers = os.pipe()

    def leave(status):
        raise Ended(status)

    library, icu = map(str, _engine_files())
    made = Worker(
        library=library, icu=icu, seconds=60.0, requests=requests, answers=answers, leave=leave
    )
    yield made, to_worker, from_worker
    made.engine.close()
    for descriptor in (requests, from_worker, answers):
        os.close(descriptor)


def read(descriptor):
    """Return the next answer that does not only say what the worker is busy with."""
    kind = b"S"
    while kind == b"S":
        header = os.read(descriptor, 9)
        kind, size = header[:1], int.from_bytes(header[1:], "big")
        text = os.read(descriptor, size) if size else b""
    return kind, text


def message(kind, text):
    return kind + len(text).to_bytes(8, "big") + text


def test_worker_answers_until_its_requests_end(worker):
    made, to_worker, from_worker = worker
    setting = (
        b'{"op":"open","at":0,"seed":"1","outputMax":1000,"logMax":1000,"moment":"","store":{}}'
    )
    define = b'{"op":"define","node":"n","transform":"push({a: 1})","flush":null,"store":{}}'
    stuck = b'{"op":"define","node":"m","transform":"await {then() {}}","flush":null,"store":{}}'
    os.write(to_worker, message(b"C", setting) + message(b"C", define) + message(b"C", stuck))
    os.write(to_worker, message(b"C", b'{"op":"run","node":"n","records":[{}],"metas":null}'))
    os.write(to_worker, message(b"C", b'{"op":"run","node":"m","records":[{},{}],"metas":null}'))
    os.write(to_worker, message(b"P", b"let a = ;") + message(b"P", b"1"))
    os.write(to_worker, message(b"C", b"no message"))
    os.write(to_worker, message(b"C", b"")[:5])
    os.close(to_worker)
    made.serve()
    assert [read(from_worker) for _ in range(3)] == [(b"=", b"null")] * 3
    assert read(from_worker) == (b"=", b'[]\n[{"a":1}]')
    assert [read(from_worker)[0] for _ in range(2)] == [b"+", b"="]
    kind, report = read(from_worker)
    assert kind == b"="
    assert b"SyntaxError: Unexpected token ';'" in report
    assert read(from_worker) == (b"=", b"")
    kind, report = read(from_worker)
    assert kind == b"E"
    assert b"SyntaxError" in report


def test_worker_leaves_when_time_is_up(worker, monkeypatch):
    made, _, from_worker = worker
    monkeypatch.setattr(made, "_seconds", 0.05)
    with pytest.raises(Ended):
        made._wait(lambda seconds: time.sleep(seconds))
    assert read(from_worker)[0] == b"T"


def test_worker_leaves_when_it_is_an_orphan(worker, monkeypatch):
    made, _, _ = worker
    monkeypatch.setattr(made, "_parent", -1)
    with pytest.raises(Ended):
        made._wait(lambda seconds: False)


def test_worker_leaves_when_the_heap_is_full(worker, monkeypatch):
    made, _, from_worker = worker
    monkeypatch.setattr(made, "_seconds", 60.0)
    made.engine.limit_heap(8 << 20)
    with pytest.raises(engine.EngineError):
        made.engine.evaluate("const a = []; while (true) a.push({n: a.length})")
    with pytest.raises(Ended):
        made._leave_if_full()
    made.engine.limit_heap(0)
    assert read(from_worker)[0] == b"M"
