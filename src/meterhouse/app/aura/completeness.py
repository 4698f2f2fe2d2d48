"""Whether all that the catalogue has of a business and a month was metered, and nothing else is.

Theory of operation. Rows of the catalogue are counted when files are added; queries and duplicates
when they are metered. The two are independent. Each row is a query, a duplicate, or set aside, so
that a difference tells of rows that no invoice would have. Other things are known to be missing
without counting: files that still wait to be imported, and those of a version that no stream reads.
What is missing becomes a finding, so that the draft itself says so, and nobody issues it unasked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from meterhouse.app.aura.catalogue import AUDIT, OperationCatalogue
from meterhouse.app.aura.installing import document
from meterhouse.app.aura.operation import Month, OperatingBusiness, Operation
from meterhouse.app.aura.rejecting import RejectedFile
from meterhouse.app.aura.token_rows import (
    DUPLICATES,
    TOKENS,
    TokenRows,
    counts_rows,
    prices_tokens,
    token_duplicates,
    token_rows,
)
from meterhouse.app.aura.unaudited import unaudited
from meterhouse.app.aura.upload_accounts import Span, UploadsTold, rejection_notes
from meterhouse.app.aura.upload_plans import HOUR
from meterhouse.app.billing.books import book_and_period
from meterhouse.app.billing.parties import find_customer
from meterhouse.app.billing.ports import Finding
from meterhouse.app.billing.usage import gather_all
from meterhouse.app.datasets.ports import StoredFile
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import BillingPeriod, MeteredUsage
from meterhouse.core.counted import counted
from meterhouse.core.instant import DAY, Instant
from meterhouse.core.invoice import Check, CheckOutcome
from meterhouse.core.problem import DefinitionError, MeterhouseError, Problem
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.datasets.naming import parse_catalogue_path, parse_common_path
from meterhouse.streams.dataset_ports import DatasetInput

#: The code of the check that a draft has while not all was metered; by it somebody answers for it.
COMPLETENESS = "completeness"
_TYPES = "meter-types.json"
_QUERY = "query"
_OF_METERS = "see that the user of its meters is its code, and that its customer has the user"
_READER = "readers/dataset"
#: So many files are named, and the others counted.
_NAMED_MAX = 5
#: The last parts of a place are the path in the catalogue.
_PATH_PARTS = 4


@dataclass(frozen=True, slots=True)
class Metering:
    """What became of the rows of a business and a month."""

    rows: int
    metered: Decimal = ZERO
    duplicates: Decimal = ZERO
    #: records of all datasets that wait in Data Correction
    suspended: int = 0
    #: of tokens; ``None`` where the stream does not count its rows
    tokens: TokenRows | None = None
    #: rows of logs that uploads have rejected, by reason: they are among no rows of datasets
    rejected: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> Decimal:
        """How many rows are neither a query nor a duplicate; below 0: how many are too many."""
        return EXACT.subtract(Decimal(self.rows), EXACT.add(self.metered, self.duplicates))


@dataclass(frozen=True, slots=True)
class Completeness:
    """What was metered, and why that is not all; without ``problems`` it is."""

    metering: Metering
    problems: Sequence[Problem] = ()
    #: files that somebody has rejected: nothing is in the way, and their rows are on no invoice
    rejected: Sequence[str] = ()
    #: what the invoice tells, though nothing is missing: codes and texts
    told: Sequence[tuple[str, str]] = ()
    #: what whoever runs the operation should know, and no invoice says
    notes: Sequence[str] = ()

    @property
    def finding(self) -> Finding:
        """What the invoice says of it: nothing, unless something is missing."""
        said = [f"{one.place} {one.message}" for one in self.problems]
        exceptions = [*((COMPLETENESS, text) for text in said)]
        exceptions += [("rejected_file", text) for text in self.rejected]
        exceptions += self.told
        checks = [Check(COMPLETENESS, "; ".join(said), CheckOutcome.BLOCKED)] if said else []
        return Finding(COMPLETENESS, tuple(checks), tuple(exceptions))


def keep_finding(
    ledger: Ledger, customer: str, finding: Finding, *, period: BillingPeriod, at: Instant
) -> None:
    """Keep a finding for the invoice of a period, unless it is there, or says nothing anew."""
    span = {"start": period.start, "end": period.end}
    found = ledger.findings(customer, **span)
    before = next((one for one in found if one.origin == finding.origin), Finding(finding.origin))
    if before != finding:
        ledger.put_finding(customer, finding, at=at, **span)


def query_categories() -> frozenset[str]:
    """Return the categories of usage that is queries."""
    return frozenset(body["category"] for body in document(_TYPES) if body["unit"] == _QUERY)


class Inputs:
    """What an operation reads, and what lies elsewhere; looked at once for all businesses.

    ``catalogue`` is where the streams read. Raises ``InputError`` where that does not answer.
    ``waiting`` are the files of common storage that were not imported, ``rejected`` those that
    never will be. ``uploads`` is what accounts of uploads tell.
    """

    def __init__(
        self,
        ledger: Ledger,
        operation: Operation,
        *,
        catalogue: OperationCatalogue,
        waiting: Iterable[StoredFile],
        rejected: Iterable[RejectedFile],
        uploads: UploadsTold,
    ) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._draft_after = operation.draft_after * DAY
        self._rejected, self._uploads = tuple(rejected), uploads
        self._waiting = [file for file in waiting if file.name.endswith(".avro")]
        self._majors: dict[str, set[int]] = {}
        self._set_aside: dict[str, int] = {}
        self._counts_tokens = False
        for name in operation.streams:
            stream = ledger.stream(name)
            if stream is None:
                continue
            self._counts_tokens |= counts_rows(stream.document["nodes"])
            for node in stream.document["nodes"]:
                if node["type"] == _READER:
                    params = node["params"]
                    self._majors.setdefault(params["dataset"], set()).add(params["major"])
            self._set_aside |= ledger.suspense_by_source(stream.id)

    def judged(self, business: OperatingBusiness, month: Month) -> Completeness:
        """Compare what there is of a business and a month with what was metered."""
        code, catalogue = business.code, self._catalogue
        files = {name: catalogue.files(name, month, ob=code) for name in sorted(self._majors)}
        usage = self._usage(business, month)
        metering = Metering(
            catalogue.rows(code, month),
            *_metered(usage),
            suspended=self._suspended(business, month),
            tokens=self._tokens(usage, files.get(TOKENS, ())),
            rejected=self._uploads.rejected(code, self._span(month), datasets=self._majors),
        )
        problems = [
            *self._not_imported(business, month),
            *self._not_there(business, month),
            *self._not_read(files),
            *self._not_metered(metering, month),
        ]
        span = month.start, month.end + self._draft_after
        rejected = [one.text for one in self._rejected if _is_of(one.file, code, *span)]
        told = list(self._without_tokens(metering, business, month))
        notes = rejection_notes(code, metering.rejected)
        return Completeness(metering, problems, rejected, told, notes)

    def _usage(self, business: OperatingBusiness, month: Month) -> list[MeteredUsage]:
        period = BillingPeriod(month.start, month.end, "Etc/UTC")
        usage = gather_all(self._ledger, business.customer, period=period)
        return [one for one in usage if one.user == business.code]

    def _tokens(
        self, usage: Sequence[MeteredUsage], files: Sequence[DatasetInput]
    ) -> TokenRows | None:
        if TOKENS in self._majors and not self._counts_tokens:
            return None
        return token_rows(usage, rows=sum(file.rows for file in files))

    def _without_tokens(
        self, metering: Metering, business: OperatingBusiness, month: Month
    ) -> Iterator[tuple[str, str]]:
        """Tell of requests without tokens, where those have a price."""
        tokens = metering.tokens
        if tokens is not None and not tokens.without:
            return
        try:
            customer = find_customer(self._ledger, business.customer)
            book, _ = book_and_period(self._ledger, customer, month.days)
        except MeterhouseError:
            return  # There is no draft either, and the report says why.
        if not prices_tokens(book):
            return
        text = "requests of the service ai without tokens"
        if tokens is None:
            yield "without_tokens", f"{text}: not known, the stream of tokens counts no requests"
        else:
            of = f"{number_text(tokens.without)} of {number_text(tokens.asked)}"
            yield "without_tokens", f"{text}, at least: {of}"

    def _suspended(self, business: OperatingBusiness, month: Month) -> int:
        found = 0
        for source, count in self._set_aside.items():
            try:
                file = parse_catalogue_path("/".join(source.split("/")[-_PATH_PARTS:]))
            except DefinitionError:
                continue  # Its rows are missing among those that were metered.
            day = file.day
            if file.file.ob == business.code and day is not None:
                found += count if month.days.first <= day <= month.last_day else 0
        return found

    def _span(self, month: Month) -> Span:
        first, last = month.days.first.isoformat(), month.last_day.isoformat()
        return Span(first, last, month.start, month.end + self._draft_after)

    def _not_imported(self, business: OperatingBusiness, month: Month) -> Iterator[Problem]:
        start, end = month.start, month.end + self._draft_after
        found = [
            file.name
            for file in self._waiting
            if _is_of(file.name, business.code, start, end, put_at=file.modified_at)
        ]
        if found:
            hint = (
                "run `meterhouse aura import` and mend what it reports, or do without a file: "
                "`meterhouse aura reject FILE --reason ...`"
            )
            message = f"has {counted(len(found), 'file')} not imported: {_listed(found)}"
            yield Problem("common storage", message, hint)

    def _not_there(self, business: OperatingBusiness, month: Month) -> Iterator[Problem]:
        span = self._span(month)
        told = {file.name.rpartition("/")[2] for file in self._waiting}
        told |= {one.file.rpartition("/")[2] for one in self._rejected}
        for lost in self._uploads.lost:
            dataset, name = lost.file.dataset, lost.file.name
            if lost.file.ob != business.code or dataset not in self._majors:
                continue
            # The catalogue may be another one than that of this installation.
            there = self._catalogue.files(dataset, month, ob=business.code)
            if lost.is_of(span) and name not in {file.name for file in there}:
                told.add(name)
                yield Problem(lost.path, lost.text, lost.hint)
        if AUDIT in self._majors:
            yield from unaudited(self._catalogue, month, ob=business.code, told=told)

    def _not_read(self, files: Mapping[str, Sequence[DatasetInput]]) -> Iterator[Problem]:
        for dataset, some in files.items():
            majors = self._majors[dataset]
            others = [file for file in some if file.major not in majors]
            if others:
                known = ", ".join(map(str, sorted(majors)))
                message = f"{counted(len(others), 'file')} of another version: " + _listed(
                    [file.path for file in others]
                )
                hint = f"the streams read version {known}: publish it as that, or add a stream"
                yield Problem(f"dataset {dataset}", message, hint)

    def _not_metered(self, metering: Metering, month: Month) -> Iterator[Problem]:
        if metering.suspended:
            message = f"has {counted(metering.suspended, 'record')} of {month.text}"
            hint = "see `meterhouse correction list --summary`; correct and queue them, or delete"
            yield Problem("data correction", message, hint)
        if AUDIT in self._majors and metering.missing:
            message = (
                f"has {counted(metering.rows, 'row')} of {month.text}: metered "
                f"{number_text(metering.metered)}, duplicates {number_text(metering.duplicates)}, "
                f"missing {number_text(metering.missing)}"
            )
            yield Problem(f"dataset {AUDIT}", message, _OF_METERS)
        tokens = metering.tokens
        if self._counts_tokens and tokens is not None and tokens.missing:
            message = (
                f"has {counted(tokens.rows, 'row')} of {month.text}: metered "
                f"{number_text(tokens.requests)}, stages {number_text(tokens.stages)}, "
                f"duplicates {number_text(tokens.duplicates)}, "
                f"missing {number_text(tokens.missing)}"
            )
            yield Problem(f"dataset {TOKENS}", message, _OF_METERS)


def _metered(usage: Iterable[MeteredUsage]) -> tuple[Decimal, Decimal]:
    """Return how many rows of Aura_Audit are queries, and how many duplicates."""
    categories = query_categories()
    metered, duplicates = ZERO, ZERO
    for one in usage:
        if one.category in categories:
            metered = EXACT.add(metered, one.value)
        elif one.category == DUPLICATES:
            own = EXACT.subtract(one.value, token_duplicates(one))
            duplicates = EXACT.add(duplicates, own)
    return metered, duplicates


def _is_of(path: str, code: str, start: Instant, end: Instant, *, put_at: Instant = 0) -> bool:
    """Whether a file of common storage may have rows of a business that are of a month.

    Its upload was in the hour that it is named by or, where other uploads had that one, later: at
    latest when it was put there.
    """
    name = path.rpartition("/")[2]
    if name.partition("_")[0].upper() != code:
        return False
    try:
        hour = parse_common_path(path).file.hour
    except DefinitionError:
        return True  # Nobody knows what is in it.
    return hour < end and start < max(hour + HOUR, put_at)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_MAX
    return ", ".join(names[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
