"""Streams that pull usage, what their runs have made of it, and runs that are killed."""

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meterhouse.app.running import run_stream
from meterhouse.bootstrap import open_installation
from meterhouse.connectors.sql.collector import SqlCollector
from meterhouse.core.instant import parse_instant
from meterhouse.streams.nodes.http_pull import HttpPull
from meterhouse.streams.ports import Collected
from tests.acceptance import small
from tests.acceptance.small import document, meter, node
from tests.cli.command import Meterhouse

COLLECTORS = {"readers/sql": SqlCollector, "readers/http": HttpPull}


def stream(type_: str, **params: Any) -> dict[str, Any]:
    """Reader and meter: what is read twice counts twice."""
    return document(node("Reader", type_, **params), meter())


def set_up(meterhouse: Meterhouse, type_: str, **params: Any) -> str:
    return small.set_up(meterhouse, stream(type_, **params))


def change(meterhouse: Meterhouse, type_: str, **params: Any) -> None:
    """Give the stream's reader other parameters."""
    given = json.dumps(stream(type_, **params))
    meterhouse.done("stream", "update", small.STREAM, "--file", "-", given=given)


def run(meterhouse: Meterhouse) -> int:
    """Run the stream; how many records came in."""
    return small.run(meterhouse)["Reader"]["in"]


def failing(meterhouse: Meterhouse) -> str:
    """Run the stream, which must fail, and return what is said."""
    ended = meterhouse("stream", "run", small.STREAM)
    assert ended.code == 1
    return ended.err


def metered(meterhouse: Meterhouse, key: str) -> Any:
    return small.values(meterhouse, key)["ann"]


def read(meterhouse: Meterhouse) -> list[dict[str, Any]]:
    """The records that a preview shows."""
    [reader, *_] = meterhouse.json("stream", "preview", small.STREAM)
    return reader["out"].get("out", [])


def positions(meterhouse: Meterhouse) -> list[dict[str, Any]]:
    return meterhouse.json("stream", "position", "list", small.STREAM)


def secret(meterhouse: Meterhouse, type_: str, **values: str) -> dict[str, str]:
    """Keep a secret; how a node names it."""
    words = ("secret", "create", "--name", "Secret", "--type", type_, "--file", "-")
    [made] = meterhouse.json(*words, given=json.dumps(values))
    return {"secretId": made["id"], "secretType": type_}


def _end(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _run_and_die(data: Path, type_: str, point: str) -> None:
    collector: Any = COLLECTORS[type_]
    if point == "committed":
        collector.acknowledge = _end
    else:
        inner = collector.chunks

        def chunks(self: Any, wanted: Any) -> Iterator[Collected]:
            yield from inner(self, wanted)
            _end()

        collector.chunks = chunks
    with open_installation(data) as house:
        run_stream(
            house.ledger,
            small.STREAM,
            means=house.means(),
            run_id=house.new_id(),
            seed=1,
            at=parse_instant(small.JANUARY),
        )


def run_killed(meterhouse: Meterhouse, type_: str, point: str) -> None:
    """Run the stream in a process that dies when all is ``read``, or right after the commit."""
    processes = multiprocessing.get_context("spawn")
    process = processes.Process(target=_run_and_die, args=(meterhouse.data, type_, point))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
