"""The control plane: requests a second of one server process, and lists over a million meters.

Use: python -m bench --server [--meters 1000000]. Real `meterhouse serve` on a fresh data directory,
tokens as clients get them; the client is a process of its own (`server_client.py`).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench import provision
from bench.meterhouse_run import command, environment
from bench.server_bare import PLAIN, THREAD
from bench.server_client import request_bytes

_ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 8
_ROUNDS = 3
#: A client gets no more tokens in a while: with one client a connection, no request is refused.
_REQUESTS = 300
_PAGES = 60
_TOKEN_PATH = "/authentication/v1/oauth/token"
_METERS = "/usage-metering/v1/meters"
_JSON = {"Content-Type": "application/json"}
_HOW = f"""One server process; the client is another process on the same machine, with
{CONNECTIONS} keep-alive connections, each with one request at a time. Of {_ROUNDS} rounds with
{_REQUESTS * CONNECTIONS:,} requests of each kind, the rate is the median one's; latencies are of
all requests. The server has all the meters; one that is created is on the disk (fsync) before it is
answered."""


class Client:
    """The process that asks."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.server_client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env=environment(),
        )

    def ask(self, port: int, connections: Sequence[Sequence[str]], *, status: int) -> Asked:
        """Send requests over several connections; every one must be answered with a status."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"port": port, "connections": connections}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        done = json.loads(self._process.stdout.readline())
        if set(done["statuses"]) != {str(status)}:
            raise SystemExit(f"{connections[0][0].splitlines()[0]}: {done['statuses']}")
        return Asked([done["took"]], done["seconds"])

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests of one kind: the time of each round, and of each request."""

    rounds: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, more: Asked) -> None:
        """Add a round."""
        self.rounds.extend(more.rounds)
        self.seconds.extend(more.seconds)

    @property
    def rate(self) -> float:
        """Requests a second: of the median round."""
        return len(self.seconds) / len(self.rounds) / statistics.median(self.rounds)

    def milliseconds(self, percent: int) -> float:
        """Return how long a request took, at most, for so many in a hundred."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000


@dataclass(frozen=True, slots=True)
class House:
    """A server on a data directory, and what clients need."""

    port: int
    clients: Sequence[dict[str, str]]
    token: str
    type_ids: Sequence[str]
    meter_key: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a client that may do everything."""
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, target: str) -> str:
        """Return the text of a reading request."""
        return request_bytes("GET", target, headers=self.headers)

    def page(self, path: str, **query: str) -> Any:
        """Read a page."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{_target(path, **query)}")
        request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


def _target(path: str, **query: str) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _run(*words: str) -> str:
    done = subprocess.run(
        command(*words), env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _call(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _run(*words, "--json").splitlines()]


def _provided(data: Path, work: Path) -> tuple[list[str], str]:
    """Create meter types and a stream; the ids and the meter key."""
    path = provision.write_json(work / "meter-types.json", provision.meter_types())
    graph = provision.write_json(work / "stream.json", provision.stream("Bench", "no-file", "csv"))
    (stream,) = _call("stream", "import", str(graph), "--data", str(data))
    made = _call("meter-type", "create", "--file", str(path), "--data", str(data))
    return [body["id"] for body in made], stream["meterKeys"][provision.METER_NODE]


@contextmanager
def _process(words: Sequence[str], log: Path) -> Iterator[str]:
    """Run a server until the end of the block; gives the first line that it says."""
    with log.open("wb") as file:
        server = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=file, cwd=_ROOT, env=environment(), text=True
        )
    try:
        assert server.stdout is not None
        yield server.stdout.readline()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


@contextmanager
def _house(data: Path, work: Path) -> Iterator[House]:
    type_ids, meter_key = _provided(data, work)
    where = ("--data", str(data))
    clients = [
        _call("access", "create", "--name", f"Client {n}", *where)[0] for n in range(CONNECTIONS)
    ]
    words = command("serve", "--port", "0", "--json", *where)
    with _process(words, work / "server.log") as line:
        url = json.loads(line)["url"]
        form = urlencode(_grant(clients[0])).encode()
        with urllib.request.urlopen(url + _TOKEN_PATH, form) as answer:
            token = json.load(answer)["access_token"]
        yield House(int(url.rpartition(":")[2]), clients, token, type_ids, meter_key)


def _grant(client: dict[str, str]) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": client["clientId"],
        "client_secret": client["clientSecret"],
    }


def _bodies(path: Path, provided: tuple[Sequence[str], str], meters: int) -> Path:
    """Write the meters: as many of each type, one key."""
    type_ids, key = provided
    with path.open("w", encoding="utf-8") as file:
        for n in range(meters):
            user, type_id = f"user-{n // len(type_ids):08d}", type_ids[n % len(type_ids)]
            file.write(f'{{"userId":"{user}","meterKey":"{key}","meterTypeId":"{type_id}"}}\n')
    return path


def _by_command(work: Path, meters: int) -> float:
    """Create meters through the command line; seconds from process start."""
    data = work / "by-command"
    bodies = _bodies(work / "meters.ndjson", _provided(data, work), meters)
    began = time.perf_counter()
    _run("meter", "create", "--file", str(bodies), "--data", str(data))
    return time.perf_counter() - began


def _in_bulk(house: House, bodies: Path) -> float:
    """Create the same through the API, in one request."""
    request = urllib.request.Request(f"http://127.0.0.1:{house.port}/v1/meters/bulk")
    request.add_header("Authorization", f"Bearer {house.token}")
    request.add_header("Content-Type", "application/x-ndjson")
    request.add_header("Content-Length", str(bodies.stat().st_size))
    began = time.perf_counter()
    with bodies.open("rb") as file:
        request.data = file
        with urllib.request.urlopen(request) as answer:
            bad = sum(b'"id"' not in line for line in answer)
    if bad:
        raise SystemExit(f"{bad} meters were not created")
    return time.perf_counter() - began


def _tokens(house: House, round: int) -> list[list[str]]:
    def request(client: dict[str, str]) -> str:
        return request_bytes("POST", _TOKEN_PATH, headers=_JSON, body=json.dumps(_grant(client)))

    return [[request(client)] * _REQUESTS for client in house.clients]


def _creations(house: House, round: int) -> list[list[str]]:
    def request(connection: int, n: int) -> str:
        user = f"new-{round}-{connection}-{n}"
        body = {"userId": user, "meterKey": house.meter_key, "meterTypeId": house.type_ids[0]}
        headers = {**_JSON, **house.headers}
        return request_bytes("POST", _METERS, headers=headers, body=json.dumps(body))

    return [[request(c, n) for n in range(_REQUESTS)] for c in range(CONNECTIONS)]


def _readings(house: House, round: int) -> list[list[str]]:
    def request(connection: int, n: int) -> str:
        user = f"user-{(connection * _REQUESTS + n) * 7:08d}"
        return house.get(_target(_METERS, userId=user))

    return [[request(c, n) for n in range(_REQUESTS)] for c in range(CONNECTIONS)]


def _rates(client: Client, house: House, bare: int) -> str:
    nothing = [[request_bytes("GET", path)] * _REQUESTS for path in (PLAIN, THREAD)]
    kinds: list[tuple[str, int, Callable[[int], list[list[str]]], int]] = [
        ("bare FastAPI route, `async def`", bare, lambda _: [nothing[0]] * CONNECTIONS, 200),
        ("bare FastAPI route, `def`", bare, lambda _: [nothing[1]] * CONNECTIONS, 200),
        (f"`POST {_TOKEN_PATH}`", house.port, lambda r: _tokens(house, r), 200),
        (f"`POST {_METERS}`", house.port, lambda r: _creations(house, r), 201),
        (f"`GET {_METERS}?userId=`", house.port, lambda r: _readings(house, r), 200),
    ]
    found = {name: Asked() for name, *_ in kinds}
    for round in range(_ROUNDS):
        for name, port, requests, status in kinds:
            found[name].add(client.ask(port, requests(round), status=status))
            _log(f"round {round + 1}: {name}: {found[name].rate:,.0f} requests/s")
    rows = ["| request | requests/s | median ms | p99 ms |", "|---|---:|---:|---:|"]
    for name, asked in found.items():
        shown = f"{asked.milliseconds(50):.1f} | {asked.milliseconds(99):.1f}"
        rows.append(f"| {name} | {asked.rate:,.0f} | {shown} |")
    return "\n".join(rows)


def _pages(client: Client, house: House) -> str:
    """Pages one after the other, over one connection."""
    inspector = f"/v1/inspector/{house.meter_key}"
    type_id, users = house.type_ids[-1], [f"user-{n * 991:08d}" for n in range(_PAGES)]
    second = house.page(_METERS, meterTypeId=type_id)["nextToken"]
    targets = {
        f"`GET {_METERS}`, all": [_METERS],
        "the same, by user": [_target(_METERS, userId=user) for user in users],
        "the same, by type": [_target(_METERS, meterTypeId=type_id)],
        "the same, by type, the second page": [
            _target(_METERS, meterTypeId=type_id, nextToken=second)
        ],
        "the same, by key and type": [
            _target(_METERS, meterKey=house.meter_key, meterTypeId=type_id)
        ],
        "inspector, by key": [inspector],
        "inspector, by user": [_target(inspector, userId=user) for user in users],
        "inspector, by beginning of users": [_target(inspector, userPrefix=u[:-3]) for u in users],
        "inspector, by type": [_target(inspector, meterType=type_id)],
    }
    rows = ["| page (up to 100 meters) | median ms | p99 ms |", "|---|---:|---:|"]
    for name, wanted in targets.items():
        requests = [house.get(wanted[n % len(wanted)]) for n in range(_PAGES)]
        asked = client.ask(house.port, [requests], status=200)
        rows.append(f"| {name} | {asked.milliseconds(50):.1f} | {asked.milliseconds(99):.1f} |")
    return "\n".join(rows)


def _machine() -> str:
    names = ("fastapi", "uvicorn", "pysqlite3", "joserfc")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}."


def run(work: Path, *, meters: int) -> str:
    """Measure, and return what is kept."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    by_command = _by_command(work, meters)
    _log(f"by command: {by_command:.1f} s")
    shutil.rmtree(work / "by-command")
    client = Client()
    try:
        bare_words = [sys.executable, "-m", "bench.server_bare"]
        with (
            _process(bare_words, work / "bare.log") as bare,
            _house(work / "data", work) as house,
        ):
            bodies = _bodies(work / "meters.ndjson", (house.type_ids, house.meter_key), meters)
            in_bulk = _in_bulk(house, bodies)
            _log(f"in bulk: {in_bulk:.1f} s")
            pages = _pages(client, house)
            rates = _rates(client, house, int(bare))
    finally:
        client.close()
    creation = [
        f"| {meters:,} meters created | seconds | meters/s |",
        "|---|---:|---:|",
        f"| `POST /v1/meters/bulk`, one request | {in_bulk:.1f} | {meters / in_bulk:,.0f} |",
        f"| `meterhouse meter create --file` | {by_command:.1f} | {meters / by_command:,.0f} |",
    ]
    parts = [
        f"# Results: the server, {meters:,} meters",
        f"{_machine()} {_HOW}",
        rates,
        "Pages, one after the other over one connection:",
        pages,
        "\n".join(creation),
    ]
    return "\n\n".join(parts) + "\n"
