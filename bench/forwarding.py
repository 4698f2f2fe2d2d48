"""A backlog of forwarded records: how long `meterhouse delivery run` takes to drain it.

The receiver is a process of its own, as lean as asyncio makes it, and shares the machine. It counts
requests and their keys; a record that is lost or sent twice stops the benchmark.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import meterhouse_run
from bench.measure import Measured, measure

RECORDS = 100_000
_METERS = 5_000
_BATCHES = (1, 100)
_STREAM = "Forwarding"
_LENGTH = re.compile(rb"content-length: (\d+)")
_KEY = re.compile(rb"idempotency-key: (\S+)")
_GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def run(work: Path, *, records: int) -> str:
    """Drain a backlog with each size of batch; the table."""
    rows = ["| records per request | seconds | records a second | cpu s |", "|---:|---:|---:|---:|"]
    for batch in _BATCHES:
        measured = _drained(work / f"batch-{batch}", records=records, batch=batch)
        rate = records / measured.seconds
        rows.append(
            f"| {batch} | {measured.seconds:.1f} | {rate:,.0f} | {measured.cpu_seconds:.1f} |"
        )
    title = f"# Forwarding a backlog of {records:,} records over HTTP"
    return "\n\n".join([title, "\n".join(rows)]) + "\n"


def _drained(work: Path, *, records: int, batch: int) -> Measured:
    work.mkdir(parents=True, exist_ok=True)
    with _receiver() as (port, process):
        environment = meterhouse_run.environment() | {
            "METERHOUSE_DATA": str(work / "data"),
            "METERHOUSE_HTTP_ALLOW": "127.0.0.0/8",
        }
        _backlog(work, environment, port=port, records=records, batch=batch)
        measured = measure(meterhouse_run.command("delivery", "run", "--json"), environment)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        seen = json.loads(process.stdout.readline())
    said = json.loads(measured.output.splitlines()[-1])
    requests = -(-records // batch) if batch == 1 else seen["keys"]
    if (said["sent"], seen["requests"], seen["keys"]) != (records, requests, requests):
        raise SystemExit(f"lost or repeated: {said}, the receiver saw {seen}")
    return measured


def _backlog(
    work: Path, environment: dict[str, str], *, port: int, records: int, batch: int
) -> None:
    """Run a stream whose receiver is not asked yet: its address is refused until then."""
    usage = work / "usage.ndjson"
    with usage.open("w") as file:
        for n in range(records):
            record: dict[str, Any] = {"meterId": f"meter-{n % _METERS}", "recordId": f"r-{n}"}
            record |= {"userId": f"user-{n % _METERS}@example.com", "value": n}
            record |= {"groupBreakdowns": [{"name": "region", "groups": []}], "unit": "token"}
            file.write(json.dumps(record) + "\n")
    hook = {"uri": f"http://127.0.0.1:{port}/hook", "batchSize": batch}
    stream = {
        "name": _STREAM,
        "nodes": [
            {"id": "r", "type": "readers/file", "params": {"path": str(usage)}},
            {"id": "w", "type": "writers/http", "params": hook},
        ],
        "edges": [{"from": "r", "to": "w"}],
    }
    document = work / "stream.json"
    document.write_text(json.dumps(stream))
    _do(["stream", "import", str(document)], environment)
    code = (
        "import sys; from dataclasses import replace; from pathlib import Path\n"
        "from meterhouse import bootstrap; from meterhouse.app.running import run_stream\n"
        "with bootstrap.open_installation(Path(sys.argv[1])) as house:\n"
        "    means = replace(house.means(), forwarding=None)\n"
        "    ended = run_stream(house.ledger, sys.argv[2], means=means, run_id=house.new_id(),\n"
        "                       seed=1, at=None)\n"
        "    assert ended.error is None, ended.error\n"
    )
    command = [sys.executable, "-c", code, environment["METERHOUSE_DATA"], _STREAM]
    subprocess.run(command, env=environment, check=True)


def _do(words: list[str], environment: dict[str, str]) -> None:
    subprocess.run(
        meterhouse_run.command(*words), env=environment, check=True, stdout=subprocess.DEVNULL
    )


# ---------------------------------------------------------------- the receiver


@contextmanager
def _receiver() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "bench.forwarding"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process


class _Connection(asyncio.Protocol):
    def __init__(self, seen: dict[str, Any]) -> None:
        self._seen = seen
        self._unread = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            head = self._unread[:end]
            length, key = _LENGTH.search(head), _KEY.search(head)
            assert length is not None and key is not None
            whole = end + 4 + int(length[1])
            if len(self._unread) < whole:
                return
            self._unread = self._unread[whole:]
            self._seen["requests"] += 1
            self._seen["keys"].add(key[1])
            self._transport.write(_GOOD)


async def _receive() -> None:
    loop = asyncio.get_running_loop()
    seen: dict[str, Any] = {"requests": 0, "keys": set()}
    server = await loop.create_server(lambda: _Connection(seen), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps({"requests": seen["requests"], "keys": len(seen["keys"])}), flush=True)


if __name__ == "__main__":
    asyncio.run(_receive())
