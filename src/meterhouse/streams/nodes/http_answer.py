"""Answers of servers: trying again, remembering them for a while, and what becomes of them.

A try is repeated where the server or the network may do better next time. Waiting doubles from one
second on, so that twelve retries take about 68 minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event, Lock

from meterhouse.core.json_text import JsonValue, parse_json
from meterhouse.streams.http_address import shown_url
from meterhouse.streams.ports import HttpAnswer, HttpCaller, HttpFailed, HttpRequest

RETRIES_MAX = 12
#: A server that asks for a longer pause than the longest of ours is not waited for.
PAUSE_MAX = 2 ** (RETRIES_MAX - 1)
#: The least status that is an error.
ERRORS = 400
#: So many bytes of answers are remembered at a node.
CACHE_BYTES_MAX = 64 * 2**20
EXCERPT_CHARS = 200
_TRY_AGAIN = frozenset({408, 425, 429, *range(500, 600)})
_HIDDEN = "***"
#: A shorter secret is no secret, and would riddle an excerpt with holes.
_SECRET_CHARS_MIN = 4
_CHARSET = "charset="


class Interrupted(HttpFailed):
    """The run has failed elsewhere meanwhile: no more tries."""

    code = "http_interrupted"


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how a request is tried: ``wait`` lets seconds pass."""

    retries: int
    wait: Callable[[int], None]
    stopped: Event

    def answer(self, caller: HttpCaller, request: HttpRequest) -> HttpAnswer:
        """Return the last try's answer. Raises ``HttpFailed`` where it got none."""
        for tried in range(self.retries):
            pause = 2**tried
            try:
                answer = caller.send(request)
            except HttpFailed as error:
                if not error.retriable:
                    raise
            else:
                if answer.status not in _TRY_AGAIN or (answer.retry_after or 0) > PAUSE_MAX:
                    return answer
                pause = max(pause, answer.retry_after or 0)
            self._pause(pause)
        return caller.send(request)

    def _pause(self, seconds: int) -> None:
        # Second by second: a run that has ended must not be held up by its other requests.
        for _ in range(seconds):
            if self.stopped.is_set():
                raise Interrupted("The run ended while a request waited for its next try")
            self.wait(1)


class AnswerCache:
    """Good answers by key, for so many seconds, and one request at a time for each key."""

    def __init__(self, seconds: int, stopwatch: Callable[[], int]) -> None:
        self._seconds = seconds
        self._stopwatch = stopwatch
        self._kept: dict[str, tuple[int, HttpAnswer]] = {}
        self._bytes = 0
        self._lock = Lock()
        self._asking: dict[str, tuple[Lock, int]] = {}

    def answer(self, key: str, ask: Callable[[], HttpAnswer]) -> HttpAnswer:
        """Return what is remembered, or ask and remember."""
        lock = self._enter(key)
        try:
            with lock:
                known = self._known(key)
                if known is None:
                    known = ask()
                    if known.status < ERRORS:
                        self._keep(key, known)
                return known
        finally:
            self._leave(key)

    def _enter(self, key: str) -> Lock:
        with self._lock:
            lock, asking = self._asking.get(key) or (Lock(), 0)
            self._asking[key] = (lock, asking + 1)
            return lock

    def _leave(self, key: str) -> None:
        with self._lock:
            lock, asking = self._asking.pop(key)
            if asking > 1:
                self._asking[key] = (lock, asking - 1)

    def _known(self, key: str) -> HttpAnswer | None:
        with self._lock:
            kept = self._kept.get(key)
            return kept[1] if kept is not None and self._stopwatch() < kept[0] else None

    def _keep(self, key: str, answer: HttpAnswer) -> None:
        with self._lock:
            self._forget(key)
            self._kept[key] = (self._stopwatch() + self._seconds, answer)
            self._bytes += _size(answer)
            while self._bytes > CACHE_BYTES_MAX:
                self._forget(next(iter(self._kept)))

    def _forget(self, key: str) -> None:
        if (kept := self._kept.pop(key, None)) is not None:
            self._bytes -= _size(kept[1])


def _size(answer: HttpAnswer) -> int:
    # A small answer takes room, too: its headers and what Python needs.
    return len(answer.body) + 2_000


# ---------------------------------------------------------------- what an answer says


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a record has no result: the request without its query, and what came back."""

    request: str
    status: int | None
    text: str
    response: JsonValue = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.request} {self.text}"


def failure(request: HttpRequest, outcome: HttpAnswer | HttpFailed) -> Failure | None:
    """Say why an outcome is no result; ``None`` where it is one."""
    what = f"{request.method} {shown_url(request.url)}"
    if isinstance(outcome, HttpFailed):
        hint = f" ({outcome.hint})" if outcome.hint else ""
        return Failure(what, None, f"failed: {outcome.args[0]}{hint}")
    if outcome.status < ERRORS:
        return None
    words = excerpt(outcome)
    said = f': "{words}"' if words else " and said nothing"
    return Failure(what, outcome.status, f"answered {outcome.status}{said}", content(outcome))


def content(answer: HttpAnswer) -> JsonValue:
    """Return what an answer holds: JSON where it is JSON, else text; ``None`` where it is empty."""
    if not answer.body:
        return None
    media_type = _media_type(answer.headers)
    if media_type in ("", "application/json", "text/json") or media_type.endswith("+json"):
        try:
            return parse_json(answer.body)
        except ValueError:
            pass  # It says so and is none; it is shown as it came.
    return _text(answer)


def excerpt(answer: HttpAnswer) -> str:
    """Return the beginning of an answer in one line, without what was secret in the request."""
    text = _text(answer)
    for secret in sorted(answer.sent_secrets, key=len, reverse=True):
        if len(secret) >= _SECRET_CHARS_MIN:
            text = text.replace(secret, _HIDDEN)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= EXCERPT_CHARS else text[:EXCERPT_CHARS] + "..."


def _text(answer: HttpAnswer) -> str:
    given = answer.headers.get("content-type", "").lower()
    charset = given.partition(_CHARSET)[2].partition(";")[0].strip(" \"'") or "utf-8"
    try:
        return answer.body.decode(charset, "replace")
    except (LookupError, ValueError):
        return answer.body.decode("utf-8", "replace")


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
