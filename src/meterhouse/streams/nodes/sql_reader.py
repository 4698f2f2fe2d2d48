"""``readers/sql``: rows of a query, from the watermark where the last run ended."""

from __future__ import annotations

import re
from decimal import Decimal

from meterhouse.core.json_text import JsonValue
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.core.secret import SecretType
from meterhouse.streams.nodes.broker import RECORDS_MAX
from meterhouse.streams.nodes.collecting import RECORDS_MAX_DEFAULT, CollectorParams
from meterhouse.streams.nodes.database_url import read_database_url
from meterhouse.streams.nodes.node import NodeType
from meterhouse.streams.nodes.wallet_entry import read_wallet_entry
from meterhouse.streams.parameters import whole_number
from meterhouse.streams.suspension import read_policy

QUERY_CHARS_MAX = 100_000
FETCH_SIZE, FETCH_SIZE_MAX = 1_000, 50_000
TIE_MAX = 4
_FIELDS = (
    *("url", "secretsWalletEntry", "query", "watermark", "maxRecords", "fetchSize"),
    "suspenseManagement",
)
_SELECT = re.compile(r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*(?:select|with)\b", re.I | re.DOTALL)
#: What SQL keeps together: texts, quoted names and comments.
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_PARAMETER = re.compile(r"(?<![:\w\\]):([A-Za-z_]\w*)")
_COLON = re.compile(r"(?<!\\):")


def _read(reading: Reading) -> CollectorParams | None:
    reading.only(_FIELDS, what="readers/sql node")
    where = read_database_url(reading)
    secret = read_wallet_entry(reading, (SecretType.BASIC,))
    columns, start = _read_watermark(reading)
    query = _read_query(reading, parameters(len(columns)))
    most = whole_number(reading, "maxRecords", lowest=1, highest=RECORDS_MAX)
    fetched = whole_number(reading, "fetchSize", lowest=1, highest=FETCH_SIZE_MAX)
    policy = read_policy(reading)
    if reading.problems:
        return None
    settings = {"query": query, "columns": columns, "start": start}
    settings |= {**where, "fetchSize": fetched or FETCH_SIZE}
    return CollectorParams("sql", settings, policy, most or RECORDS_MAX_DEFAULT, secret)


def parameters(columns: int) -> list[str]:
    """Return the parameters that a query has for a watermark of so many columns.

    >>> parameters(2)
    ['watermark', 'watermark_2']
    """
    return ["watermark", *(f"watermark_{number}" for number in range(2, columns + 1))]


def _read_query(reading: Reading, wanted: list[str]) -> str | None:
    text = reading.text("query", required=True, chars_max=QUERY_CHARS_MAX)
    if text is None:
        return None
    text = text.strip().removesuffix(";").rstrip()
    bare = _QUOTED.sub(" ", text)
    named = set(_PARAMETER.findall(bare))
    if not _SELECT.match(text):
        reading.fail("query", f"is {shown(text)}", "write one SELECT")
    elif ";" in bare:
        reading.fail("query", "has a semicolon inside", "write one SELECT, and no more")
    elif unknown := sorted(named - set(wanted)):
        known = " and ".join(f":{name}" for name in wanted)
        hint = f"it has {known}; write a colon that means itself as \\:"
        reading.fail("query", f"has the parameter :{unknown[0]}", hint)
    elif missing := [name for name in wanted if name not in named]:
        hint = f"compare with it: WHERE {_comparison(wanted)}, and ORDER BY the same columns"
        reading.fail("query", f"has no :{missing[0]}", hint)
    # SQLAlchemy would look for parameters inside of texts and comments as well.
    return _QUOTED.sub(lambda quoted: _COLON.sub(r"\\:", quoted[0]), text)


def _comparison(wanted: list[str]) -> str:
    if len(wanted) == 1:
        return "id > :watermark"
    columns = ", ".join(["updated_at", "id", "c", "d", "e"][: len(wanted)])
    return f"({columns}) > ({', '.join(f':{name}' for name in wanted)})"


def _read_watermark(reading: Reading) -> tuple[list[str], list[JsonValue]]:
    """Read the columns of the watermark, and what each begins with."""
    given = reading.body.get("watermark")
    if given is None:
        hint = 'name the column that tells new rows: {"column": "id", "start": 0}'
        reading.fail("watermark", "is missing", hint)
        return [], []
    inner = Reading(given, known=("column", "tie", "start"), what="watermark")
    column = inner.text("column", required=True) or ""
    columns = [column, *_read_tie(inner, column)]
    start = _read_start(inner, len(columns))
    reading.problems += [problem.at("watermark") for problem in inner.problems]
    return columns, start


def _read_tie(inner: Reading, column: str) -> list[str]:
    given = inner.body.get("tie")
    items = [given] if isinstance(given, str) else inner.json_list("tie", items_max=TIE_MAX)
    for place, item in enumerate(items):
        if not isinstance(item, str) or not item:
            inner.fail(f"tie[{place}]", f"is {shown(item)}", "write the name of a column")
        elif item in (column, *items[:place]):
            inner.fail(f"tie[{place}]", f"is {shown(item)} again", "name each column once")
    return [item for item in items if isinstance(item, str)]


def _read_start(inner: Reading, columns: int) -> list[JsonValue]:
    given = inner.body.get("start")
    items = given if isinstance(given, list) else [given]
    if given is None or len(items) != columns:
        what = missing_or_shown(given)
        hint = "the first run compares with it: give 0, a text, or a list of one for each column"
        inner.fail("start", what, hint)
        return []
    for item in items:
        if isinstance(item, bool) or not isinstance(item, str | int | Decimal):
            inner.fail("start", f"is {shown(given)}", "use numbers and texts")
            return []
    return items


TYPE = NodeType("readers/sql", frozenset({1}), _read)
