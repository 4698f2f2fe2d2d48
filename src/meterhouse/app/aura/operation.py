"""The billing operation as a document: whose invoices are made, of which streams, and when.

Months are those of UTC: the days of the datasets are UTC days.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from meterhouse.app.billing.periods import Days, read_days
from meterhouse.core.instant import DAY, Instant, instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.streams.dataset_ports import KernelPlace
from meterhouse.streams.kernel_place import read_kernel_place

FIELDS = (
    *("name", "since", "businesses", "streams", "draftAfterDays", "issueAfterDays", "formats"),
    *("notBilled", "kernel"),
)
KERNEL_FIELDS = ("url", "tokenUrl", "secret")
BUSINESS_FIELDS = ("code", "country", "customer")
BUSINESSES_MAX = 1_000
STREAMS_MAX = 100
FORMATS_MAX = 20
DAYS_MAX = 60
#: A month is complete enough for a draft, and for an invoice, so many days after its end.
DRAFT_AFTER_DAYS, ISSUE_AFTER_DAYS = 2, 5
_CODE = re.compile(r"[A-Z]{2}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{3}", re.ASCII)
_ZONE = "Etc/UTC"


@dataclass(frozen=True, slots=True)
class OperatingBusiness:
    """An operating business: its code in file names, its country in rows, and who pays."""

    code: str
    country: str
    customer: str


@dataclass(frozen=True, slots=True)
class KernelAccess:
    """A catalogue elsewhere, and the secret of the wallet (its name or id) of who asks there."""

    place: KernelPlace
    secret: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Whose invoices are made of which streams; ``streams`` run in their order.

    Months from ``since`` on (``2026-10``) are drafted ``draft_after`` days after their end, and
    issued ``issue_after`` days after it. ``formats`` are those of the files; ``None``: the usual.
    """

    name: str
    since: str
    businesses: tuple[OperatingBusiness, ...]
    streams: tuple[str, ...]
    draft_after: int = DRAFT_AFTER_DAYS
    issue_after: int = ISSUE_AFTER_DAYS
    formats: tuple[str, ...] | None = None
    #: where the catalogue is; ``None``: in this installation
    kernel: KernelAccess | None = None
    #: codes of OBs that have rows, and that nobody is billed for
    not_billed: tuple[str, ...] = ()

    def months(self, at: Instant) -> list[Month]:
        """Return the months that are to be drafted by now, in order."""
        found = []
        month = Month(read_days(self.since))
        while month.end + self.draft_after * DAY <= at:
            found.append(month)
            month = month.next
        return found

    def is_to_issue(self, month: Month, at: Instant) -> bool:
        """Whether the invoices of a month are to be issued by now."""
        return month.end + self.issue_after * DAY <= at


@dataclass(frozen=True, slots=True)
class Month:
    """A month of UTC.

    >>> Month(read_days("2026-12")).next.text
    '2027-01'
    """

    days: Days

    @property
    def text(self) -> str:
        """The month as ``2026-10``."""
        return self.days.first.isoformat()[:7]

    @property
    def start(self) -> Instant:
        """Where it begins."""
        return self.days.in_zone(_ZONE).start

    @property
    def end(self) -> Instant:
        """Where the next one begins."""
        return self.days.in_zone(_ZONE).end

    @property
    def next(self) -> Month:
        """The month after it."""
        first = self.days.end
        return Month(Days(first, (first + timedelta(days=31)).replace(day=1)))

    @property
    def last_day(self) -> date:
        """Its last day."""
        return self.days.end - timedelta(days=1)


def month_of(text: str, operation: Operation, *, at: Instant) -> Month:
    """Return a month that somebody names. ``DefinitionError`` where it is not to be billed yet."""
    month = Month(read_days(text))
    due = operation.months(at)
    if month not in due:
        first, last = Month(read_days(operation.since)), due[-1].text if due else "none"
        hint = f"from {first.text} on (since), each {operation.draft_after} days after its end"
        message = f"is {text}: the last month to be billed by {instant_text(at)} is {last}"
        raise DefinitionError([Problem("period", message, hint)], what="The operation")
    return month


def read_operation(body: JsonValue) -> Operation:
    """Read an operation. Raises ``DefinitionError`` listing every problem."""
    reading = Reading(body, known=FIELDS, what="operation")
    name = reading.text("name", required=True, chars_max=80) or ""
    since = reading.text("since", required=True) or ""
    if since:
        _check_month(reading, since)
    businesses = _businesses(reading)
    streams = _texts(reading, "streams", items_max=STREAMS_MAX, needed=True)
    draft = _days(reading, "draftAfterDays", default=DRAFT_AFTER_DAYS)
    issue = _days(reading, "issueAfterDays", default=ISSUE_AFTER_DAYS)
    if issue < draft:
        hint = "an invoice is issued after it was drafted"
        reading.fail("issueAfterDays", f"is {issue}, before draftAfterDays ({draft})", hint)
    given = _texts(reading, "formats", items_max=FORMATS_MAX, needed=False)
    kernel = _kernel(reading)
    not_billed = _not_billed(reading, {business.code for business in businesses})
    if reading.problems:
        raise DefinitionError(reading.problems, what="The operation")
    terms = (draft, issue, given or None, kernel, not_billed)
    return Operation(name, since, businesses, streams, *terms)


def _kernel(reading: Reading) -> KernelAccess | None:
    given = reading.body.get("kernel")
    if given is None:
        return None
    inner = Reading(given, known=KERNEL_FIELDS, what="kernel")
    place = read_kernel_place(inner)
    secret = inner.text("secret", required=True) or ""
    reading.problems += [problem.at("kernel") for problem in inner.problems]
    return KernelAccess(place, secret)


def _check_month(reading: Reading, since: str) -> None:
    try:
        read_days(since)
    except DefinitionError:
        reading.fail("since", f"is {shown(since)}, not a month", "write it such as 2026-10")


def _businesses(reading: Reading) -> tuple[OperatingBusiness, ...]:
    found: list[OperatingBusiness] = []
    items = reading.json_list("businesses", items_max=BUSINESSES_MAX)
    if not items:
        reading.fail("businesses", "are none", "list each operating business, so none is missing")
    for place, item in enumerate(items):
        one = Reading(item, known=BUSINESS_FIELDS, what="operating business")
        code = _matching(one, "code", _CODE, "two capital letters, such as ES")
        country = _matching(one, "country", _COUNTRY, "three capital letters, such as ESP")
        customer = one.text("customer", required=True, chars_max=60) or ""
        if code in {business.code for business in found}:
            one.fail("code", f"is {shown(code)}, as that of another one", "list each once")
        if country in {business.country for business in found}:
            one.fail("country", f"is {shown(country)}, as that of another one", "one country each")
        if customer in {business.customer for business in found}:
            one.fail("customer", f"is {shown(customer)}, as of another one", "one customer each")
        reading.problems += [fault.at(f"businesses[{place}]") for fault in one.problems]
        found.append(OperatingBusiness(code, country, customer))
    return tuple(found)


def _not_billed(reading: Reading, billed: Collection[str]) -> tuple[str, ...]:
    codes = _texts(reading, "notBilled", items_max=BUSINESSES_MAX, needed=False)
    for place, code in enumerate(codes):
        if not _CODE.fullmatch(code):
            hint = "write two capital letters, such as ES"
            reading.fail(f"notBilled[{place}]", f"is {shown(code)}", hint)
        elif code in billed:
            hint = "take it out of one of the two"
            reading.fail(f"notBilled[{place}]", f"is {shown(code)}, one of businesses", hint)
    return codes


def _matching(reading: Reading, name: str, pattern: re.Pattern[str], meant: str) -> str:
    text = reading.text(name, required=True) or ""
    if text and not pattern.fullmatch(text):
        reading.fail(name, f"is {shown(text)}", f"write {meant}")
    return text


def _texts(reading: Reading, name: str, *, items_max: int, needed: bool) -> tuple[str, ...]:
    items = reading.json_list(name, items_max=items_max)
    for place, item in enumerate(items):
        if not isinstance(item, str) or not item:
            message = f"is {missing_or_shown(item)}, not a name"
            reading.fail(f"{name}[{place}]", message, "write it between quotes")
    if needed and not items:
        reading.fail(name, "are none", "name at least one")
    return tuple(dict.fromkeys(item for item in items if isinstance(item, str)))


def _days(reading: Reading, name: str, *, default: int) -> int:
    number = reading.number(name)
    if number is None:
        return default
    if number != int(number) or not 0 <= number <= DAYS_MAX:
        reading.fail(name, f"is {shown(number)}", f"use a whole number from 0 to {DAYS_MAX}")
        return default
    return int(number)
