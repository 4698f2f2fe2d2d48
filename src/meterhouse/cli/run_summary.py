"""The summary of a run: what each node did with its records, and that the law holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meterhouse.cli.output import (
    Cell,
    brief,
    columns,
    note,
    shortened,
    write_json,
    write_table,
    write_text,
)

if TYPE_CHECKING:
    from meterhouse.app.aftermath import Aftermath
    from meterhouse.app.running import EndedRun
    from meterhouse.streams.record import NodeCount, Run

_COLUMNS = columns("Node", "#In", "#Out", "#Filtered", "#Duplicates", "#Suspended", "#Metered")
_MARK = " *"
#: So many reasons are shown.
_REASONS_MAX = 5


def write_run(run: Run, left: Aftermath, *, error: bool = True) -> None:
    """Write a run and what it has left for people; its ``error`` unless that is told elsewhere."""
    from meterhouse.core.instant import instant_text

    write_text(f"run {run.id} of {run.stream_name}: {run.status.value}")
    write_text(f"clock {instant_text(run.at)}, seed {run.seed}{_took(run)}{_why(run)}")
    if run.error and error:
        write_text(f"error: {run.error}")
    if run.nodes:
        write_text()
        _write_nodes(run)
    _write_suspended(run, left)
    _write_dead(run, left)
    _write_waiting(left)


def _write_nodes(run: Run) -> None:
    from meterhouse.streams.law import lawful

    errors = any(node.errors for node in run.nodes)
    shown = [*_COLUMNS, *columns("#Errors")] if errors else _COLUMNS
    write_table(shown, [_row(node, errors=errors) for node in run.nodes])
    kept = "kept at every node" if all(map(lawful, run.nodes)) else "BROKEN"
    write_text(f"Law {kept}: in = out + filtered + duplicates + suspended + metered")
    if remarks := _remarks(run):
        write_text(f"  ({'; '.join(remarks)})")


def _write_suspended(run: Run, left: Aftermath) -> None:
    """Say why records are in Data Correction."""
    if not left.suspended:
        return
    write_text()
    write_text("Suspended, and why:")
    for found in left.suspended[:_REASONS_MAX]:
        line = f"  {found.count:,}  {found.reason.value} at {found.node_name}: {found.detail}"
        write_text(shortened(line))
    _write_more(len(left.suspended))
    write_text(f"  `meterhouse correction list --run {run.id}` shows them")


def _write_dead(run: Run, left: Aftermath) -> None:
    """Say why receivers took records not."""
    if not left.dead:
        return
    write_text()
    write_text("Refused by receivers (dead letters), and why:")
    for found in left.dead[:_REASONS_MAX]:
        write_text(shortened(f"  {found.count:,}  {found.node_name}: {found.reason}"))
    _write_more(len(left.dead))
    write_text(f"  `meterhouse dead-letter list --run {run.id}` shows them")


def _write_waiting(left: Aftermath) -> None:
    """Say what has not reached its destination."""
    if not left.waiting:
        return
    write_text()
    write_text("Not delivered yet:")
    for pending in left.waiting[:_REASONS_MAX]:
        why = f": {pending.error}" if pending.error else ""
        write_text(shortened(f"  output {pending.id}, {pending.entry.destination}{why}"))
    _write_more(len(left.waiting))
    write_text("  `meterhouse delivery list` shows how far they are")


def _write_more(count: int) -> None:
    if count > _REASONS_MAX:
        write_text(f"  … and {count - _REASONS_MAX:,} more")


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
    for node in filter(_silent, run.nodes):
        remarks.append(f"{node.name}: no output for {node.records_in - node.suspended:,} records")
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


def write_ended(ended: EndedRun, left: Aftermath, *, as_json: bool) -> None:
    """Write what became of a run that has just ended; raises its error where it has one."""
    if as_json:
        write_json(ended.run.to_api())
    else:
        write_run(ended.run, left, error=ended.error is None)
        for path in ended.delivered:
            write_text(f"delivered {path}")
    _write_failures(ended.run)
    warn_of_silence(ended.run)
    write_undelivered(ended)
    warn_of_dead(ended, left)
    if ended.error is not None:
        raise ended.error


def warn_of_silence(run: Run) -> None:
    """Warn of scripts that took records and pushed none: their usage has gone nowhere."""
    for node in run.nodes:
        if _silent(node):
            note(
                f"warning: script {node.name!r} took {node.records_in:,} records and pushed none: "
                "what it does not push goes no further; `payload` leaves by `push(payload)`"
            )


def _silent(node: NodeCount) -> bool:
    scripted = node.type == "transforms/script"
    return scripted and node.records_in > node.suspended and not any(node.out.values())


def warn_of_dead(ended: EndedRun, left: Aftermath) -> None:
    """Warn of records that receivers refused: the run is complete, and they are not delivered."""
    if left.dead:
        first = left.dead[0]
        note(
            f"warning: {counted(left.dead_letters)} refused: {first.node_name}: "
            f"{brief(first.reason)}; `meterhouse dead-letter list --run {ended.run.id}` shows them"
        )
    others = ended.forwarded.dead - left.dead_letters
    if others > 0:
        text = f"warning: of other runs, {counted(others)} refused"
        note(f"{text}; `meterhouse dead-letter list` shows them")


def counted(records: int) -> str:
    """Say how many records were.

    >>> counted(1), counted(2000)
    ('1 record was', '2,000 records were')
    """
    return "1 record was" if records == 1 else f"{records:,} records were"


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
