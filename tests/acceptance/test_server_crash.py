"""The server is killed at any moment, and stopped while it works: nothing is lost or doubled."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from meterhouse import bootstrap
from meterhouse.app.schedules import find_schedule, set_schedule
from meterhouse.app.streams import import_stream
from meterhouse.bootstrap import Installation
from meterhouse.streams.record import Run, RunOrigin, RunStatus
from tests.acceptance import small
from tests.acceptance.small import document, meter, node, script
from tests.cli.command import ROOT, Meterhouse

#: Kills of a server, and as many more in the long suite. One of three at least must hit a run that
#: is under way, and one of two a server that has answered: others say little.
KILLS = [6, pytest.param(24, marks=pytest.mark.nightly)]
STREAMS_EACH = 2
RECORDS = 4
SUSPENDED = 2000
BULK = 40
#: So many clients send requests with a key, lest none of them be between its commit and its answer.
KEYED = ("ann", "bob", "cid")
#: The server says this of itself, wherever it listens: its tokens count after a restart, too.
PUBLIC_URL = "http://meterhouse.example"
TOKEN = "/authentication/v1/oauth/token"
METERS = "/usage-metering/v1/meters"
#: An instant each year: that of this year has passed.
YEARLY = {"interval": "cron", "expression": "0 0 1 1 *"}
#: Some work for each record, so that a run has a middle.
BUSY = "let n = 0; while (n < 4e5) n++; "
PATIENCE_SECONDS = 120


@dataclass
class Server:
    """A real server, and a client that may do everything."""

    process: "subprocess.Popen[str]"
    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=PATIENCE_SECONDS)


@contextmanager
def serving(data: Path, headers: dict[str, str] | None = None) -> Iterator[Server]:
    """Start a server. The first one on a data directory introduces its client."""
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    words = ("serve", "--port", "0", "--public-url", PUBLIC_URL, "--data", str(data), "--json")
    log = data.with_suffix(".log")
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "meterhouse", *words],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
    try:
        assert process.stdout is not None
        server = Server(process, json.loads(process.stdout.readline())["url"])
        server.headers |= headers or _introduced(server.url, log)
        yield server
    finally:
        process.kill()
        process.communicate()


def _introduced(url: str, log: Path) -> dict[str, str]:
    client = json.loads(log.read_text().splitlines()[0])
    form = {
        "grant_type": "client_credentials",
        "client_id": client["clientId"],
        "client_secret": client["clientSecret"],
    }
    token = httpx.post(url + TOKEN, data=form, timeout=PATIENCE_SECONDS).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def counting(name: str) -> dict[str, Any]:
    """A stream that counts some records for the user of its own name."""
    return document(
        node("Count", "readers/counter", max=RECORDS),
        script(f'{BUSY} await push({{userId: "{name}", value: 1}})'),
        meter(),
    ) | {"name": name}


def add_due_stream(house: Installation, name: str) -> None:
    """A stream whose instant has come, and the meter that it counts for."""
    stream = import_stream(house.ledger, counting(name), new_id=house.new_id, at=0)
    body = {"userId": name, "meterKey": stream.meter_keys["Meter"], "meterTypeId": "Units"}
    text = json.dumps(body)
    Meterhouse(house.directory).done("meter", "create", "--file", "-", given=text)
    long_ago = house.clock() - 800 * 86_400_000_000
    set_schedule(
        house.ledger,
        YEARLY,
        stream=name,
        new_id=house.new_id,
        at=long_ago,
        services=house.means().services,
    )


@dataclass
class Writer:
    """Sends one request after the other until the server is gone, and what was lost, again."""

    send: Callable[[httpx.Client, int], httpx.Response]
    good: int
    last: int = 10**9
    done: int = 0
    answers: list[Any] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def write(self, server: Server) -> None:
        try:
            with server.http() as http:
                while self.done < self.last:
                    answer = self.send(http, self.done)
                    if answer.status_code != self.good:
                        self.faults.append(answer.text)
                    self.answers.append(answer)
                    self.done += 1
        except httpx.TransportError:
            pass  # It was killed: this request comes again.


def meter_body(user: str, key: str) -> dict[str, str]:
    return {"userId": user, "meterKey": key, "meterTypeId": "Units"}


def create_keyed(which: str) -> Callable[[httpx.Client, int], httpx.Response]:
    def send(http: httpx.Client, n: int) -> httpx.Response:
        headers = {"Idempotency-Key": f"{which}-{n}"}
        return http.post(METERS, json=meter_body(f"{which} {n}", "keyed"), headers=headers)

    return send


def create_bulk(http: httpx.Client, n: int) -> httpx.Response:
    lines = (json.dumps(meter_body(f"user {n}/{i}", "bulk")) for i in range(BULK))
    headers = {"Content-Type": "application/x-ndjson"}
    return http.post("/v1/meters/bulk", content="\n".join(lines), headers=headers)


def requeue(ids: list[int]) -> Callable[[httpx.Client, int], httpx.Response]:
    def send(http: httpx.Client, n: int) -> httpx.Response:
        return http.post("/v1/corrections:requeue", json={"ids": [ids[n]]})

    return send


def suspend(meterhouse: Meterhouse) -> str:
    """Let a run suspend records of a user who has no meter, and create that meter; its key."""
    stream = document(
        node("Count", "readers/counter", max=SUSPENDED),
        script('await push({userId: "late", value: 1})'),
        meter(),
    )
    key = small.set_up(meterhouse, stream, users=())
    meterhouse.done("stream", "run", small.STREAM)
    body = json.dumps(meter_body("late", key))
    meterhouse.done("meter", "create", "--file", "-", given=body)
    return key


def scheduled_runs(house: Installation) -> list[Run]:
    runs = house.ledger.runs(limit=10_000).items
    return [run for run in runs if run.cause.origin is RunOrigin.SCHEDULE]


def running(house: Installation) -> set[str]:
    """Return what runs; what was killed counts until the next server has seen that it is dead."""
    return {run.id for run in house.ledger.runs(status=RunStatus.RUNNING).items}


def wait_until_one_runs(house: Installation, *, beside: set[str]) -> None:
    """Wait until the server runs something, beside what the one before it has left."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if running(house) - beside:
            return
        time.sleep(0.002)
    raise AssertionError("the server runs nothing of what is due")


def wait_until_nothing_is_due(house: Installation, names: list[str]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        schedules = [find_schedule(house.ledger, stream=name) for name in names]
        if not any(s.claimed or s.due(house.clock()) for s in schedules):
            return
        time.sleep(0.1)
    raise AssertionError("the server does not carry out what is due")


def values(meterhouse: Meterhouse, names: list[str]) -> dict[str, Any]:
    found = meterhouse.json("meter", "list", "--limit", 10**6)
    return {m["userId"]: m["value"] for m in found if m["userId"] in names}


@dataclass
class Killings:
    """The streams that were due meanwhile, and how many kills hit a server at work."""

    names: list[str] = field(default_factory=list)
    in_runs: int = 0
    after_answers: int = 0


def kill_again_and_again(house: Installation, writers: list[Writer], *, kills: int) -> Killings:
    """Kill one server after the other, half of them in a run."""
    chance = random.Random(11)
    headers: dict[str, str] = {}
    killings = Killings()
    dead: set[str] = set()
    for kill in range(kills):
        fresh = [f"stream {kill}.{n}" for n in range(STREAMS_EACH)]
        for name in fresh:
            add_due_stream(house, name)
        killings.names += fresh
        done = sum(writer.done for writer in writers)
        with serving(house.directory, headers) as server:
            headers = server.headers
            threads = [Thread(target=writer.write, args=(server,)) for writer in writers]
            for thread in threads:
                thread.start()
            if kill % 2:
                wait_until_one_runs(house, beside=dead)
                time.sleep(chance.uniform(0, 0.05))
            else:
                # The scheduler looks once a second.
                time.sleep(chance.choice([0.4, 0.95, 1.0]) + chance.uniform(0, 0.5))
            server.process.send_signal(signal.SIGKILL)
            for thread in threads:
                thread.join()
        dead = running(house)
        killings.in_runs += bool(dead)
        killings.after_answers += sum(writer.done for writer in writers) > done
    with serving(house.directory, headers) as server:
        assert httpx.get(f"{server.url}/readyz", timeout=PATIENCE_SECONDS).status_code == 200
        for writer in writers:
            # What was sent and not answered is repeated: nobody knows yet what became of it.
            writer.last = min(writer.last, writer.done + 1)
            writer.write(server)
        wait_until_nothing_is_due(house, killings.names)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_SECONDS) == 0
    return killings


@pytest.mark.parametrize("kills", KILLS)
def test_a_server_that_is_killed_at_any_moment_loses_nothing_and_doubles_nothing(
    tmp_path: Path, kills: int
):
    meterhouse = Meterhouse(tmp_path / "data")
    key = suspend(meterhouse)
    ids = [entry["id"] for entry in meterhouse.json("correction", "list", "--limit", SUSPENDED)]
    keyed = {which: Writer(create_keyed(which), 201) for which in KEYED}
    bulk = Writer(create_bulk, 200)
    queued = Writer(requeue(ids), 200, last=len(ids))
    with bootstrap.open_installation(tmp_path / "data") as house:
        killings = kill_again_and_again(house, [*keyed.values(), bulk, queued], kills=kills)
        runs = scheduled_runs(house)
        assert all(house.ledger.lease_of(run.stream_id) is None for run in runs)
    assert killings.in_runs >= kills // 3, f"so few kills hit a run: {killings.in_runs}"
    assert killings.after_answers >= kills // 2, (
        f"so few followed answers: {killings.after_answers}"
    )
    assert [writer.faults for writer in (*keyed.values(), queued)] == [[], [], [], []]

    # Every occurrence has one complete run, and one effect.
    complete = [run.stream_name for run in runs if run.status is RunStatus.COMPLETE]
    assert sorted(complete) == sorted(killings.names)
    killed = [run for run in runs if run.status is not RunStatus.COMPLETE]
    assert all(run.error is not None and "interrupted" in run.error for run in killed)
    assert len(killed) >= killings.in_runs
    assert values(meterhouse, killings.names) == dict.fromkeys(killings.names, RECORDS)

    # Everything that was answered is there, once.
    there = meterhouse.json("meter", "list", "--limit", 10**6)
    created = {m["id"]: m["userId"] for m in there if m["meterKey"] == "keyed"}
    answers = [a.json() for writer in keyed.values() for a in writer.answers]
    assert created == {a["id"]: a["userId"] for a in answers}
    users = [f"{which} {n}" for which, writer in keyed.items() for n in range(writer.done)]
    assert sorted(created.values()) == sorted(users)
    in_bulk = [m["userId"] for m in there if m["meterKey"] == "bulk"]
    assert sorted(in_bulk) == sorted(f"user {n}/{i}" for n in range(bulk.done) for i in range(BULK))
    problems = [line["problem"]["code"] for line in bulk_lines(bulk) if "problem" in line]
    assert set(problems) <= {"meter_exists"}, "only what was created before the kill"

    states = {e["id"]: e["state"] for e in meterhouse.json("correction", "list", "--limit", 10**6)}
    assert [states[id] for id in ids[: queued.done]] == ["queued"] * queued.done
    meterhouse.done("stream", "run", small.STREAM)
    # The stream counts as many again, beside what was queued.
    assert small.values(meterhouse, key) == {"late": SUSPENDED + queued.done}


def bulk_lines(bulk: Writer) -> list[dict[str, Any]]:
    return [json.loads(line) for answer in bulk.answers for line in answer.text.splitlines()]


def accepted(server: Server, n: int, body: bytes) -> socket.socket:
    """Open a request of which the server has begun to read the body, as it says."""
    connection = socket.create_connection(
        ("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=PATIENCE_SECONDS
    )
    head = [
        "POST /v1/meters/bulk HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/x-ndjson",
        f"Content-Length: {len(body)}",
        "Expect: 100-continue",
        f"Authorization: {server.headers['Authorization']}",
        f"X-Request-Id: {n}",
    ]
    connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
    assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
    return connection


def answered(connection: socket.socket, body: bytes) -> str:
    """Send the body; the whole answer."""
    with connection:
        connection.sendall(body)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def wait_until_refused(server: Server) -> None:
    """Wait until the server takes no more connections: it has seen the signal."""
    end = time.monotonic() + PATIENCE_SECONDS
    port = int(server.url.rpartition(":")[2])
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return
        time.sleep(0.02)
    raise AssertionError("the server goes on taking connections")


def test_a_signal_breaks_no_request_and_no_run(tmp_path: Path):
    meterhouse = Meterhouse(tmp_path / "data")
    meterhouse.done("meter-type", "create", "--file", "-", given=json.dumps(small.TYPE))
    stream = document(
        node("Count", "readers/counter", max=100),
        script("let n = 0; while (n < 3e5) n++; await push({n})"),
        node("End", "writers/noop"),
    )
    meterhouse.import_stream("-", given=json.dumps(stream))
    bodies = [(json.dumps(meter_body(f"user {n}", "k")) + "\n").encode() for n in range(16)]
    with serving(tmp_path / "data") as server:
        with server.http() as http:
            run = http.post(f"/v1/streams/{small.STREAM}/runs").json()
        waiting = [accepted(server, n, body) for n, body in enumerate(bodies)]
        server.process.send_signal(signal.SIGTERM)
        wait_until_refused(server)
        answers = [answered(c, body) for c, body in zip(waiting, bodies, strict=True)]
        assert server.process.wait(PATIENCE_SECONDS) == 0
    assert all(answer.startswith("HTTP/1.1 200 ") for answer in answers)
    ids = [m["id"] for m in meterhouse.json("meter", "list")]
    assert len(ids) == len(bodies)
    assert all(any(id in answer for answer in answers) for id in ids)
    [ended] = meterhouse.json("run", "show", run["id"])
    assert ended["status"] == "complete"
