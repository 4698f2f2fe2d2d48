"""Streams that read from and write to object storage, killed where it hurts most."""

import http.client
import http.server
import json
import os
import signal
import subprocess
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import S3Store

from meterhouse import bootstrap
from meterhouse.app.secrets import create_secret
from meterhouse.streams.storage import FILE_BYTES_MAX
from tests.acceptance.small import document, node, reader
from tests.cli.command import Meterhouse
from tests.servers.s3 import s3_server

LINES = b"".join(b'{"userId":"u%d","value":%d,"region":"r/%d"}\n' % (n, n, n % 2) for n in range(6))
CANARY = "canary-secret-access-key"


class _Forward(http.server.BaseHTTPRequestHandler):
    """Hands requests on, and may kill who asks before or after it does."""

    protocol_version = "HTTP/1.1"
    upstream: str
    lab: "Bucket"

    def _forward(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = f"{self.command} {self.path}"
        if self.lab.strikes("before", asked):
            return
        host = urllib.parse.urlsplit(self.upstream).netloc
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request(self.command, self.path, content, dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if self.lab.strikes("after", asked):
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        size = answer.getheader("Content-Length") if self.command == "HEAD" else len(body)
        self.send_header("Content-Length", str(size or 0))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward  # noqa: N815 (names of the library)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass
class Bucket:
    """A bucket behind a proxy that kills. ``blow`` is when, and what is asked then."""

    url: str = ""
    blow: tuple[str, Callable[[str], bool]] | None = None
    victim: "subprocess.Popen[str] | None" = None
    struck: int = 0

    def strikes(self, when: str, asked: str) -> bool:
        if self.blow is None or self.victim is None or self.blow[0] != when:
            return False
        if not self.blow[1](asked):
            return False
        self.blow = None
        self.struck += 1
        os.kill(self.victim.pid, signal.SIGKILL)
        return True

    @property
    def store(self) -> S3Store:
        return S3Store(
            "usage",
            config={
                "endpoint": self.url,
                "region": "us-east-1",
                "access_key_id": "a",
                "secret_access_key": "b",
            },
            client_options={"allow_http": True},
        )

    def put(self, name: str, content: bytes) -> None:
        obstore.put(self.store, name, content)

    def objects(self) -> dict[str, bytes]:
        names = [meta["path"] for chunk in obstore.list(self.store) for meta in chunk]
        return {name: bytes(obstore.get(self.store, name).bytes()) for name in sorted(names)}


@contextmanager
def proxied(upstream: str) -> Iterator[Bucket]:
    lab = Bucket()
    handler = type("Handler", (_Forward,), {"upstream": upstream, "lab": lab})
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    lab.url = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield lab
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    with s3_server(tmp_path) as url, proxied(url) as lab:
        yield lab


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Meterhouse:
    monkeypatch.setenv("METERHOUSE_HTTP_ALLOW", "127.0.0.1")
    made = Meterhouse(tmp_path / "data")
    with bootstrap.open_installation(made.data) as installation:
        credentials = {"accessKeyId": "AKIA-TEST", "secretAccessKey": CANARY}
        create_secret(
            installation.ledger,
            installation.sealer(),
            {"name": "Store", "type": "aws", "credentials": credentials},
            new_id=lambda: "secret-1",
            at=installation.clock(),
        )
    return made


def place(bucket: Bucket) -> dict[str, Any]:
    entry = {"secretId": "secret-1", "secretType": "aws"}
    return {"endpoint": bucket.url, "secretsWalletEntry": entry}


def stream(bucket: Bucket, out: str, **reading: Any) -> dict[str, Any]:
    return document(
        reader("s3://usage/in/**/*.ndjson", **place(bucket), **reading),
        node("Out", "writers/file", path=out, **place(bucket)),
    )


def start(house: Meterhouse, bucket: Bucket, *, when: str, asked: Callable[[str], bool]) -> None:
    """Run the stream in a process that is killed when something is asked for."""
    bucket.blow = (when, asked)
    with house.start("stream", "run", "Small") as process:
        bucket.victim = process
        process.communicate()
    assert (process.returncode, bucket.struck) == (-signal.SIGKILL, 1)
    bucket.victim = None


def counted(ran: dict[str, Any]) -> int:
    return next(n["in"] for n in ran["nodes"] if n["name"] == "Reader")


def test_objects_are_read_once_moved_away_and_written_by_the_values_in_them(
    house: Meterhouse, bucket: Bucket, tmp_path: Path
):
    bucket.put("in/2026/a.ndjson", LINES)
    moved = {"afterReading": "move", "moveTo": "s3://usage/done"}
    out = "s3://usage/out/{payload.region}/{year}-{run}.csv.gz"
    house.import_stream("-", given=json.dumps(stream(bucket, out, **moved)))
    [ran] = house.json("stream", "run", "Small")
    assert counted(ran) == 6
    names = list(bucket.objects())
    assert names[0] == "done/2026/a.ndjson"
    assert [name.split("/")[:2] for name in names[1:]] == [["out", "r%2F0"], ["out", "r%2F1"]]

    [again] = house.json("stream", "run", "Small")
    assert counted(again) == 0
    assert list(bucket.objects()) == names

    kept = b"".join(path.read_bytes() for path in house.data.rglob("*") if path.is_file())
    assert CANARY.encode() not in kept
    assert not list((house.data / "scratch").glob("*"))


def test_an_output_that_is_too_large_for_s3_fails_the_run_before_anything_is_put(
    house: Meterhouse, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
):
    bucket.put("in/a.ndjson", LINES)
    house.import_stream("-", given=json.dumps(stream(bucket, "s3://usage/out/{run}.ndjson")))
    with monkeypatch.context() as patch:
        patch.setitem(FILE_BYTES_MAX, "s3", len(LINES) - 1)
        ended = house("stream", "run", "Small")
    said = ended.err
    assert ended.code == 1
    assert f"has {len(LINES)} bytes, and its destination takes files of up to" in said
    assert "name a field in the path of the writer" in said
    assert house.json("delivery", "list") == []
    assert list(bucket.objects()) == ["in/a.ndjson"]
    assert not list((house.data / "spool").glob("*/*"))
    assert counted(house.json("stream", "run", "Small")[0]) == 6


def test_killed_between_upload_and_note_an_output_is_delivered_once(
    house: Meterhouse, bucket: Bucket
):
    bucket.put("in/a.ndjson", LINES)
    house.import_stream("-", given=json.dumps(stream(bucket, "s3://usage/out/{run}.ndjson")))
    start(house, bucket, when="after", asked=lambda asked: asked.startswith("PUT /usage/out/"))
    assert len(house.json("delivery", "list")) == 1

    [ran] = house.json("stream", "run", "Small")

    assert counted(ran) == 0
    assert house.json("delivery", "list") == []
    [(name, content)] = [item for item in bucket.objects().items() if item[0].startswith("out/")]
    assert content == LINES
    assert name.endswith(".ndjson")


def test_killed_before_the_original_is_removed_a_move_is_finished_by_the_next_run(
    house: Meterhouse, bucket: Bucket
):
    bucket.put("in/a.ndjson", LINES)
    moved = {"afterReading": "move", "moveTo": "s3://usage/done"}
    given = stream(bucket, "s3://usage/out/{run}.ndjson", **moved)
    house.import_stream("-", given=json.dumps(given))
    start(
        house,
        bucket,
        when="before",
        asked=lambda asked: asked.startswith("DELETE /usage/in/") or "delete" in asked,
    )
    assert {"in/a.ndjson", "done/a.ndjson"} <= set(bucket.objects())

    [ran] = house.json("stream", "run", "Small")

    assert counted(ran) == 0
    written = bucket.objects()
    assert [name for name in written if not name.startswith("out/")] == ["done/a.ndjson"]
    assert [written[name] for name in written if name.startswith("out/")] == [LINES]


def test_a_run_that_is_killed_while_it_fetches_leaves_no_temporary_file_for_long(
    house: Meterhouse, bucket: Bucket
):
    bucket.put("in/a.ndjson", LINES)
    bucket.put("in/b.ndjson", LINES)
    house.import_stream("-", given=json.dumps(stream(bucket, "s3://usage/out/{run}.ndjson")))
    start(house, bucket, when="before", asked=lambda asked: asked == "GET /usage/in/b.ndjson")
    left = house.data / "scratch" / "meterhouse-left.part"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"x")

    [ran] = house.json("stream", "run", "Small")

    assert counted(ran) == 12
    assert not list((house.data / "scratch").glob("*"))


def test_a_destination_that_is_away_keeps_its_output_and_the_next_run_delivers_it(
    house: Meterhouse, bucket: Bucket
):
    bucket.put("in/a.ndjson", LINES)
    given = stream(bucket, "s3://usage/out/{run}.ndjson")
    wrong = json.loads(json.dumps(given))
    wrong["nodes"][1]["params"]["path"] = "s3://nowhere/out/{run}.ndjson"
    house.import_stream("-", given=json.dumps(wrong))
    ended = house("stream", "run", "Small")
    assert ended.code == 1
    [waiting] = house.json("delivery", "list")
    assert waiting["destination"].startswith("s3://nowhere/out/")
    assert CANARY not in ended.err + json.dumps(waiting)
