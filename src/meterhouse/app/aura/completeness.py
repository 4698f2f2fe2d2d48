"""Whether all that the catalogue has of a business and a month was metered, and nothing else is.

Theory of operation. Rows of the catalogue are counted when files are added; queries and duplicates
when they are metered. The two are independent. Each row is a query, a duplicate, or set aside, so
that a difference tells of rows that no invoice would have. Other things are known to be missing
without counting: files that still wait to be imported, and those of a version that no stream reads.
What is missing becomes a finding, so that the draft itself says so, and nobody issues it unasked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from meterhouse.app.aura.catalogue import AUDIT, OperationCatalogue
from meterhouse.app.aura.installing import document
from meterhouse.app.aura.operation import Month, OperatingBusiness, Operation
from meterhouse.app.aura.rejecting import RejectedFile
from meterhouse.app.billing.ports import Finding
from meterhouse.app.billing.usage import gather_all
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import BillingPeriod
from meterhouse.core.counted import counted
from meterhouse.core.instant import DAY, Instant
from meterhouse.core.invoice import Check, CheckOutcome
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.datasets.naming import parse_catalogue_path, parse_common_path
from meterhouse.streams.dataset_ports import DatasetInput

#: The code of the check that a draft has while not all was metered; by it somebody answers for it.
COMPLETENESS = "completeness"
_TYPES = "meter-types.json"
_QUERY, _DUPLICATES = "query", "Duplicates"
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

    @property
    def finding(self) -> Finding:
        """What the invoice says of it: nothing, unless something is missing."""
        said = [f"{one.place} {one.message}" for one in self.problems]
        exceptions = [*((COMPLETENESS, text) for text in said)]
        exceptions += [("rejected_file", text) for text in self.rejected]
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
    never will be.
    """

    def __init__(
        self,
        ledger: Ledger,
        operation: Operation,
        *,
        catalogue: OperationCatalogue,
        waiting: Iterable[str],
        rejected: Iterable[RejectedFile],
    ) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._draft_after = operation.draft_after * DAY
        self._rejected = tuple(rejected)
        self._waiting = [name for name in waiting if name.endswith(".avro")]
        self._majors: dict[str, set[int]] = {}
        self._set_aside: dict[str, int] = {}
        for name in operation.streams:
            stream = ledger.stream(name)
            if stream is None:
                continue
            for node in stream.document["nodes"]:
                if node["type"] == _READER:
                    params = node["params"]
                    self._majors.setdefault(params["dataset"], set()).add(params["major"])
            self._set_aside |= ledger.suspense_by_source(stream.id)

    def judged(self, business: OperatingBusiness, month: Month) -> Completeness:
        """Compare what there is of a business and a month with what was metered."""
        code, catalogue = business.code, self._catalogue
        files = {name: catalogue.files(name, month, ob=code) for name in sorted(self._majors)}
        metering = Metering(
            catalogue.rows(code, month),
            *self._metered(business, month),
            suspended=self._suspended(business, month),
        )
        problems = [
            *self._not_imported(business, month),
            *self._not_read(files),
            *self._not_metered(metering, month),
        ]
        span = month.start, month.end + self._draft_after
        rejected = [one.text for one in self._rejected if _is_of(one.file, code, *span)]
        return Completeness(metering, problems, rejected)

    def _metered(self, business: OperatingBusiness, month: Month) -> tuple[Decimal, Decimal]:
        period = BillingPeriod(month.start, month.end, "Etc/UTC")
        categories = query_categories()
        metered, duplicates = ZERO, ZERO
        for usage in gather_all(self._ledger, business.customer, period=period):
            if usage.user != business.code:
                continue
            if usage.category in categories:
                metered = EXACT.add(metered, usage.value)
            elif usage.category == _DUPLICATES:
                duplicates = EXACT.add(duplicates, usage.value)
        return metered, duplicates

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

    def _not_imported(self, business: OperatingBusiness, month: Month) -> Iterator[Problem]:
        start, end = month.start, month.end + self._draft_after
        found = [name for name in self._waiting if _is_of(name, business.code, start, end)]
        if found:
            hint = (
                "run `meterhouse aura import` and mend what it reports, or do without a file: "
                "`meterhouse aura reject FILE --reason ...`"
            )
            message = f"has {counted(len(found), 'file')} not imported: {_listed(found)}"
            yield Problem("common storage", message, hint)

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
            hint = "see that the user of its meters is its code, and that its customer has the user"
            yield Problem(f"dataset {AUDIT}", message, hint)


def _is_of(path: str, code: str, start: int, end: int) -> bool:
    """Whether a file of common storage may have rows of a business that are of a month."""
    name = path.rpartition("/")[2]
    if name.partition("_")[0].upper() != code:
        return False
    try:
        return start <= parse_common_path(path).file.hour < end
    except DefinitionError:
        return True  # Nobody knows what is in it.


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_MAX
    return ", ".join(names[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
