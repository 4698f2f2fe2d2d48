"""The summary of a run: what each node did with its records, and that the law holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meterhouse.cli.output import Cell, columns, note, write_json, write_table, write_text

if TYPE_CHECKING:
    from meterhouse.app.running import EndedRun
    from meterhouse.streams.record import NodeCount, Run

_COLUMNS = columns("Node", "#In", "#Out", "#Filtered", "#Duplicates", "#Suspended", "#Metered")
_MARK = " *"


def write_run(run: Run) -> None:
    """Write a run for people."""
    from meterhouse.core.instant import instant_text
    from meterhouse.streams.law import lawful

    write_text(f"run {run.id} of {run.stream_name}: {run.status.value}")
    write_text(f"clock {instant_text(run.at)}, seed {run.seed}{_took(run)}{_why(run)}")
    if run.error:
        write_text(f"error: {run.error}")
    if not run.nodes:
        return
    write_text()
    errors = any(node.errors for node in run.nodes)
    shown = [*_COLUMNS, *columns("#Errors")] if errors else _COLUMNS
    write_table(shown, [_row(node, errors=errors) for node in run.nodes])
    kept = "kept at every node" if all(map(lawful, run.nodes)) else "BROKEN"
    write_text(f"Law {kept}: in = out + filtered + duplicates + suspended + metered")
    if remarks := _remarks(run):
        write_text(f"  ({'; '.join(remarks)})")


def _why(run: Run) -> str:
    """Say what made the run begin, and which version it ran."""
    by = f" by {run.cause.started_by}" if run.cause.started_by else ""
    version = f", version {run.version}" if run.version else ""
    return f", {run.cause.origin.value}{by}{version}"


def _took(run: Run) -> str:
    if run.ended_at is None:
        return ""
    milliseconds = (run.ended_at - run.started_at) // 1000
    return f", took {milliseconds // 1000}.{milliseconds % 1000:03d} s"


def _remarks(run: Run) -> list[str]:
    """Say which nodes the law means otherwise."""
    from meterhouse.streams.law import FOLDS

    created = any(map(_creates, run.nodes))
    made = any(node.type in FOLDS and any(node.out.values()) for node in run.nodes)
    remarks = [f"{_MARK.strip()} creates records"] if created else []
    return [*remarks, "what leaves a meter is its own"] if made else remarks


def _creates(node: NodeCount) -> bool:
    from meterhouse.streams.law import CREATES

    return node.type in CREATES


def _row(node: NodeCount, *, errors: bool) -> list[Cell]:
    counts = (node.filtered, node.duplicates, node.suspended, node.metered)
    counts += (node.errors,) if errors else ()
    name = node.name + (_MARK if _creates(node) else "")
    # A zero says nothing and hides the numbers that do.
    return [name, node.records_in, _out(node), *(count or None for count in counts)]


def _out(node: NodeCount) -> Cell:
    """Write what left, by port where there are several."""
    left = {port: count for port, count in node.out.items() if count}
    if len(node.out) <= 1 or not left:
        return sum(left.values())
    return ", ".join(f"{port} {count}" for port, count in left.items())


def write_ended(ended: EndedRun, *, as_json: bool) -> None:
    """Write what became of a run that has just ended; raises its error where it has one."""
    if as_json:
        write_json(ended.run.to_api())
    else:
        write_run(ended.run)
        for path in ended.delivered:
            write_text(f"delivered {path}")
    _write_failures(ended.run)
    write_undelivered(ended)
    if ended.error is not None:
        raise ended.error


def _write_failures(run: Run) -> None:
    """Warn of requests that failed in a run that is complete: its records lack their answers."""
    if run.status.value != "complete":
        return
    for node in run.nodes:
        if node.errors:
            note(
                f"warning: {node.errors:,} of {node.records_in:,} requests of node {node.name!r} "
                f"failed; its records or `meterhouse run show {run.id} --log` say why"
            )


def write_undelivered(ended: EndedRun) -> None:
    """Say what of earlier runs still waits for delivery; of this run, its error says so."""
    for item in ended.undelivered:
        if item.pending.run_id != ended.run.id:
            pending = item.pending
            note(
                f"warning: {pending.entry.destination} of run {pending.run_id} is still not "
                f"delivered, after {pending.attempts + 1} attempts: {item.error}; "
                f"`meterhouse delivery drop {pending.id}` gives it up"
            )
