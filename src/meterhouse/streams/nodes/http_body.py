"""The body of a request: a text with placeholders, and what a value looks like inside of it.

Where the text is JSON, values are written so that it stays JSON: between quotes as the inside of a
string, elsewhere as JSON values. A body that is one placeholder is that value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote_plus

from meterhouse.core.json_text import JsonValue, Record, json_text, parse_json
from meterhouse.streams.placeholder import FieldReference, Template

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"
FORM_TYPE = "application/x-www-form-urlencoded"
_WHOLE = re.compile(r"[$@]\{payload(?:\.[^{}]+)?\}")


class _Writing(Enum):
    """How a value is written at its place."""

    PLAIN = "plain"
    FORM = "form"
    JSON = "json"
    JSON_STRING = "inside of a JSON string"


@dataclass(frozen=True, slots=True)
class BodyTemplate:
    """A body cut into literal texts and placeholders, each with how it is written there."""

    parts: tuple[str | tuple[FieldReference, _Writing], ...]
    whole: FieldReference | None
    content_type: str

    @classmethod
    def of(cls, template: Template, *, form: bool) -> BodyTemplate:
        """Look at each placeholder's place. ``form``: the headers say that it is a form."""
        first = template.parts[0] if template.parts else ""
        is_json = isinstance(first, str) and first.lstrip().startswith(("{", "["))
        if form:
            placed = tuple(_placed(part, _Writing.FORM) for part in template.parts)
            return cls(placed, template.single, FORM_TYPE)
        if is_json:
            return cls(_placed_in_json(template), None, JSON_TYPE)
        placed = tuple(_placed(part, _Writing.PLAIN) for part in template.parts)
        return cls(placed, template.single, TEXT_TYPE)

    def content(self, record: Record) -> tuple[bytes, str]:
        """Return the bytes and their media type. Raises ``ValueError`` where there are none."""
        if self.whole is not None:
            return self._whole(self.whole, record)
        texts = [
            part if isinstance(part, str) else _written(part[0].value(record), part[1])
            for part in self.parts
        ]
        return _bytes("".join(texts)), self.content_type

    def _whole(self, reference: FieldReference, record: Record) -> tuple[bytes, str]:
        value = reference.value(record)
        if value is None:
            raise ValueError(f"{reference} is missing in this record")
        if not isinstance(value, str):
            return _bytes(json_text(value)), JSON_TYPE
        return _bytes(value), JSON_TYPE if _reads_as_json(value) else self.content_type


def body_source(body: JsonValue) -> str:
    """Return the text of a ``body``, which may as well stand in the document as JSON.

    A text in it that is one placeholder keeps the field's type.

    >>> body_source({"n": "${payload.n}", "t": "no ${payload.t}"})
    '{"n":${payload.n},"t":"no ${payload.t}"}'
    """
    if body is None or isinstance(body, str):
        return body or ""
    return _source(body)


def plain(value: JsonValue) -> str:
    """Write a value as it reads inside of a text: no quotes; nothing where it is absent."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)


def _source(value: JsonValue) -> str:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return value
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json_text(k)}:{_source(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_source, value)) + "]"
    return json_text(value)


def _placed(part: str | FieldReference, writing: _Writing) -> str | tuple[FieldReference, _Writing]:
    return part if isinstance(part, str) else (part, writing)


def _placed_in_json(template: Template) -> tuple[str | tuple[FieldReference, _Writing], ...]:
    placed: list[str | tuple[FieldReference, _Writing]] = []
    quoted = False
    for part in template.parts:
        if isinstance(part, str):
            quoted = _ends_quoted(part, quoted=quoted)
        placed.append(_placed(part, _Writing.JSON_STRING if quoted else _Writing.JSON))
    return tuple(placed)


def _ends_quoted(text: str, *, quoted: bool) -> bool:
    """Whether a piece of JSON ends inside of a string, given how it begins."""
    escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
    return quoted


def _written(value: JsonValue, writing: _Writing) -> str:
    if writing is _Writing.JSON:
        return json_text(value)
    text = plain(value)
    if writing is _Writing.JSON_STRING:
        return json_text(text)[1:-1]
    return quote_plus(text, errors="replace") if writing is _Writing.FORM else text


def _reads_as_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
