"""The rows of an upload: what logs become, dataset by dataset, with an account of every row.

For each dataset, rows that went in are rows written, rejected, and left out for a reason, and
nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import assert_never

from meterhouse.app.aura.ports import LogFault, LogFile, LogFolder
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import MeterhouseError
from meterhouse.datasets import atria_log, audit, gateway_log
from meterhouse.datasets.atria_log import AtriaRow, read_atria_log
from meterhouse.datasets.audit import (
    AuditRules,
    DatasetRow,
    Earliest,
    Kept,
    Names,
    NotBilled,
    audit_of_gateway,
    audit_of_groot,
    audit_rows,
    message_rows,
)
from meterhouse.datasets.cleaning import Reason, Rejected, time_text
from meterhouse.datasets.gateway_log import GatewayRow, read_gateway_log
from meterhouse.datasets.groot_log import GrootRow, read_groot_log

#: The datasets that logs become, in the order in which their files are put.
DATASETS = (audit.DATASET, gateway_log.DATASET, atria_log.DATASET)
_SHOWN_MAX = 100
_GATEWAY_COMPARED = ("AURA_APP_ID", "AURA_NLP_IND", "AURA_PRESET_NAME", "AURA_COMPONENT_ID")
_ATRIA_COMPARED = ("AURA_APP_ID", "AURA_PRESET_NAME", "COMPLETION_TOKENS_NUM", "PROMPTS_TOKENS_NUM")

_Row = GrootRow | GatewayRow | AtriaRow
_READERS: dict[str, Callable[..., Iterator[_Row | Rejected]]] = {
    "groot": read_groot_log,
    "gateway": read_gateway_log,
    "atria": read_atria_log,
}


@dataclass(slots=True)
class Account:
    """What became of the rows that a dataset is made of."""

    rows: int = 0
    written: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    #: the rows that are written, by day
    days: Counter[str] = field(default_factory=Counter)

    @property
    def is_balanced(self) -> bool:
        """Whether every row that went in is accounted for."""
        return self.rows == self.written + self.rejected.total() + self.left_out.total()

    def to_json(self) -> dict[str, JsonValue]:
        """Return the account as JSON."""
        head = {"rows": self.rows, "written": self.written}
        out = {"rejected": dict(self.rejected), "leftOut": dict(self.left_out)}
        out["days"] = dict(self.days)
        return head | {name: dict(sorted(counts.items())) for name, counts in out.items()}


class Gathered:
    """The rows of one upload of one OB, taken log by log."""

    def __init__(
        self, names: Names, *, country: str, rules: AuditRules, latest: Instant | None = None
    ) -> None:
        self._names, self._country, self._rules = names, country, rules
        self._latest = latest
        self._kept: dict[str, Earliest] = {
            audit.DATASET: audit_rows(),
            gateway_log.DATASET: message_rows(_GATEWAY_COMPARED),
            atria_log.DATASET: message_rows(_ATRIA_COMPARED),
        }
        self.accounts = {dataset: Account() for dataset in DATASETS}
        self.rejected: list[dict[str, JsonValue]] = []
        self.unknown_channels: Counter[str] = Counter()
        self._closed: dict[str, Kept] = {}

    def read(self, file: LogFile, logs: LogFolder) -> int:
        """Take the rows of a log; returns how many records it has."""
        # A log is read whole before any of it counts: it may turn out to be unreadable.
        with logs.lines(file.name) as lines:
            for _ in lines:
                pass
        rows = 0
        try:
            with logs.lines(file.name) as lines:
                for row in _READERS[file.kind](lines, country=self._country):
                    self._take(file, row)
                    rows += 1
        except LogFault as error:
            hint = "the next upload makes it whole"
            raise MeterhouseError(f"An upload was stopped: {error.args[0]}", hint=hint) from error
        return rows

    def _take(self, file: LogFile, row: _Row | Rejected) -> None:
        match self._in_time(file, row):
            case Rejected() as rejected:
                self._reject(file, rejected)
            case GrootRow() as groot:
                self._take_groot(groot)
            case GatewayRow() as gateway:
                self._take_gateway(gateway)
            case AtriaRow() as atria:
                self._take_atria(atria)
            case other:
                assert_never(other)

    def _in_time(self, file: LogFile, row: _Row | Rejected) -> _Row | Rejected:
        """Reject a row that is dated so late that it would be billed in a month to come."""
        if isinstance(row, Rejected) or self._latest is None or row.at <= self._latest:
            return row
        name, said = _TIMES[file.kind], time_text(row.at)
        message = f"{name} is after {time_text(self._latest)}, the latest that the upload takes"
        return Rejected(row.place, Reason.TIME_AHEAD, name, message, said)

    def _reject(self, file: LogFile, row: Rejected) -> None:
        self.rejected.append({"log": file.name} | row.to_api())
        for dataset in _MADE_OF[file.kind]:
            self.accounts[dataset].rows += 1
            self.accounts[dataset].rejected[row.reason.value] += 1

    def _take_groot(self, row: GrootRow) -> None:
        account = self.accounts[audit.DATASET]
        account.rows += 1
        made = audit_of_groot(row, self._names, rules=self._rules)
        if isinstance(made, NotBilled):
            account.left_out[made.reason] += 1
            return
        if row.channel is not None and row.channel not in self._names.channels:
            self.unknown_channels[row.channel] += 1
        self._kept[audit.DATASET].add(made)

    def _take_gateway(self, row: GatewayRow) -> None:
        self.accounts[audit.DATASET].rows += 1
        self.accounts[gateway_log.DATASET].rows += 1
        self._kept[audit.DATASET].add(audit_of_gateway(row, self._names, rules=self._rules))
        self._kept[gateway_log.DATASET].add(row.to_dataset())

    def _take_atria(self, row: AtriaRow) -> None:
        account = self.accounts[atria_log.DATASET]
        account.rows += 1
        if row.stage is not None:
            account.left_out["stage"] += 1
        else:
            self._kept[atria_log.DATASET].add(row.to_dataset())

    def rows(self, dataset: str) -> list[DatasetRow]:
        """Return the rows of a dataset, by time; no more logs can then be taken."""
        if dataset not in self._closed:
            kept = self._closed[dataset] = self._kept[dataset].kept()
            account = self.accounts[dataset]
            account.written = len(kept.rows)
            account.days = Counter(str(row["DAY_DT"]) for row in kept.rows)
            account.left_out += Counter(identical=kept.identical, conflicting=kept.conflicting)
            assert account.is_balanced, "no row is lost"
        return self._closed[dataset].rows

    def conflicts(self) -> list[JsonValue]:
        """Return keys whose rows contradict each other, the first of each dataset."""
        return [
            {"dataset": dataset, "key": list(key)}
            for dataset, kept in self._closed.items()
            for key in kept.conflicts
        ]

    def channels_by_count(self) -> dict[str, int]:
        """Return the channels that no dimension knows, most rows first."""
        return dict(self.unknown_channels.most_common(_SHOWN_MAX))


_TIMES = {"groot": "MSG_DT", "gateway": "MESSAGE_TM", "atria": "MESSAGE_TM"}
_MADE_OF = {
    "groot": (audit.DATASET,),
    "gateway": (audit.DATASET, gateway_log.DATASET),
    "atria": (atria_log.DATASET,),
}
