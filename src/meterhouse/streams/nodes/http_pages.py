"""Pages of an HTTP API: what is asked next, and whether there is more.

A page is named by what leads to it: nothing but its own parameters (a cursor, a number), or an
address of its own (a link). A page that was asked for before is never asked for again: that is an
error, because such an API would be read in circles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urljoin, urlsplit

from meterhouse.core.json_text import JsonValue, json_text, nested_value
from meterhouse.core.reading import shown
from meterhouse.streams.http_address import shown_url
from meterhouse.streams.ports import HttpAnswer, InputError

_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[^=;,\s"]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^";,\s]*))?)*)')
_PARAMETER = re.compile(r';\s*([^=;,\s"]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^";,\s]*)))?')


class PagingKind(Enum):
    """The ways of paging; values are those of documents."""

    NONE = "none"
    LINK = "link"
    CURSOR = "cursor"
    PAGE = "page"
    OFFSET = "offset"


@dataclass(frozen=True, slots=True)
class Paging:
    """How pages are asked for. ``path`` is where an answer names the next cursor."""

    kind: PagingKind = PagingKind.NONE
    parameter: str = ""
    path: str = ""
    start: int = 1
    size: int | None = None
    size_parameter: str | None = None
    origins: frozenset[str] = frozenset()

    def sized(self) -> dict[str, JsonValue]:
        """Return what asks for pages of a size."""
        return {self.size_parameter: self.size} if self.size_parameter and self.size else {}


@dataclass(frozen=True, slots=True)
class Page:
    """One page as it is asked for: parameters beside the request's own, or its address."""

    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    url: str | None = None
    cursor: str | int | None = None

    @property
    def name(self) -> str:
        """What tells it from others."""
        return self.url or json_text(dict(self.parameters))


def first_page(paging: Paging, cursor: JsonValue = None) -> Page:
    """Return where reading begins; at a cursor that was kept, where there is one."""
    if paging.kind is PagingKind.CURSOR and cursor is not None:
        return Page({paging.parameter: cursor, **paging.sized()}, cursor=cursor)
    if paging.kind is PagingKind.PAGE:
        return Page({paging.parameter: paging.start, **paging.sized()})
    if paging.kind is PagingKind.OFFSET:
        return Page({paging.parameter: 0, **paging.sized()})
    return Page(paging.sized())


@dataclass(slots=True)
class Pages:
    """The pages of one run, in their order."""

    paging: Paging
    url: str
    #: Whether the next run goes on at the last cursor: then an empty page is the end of this one.
    kept: bool = False
    number: int = 0
    _asked: dict[str, int] = field(default_factory=dict)
    _counts: list[int] = field(default_factory=list)
    _last_body: bytes = b""

    def asking(self, page: Page) -> None:
        """Note that a page is asked for. Raises ``InputError`` where it was before."""
        before = self._asked.get(page.name)
        if before is not None:
            what = "link" if page.url is not None else "cursor"
            text = f"page {self.number} names the {what} of page {before} again as the next one"
            raise self._failed(text, hint="The server leads in circles: nothing is kept")
        self.number += 1
        self._asked[page.name] = self.number

    def following(
        self, page: Page, answer: HttpAnswer, value: JsonValue, count: int
    ) -> Page | None:
        """Return the page behind an answer of so many items; ``None`` where it was the last."""
        match self.paging.kind:
            case PagingKind.NONE:
                return None
            case PagingKind.LINK:
                return self._linked(page, answer)
            case PagingKind.CURSOR:
                return self._at_cursor(page, value, count)
            case PagingKind.PAGE | PagingKind.OFFSET:
                return self._counted(page, answer, count)

    def _linked(self, page: Page, answer: HttpAnswer) -> Page | None:
        base = page.url or self.url
        target = next_link(answer.headers.get("link", ""))
        if target is None:
            return None
        url = urljoin(base, target)
        if origin(url) != origin(self.url) and origin(url) not in self.paging.origins:
            text = f"page {self.number} names a next page elsewhere, {shown_url(url)}"
            hint = f"If that is right, add {shown(origin(url))} to paging.allowedOrigins"
            raise self._failed(text, hint=hint)
        return Page(url=url)

    def _at_cursor(self, page: Page, value: JsonValue, count: int) -> Page | None:
        cursor = nested_value(value, self.paging.path.split("."))
        if cursor is None or cursor == "":
            return None
        if not count and cursor == page.cursor:
            return None
        if isinstance(cursor, bool) or not isinstance(cursor, str | int):
            text = f"{self.paging.path} of page {self.number} is {shown(cursor)}, no cursor"
            raise self._failed(text, hint="Check paging.path")
        return Page({self.paging.parameter: cursor, **self.paging.sized()}, cursor=cursor)

    def _counted(self, page: Page, answer: HttpAnswer, count: int) -> Page | None:
        if not count:
            return None
        parameter = self.paging.parameter
        if answer.body == self._last_body:
            text = f"page {self.number} is the same as the one before"
            raise self._failed(text, hint=f"Does the server know the parameter {parameter}?")
        self._last_body = answer.body
        step = count
        if self.paging.kind is PagingKind.PAGE:
            self._check_size(count)
            step = 1
        return Page({**page.parameters, parameter: page.parameters[parameter] + step})

    def _check_size(self, count: int) -> None:
        """Numbers of pages only say which records are meant while all pages have one size."""
        self._counts.append(count)
        if len(self._counts) > 1 and self._counts[-2] != max(self._counts[0], count):
            text = (
                f"page {self.number - 1} has {self._counts[-2]} records, the first one "
                f"{self._counts[0]}, and page {self.number} still has {count}"
            )
            hint = "Records may be missing or double; let it page by cursor, link or offset"
            raise self._failed(text, hint=hint)

    def _failed(self, text: str, *, hint: str) -> InputError:
        return InputError(f"{shown_url(self.url)}: {text}", hint=hint)


def next_link(header: str) -> str | None:
    """Return the target of ``rel="next"`` in a ``Link`` header (RFC 8288).

    >>> next_link('</a?p=1>; rel="prev", </a?p=3>; title="x, y"; rel="last next"')
    '/a?p=3'
    """
    for target, parameters in _LINK.findall(header):
        for name, quoted, plain in _PARAMETER.findall(parameters):
            if name.lower() == "rel" and "next" in (quoted or plain).lower().split():
                return target
    return None


def origin(url: str) -> str:
    """Return scheme, host and port of an address, so that equal ones are equal texts.

    >>> origin("HTTPS://Api.example.com:443/v1?x=1")
    'https://api.example.com'
    """
    parts = urlsplit(url)
    scheme, authority = parts.scheme.lower(), parts.netloc.lower()
    default = {"http": ":80", "https": ":443"}.get(scheme, "")
    return f"{scheme}://{authority.removesuffix(default) if default else authority}"
