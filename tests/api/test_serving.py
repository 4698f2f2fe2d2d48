"""The server as a process: it starts, says where it listens, and ends as it should."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from meterhouse import bootstrap
from meterhouse.app.schedules import set_schedule
from meterhouse.app.streams import import_stream
from meterhouse.core.instant import DAY
from meterhouse.streams.record import Run, RunOrigin, RunStatus
from tests.api.world import ADMIN
from tests.cli.command import Meterhouse

SERVER = """
import sys
from pathlib import Path
from meterhouse import bootstrap_server
from tests.api.world import TokenList

bootstrap_server.serve(
    Path(sys.argv[1]), host="127.0.0.1", port=0, grace_seconds=float(sys.argv[2]),
    ready=lambda url: print(url, flush=True), authority=TokenList(),
)
print("ended")
"""
#: A stream that takes long: each record counts up to a lot.
SLOW = {
    "name": "Slow",
    "nodes": [
        {"id": "r", "type": "readers/counter", "params": {"max": 100_000}},
        {
            "id": "s",
            "type": "transforms/script",
            "params": {"transform": "let n = 0; while (n < 3e6) n++; await push({n})"},
        },
        {"id": "l", "type": "writers/log", "params": {}},
    ],
    "edges": [{"from": "r", "to": "s"}, {"from": "s", "to": "l"}],
}
ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def process(*words: str) -> Iterator[subprocess.Popen[str]]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    started = subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def test_the_command_serves_until_a_signal_comes(tmp_path: Path):
    words = ("-m", "meterhouse", "serve", "--port", "0", "--data", str(tmp_path / "d"), "--json")
    with process(*words) as server:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
        assert httpx.get(f"{url}/v1/runs").status_code == 401
        assert len(httpx.get(f"{url}/.well-known/jwks.json").json()["keys"]) == 1
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=60)
    assert server.returncode == 0
    first, *lines, last = err.splitlines()
    assert json.loads(first)["name"] == "Administrator"
    assert last == "stopped"
    assert [json.loads(line)["status"] for line in lines] == [200, 401, 200]


def test_the_first_client_is_shown_once(tmp_path: Path):
    words = ("-m", "meterhouse", "serve", "--port", "0", "--data", str(tmp_path / "d"))
    shown = []
    for _ in range(2):
        with process(*words) as server:
            assert server.stdout is not None
            lines = [server.stdout.readline()]
            while not lines[-1].startswith("listening on "):
                lines.append(server.stdout.readline())
            url = lines[-1].split()[2]
            shown.append([line for line in lines[:-1] if line.startswith("Client")])
            credentials = [line.split()[-1] for line in shown[0]]
            grant = {"grant_type": "client_credentials"}
            token = httpx.post(
                f"{url}/authentication/v1/oauth/token", data=grant, auth=tuple(credentials)
            ).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            assert httpx.get(f"{url}/v1/runs", headers=headers).json()["runs"] == []
            server.send_signal(signal.SIGTERM)
            _, err = server.communicate(timeout=60)
        assert credentials[1] not in err
        assert "Bearer" not in err
    assert [len(lines) for lines in shown] == [2, 0]


def _slow_run(url: str) -> str:
    headers = {"Authorization": f"Bearer {ADMIN}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as http:
        assert http.post("/v1/streams", json=SLOW).status_code == 201
        answer = http.post("/v1/streams/Slow/runs")
        assert answer.status_code == 202
        again = http.post("/v1/streams/Slow/runs")
        assert again.status_code == 409, "it is running"
        return answer.json()["id"]


def test_a_run_is_interrupted_cleanly_when_the_server_ends(tmp_path: Path):
    data = tmp_path / "data"
    with process("-c", SERVER, str(data), "0") as server:
        assert server.stdout is not None
        run_id = _slow_run(server.stdout.readline().strip())
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=120)
    assert (out, server.returncode) == ("ended\n", 0), err
    [run] = Meterhouse(data).json("run", "show", run_id)
    assert run["status"] == "failed"
    assert "interrupted" in run["error"]
    assert Meterhouse(data).done("stream", "delete", "Slow")


def _scheduled_run(house: bootstrap.Installation, *, beside: str = "") -> Run:
    """Wait for a run that a schedule has begun."""
    while True:
        for run in house.ledger.runs(status=RunStatus.RUNNING).items:
            if run.id != beside and run.cause.origin is RunOrigin.SCHEDULE:
                return run
        time.sleep(0.05)


def test_a_scheduled_run_of_a_killed_server_is_run_again_by_the_next(tmp_path: Path):
    data = tmp_path / "data"
    with bootstrap.open_installation(data) as house:
        before = house.clock() - DAY
        import_stream(house.ledger, SLOW, new_id=house.new_id, at=before)
        rule = {"interval": "hours", "every": 1}
        set_schedule(
            house.ledger,
            rule,
            stream="Slow",
            new_id=house.new_id,
            at=before,
            services=house.means().services,
        )
        with process("-c", SERVER, str(data), "0") as server:
            killed = _scheduled_run(house)
            server.kill()
            server.wait()
        with process("-c", SERVER, str(data), "0") as server:
            again = _scheduled_run(house, beside=killed.id)
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=120)
        assert (again.at, again.seed, again.cause) == (killed.at, killed.seed, killed.cause)
        ended = house.ledger.runs().items
        assert [run.status for run in ended] == [RunStatus.FAILED] * 2
        assert server.returncode == 0


def test_a_second_signal_does_not_wait_for_runs(tmp_path: Path):
    data = tmp_path / "data"
    with process("-c", SERVER, str(data), "3600") as server:
        assert server.stdout is not None
        run_id = _slow_run(server.stdout.readline().strip())
        server.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert server.poll() is None
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=120)
    assert server.returncode == 0
    [run] = Meterhouse(data).json("run", "show", run_id)
    assert run["status"] == "failed"


def test_a_port_that_is_taken_is_told(tmp_path: Path):
    with process("-c", SERVER, str(tmp_path / "a"), "0") as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip().rpartition(":")[2]
        ended = Meterhouse(tmp_path / "b")("serve", "--port", port)
    assert ended.code == 1
    assert f"127.0.0.1:{port} cannot be listened on" in ended.err


def test_a_public_url_that_is_none_is_told(tmp_path: Path):
    ended = Meterhouse(tmp_path / "data")("serve", "--public-url", "metering.example.org")
    assert ended.code == 2
    assert "'metering.example.org' is no address" in ended.err


def test_the_doctor_finds_a_sound_installation_well(tmp_path: Path):
    meterhouse = Meterhouse(tmp_path / "data")
    meterhouse.done("meter-type", "list")
    found = {finding["check"]: finding["status"] for finding in meterhouse.json("doctor")}
    assert found.pop("wallet key") == "warn"
    assert set(found.values()) == {"ok"}
    assert {"ledger", "migrations", "scripts", "clock", "disk", "time zones"} <= set(found)


def test_the_doctor_finds_a_broken_ledger(tmp_path: Path):
    meterhouse = Meterhouse(tmp_path / "data")
    meterhouse.done("meter-type", "list")
    file = tmp_path / "data" / "ledger.sqlite"
    content = bytearray(file.read_bytes())
    content[8192 * 3 : 8192 * 8] = b"\x55" * (8192 * 5)
    file.write_bytes(content)
    ended = meterhouse("doctor")
    assert ended.code == 1
    assert "fail ledger: " in ended.out
    assert "backup" in ended.out


@pytest.mark.parametrize(
    ("name", "said"),
    [("file", "is a file"), ("file/below", "is a file"), ("a" * 300, "File name too long")],
)
def test_the_doctor_knows_that_a_directory_is_impossible(tmp_path: Path, name: str, said: str):
    (tmp_path / "file").touch()
    ended = Meterhouse(tmp_path / name)("doctor")
    assert ended.code == 1
    assert "cannot be the data directory" in ended.out
    assert said in ended.out
    assert "use another one (--data DIR)" in ended.out


def test_the_doctor_changes_nothing_where_there_is_nothing(tmp_path: Path):
    meterhouse = Meterhouse(tmp_path / "none" / "data")
    assert "does not exist yet" in meterhouse.done("doctor").out
    assert not (tmp_path / "none").exists()


def test_the_doctor_sees_that_others_may_read(tmp_path: Path):
    meterhouse = Meterhouse(tmp_path / "data")
    meterhouse.done("meter-type", "list")
    (tmp_path / "data").chmod(0o755)
    assert "chmod 700" in meterhouse.done("doctor").out
