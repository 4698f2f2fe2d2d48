"""``transforms/http``: one request for each record; its answer goes on in ``httpResponse``.

Every record that comes in goes out, in its order, also where requests run side by side. A preview
calls no server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from threading import Event

from meterhouse.core.json_text import JsonValue, Record, json_text, parse_json
from meterhouse.core.problem import MeterhouseError, Problem
from meterhouse.core.reading import Reading, shown
from meterhouse.engine.batch import Origin, UsageBatch
from meterhouse.streams.http_address import shown_url
from meterhouse.streams.nodes.http_answer import (
    RETRIES_MAX,
    AnswerCache,
    Failure,
    Patience,
    content,
    failure,
)
from meterhouse.streams.nodes.http_auth import AuthParams, read_auth
from meterhouse.streams.nodes.http_request import RequestTemplate, UnfitRecord, read_request
from meterhouse.streams.nodes.node import OUT, NodeParams, NodeRun, NodeSite, NodeType, Outputs
from meterhouse.streams.parameters import whole_number
from meterhouse.streams.placeholder import Template
from meterhouse.streams.ports import HttpAnswer, HttpFailed, HttpRequest
from meterhouse.streams.world import Services

RESPONSE = "httpResponse"
RESPONSE_HEADERS = "httpResponseHeaders"
CACHE_SECONDS = 300
CONCURRENT_DEFAULT, CONCURRENT_MAX = 20, 100
VERSIONS = frozenset({9, 11, 15})
#: So many failures of a node are told one by one; after that they are only counted.
WARNINGS_MAX = 20


class HttpCallFailed(MeterhouseError):
    """A request failed at a node that stops the stream then."""

    code = "http_call_failed"


class ErrorMode(Enum):
    """What becomes of a record whose request failed."""

    IGNORE = "ignore"
    EMIT = "emit"
    STOP = "stop"


#: The stored values; ``defer`` is what exports have where the error is ignored.
_MODES = {"defer": ErrorMode.IGNORE, **{mode.value: mode for mode in ErrorMode}}


@dataclass(frozen=True, slots=True)
class CacheParams:
    """Good answers are remembered for ``seconds``, by ``key`` or by address."""

    seconds: int
    key: Template | None = None

    def key_of(self, record: Record, request: HttpRequest) -> str | None:
        """Return what makes two requests the same; ``None`` where nothing is to be remembered."""
        if self.key is not None:
            values = [reference.value(record) for reference in self.key.references]
            # A field that is not there tells no requests apart.
            return None if None in values else json_text([*map(str, self.key.parts), *values])
        if request.method != "GET":
            return None
        return json_text([request.url, dict(request.headers)])


@dataclass(frozen=True, slots=True)
class HttpParams(NodeParams):
    """What is sent, who sends it, and what becomes of answers and failures."""

    request: RequestTemplate
    auth: AuthParams
    error_mode: ErrorMode
    retries: int
    cache: CacheParams | None
    concurrent: int
    keeps_headers: bool
    mock: JsonValue

    def open(self, site: NodeSite) -> NodeRun:
        """Start calling; in a preview nothing is called."""
        return _Preview(self) if site.world.facts.records_max is not None else _Http(self, site)

    def obstacles(self, services: Services) -> Sequence[Problem]:
        """A secret may be missing."""
        problem = self.auth.obstacle(services)
        return () if problem is None else (problem,)


def _read(reading: Reading) -> HttpParams | None:
    request = read_request(reading)
    auth = read_auth(reading)
    mode = _read_mode(reading)
    cache = _read_cache(reading)
    retries = whole_number(reading, "retries", lowest=0, highest=RETRIES_MAX)
    tries_again = reading.boolean("shouldRetry", default=False)
    concurrent = whole_number(reading, "maxConcurrentRequests", lowest=1, highest=CONCURRENT_MAX)
    parallel = reading.boolean("enableParallelProcessing", default=False)
    keeps_headers = reading.boolean("useResponseHeaderKey", default=False)
    mock = _read_mock(reading)
    if reading.problems or request is None:
        return None
    return HttpParams(
        request,
        auth,
        mode,
        retries=(1 if retries is None else retries) if tries_again else 0,
        cache=cache,
        concurrent=(concurrent or CONCURRENT_DEFAULT) if parallel else 1,
        keeps_headers=keeps_headers,
        mock=mock,
    )


def _read_mode(reading: Reading) -> ErrorMode:
    given = reading.text("errorMode") or "defer"
    if given not in _MODES:
        reading.fail("errorMode", f"is {shown(given)}", f"use one of {', '.join(_MODES)}")
    return _MODES.get(given, ErrorMode.IGNORE)


def _read_cache(reading: Reading) -> CacheParams | None:
    seconds = whole_number(reading, "cacheSeconds", lowest=0)
    seconds = CACHE_SECONDS if seconds is None else seconds
    text = reading.text("cacheKey")
    try:
        key = None if text is None else Template.parse_any(text)
    except ValueError as error:
        reading.fail("cacheKey", f"is {shown(text)} and {error}")
        return None
    used = reading.boolean("useCache", default=False)
    return CacheParams(seconds, key) if used and seconds else None


def _read_mock(reading: Reading) -> JsonValue:
    """What a preview shows as the answer; text that is JSON stands for that JSON."""
    given = reading.body.get("mockData")
    if not reading.boolean("useMockData", default=False) or given is None:
        return None
    if isinstance(given, str):
        try:
            return parse_json(given)
        except ValueError:
            pass
    return given


TYPE = NodeType("transforms/http", VERSIONS, _read)


class _Http(NodeRun):
    def __init__(self, params: HttpParams, site: NodeSite) -> None:
        services = site.world.services
        assert services.http is not None, "a stream with HTTP nodes needs a caller"
        self._params = params
        self._site = site
        self._caller = services.http
        self._auth = params.auth.resolve(services)
        self._stopped = Event()
        self._patience = Patience(params.retries, services.wait, self._stopped)
        cache = params.cache
        self._cache = None if cache is None else AnswerCache(cache.seconds, services.stopwatch)
        self._failed = 0

    def take(self, batch: UsageBatch) -> Outputs:
        origins = batch.origins()
        records: list[Record] = []
        with closing(self._outcomes(batch.rows())) as outcomes:
            for record, (outcome, failed) in outcomes:
                if failed is None:
                    assert isinstance(outcome, HttpAnswer)
                    records.append(self._answered(record, outcome))
                else:
                    records.append(self._without(record, failed, origins[len(records)]))
        return {OUT: UsageBatch.from_rows(records, origins)}

    def end(self) -> Iterator[Outputs]:
        if self._failed > WARNINGS_MAX:
            self._site.log(f"{self._failed:,} requests failed in all", level="warning")
        return iter(())

    # ------------------------------------------------------------ calling

    def _outcomes(self, records: Sequence[Record]) -> Generator[tuple[Record, _Outcome]]:
        """Yield each record with what its request came to, in order."""
        if self._params.concurrent == 1:
            yield from ((record, self._call(record)) for record in records)
            return
        width = self._params.concurrent
        with ThreadPoolExecutor(width, thread_name_prefix="http-node") as threads:
            under_way: deque[tuple[Record, Future[_Outcome]]] = deque()
            try:
                for record in records:
                    if len(under_way) == width:
                        done, future = under_way.popleft()
                        yield done, future.result()
                    under_way.append((record, threads.submit(self._call, record)))
                while under_way:
                    done, future = under_way.popleft()
                    yield done, future.result()
            except BaseException:
                # Whoever waits for its next try shall not keep the run from ending.
                self._stopped.set()
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def _call(self, record: Record) -> _Outcome:
        try:
            request = self._params.request.request(record, self._auth)
        except UnfitRecord as error:
            what = f"{self._params.request.method} request"
            return error, Failure(what, None, f"was not sent: {error}")
        try:
            outcome: HttpAnswer | HttpFailed = self._answer(record, request)
        except HttpFailed as error:
            outcome = error
        return outcome, failure(request, outcome)

    def _answer(self, record: Record, request: HttpRequest) -> HttpAnswer:
        def ask() -> HttpAnswer:
            return self._patience.answer(self._caller, request)

        cache = self._params.cache
        key = None if cache is None else cache.key_of(record, request)
        return ask() if key is None or self._cache is None else self._cache.answer(key, ask)

    # ------------------------------------------------------------ what becomes of records

    def _answered(self, record: Record, answer: HttpAnswer) -> Record:
        return self._with(record, content(answer), dict(answer.headers))

    def _with(self, record: Record, value: JsonValue, headers: Record) -> Record:
        made = {**record, RESPONSE: value}
        return {**made, RESPONSE_HEADERS: headers} if self._params.keeps_headers else made

    def _without(self, record: Record, failed: Failure, origin: Origin) -> Record:
        first = self._site.world.sources.place(origin)
        # As Data Correction shows it.
        place = f"{first.source}:{first.offset + 1}"
        self._site.count.errors += 1
        match self._params.error_mode:
            case ErrorMode.STOP:
                raise HttpCallFailed(
                    f'HTTP node "{self._site.name}", {place}: {failed}',
                    hint="Mend it and run the stream again; nothing of this run is kept here",
                )
            case ErrorMode.EMIT:
                error: Record = {"status": failed.status, "message": str(failed)}
                return self._with(record, {"error": error | {"response": failed.response}}, {})
            case ErrorMode.IGNORE:
                self._warn(f"{place}: {failed}")
                # An answer of an earlier node is not this one's.
                gone = (RESPONSE, RESPONSE_HEADERS) if self._params.keeps_headers else (RESPONSE,)
                return {name: value for name, value in record.items() if name not in gone}

    def _warn(self, text: str) -> None:
        self._failed += 1
        if self._failed <= WARNINGS_MAX:
            self._site.log(text, level="warning")


#: What a request came to, and why that is no result.
_Outcome = tuple[HttpAnswer | HttpFailed, Failure | None]


class _Preview(NodeRun):
    """Mock answers, or a note in place of them: a preview must change nothing anywhere."""

    def __init__(self, params: HttpParams) -> None:
        self._params = params

    def take(self, batch: UsageBatch) -> Outputs:
        records = [self._record(record) for record in batch.rows()]
        return {OUT: UsageBatch.from_rows(records, batch.origins())}

    def _record(self, record: Record) -> Record:
        params = self._params
        value = self._note(record) if params.mock is None else params.mock
        made = {**record, RESPONSE: value}
        return {**made, RESPONSE_HEADERS: {}} if params.keeps_headers else made

    def _note(self, record: Record) -> Record:
        request = self._params.request
        try:
            what = f"{request.method} {shown_url(request.url(record))}"
        except UnfitRecord as error:
            return {"preview": f"A run would send no request for this record: {error}"}
        remedy = "switch on useMockData and give mockData to see an answer here"
        return {"preview": f"{what} was not sent: a preview calls no server; {remedy}"}
