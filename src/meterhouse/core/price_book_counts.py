"""Reading what a price book tells of usage and does not charge: its counts and its limits."""

from __future__ import annotations

import re

from meterhouse.core.price_book import Count, CountedAs, Limit, Match
from meterhouse.core.price_book_fields import NAME_CHARS_MAX, BookFields
from meterhouse.core.price_book_match import FIELDS_MAX, read_match
from meterhouse.core.quantity import ZERO
from meterhouse.core.reading import shown

COUNTS_MAX = 100
LIMITS_MAX = 100
_COUNT_FIELDS = ("match", "to", "code", "text", "by")
_LIMIT_FIELDS = ("code", "text", "match", "of", "unless", "percent", "by")
_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}\Z")
_CODE_HINT = "use small letters, digits, dashes and underscores, at most 60"


def read_counts(fields: BookFields) -> tuple[Count, ...]:
    """Return the counts of a book; problems are noted."""
    counts = []
    for index, item in enumerate(fields.json_list("counts", items_max=COUNTS_MAX)):
        own = BookFields(item, known=_COUNT_FIELDS, what="count")
        counts.append(_count(own))
        fields.take(f"counts[{index}]", own.problems)
    return tuple(counts)


def _count(own: BookFields) -> Count:
    to = own.choice("to", CountedAs, default=CountedAs.EXCEPTIONS)
    if own.body.get("to") is None:
        own.fail("to", "is missing", "write requests, exceptions or nothing")
    if to is not CountedAs.EXCEPTIONS:
        for name in ("code", "text", "by"):
            if own.body.get(name) is not None:
                own.fail(name, "is of exceptions", f"leave it out: {to.value} are not told apart")
        return Count(_certain(own), to)
    return Count(_certain(own), to, _code(own), _text(own), _by(own))


def read_limits(fields: BookFields) -> tuple[Limit, ...]:
    """Return the limits of a book; problems are noted."""
    limits: list[Limit] = []
    for index, item in enumerate(fields.json_list("limits", items_max=LIMITS_MAX)):
        own = BookFields(item, known=_LIMIT_FIELDS, what="limit")
        code = _code(own)
        if code and any(code == other.code for other in limits):
            own.fail("code", f"is {shown(code)} again", "each limit is overridden by its own code")
        percent = own.percent("percent", required=True) or ZERO
        of, unless = read_match(own, "of"), read_match(own, "unless")
        match = read_match(own) if unless.specificity else _certain(own)
        limits.append(Limit(code, _text(own), match, percent, of, unless, _by(own)))
        fields.take(f"limits[{index}]", own.problems)
    return tuple(limits)


def _certain(own: BookFields) -> Match:
    match = read_match(own)
    if not match.specificity and not own.problems:
        hint = "name at least one field and its values, such as {category: Interactions}"
        own.fail("match", "names no usage", hint)
    return match


def _code(own: BookFields) -> str:
    code = own.text("code", required=True) or ""
    if code and not _CODE.match(code):
        own.fail("code", f"is {shown(code)}", _CODE_HINT)
    return code


def _text(own: BookFields) -> str:
    return own.text("text", required=True, chars_max=NAME_CHARS_MAX) or ""


def _by(own: BookFields) -> tuple[str, ...]:
    return own.names("by", items_max=FIELDS_MAX)
