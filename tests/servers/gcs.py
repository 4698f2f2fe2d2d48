"""A small fake of Google Cloud Storage: the calls that our library makes, and no more.

It keeps to what the XML and JSON APIs say of generations, ETags, preconditions and listings. That
the real service behaves so is not shown here.
"""

import hashlib
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape


class _Bucket:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.objects: dict[str, tuple[bytes, int, datetime]] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.generation = 1

    def put(self, key: str, content: bytes, match: str | None) -> bool:
        with self.lock:
            if match == "0" and key in self.objects:
                return False
            self.generation += 1
            self.objects[key] = (content, self.generation, datetime.now(UTC))
            return True


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _xml(name: str, inner: str, value: str) -> str:
    return f"<{name}><{inner}>{escape(value)}</{inner}></{name}>"


class _Handler(BaseHTTPRequestHandler):
    bucket: _Bucket
    token: str

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _asked(self) -> tuple[str, dict[str, str]]:
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        return urllib.parse.unquote(parts.path).removeprefix("/usage").removeprefix("/"), query

    def _allowed(self) -> bool:
        known = self.path.partition("?")[0].startswith("/usage")
        let_in = self.headers.get("Authorization") == f"Bearer {self.token}"
        if not (known and let_in):
            self._answer(404 if let_in else 401)
        return known and let_in

    def do_GET(self) -> None:
        if not self._allowed():
            return
        key, query = self._asked()
        if "list-type" in query:
            self._list(query)
            return
        found = self.bucket.objects.get(key)
        if found is None:
            self._answer(404)
            return
        content, generation, at = found
        if (match := self.headers.get("If-Match")) not in (None, _etag(content)):
            self._answer(412, match.encode() if match else b"")
            return
        self._answer(
            200,
            content,
            ETag=_etag(content),
            Last_Modified=format_datetime(at, usegmt=True),
            x_goog_generation=str(generation),
        )

    def do_HEAD(self) -> None:
        self.do_GET()

    def _list(self, query: dict[str, str]) -> None:
        prefix = query.get("prefix", "")
        rows = [
            f"<Contents><Key>{escape(key)}</Key><LastModified>{at.isoformat()}</LastModified>"
            f"<ETag>{escape(_etag(content))}</ETag><Size>{len(content)}</Size></Contents>"
            for key, (content, _, at) in sorted(self.bucket.objects.items())
            if key.startswith(prefix)
        ]
        text = f"<ListBucketResult>{''.join(rows)}</ListBucketResult>"
        self._answer(200, text.encode(), Content_Type="application/xml")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._allowed():
            return
        key, query = self._asked()
        if (upload := query.get("uploadId")) is not None:
            self.bucket.uploads[upload][int(query["partNumber"])] = content
            self._answer(200, ETag=_etag(content))
            return
        source = self.headers.get("x-goog-copy-source")
        if source is not None:
            name = urllib.parse.unquote(source).removeprefix("usage/")
            content = self.bucket.objects[name][0]
        if not self.bucket.put(key, content, self.headers.get("x-goog-if-generation-match")):
            self._answer(412)
            return
        self._answer(200, ETag=_etag(content))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._allowed():
            return
        key, query = self._asked()
        if "uploads" in query:
            upload = f"u{len(self.bucket.uploads)}"
            self.bucket.uploads[upload] = {}
            text = _xml("InitiateMultipartUploadResult", "UploadId", upload)
            self._answer(200, text.encode())
            return
        parts = self.bucket.uploads.pop(query["uploadId"])
        content = b"".join(part for _, part in sorted(parts.items()))
        self.bucket.put(key, content, None)
        text = _xml("CompleteMultipartUploadResult", "ETag", _etag(content))
        self._answer(200, text.encode())

    def do_DELETE(self) -> None:
        if not self._allowed():
            return
        found = self.bucket.objects.pop(self._asked()[0], None)
        self._answer(404 if found is None else 204)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def gcs_server(token: str) -> Iterator[str]:
    """Run the fake with the bucket ``usage`` and give its URL; it lets one token in."""
    handler = type("Handler", (_Handler,), {"bucket": _Bucket(), "token": token})
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_address[1]}"
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
