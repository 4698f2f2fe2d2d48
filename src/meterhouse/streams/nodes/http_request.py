"""What an HTTP node sends for a record: method, uri, query, headers and body with placeholders.

Decides how a value is written in each place: percent-encoded in a uri, as JSON in JSON, in its own
type where it is the whole of a body. Numbers are written as they are; no float is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from meterhouse.core.json_text import JsonValue, Record
from meterhouse.core.reading import Reading, shown
from meterhouse.streams.nodes.http_body import BodyTemplate, body_source, plain
from meterhouse.streams.placeholder import FieldReference, Template
from meterhouse.streams.ports import HttpAuth, HttpFailed, HttpRequest

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_BODILESS = frozenset({"GET", "HEAD"})
ITEMS_MAX = 200
_SCHEMES = ("http://", "https://")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNFIT_FOR_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_UNFIT_FOR_URI = re.compile(r"[\s\\\x00-\x1f\x7f]")
#: Headers that are the connection's own business.
_OWN_HEADERS = frozenset(
    "host content-length transfer-encoding connection upgrade te trailer accept-encoding".split()
)


class UnfitRecord(HttpFailed):
    """A record does not have what the request needs; nothing is sent for it."""

    code = "http_record_unfit"


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """The parts of a request, as templates."""

    method: str
    uri: Template
    query: tuple[tuple[str, Template], ...]
    headers: tuple[tuple[str, Template], ...]
    body: BodyTemplate | None

    @property
    def references(self) -> tuple[FieldReference, ...]:
        """The fields that address, query and headers name."""
        templates = [self.uri, *(t for _, t in self.query), *(t for _, t in self.headers)]
        return tuple(reference for template in templates for reference in template.references)

    def request(self, record: Record, auth: HttpAuth | None) -> HttpRequest:
        """Return the request of one record. Raises ``UnfitRecord``."""
        headers = {name: _header(name, template, record) for name, template in self.headers}
        body = None
        if self.body is not None and self.method not in _BODILESS:
            body, content_type = self._body(self.body, record)
            headers.setdefault("content-type", content_type)
        return HttpRequest(self.method, self.url(record), headers, body, auth)

    def url(self, record: Record) -> str:
        """Return the address that is called for a record. Raises ``UnfitRecord``."""
        single = self.uri.single
        uri = plain(single.value(record)) if single is not None else self._uri(record)
        pairs = [f"{quote(n, safe='')}={filled(t, record, _encoded)}" for n, t in self.query]
        uri, _, _ = uri.partition("#")
        if not pairs:
            return uri
        joint = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
        return uri + joint + "&".join(pairs)

    def _uri(self, record: Record) -> str:
        parts: list[str] = []
        in_path = True
        for part in self.uri.parts:
            if isinstance(part, str):
                parts.append(part)
                in_path = in_path and "?" not in part
                continue
            text = _encoded(part.value(record))
            if in_path and not text:
                # DELETE .../meters/${payload.id} without an id is another request altogether.
                raise UnfitRecord(f"{part} in the uri is missing or empty in this record")
            parts.append(text)
        uri = "".join(parts)
        steps = uri.partition("?")[0].split("/")
        if self.uri.references and ("." in steps or ".." in steps):
            raise UnfitRecord("a value in the uri is a step of a path (. or ..), which is not sent")
        return uri

    def _body(self, template: BodyTemplate, record: Record) -> tuple[bytes, str]:
        try:
            return template.content(record)
        except ValueError as error:
            raise UnfitRecord(f"the body cannot be made: {error}") from error


def filled(template: Template, record: Record, written: Callable[[JsonValue], str] = plain) -> str:
    """Return a text with its placeholders filled in; ``written`` writes its pieces."""
    return "".join(
        written(part if isinstance(part, str) else part.value(record)) for part in template.parts
    )


def _encoded(value: JsonValue) -> str:
    return quote(plain(value), safe="", errors="replace")


def _header(name: str, template: Template, record: Record) -> str:
    text = filled(template, record).strip()
    if _UNFIT_FOR_HEADER.search(text):
        raise UnfitRecord(f"the value of the header {name} has a line break or a control character")
    return text


# ---------------------------------------------------------------- reading


def read_request(reading: Reading, *, methods: Sequence[str] = METHODS) -> RequestTemplate | None:
    """Read the parameters of requests; ``None`` where the uri is wrong.

    The first of ``methods`` is what is meant where none is given.
    """
    method = (reading.text("method") or methods[0]).upper()
    if method not in methods:
        reading.fail("method", f"is {shown(method)}", f"use one of {', '.join(methods)}")
    uri = _read_uri(reading)
    query = _read_pairs(reading, "qs")
    headers = _read_pairs(reading, "headers")
    for name, _ in headers:
        _check_header(reading, name)
    headers = tuple((name.lower(), value) for name, value in headers)
    form = any(n == "content-type" and "x-www-form-urlencoded" in str(v.parts) for n, v in headers)
    body = _read_body(reading, form=form)
    return None if uri is None else RequestTemplate(method, uri, query, headers, body)


def _read_uri(reading: Reading) -> Template | None:
    text = reading.text("uri", required=True)
    if text is None:
        return None
    template = _template(reading, "uri", text.strip())
    if template is None or template.single is not None:
        return template
    first = template.parts[0]
    if not isinstance(first, str) or not first.lower().startswith(_SCHEMES):
        hint = "begin it with https://, or let one placeholder be the whole uri"
        reading.fail("uri", f"is {shown(text)}", hint)
    elif any(isinstance(part, str) and _UNFIT_FOR_URI.search(part) for part in template.parts):
        hint = "write spaces and the like percent-encoded, as %20"
        reading.fail("uri", f"is {shown(text)} and has a space or a backslash", hint)
    return template


def _check_header(reading: Reading, name: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        reading.fail("headers", f"have the name {shown(name)}", "use letters, digits and hyphens")
    elif name.lower() in _OWN_HEADERS:
        reading.fail("headers", f"have {shown(name)}, which is set by itself", "remove it")


def _read_pairs(reading: Reading, name: str) -> tuple[tuple[str, Template], ...]:
    """Read an object of texts, or a list of ``{key, value}``."""
    given = reading.body.get(name)
    if isinstance(given, Mapping):
        items = list(given.items())
    else:
        items = [
            pair
            for position, item in enumerate(reading.json_list(name, items_max=ITEMS_MAX))
            if (pair := _read_pair(reading, item, f"{name}[{position}]")) is not None
        ]
    pairs: list[tuple[str, Template]] = []
    for key, value in items:
        template = _template(reading, f"{name}.{key}", plain(value))
        if template is not None:
            pairs.append((str(key), template))
    return tuple(pairs)


def _read_pair(reading: Reading, item: object, place: str) -> tuple[str, Any] | None:
    key, value = (item.get("key"), item.get("value")) if isinstance(item, Mapping) else (None, None)
    if isinstance(item, Mapping) and not key and not value:
        return None  # An editor leaves an empty line behind.
    if not isinstance(key, str) or not key:
        reading.fail(place, f"is {shown(item)}", 'write {"key": "name", "value": "text"}')
        return None
    return key, value


def _template(reading: Reading, name: str, text: str) -> Template | None:
    try:
        return Template.parse_any(text)
    except ValueError as error:
        reading.fail(name, f"is {shown(text)} and {error}")
        return None


def _read_body(reading: Reading, *, form: bool) -> BodyTemplate | None:
    source = body_source(reading.body.get("body"))
    template = _template(reading, "body", source) if source else None
    return None if template is None else BodyTemplate.of(template, form=form)
