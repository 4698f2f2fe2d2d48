"""The HTTP client of Kernel: who asks, what is asked again, and what an answer may be.

Tokens are kept until shortly before their end, and a refused one is replaced once; both is the
business of ``connectors/http``. Every call has a correlator of its own, which errors name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote, urlencode

from meterhouse.connectors.http.answer import Keep
from meterhouse.connectors.http.client import HttpClient
from meterhouse.connectors.scratch import Scratch
from meterhouse.core.json_text import parse_json
from meterhouse.core.problem import MeterhouseError
from meterhouse.streams.http_address import shown_url
from meterhouse.streams.nodes.http_answer import Patience, excerpt
from meterhouse.streams.ports import HttpAnswer, HttpFailed, HttpRequest, OAuth2Auth

RETRIES = 4
_CORRELATOR = "x-correlator"
_OK, _CREATED, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 201, 401, 403, 404
_HINTS = {
    _UNAUTHORIZED: "check the client id and its secret",
    _FORBIDDEN: "ask for the scope: meterhouse kernel-client update CLIENT --scope ...",
    _NOT_FOUND: "check the name of the dataset, its major version, and the address",
}


class KernelFault(MeterhouseError):
    """Kernel does not give what is asked for; ``status`` is its answer, if there was one."""

    code = "kernel_failed"

    def __init__(self, message: str, *, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


@dataclass(frozen=True, slots=True)
class KernelFile:
    """A file as Kernel lists it."""

    id: str
    dataset: str
    major: int
    ob: str | None
    day: str | None
    name: str
    rows: int
    size: int
    sha256: str

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> KernelFile:
        """Read an item of a list. Raises ``KernelFault`` where it is none."""
        try:
            found = cls(
                id=item["id"],
                dataset=item["dataset"],
                major=int(item["version"].split(".")[0]),
                ob=item["ob"],
                day=item["day"],
                name=item["name"],
                rows=int(item["rows"]),
                size=int(item["size"]),
                sha256=item["sha256"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise KernelFault(f"Kernel lists a file without {error}") from error
        if "/" in found.name or len(found.sha256) != 64:
            raise KernelFault(f"Kernel lists the file {found.name!r}, which is none")
        return found


@dataclass(frozen=True, slots=True)
class KernelMeans:
    """What a client needs of the world: ids for correlators, waiting, temporary files."""

    new_id: Callable[[], str]
    wait: Callable[[int], None]
    scratch: Scratch


class KernelClient:
    """Asks Kernel as one client. No message, log or ``repr`` shows its secret or a token."""

    def __init__(self, http: HttpClient, auth: OAuth2Auth, *, url: str, means: KernelMeans) -> None:
        self._http = http
        self._auth = auth
        self._url = url.rstrip("/")
        self._means = means

    def datasets(self) -> Sequence[Mapping[str, Any]]:
        """Return the published datasets."""
        return self._list(self._json("/datasets"), "datasets")

    def versions(self, dataset: str) -> Sequence[Mapping[str, Any]]:
        """Return the versions of a dataset, oldest first, each with its schema."""
        return self._list(self._json(f"/datasets/{quote(dataset, safe='')}"), "versions")

    def files(
        self, dataset: str, *, major: int, since: str | None = None, until: str | None = None
    ) -> list[KernelFile]:
        """Return the files of some days, both included, in the order that Kernel lists them."""
        days = {name: day for name, day in (("from", since), ("to", until)) if day is not None}
        query = f"?{urlencode(days)}" if days else ""
        body = self._json(f"{_version_path(dataset, major)}/partitions{query}")
        return [
            KernelFile.read(item)
            for partition in self._list(body, "partitions")
            for item in self._list(partition, "files")
        ]

    def add_file(
        self, content: Path, *, dataset: str, major: int, name: str
    ) -> tuple[list[KernelFile], bool]:
        """Add a file; returns what it became, and whether that is new."""
        headers = {"content-type": "application/avro", "x-file-name": name}
        answer = self._answer(
            *("POST", f"{_version_path(dataset, major)}/files"),
            headers=headers,
            content=content,
        )
        files = self._list(_object(answer), "files")
        return [KernelFile.read(item) for item in files], answer.status == _CREATED

    @contextmanager
    def downloaded(self, file: KernelFile) -> Iterator[Path]:
        """Hold a file for a while: it has the length and the hash that Kernel lists."""
        path = f"{_version_path(file.dataset, file.major)}/files/{quote(file.id, safe='')}"
        what = f"{file.dataset}/{file.major}/{file.name}"
        content = _Content(what, file)
        with self._means.scratch.place(size=file.size) as place:

            def keep(blocks: Iterator[bytes]) -> None:
                place.fill(content.checked(blocks), size_max=file.size)

            self._answer("GET", path, keep=keep)
            yield place.path

    def close(self) -> None:
        """Let connections go."""
        self._http.close()

    def _json(self, path: str) -> Mapping[str, Any]:
        return _object(self._answer("GET", path))

    def _answer(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: Path | None = None,
        keep: Keep | None = None,
    ) -> HttpAnswer:
        """Ask, again where the next try may do better. Raises ``KernelFault``."""
        correlator = self._means.new_id()
        request = HttpRequest(
            method,
            self._url + path,
            {**(headers or {}), _CORRELATOR: correlator},
            auth=self._auth,
        )
        patience = Patience(RETRIES, self._means.wait, Event())
        what = f"{method} {shown_url(self._url + path)} (x-correlator {correlator})"
        try:
            answer = patience.answer(_Sender(self._http, keep, content), request)
        except HttpFailed as error:
            hint = error.hint or "check the address, and whether Kernel runs"
            raise KernelFault(f"{what} failed: {error.args[0]}", hint=hint) from error
        if answer.status not in (_OK, _CREATED):
            said = _said(answer)
            hint = _HINTS.get(answer.status, "")
            message = f"{what} was answered {answer.status}{said}"
            raise KernelFault(message, hint=hint, status=answer.status)
        return answer

    def _list(self, body: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
        found = body.get(name)
        if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
            hint = "check the address: it ends in /kernel"
            raise KernelFault(f"{shown_url(self._url)} answers without {name}", hint=hint)
        return found


@dataclass(frozen=True, slots=True)
class _Sender:
    """Sends requests, uploads or downloads."""

    http: HttpClient
    keep: Keep | None
    content: Path | None

    def send(self, request: HttpRequest) -> HttpAnswer:
        if self.content is not None:
            return self.http.upload(request, self.content)
        if self.keep is None:
            return self.http.send(request)
        return self.http.download(request, self.keep)

    def close(self) -> None:
        self.http.close()


@dataclass(frozen=True, slots=True)
class _Content:
    """The content of a file as it arrives."""

    what: str
    file: KernelFile

    def checked(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield it, and raise at its end where it is not what was listed."""
        found, size = hashlib.sha256(), 0
        for block in blocks:
            found.update(block)
            size += len(block)
            if size > self.file.size:
                break
            yield block
        if size != self.file.size:
            more = "more than " if size > self.file.size else f"{size:,} of "
            raise KernelFault(f"{self.what}: {more}{self.file.size:,} bytes came", hint="run again")
        if found.hexdigest() != self.file.sha256:
            message = f"{self.what} has another SHA-256 than Kernel lists"
            raise KernelFault(message, hint="run again; if it stays so, tell who runs Kernel")


def _version_path(dataset: str, major: int) -> str:
    return f"/datasets/{quote(dataset, safe='')}/{major}"


def _object(answer: HttpAnswer) -> Mapping[str, Any]:
    try:
        body = parse_json(answer.body)
    except ValueError:
        body = None
    if not isinstance(body, Mapping):
        hint = "check the address: it ends in /kernel"
        raise KernelFault("Kernel answers with what is no JSON object", hint=hint)
    return body


def _said(answer: HttpAnswer) -> str:
    """Return what a problem document says, or the beginning of another answer."""
    try:
        body = parse_json(answer.body)
    except ValueError:
        body = None
    detail = body.get("detail") if isinstance(body, Mapping) else None
    words = detail if isinstance(detail, str) else excerpt(answer)
    for secret in answer.sent_secrets:
        words = words.replace(secret, "***")
    return f": {words[:300]}" if words else ""
