"""``meterhouse aura reconcile``: audited rows against what the components have counted.

``register`` adds the command to the group of the noun.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import FAILED
from meterhouse.cli.invoice_period import PeriodOptions
from meterhouse.cli.output import note, write_json, write_text

if TYPE_CHECKING:
    from meterhouse.app.aura.reconciling import Reconciled
    from meterhouse.app.aura.request_counts import RequestCounts

MetricsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="Snapshots of /metrics, whose names say when they were taken "
        "(gateway-20261003T000000Z.prom), or one CSV with day, app, preset, status, count.",
    ),
]
CustomerOption = Annotated[str, typer.Option("--customer", metavar="C", help="Whose usage.")]
ComponentOption = Annotated[
    list[str] | None,
    typer.Option("--component", metavar="C", help="Whose rows; default: aura-gateway-api."),
]
SkipOption = Annotated[
    list[str] | None,
    typer.Option("--skip-status", metavar="S", help="Requests left out: 503, or 5xx; repeat it."),
]
MetricOption = Annotated[
    str | None,
    typer.Option("--metric", metavar="M", help="Default: http_request_duration_seconds_count."),
]


def reconcile(
    call: Call,
    files: MetricsArgument,
    *,
    customer: CustomerOption,
    component: ComponentOption = None,
    skip_status: SkipOption = None,
    metric: MetricOption = None,
    period: PeriodOptions,
) -> None:
    """Compare audited rows with counted requests, and keep what is found for the invoice.

    More than 0.5 % or 50 requests apart is a warning on the invoice; more than 5 % keeps it from
    being issued without an override. The draft is to be made anew.
    """
    from meterhouse.app.aura.reconciling import GATEWAY, reconcile

    counts = _counts(files, metric=metric, skipped=skip_status or [])
    with call.opened() as house:
        found = reconcile(
            house.ledger,
            customer,
            counts,
            days=period.days(),
            at=house.clock(),
            components=tuple(component or (GATEWAY,)),
        )
    _show(call, found)


def _counts(files: list[Path], *, metric: str | None, skipped: list[str]) -> RequestCounts:
    from meterhouse.app.aura.request_counts import METRIC, csv_counts, snapshot_counts
    from meterhouse.cli.arguments import read_text

    texts = [(path.name, read_text(str(path))) for path in files]
    if len(files) == 1 and files[0].suffix == ".csv":
        [(name, text)] = texts
        return csv_counts(text.splitlines(), name=name, skipped=skipped)
    return snapshot_counts(texts, metric=metric or METRIC, skipped=skipped)


def _show(call: Call, found: Reconciled) -> None:
    from meterhouse.core.invoice import CheckOutcome

    if call.as_json:
        for one in found.cells:
            write_json(_shown(one))
    else:
        for _, text in found.finding.exceptions:
            write_text(text)
    check = found.finding.checks[0]
    note(f"{check.outcome.value}: {check.text}")
    if check.outcome is CheckOutcome.BLOCKED:
        note("draft the invoice again: it is not issued without --override reconciliation")
        raise typer.Exit(FAILED)


def _shown(one: Any) -> dict[str, Any]:
    day, app, preset = one.cell
    return {
        "day": day.isoformat(),
        "app": app,
        "preset": preset,
        "audited": one.audited,
        "counted": one.counted,
        "percent": one.percent,
        "outcome": one.outcome.value,
    }


def register(app: typer.Typer) -> None:
    """Add the command to ``meterhouse aura``."""
    command(
        app,
        "meterhouse aura reconcile metrics/*.prom --customer ES --period 2026-10",
        "meterhouse aura reconcile counts.csv --customer ES --period 2026-10 --skip-status 5xx",
    )(reconcile)
