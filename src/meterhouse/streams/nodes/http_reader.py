"""``readers/http``: records of a paged API, from where the last run ended."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import parse_qsl

from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.streams.nodes.broker import RECORDS_MAX, choice
from meterhouse.streams.nodes.collecting import RECORDS_MAX_DEFAULT, CollectorParams
from meterhouse.streams.nodes.http_answer import RETRIES_MAX
from meterhouse.streams.nodes.http_auth import AuthParams, read_auth
from meterhouse.streams.nodes.http_pages import Paging, PagingKind, origin
from meterhouse.streams.nodes.http_pull import HttpPull, PullParams
from meterhouse.streams.nodes.http_request import METHODS, RequestTemplate, read_request
from meterhouse.streams.nodes.http_seam import Since
from meterhouse.streams.nodes.node import NodeType
from meterhouse.streams.parameters import whole_number
from meterhouse.streams.placeholder import Template
from meterhouse.streams.ports import Collector
from meterhouse.streams.suspension import read_policy
from meterhouse.streams.world import Services

READS = ("GET", "POST")
FORMATS = ("json", "ndjson")
PLACES = ("query", "body")
PAGES_MAX = 10_000
PAGE_SIZE_MAX = 100_000
START_MAX = 1_000_000
RETRIES = 3
ORIGINS_MAX = 20
_PATH = re.compile(r"[^.]+(?:\.[^.]+)*")
_ORIGIN = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[1-9][0-9]{0,4})?")
_AUTH = ("authType", "secretsWalletEntry", "oAuth2Authentication", "authentication")
_FIELDS = (
    *("uri", "method", "qs", "headers", "body", *_AUTH, "format", "records", "paging", "since"),
    *("cursorKept", "parametersIn", "maxPages", "maxRecords", "retries", "suspenseManagement"),
)
#: What each way of paging is told.
_PAGING = {
    PagingKind.NONE: (),
    PagingKind.LINK: ("allowedOrigins",),
    PagingKind.CURSOR: ("parameter", "path", "size", "sizeParameter"),
    PagingKind.PAGE: ("parameter", "start", "size", "sizeParameter"),
    PagingKind.OFFSET: ("parameter", "size", "sizeParameter"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReaderParams(CollectorParams):
    """``pull`` is what is read, ``auth`` who asks."""

    pull: PullParams
    auth: AuthParams

    def obstacles(self, services: Services) -> Sequence[Problem]:
        """A secret may be missing."""
        problem = self.auth.obstacle(services)
        return () if problem is None else (problem,)

    def collector(self, services: Services) -> Collector:
        """Return what asks; nothing is sent yet."""
        return HttpPull(self.pull, self.auth.resolve(services), services)


def _read(reading: Reading) -> HttpReaderParams | None:
    reading.only(_FIELDS, what="readers/http node")
    request = read_request(reading)
    _check_request(reading, request)
    auth = read_auth(reading)
    ndjson = choice(reading, "format", FORMATS) == "ndjson"
    records = _read_path(reading, "records")
    paging = _read_paging(reading)
    since = _read_since(reading)
    kept = reading.boolean("cursorKept", default=False)
    in_body = choice(reading, "parametersIn", PLACES) == "body"
    pages = whole_number(reading, "maxPages", lowest=1, highest=PAGES_MAX)
    most = whole_number(reading, "maxRecords", lowest=1, highest=RECORDS_MAX)
    retries = whole_number(reading, "retries", lowest=0, highest=RETRIES_MAX)
    policy = read_policy(reading)
    _check_together(reading, paging, ndjson=ndjson, kept=kept, in_body=in_body)
    if reading.problems or request is None:
        return None
    pull = PullParams(
        request,
        paging,
        ndjson=ndjson,
        records=records or "",
        in_body=in_body,
        since=since,
        cursor_kept=kept,
        pages_max=pages or PAGES_MAX,
        retries=RETRIES if retries is None else retries,
    )
    most = most or RECORDS_MAX_DEFAULT
    return HttpReaderParams("http", {}, policy, most, pull=pull, auth=auth)


# ---------------------------------------------------------------- the request


def _check_request(reading: Reading, request: RequestTemplate | None) -> None:
    method = (reading.text("method") or READS[0]).upper()
    if method in METHODS and method not in READS:
        reading.fail("method", f"is {shown(method)}", "a reader uses GET or POST")
    if request is None:
        return
    placed: list[tuple[str, Template]] = [("uri", request.uri)]
    placed += [(f"qs.{name}", template) for name, template in request.query]
    placed += [(f"headers.{name}", template) for name, template in request.headers]
    for place, template in placed:
        if template.references:
            named = template.references[0]
            reading.fail(place, f"has {named}", "there is no record yet: write it out")
    body = request.body
    if body is not None and any(not isinstance(part, str) for part in body.parts):
        reading.fail("body", "has a placeholder", "there is no record yet: write it out")
    if "#" in str(reading.body.get("uri")):
        reading.fail("uri", "has a #, which is not sent", "leave out what follows it")


def _given_names(reading: Reading) -> set[str]:
    """The parameters that the request has without paging."""
    uri = reading.body.get("uri")
    query = uri.partition("?")[2] if isinstance(uri, str) else ""
    names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    given = reading.body.get("qs")
    if isinstance(given, dict):
        return names | set(given)
    items = given if isinstance(given, list) else []
    return names | {str(item.get("key")) for item in items if isinstance(item, dict)}


# ---------------------------------------------------------------- pages and the seam


def _read_path(reading: Reading, name: str, *, required: bool = False) -> str | None:
    text = reading.text(name, required=required)
    if text is not None and not _PATH.fullmatch(text):
        reading.fail(name, f"is {shown(text)}", "write a field, or a dotted path such as data.next")
        return None
    return text


def _read_parameter(inner: Reading, name: str, taken: set[str]) -> str:
    text = inner.text(name, required=True) or ""
    if text in taken:
        inner.fail(name, f"is {shown(text)}, which is given already", "name each parameter once")
    return text


def _read_paging(reading: Reading) -> Paging:
    given = reading.body.get("paging")
    if given is None:
        return Paging()
    inner = Reading(given, what="paging")
    paging = _paging(inner, _given_names(reading))
    reading.problems += [problem.at("paging") for problem in inner.problems]
    return paging


def _paging(inner: Reading, taken: set[str]) -> Paging:
    kinds = {kind.value: kind for kind in PagingKind}
    given = inner.text("kind", required=True)
    kind = kinds.get(given or "none")
    if kind is None:
        inner.fail("kind", f"is {shown(given)}", f"use one of {', '.join(kinds)}")
        return Paging()
    known = _PAGING[kind]
    inner.only(("kind", *known), what=f"paging of the kind {kind.value}")
    parameter = _read_parameter(inner, "parameter", taken) if "parameter" in known else ""
    path = _read_path(inner, "path", required=True) if "path" in known else None
    start = whole_number(inner, "start", lowest=0, highest=START_MAX)
    size = whole_number(inner, "size", lowest=1, highest=PAGE_SIZE_MAX)
    size_parameter = None
    if inner.body.get("sizeParameter") is not None:
        size_parameter = _read_parameter(inner, "sizeParameter", taken | {parameter})
    if (size is None) != (size_parameter is None) and not inner.problems:
        missing = "size" if size is None else "sizeParameter"
        inner.fail(missing, "is missing", "give both size and sizeParameter, or neither")
    start = 1 if start is None else start
    return Paging(kind, parameter, path or "", start, size, size_parameter, _origins(inner))


def _origins(inner: Reading) -> frozenset[str]:
    items = inner.json_list("allowedOrigins", items_max=ORIGINS_MAX)
    for place, item in enumerate(items):
        if not isinstance(item, str) or not _ORIGIN.fullmatch(item):
            hint = "write scheme and host, such as https://files.example.com"
            inner.fail(f"allowedOrigins[{place}]", f"is {shown(item)}", hint)
    return frozenset(origin(item) for item in items if isinstance(item, str))


def _read_since(reading: Reading) -> Since | None:
    given = reading.body.get("since")
    if given is None:
        return None
    inner = Reading(given, known=("parameter", "path", "start"), what="since")
    parameter = _read_parameter(inner, "parameter", _given_names(reading))
    path = _read_path(inner, "path", required=True)
    start: JsonValue = inner.body.get("start")
    plain = isinstance(start, str | int | Decimal) and not isinstance(start, bool)
    if not plain or start == "":
        hint = "the first run asks from it on: give a number or a text"
        inner.fail("start", missing_or_shown(start), hint)
    reading.problems += [problem.at("since") for problem in inner.problems]
    return Since(parameter, path or "", start)


def _check_together(
    reading: Reading, paging: Paging, *, ndjson: bool, kept: bool, in_body: bool
) -> None:
    """Note what does not go together."""
    if ndjson and reading.body.get("records") is not None:
        reading.fail("records", "is given, and lines have no path", "leave it out")
    if ndjson and paging.kind is PagingKind.CURSOR:
        reading.fail("format", "is ndjson, which names no next cursor", "page by another kind")
    if kept and paging.kind is not PagingKind.CURSOR:
        reading.fail("cursorKept", "is true without cursors", 'set paging.kind to "cursor"')
    if kept and reading.body.get("since") is not None:
        reading.fail("cursorKept", "is true beside since", "the ledger keeps one of them")
    if in_body and (reading.text("method") or "").upper() != "POST":
        reading.fail("parametersIn", "is body without POST", "set method to POST, or use query")
    body = reading.body.get("body")
    if in_body and body is not None and not isinstance(body, dict):
        reading.fail("body", f"is {shown(body)}", "write a JSON object, which takes parameters")


TYPE = NodeType("readers/http", frozenset({1}), _read)
