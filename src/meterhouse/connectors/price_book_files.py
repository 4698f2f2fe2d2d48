"""Documents of price books in files: YAML and JSON, numbers exactly as written.

Of YAML, what JSON can say as well, and comments and days: a plain text is a number only where it
is one in JSON, ``NO`` is Norway and not false, and no tag makes an object. One file may have
several books: documents between ``---``, or a list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from meterhouse.app.billing.price_books import Document
from meterhouse.core.json_text import NESTING_MAX, json_fault, parse_json
from meterhouse.core.price_book_text import book_text
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import shown

if TYPE_CHECKING:
    import yaml

CHARS_MAX = 16_000_000
_JSON, _YAML = "json", "yaml"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,9})?\Z")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_WHOLE_CHARS_MAX = 100
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TAG = "tag:yaml.org,2002:"
_TAGS = {None, "!", f"{_TAG}str", f"{_TAG}map", f"{_TAG}seq"}


def read_documents(text: str, *, what: str) -> list[Document]:
    """Return the documents of a file, in its order. Raises ``DefinitionError``.

    ``what`` names the file; a name that ends with ``.json`` says that it is no YAML.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > CHARS_MAX:
        hint = f"at most {CHARS_MAX:,} are read: split the file"
        raise DefinitionError([Problem("", f"has {len(text):,} characters", hint)], what=what)
    if what.endswith(".json"):
        return _of_json(text, what=what)
    if text.lstrip()[:1] in ("{", "["):
        try:
            return _of_json(text, what=what)
        except DefinitionError:
            pass  # YAML may begin so, too, and tells more about what is wrong.
    found = _of_yaml(text, what=what)
    if not found:
        hint = "write a price book, or several between lines of ---"
        raise DefinitionError([Problem("", "holds nothing", hint)], what=what)
    return found


def _of_json(text: str, *, what: str) -> list[Document]:
    try:
        body = parse_json(text)
        json.loads(text, object_pairs_hook=_refuse_repeated, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DefinitionError([Problem(place, json_fault(error))], what=what) from None
    except ValueError as error:
        raise DefinitionError([Problem("", str(error))], what=what) from None
    return _items(body, text, _JSON)


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise ValueError(f"the key {shown(name)} stands twice in one object: keep one of them")
        names.add(name)


def _items(body: Any, text: str, format: str) -> list[Document]:
    if not isinstance(body, list):
        return [Document("", text, format, body)]
    return [
        Document(f"item {number}", book_text(item), _JSON, item)
        for number, item in enumerate(body, start=1)
    ]


def _of_yaml(text: str, *, what: str) -> list[Document]:
    import yaml

    try:
        read = list(_yaml_documents(text, what=what))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
        message = error.problem or "is no YAML"
        hint = error.context or "texts with special characters stand between quotes"
        raise DefinitionError([Problem(place, message, hint)], what=what) from None
    except yaml.YAMLError as error:
        raise DefinitionError([Problem("", f"is no YAML: {error}")], what=what) from None
    if len(read) == 1:
        return _items(read[0][1], text, _YAML)
    begins = [0, *(begin for begin, _ in read[1:]), len(text)]
    return [
        Document(f"document {place + 1}", text[begins[place] : begins[place + 1]], _YAML, body)
        for place, (_, body) in enumerate(read)
    ]


def _yaml_documents(text: str, *, what: str) -> Iterator[tuple[int, Any]]:
    """Yield where each document begins, and what it says; empty ones are left out."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    begin, tree = 0, _Tree(what)
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.DocumentStartEvent):
            begin, tree = event.start_mark.index, _Tree(what)
        elif isinstance(event, yaml.DocumentEndEvent):
            if tree.whole:
                yield begin, tree.whole[0]
        else:
            tree.take(event)


class _Tree:
    """Builds a value from events, without recursion.

    Aliases are refused: few lines of them could stand for gigabytes.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self.whole: list[Any] = []
        #: the open lists and objects; of an object also the key whose value comes next
        self._open: list[tuple[list[Any] | dict[str, Any], list[str]]] = []

    def take(self, event: yaml.Event) -> None:
        import yaml

        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, f"*{event.anchor} is an alias", "write the value itself")
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._enter(event, {} if isinstance(event, yaml.MappingStartEvent) else [])
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)

    def _enter(self, event: yaml.Event, value: list[Any] | dict[str, Any]) -> None:
        self._check_tag(event)
        if self._awaits_key():
            self._refuse(event, "is a key and no text", "keys are texts")
        if len(self._open) >= NESTING_MAX:
            self._refuse(event, f"nests deeper than {NESTING_MAX} levels", "")
        self._put(value)
        self._open.append((value, []))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._check_tag(event)
        if self._awaits_key():
            container, keys = self._open[-1]
            if event.value in container:
                message = f"the key {shown(event.value)} stands twice"
                self._refuse(event, message, "keep one of them")
            keys.append(event.value)
            return
        plain = event.implicit[0] and event.tag is None and not event.style
        try:
            self._put(plain_value(event.value) if plain else event.value)
        except (ValueError, InvalidOperation):
            message = f"{shown(event.value)} is no day" if "-" in event.value else "is no number"
            self._refuse(event, message, "write a text between quotes")

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1][0], dict) and not self._open[-1][1]

    def _put(self, value: Any) -> None:
        if not self._open:
            self.whole.append(value)
            return
        container, keys = self._open[-1]
        if isinstance(container, dict):
            container[keys.pop()] = value
        else:
            container.append(value)

    def _check_tag(self, event: Any) -> None:
        if event.tag not in _TAGS:
            hint = "only what JSON can say is read"
            self._refuse(event, f"has the tag {shown(event.tag)}", hint)

    def _refuse(self, event: yaml.Event, message: str, hint: str) -> None:
        mark = event.start_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}"
        raise DefinitionError([Problem(place, message, hint)], what=self._what)


def plain_value(text: str) -> Any:
    """Return what a text without quotes stands for. Raises ``ValueError``.

    >>> [plain_value(text) for text in ("NO", "1.10", "007", "~")]
    ['NO', Decimal('1.10'), '007', None]
    """
    if text in _WORDS:
        return _WORDS[text]
    if _DAY.match(text):
        return date.fromisoformat(text)
    number = _NUMBER.match(text)
    if number is None:
        return text
    whole = number[1] is None and number[2] is None and len(text) <= _WHOLE_CHARS_MAX
    return int(text) if whole else Decimal(text)
