"""``meterhouse invoice rows``: the rows of the input files that a line is made of.

``register`` adds the command to the group of the noun.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.output import fitted, note, one_line, write_json, write_text
from meterhouse.core.counted import counted
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.quantity import EXACT, number_text

if TYPE_CHECKING:
    from meterhouse.app.billing.line_rows import LineRow, LineRows
    from meterhouse.streams.world import Progress

InvoiceArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="The invoice: its number, its id, or the beginning of that."),
]
LineOption = Annotated[str, typer.Option("--line", metavar="N", help="The number of the line.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write all of them here, as CSV.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress on standard error.")]


def rows(
    call: Call,
    reference: InvoiceArgument,
    *,
    line: LineOption,
    out: OutOption = None,
    quiet: QuietOption = False,
) -> None:
    """List the rows of input files that a line is made of, where no single usage is kept.

    The files that were read then are read again, through the same stream; nothing is changed.
    """
    from meterhouse.app.billing.issuing import find_invoice
    from meterhouse.app.billing.line_rows import rows_of_line
    from meterhouse.cli.interruption import terminable
    from meterhouse.cli.progress import Watch

    if out is not None and out.exists():
        hint = "give another name with --out, or move it away"
        raise MeterhouseError(f"{out} is there already", hint=hint)
    finding = True

    def progress(progress: Progress) -> None:
        # A bar must not stand among the rows.
        if finding:
            watch.progress(progress)

    with call.opened() as house, terminable(), ExitStack() as stack:
        head = find_invoice(house.ledger, reference, begins=True)
        services = house.means(progress=progress).services
        with Watch(quiet=quiet) as watch:
            found = stack.enter_context(
                rows_of_line(house.ledger, head.id, line, services=services)
            )
        finding = False
        if out is None:
            _show(call, found)
        else:
            written = _write_csv(found, out)
            call.tell({**found.to_api(), "path": str(out)}, f"{out}: {counted(written, 'row')}")
        _judge(found)


def _show(call: Call, found: LineRows) -> None:
    """Write rows as they come: as JSON, or below the name of their file."""
    most = None if call.limit is None else call.limit - 1
    file = ""

    def show(row: LineRow) -> None:
        nonlocal file
        if row.file != file:
            file = row.file
            write_text(file)
        said = {name: value for name, value in row.record.items() if value is not None}
        shown = row.to_api()
        text = f"  {row.row:>7}  {shown['timestamp']}  {shown['quantity']}  {one_line(said)}"
        write_text(fitted(text))

    found.each((lambda row: write_json(row.to_api())) if call.as_json else show, most=most)
    if most is not None and found.count > most:
        note(
            f"the first {most} of {found.count:,} rows; --all shows all, --out FILE.csv keeps them"
        )


def _write_csv(found: LineRows, out: Path) -> int:
    from meterhouse.bootstrap import write_csv

    written = 0
    with tempfile.TemporaryDirectory() as folder:
        spooled = Path(folder, "rows.ndjson")
        with spooled.open("w", encoding="utf-8") as lines:

            def spool(row: LineRow) -> None:
                nonlocal written
                written += 1
                lines.write(json_text(_flat(row)) + "\n")

            found.each(spool)
        write_csv(spooled, out)
    return written


def _flat(row: LineRow) -> dict[str, Any]:
    """Put the fields of a row beside its place; what is called like that gets a longer name."""
    head = row.to_api()
    record = head.pop("record")
    return head | {f"record.{name}" if name in head else name: record[name] for name in record}


def _judge(found: LineRows) -> None:
    """Say whether the rows come to what was metered, and what may be the matter if not."""
    unit = f" ({found.unit})" if found.unit else ""
    rows_ = "1 row comes" if found.count == 1 else f"{found.count:,} rows come"
    value, metered = number_text(found.value), number_text(found.metered)
    if found.exact:
        note(f"line {found.line}: {rows_} to a quantity of {value}{unit}, exactly what was metered")
    else:
        more = EXACT.subtract(found.value, found.metered)
        note(
            f"line {found.line}: {rows_} to a quantity of {value}{unit}, but {metered} were "
            f"metered: they differ by {number_text(more)}"
        )
    for remark in found.remarks:
        note(f"  {remark}")
    if not found.exact and not found.remarks:
        note("  no file, table or stream has changed that the ledger knows of")


def register(app: typer.Typer) -> None:
    """Add the command to a group."""
    command(
        app,
        "meterhouse invoice rows LICEO-2026-000001 --line 1",
        "meterhouse invoice rows LICEO-2026-000001 --line 1 --out line-1.csv",
        lists=True,
    )(rows)
