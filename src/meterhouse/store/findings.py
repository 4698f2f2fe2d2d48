"""What was found of usage that is billed, in the ledger: by customer, period and origin."""

from __future__ import annotations

from typing import Any

from meterhouse.app.billing.ports import Finding
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import Check, CheckOutcome
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import NotFoundError
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database
from meterhouse.store.sql_text import queries

_SQL = queries("findings")


class FindingTable(Recorder):
    """The part of the ledger that keeps findings."""

    _database: Database

    def put_finding(
        self, customer: str, finding: Finding, *, start: Instant, end: Instant, at: Instant
    ) -> None:
        """Keep a finding in place of the one before."""
        values = {
            "customer": customer,
            "start": start,
            "end": end,
            "origin": finding.origin,
            "body": json_text(_body(finding)),
            "at": at,
        }
        with self._recorded("check", "customer", customer, origin=finding.origin):
            if self._database.value(_SQL["put"], values) is None:
                hint = "`customer list` shows those that exist"
                raise NotFoundError(f"There is no customer {customer!r}", hint=hint)

    def findings(self, customer: str, *, start: Instant, end: Instant) -> list[Finding]:
        """Return what was found of a period."""
        values = {"customer": customer, "start": start, "end": end}
        with self._database.read():
            rows = self._database.rows(_SQL["find"], values)
        return [_finding(origin, parse_json(body)) for origin, body in rows]


def _body(finding: Finding) -> dict[str, Any]:
    return {
        "checks": [[one.code, one.text, one.outcome.value] for one in finding.checks],
        "exceptions": [list(one) for one in finding.exceptions],
    }


def _finding(origin: str, body: Any) -> Finding:
    return Finding(
        origin,
        tuple(Check(code, text, CheckOutcome(outcome)) for code, text, outcome in body["checks"]),
        tuple((code, text) for code, text in body["exceptions"]),
    )
