"""``HttpPull``: the records of an HTTP API, page after page, from where the last run ended.

A page is read whole before the next one is asked for, and is tried again where the server or the
network may do better. What the ledger keeps at the seam between two runs is ``http_seam``'s matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from json import JSONDecodeError
from threading import Event
from urllib.parse import quote

from meterhouse.core.json_text import (
    JsonValue,
    Record,
    has_half_pair,
    json_fault,
    json_text,
    nested_value,
    parse_json,
)
from meterhouse.core.reading import shown
from meterhouse.engine.batch import Origin, UsageBatch
from meterhouse.streams.http_address import shown_url
from meterhouse.streams.nodes.http_answer import Patience, failure
from meterhouse.streams.nodes.http_body import plain
from meterhouse.streams.nodes.http_pages import Page, Pages, Paging, first_page, origin
from meterhouse.streams.nodes.http_request import RequestTemplate
from meterhouse.streams.nodes.http_seam import (
    KNOWN_MAX,
    CursorSeam,
    NoSeam,
    Seam,
    Since,
    SinceSeam,
    TooManyAlike,
)
from meterhouse.streams.ports import (
    Collected,
    Collecting,
    HttpAnswer,
    HttpAuth,
    HttpCaller,
    HttpFailed,
    HttpRequest,
    InputError,
    ReadChunk,
    Unreadable,
)
from meterhouse.streams.world import Services

#: The part of its position: there is one list of records.
PART = "records"
#: What goes along to another origin.
_HARMLESS = frozenset({"accept", "accept-language", "content-type", "user-agent"})
#: What to do about answers that say what is wrong.
_REMEDIES: dict[int | None, str] = {
    401: "Check authType and the secret: the server does not know who asks",
    403: "Check what the secret may do: the server knows who asks, and lets them not",
    404: "Check uri: the server has nothing at that address",
}


@dataclass(frozen=True, slots=True)
class PullParams:
    """What is asked for, how pages follow one another, and what one run leaves to the next."""

    request: RequestTemplate
    paging: Paging
    ndjson: bool = False
    records: str = ""
    in_body: bool = False
    since: Since | None = None
    cursor_kept: bool = False
    pages_max: int = 10_000
    retries: int = 3


class HttpPull:
    """Reads an API; a ``Collector``."""

    def __init__(self, params: PullParams, auth: HttpAuth | None, services: Services) -> None:
        assert services.http is not None, "a stream with HTTP nodes needs a caller"
        self._params = params
        self._caller: HttpCaller = services.http
        self._patience = Patience(params.retries, services.wait, Event())
        self._request = params.request.request({}, auth)
        self._taken = 0

    # ------------------------------------------------------------ reading

    def chunks(self, wanted: Collecting) -> Iterator[Collected]:
        """Yield the records of each page that are new."""
        params = self._params
        kept = wanted.positions.get(PART)
        self._taken = 0 if kept is None else kept["taken"]
        seam = self._seam(kept)
        pages = Pages(params.paging, self._request.url, kept=params.cursor_kept)
        cursor = seam.cursor if isinstance(seam, CursorSeam) else None
        page: Page | None = first_page(params.paging, cursor)
        room, source = wanted.records_max, -1
        while page is not None:
            self._count(pages, page)
            answer = self._ask(page, seam)
            value = self._value(answer, pages)
            items = self._items(value, pages)
            following = pages.following(page, answer, value, len(items))
            source = wanted.number(self._name) if source < 0 else source
            chunk, left = self._chunk(items, seam, pages=pages, room=room, source=source)
            room -= len(chunk.batch) + len(chunk.unreadable)
            if not left:
                seam.turned(page, following)
            if not room and (left or following):
                self._check_early(seam, wanted)
            yield Collected(chunk, source, {PART: self._position(seam)})
            page = following if room and not self._idle(items) else None

    def _idle(self, items: Sequence[object]) -> bool:
        """Whether a feed whose cursor is kept has nothing more for now."""
        return self._params.cursor_kept and not items

    @property
    def _name(self) -> str:
        return f"http:{shown_url(self._request.url)}"

    def _seam(self, kept: JsonValue) -> Seam:
        params = self._params
        by = self._seam_name()
        if kept is not None and kept["by"] != by:
            text = f"was read by {kept['by']} until now, and the node says {by}"
            hint = "`meterhouse stream position reset STREAM --node NODE` lets it begin anew"
            raise self._failed(text, hint=hint)
        if params.since is not None:
            return SinceSeam.read(params.since, kept)
        return CursorSeam.read(kept) if params.cursor_kept else NoSeam()

    def _position(self, seam: Seam) -> dict[str, JsonValue]:
        return {"by": self._seam_name(), **seam.to_json(), "taken": self._taken}

    def _seam_name(self) -> str:
        params = self._params
        if params.since is not None:
            return f"since {params.since.path}"
        return "cursor" if params.cursor_kept else "nothing"

    def _count(self, pages: Pages, page: Page) -> None:
        if pages.number == self._params.pages_max:
            text = f"has more than {self._params.pages_max:,} pages"
            raise self._failed(text, hint="Raise maxPages, or ask for larger pages")
        pages.asking(page)

    def _check_early(self, seam: Seam, wanted: Collecting) -> None:
        """Refuse to end before the last page where the next run could not go on from there."""
        if seam.ascending or wanted.preview:
            return
        text = f"has more than {wanted.records_max:,} records"
        hint = "Raise maxRecords, or give since, so that the next run can go on"
        if isinstance(seam, SinceSeam):
            text += f", and {seam.since.path} does not ascend"
            hint = "Raise maxRecords, or ask for ascending order: older records would be lost"
        raise self._failed(text, hint=hint)

    # ------------------------------------------------------------ asking

    def _ask(self, page: Page, seam: Seam) -> HttpAnswer:
        request = self._made(page, seam)
        try:
            outcome: HttpAnswer | HttpFailed = self._patience.answer(self._caller, request)
        except HttpFailed as error:
            outcome = error
        failed = failure(request, outcome)
        if failed is not None or isinstance(outcome, HttpFailed):
            status = None if isinstance(outcome, HttpFailed) else outcome.status
            remedy = _REMEDIES.get(status, "Nothing of this run is kept")
            raise InputError(str(failed), hint=f"{remedy}; the next run asks from the same place")
        return outcome

    def _made(self, page: Page, seam: Seam) -> HttpRequest:
        request = self._request
        if page.url is not None:
            if origin(page.url) == origin(request.url):
                return replace(request, url=page.url)
            headers = {name: v for name, v in request.headers.items() if name in _HARMLESS}
            return replace(request, url=page.url, headers=headers, auth=None)
        parameters = dict(page.parameters)
        if isinstance(seam, SinceSeam) and seam.asked is not None:
            parameters = {seam.since.parameter: seam.asked, **parameters}
        if self._params.in_body:
            body = parse_json(request.body) if request.body else {}
            headers = {**request.headers, "content-type": "application/json"}
            return replace(request, body=json_text(body | parameters).encode(), headers=headers)
        pairs = [f"{quote(n, safe='')}={quote(plain(v), safe='')}" for n, v in parameters.items()]
        joint = "&" if "?" in request.url else "?"
        return replace(request, url=request.url + joint + "&".join(pairs)) if pairs else request

    # ------------------------------------------------------------ what an answer has

    def _value(self, answer: HttpAnswer, pages: Pages) -> JsonValue:
        if self._params.ndjson:
            return [line for line in answer.body.split(b"\n") if line.strip()]
        if not answer.body.strip():
            return []
        try:
            return parse_json(answer.body)
        except UnicodeDecodeError as error:
            said = f"not UTF-8: {error.reason} at byte {error.start + 1}"
        except JSONDecodeError as error:
            said = f"not JSON: {json_fault(error)} at character {error.pos + 1}"
        except ValueError as error:
            said = str(error)
        hint = "Check uri, and that the answer is JSON; nothing of this run is kept"
        raise self._failed(f"page {pages.number} cannot be read, {said}", hint=hint)

    def _items(self, value: JsonValue, pages: Pages) -> Sequence[JsonValue]:
        path = self._params.records
        found = value if not path or value == [] else nested_value(value, path.split("."))
        if isinstance(found, list):
            return found
        if not path and isinstance(found, Mapping):
            return [found]
        has = f"; it has {', '.join(sorted(value)[:20])}" if isinstance(value, Mapping) else ""
        text = f"{path or 'the answer'} of page {pages.number} is {shown(found)}, no list{has}"
        raise self._failed(text, hint="Name in records where the list is, such as data.items")

    def _chunk(
        self, items: Sequence[JsonValue], seam: Seam, *, pages: Pages, room: int, source: int
    ) -> tuple[ReadChunk, int]:
        """Return the records that are new, at most so many, and how many items were left."""
        records: list[Record] = []
        origins: list[Origin] = []
        bad: list[Unreadable] = []
        done = 0
        for done, item in enumerate(items, 1):
            read, problem = _read_item(item)
            new, misplaced = self._taken_by(seam, read)
            if not new:
                continue
            problem = problem or misplaced
            if problem:
                detail = f"record {done} of page {pages.number}: {problem}"
                record = read if isinstance(read, dict) else None
                bad.append(Unreadable(self._taken, _raw(item), detail, record))
            else:
                records.append(read)
                origins.append((source, self._taken))
            self._taken += 1
            room -= 1
            if not room:
                break
        return ReadChunk(UsageBatch.from_rows(records, origins), bad), len(items) - done

    def _taken_by(self, seam: Seam, item: JsonValue) -> tuple[bool, str]:
        try:
            return seam.takes(item)
        except TooManyAlike as error:
            text = f"more than {KNOWN_MAX:,} records would have to be known again by the next run"
            hint = "Name a finer field in since.path, or ask for smaller pages"
            raise self._failed(text, hint=hint) from error

    def _failed(self, text: str, *, hint: str) -> InputError:
        return InputError(f"{shown_url(self._request.url)}: {text}", hint=hint)

    # ------------------------------------------------------------ afterwards

    def acknowledge(self) -> Mapping[str, JsonValue]:
        """Tell nobody: such a server does not know its readers."""
        return {}

    def close(self) -> None:
        """There is nothing to let go: connections are the caller's."""


def _read_item(item: JsonValue) -> tuple[JsonValue, str]:
    """Return an item (a line still has to be read), and what is wrong with it."""
    if isinstance(item, bytes):
        try:
            item = parse_json(item)
        except UnicodeDecodeError as error:
            return _raw(item), f"not UTF-8: {error.reason} at byte {error.start + 1}"
        except JSONDecodeError as error:
            return _raw(item), f"not JSON: {json_fault(error)} at character {error.pos + 1}"
        except ValueError as error:
            return _raw(item), str(error)
    if not isinstance(item, dict):
        return item, f"is {shown(item)}, not a JSON object"
    if "\\ud" in json_text(item) and _half(item):
        return json_text(item), "a text holds half of a surrogate pair, which is no character"
    return item, ""


def _half(value: JsonValue) -> bool:
    if isinstance(value, str):
        return has_half_pair(value)
    if isinstance(value, dict):
        return any(map(_half, value)) or any(map(_half, value.values()))
    return isinstance(value, list) and any(map(_half, value))


def _raw(item: JsonValue) -> str:
    if isinstance(item, bytes):
        return item.decode("utf-8", "backslashreplace")
    return json_text(item)
