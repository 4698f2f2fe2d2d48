"""Reading an answer up to a cap, and what its headers say."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from meterhouse.streams.ports import HttpAnswer, HttpTooLarge, HttpUnreachable

if TYPE_CHECKING:
    import httpx

#: Takes the body of an answer.
Keep = Callable[[Iterator[bytes]], None]
ANSWER_BYTES_MAX = 10 * 2**20
_PIECE_BYTES = 64 * 2**10
#: gzip and zlib, told apart by their own first bytes.
_EITHER = 32 + zlib.MAX_WBITS


def read_answer(
    response: httpx.Response, *, bytes_max: int, secrets: tuple[str, ...] = ()
) -> HttpAnswer:
    """Read an answer whole. Raises ``HttpTooLarge``, ``HttpUnreachable``."""
    headers = _headers(response)
    body = b"".join(_capped(_decoded(response, headers), bytes_max))
    return HttpAnswer(response.status_code, headers, body, retry_after(headers), secrets)


def keep_answer(response: httpx.Response, keep: Keep) -> HttpAnswer:
    """Hand on the body of an answer as it arrives; what is returned has none."""
    headers = _headers(response)
    keep(_decoded(response, headers))
    return HttpAnswer(response.status_code, headers, b"", None)


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Return how many seconds a server asks to wait.

    It may name a date: that is counted from the date of its own answer, so that no clock of ours
    matters.

    >>> retry_after({"retry-after": "120"})
    120
    """
    given = headers.get("retry-after", "").strip()
    if given.isdecimal():
        return int(given[:9])
    then, now = _date(given), _date(headers.get("date", ""))
    return None if then is None or now is None else max(0, int((then - now).total_seconds()))


def _date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def _headers(response: httpx.Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers.raw:
        name, value = raw_name.decode("ascii").lower(), raw_value.decode("utf-8", "replace")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _decoded(response: httpx.Response, headers: dict[str, str]) -> Iterator[bytes]:
    from httpx import SyncByteStream

    encoding = headers.get("content-encoding", "identity").strip().lower()
    pieces = response.stream
    assert isinstance(pieces, SyncByteStream)
    if encoding in ("", "identity"):
        yield from pieces
    elif encoding in ("gzip", "x-gzip", "deflate"):
        yield from _inflated(pieces)
    else:
        raise HttpUnreachable(f"The answer is encoded as {encoding!r}, which was not asked for")


def _inflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack piece by piece: a small answer may stand for a huge one."""
    inflater = zlib.decompressobj(_EITHER)
    try:
        for piece in pieces:
            rest = piece
            while rest and not inflater.eof:
                yield inflater.decompress(rest, _PIECE_BYTES)
                rest = inflater.unconsumed_tail
        yield inflater.flush()
    except zlib.error as error:
        raise HttpUnreachable(f"The answer cannot be unpacked: {error}") from error
    if not inflater.eof:
        raise HttpUnreachable("The answer was cut off before its end")


def _capped(pieces: Iterator[bytes], bytes_max: int) -> Iterator[bytes]:
    taken = 0
    for piece in pieces:
        taken += len(piece)
        if taken > bytes_max:
            raise _too_large(bytes_max)
        yield piece


def _too_large(bytes_max: int) -> HttpTooLarge:
    return HttpTooLarge(f"The answer has more than {bytes_max:,} bytes")
