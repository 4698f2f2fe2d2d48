"""``meterhouse invoice``: files of invoices in the archive, links to them, and the history.

``register`` adds the commands to the group of the noun.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns
from meterhouse.core.counted import counted
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import MeterhouseError

if TYPE_CHECKING:
    from meterhouse.app.billing.archiving import ArchivedFile
    from meterhouse.core.invoice_history import HistoryEntry

InvoiceArgument = Annotated[
    str, typer.Argument(metavar="INVOICE", help="The invoice: its number or id.")
]
AnyInvoiceArgument = Annotated[
    str | None, typer.Argument(metavar="[INVOICE]", help="Only of this one: its number or id.")
]
FormatOption = Annotated[
    str, typer.Option("--format", metavar="F", help="The format of the file; `files` lists them.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Where to; by its own name here unless given."),
]
DaysOption = Annotated[
    int, typer.Option("--days", metavar="N", help="How many days it opens the file, 90 at most.")
]
BaseOption = Annotated[
    str,
    typer.Option("--url", metavar="URL", help="The base URL of the server that answers the link."),
]
CheckOption = Annotated[
    bool, typer.Option("--verify", help="Read them, and compare them with their SHA-256.")
]
VerifyOption = Annotated[
    bool,
    typer.Option(
        "--verify", help="Check that no entry was changed or removed, also in the archive."
    ),
]
#: What the other columns of the history have; the document of an entry is its invoice.
_IN_COLUMNS = frozenset({"number", "document", "manifest"})
_HASH_CHARS = 12
CopyOption = Annotated[
    bool, typer.Option("--archive", help="Copy to the archive what it does not have yet.")
]


def files(call: Call, invoice: InvoiceArgument, *, verify: CheckOption = False) -> None:
    """List the files of an invoice's newest version in the archive."""
    from meterhouse.app.billing.archiving import files_of, verify_files

    with call.opened() as house:
        found = files_of(house.ledger, invoice)
        faults = verify_files(house.ledger, house.archive(), invoice) if verify else []
    if verify:
        _tell_faults(call, faults, {"files": len(found)}, counted(len(found), "file"))
        return
    call.show(found, FILES)


def download(
    call: Call, invoice: InvoiceArgument, *, format_: FormatOption = "xlsx", out: OutOption = None
) -> None:
    """Write a file of an invoice from the archive; the history says who had it."""
    from meterhouse.app.billing.archiving import download as from_archive
    from meterhouse.app.billing.files import refuse_unmade

    with call.opened() as house:
        refuse_unmade(house.ledger, invoice, format=format_)
        file, content = from_archive(
            *(house.ledger, house.archive(), invoice),
            format=format_,
            at=house.clock(),
            actor=house.user(),
        )
    target = out or Path(file.file_name)
    try:
        with target.open("xb") as handle:
            handle.write(content)
    except FileExistsError as error:
        hint = "give another name with --out, or move it away"
        raise MeterhouseError(f"{target} is there already", hint=hint) from error
    call.tell({**file.to_api(), "path": str(target)}, f"{target}: {len(content):,} bytes")


def link(
    call: Call,
    invoice: InvoiceArgument,
    *,
    format_: FormatOption = "xlsx",
    days: DaysOption = 7,
    url: BaseOption = "http://127.0.0.1:8080",
) -> None:
    """Make a link that opens one file to whoever has it, until it expires."""
    from meterhouse.app.billing.archiving import link as make_link
    from meterhouse.core.instant import instant_text

    with call.opened() as house:
        made, token = make_link(
            *(house.ledger, house.links(), invoice),
            format=format_,
            id=house.new_id(),
            at=house.clock(),
            actor=house.user(),
            days=days,
        )
    address = f"{url.rstrip('/')}/v1/downloads/{token}"
    expires = instant_text(made.expires)
    call.tell({"id": made.id, "url": address, "expiresAt": expires, "file": made.name}, address)


def history(
    call: Call,
    invoice: AnyInvoiceArgument = None,
    *,
    verify: VerifyOption = False,
    archive: CopyOption = False,
) -> None:
    """List what became of invoices and who had their files, oldest first."""
    from meterhouse.app.billing.invoice_history import archive_history, entries, verify_history

    with call.opened() as house:
        if archive:
            made = archive_history(house.ledger, house.archive(), at=house.clock())
            call.tell({"archived": made}, f"archived: {', '.join(made) or 'nothing new'}")
        elif verify:
            found = verify_history(house.ledger, house.archive())
            counts = {"entries": found.entries, "segments": found.segments}
            archived = counted(found.segments, "file")
            text = f"{counted(found.entries, 'entry')}, {archived} of the archive"
            _tell_faults(call, list(found.faults), counts, text)
        else:
            call.show(entries(house.ledger, invoice=invoice, limit=call.limit), HISTORY)


def register(app: typer.Typer) -> None:
    """Add the commands to a group."""
    command(
        app,
        "meterhouse invoice files LICEO-2026-000001",
        "meterhouse invoice files LICEO-2026-000001 --verify",
    )(files)
    command(app, "meterhouse invoice download LICEO-2026-000001 --format xlsx")(download)
    command(app, "meterhouse invoice link LICEO-2026-000001 --days 30")(link)
    command(
        app,
        "meterhouse invoice history LICEO-2026-000001",
        "meterhouse invoice history --verify",
        lists=True,
    )(history)


def _tell_faults(call: Call, faults: list[str], counts: dict[str, int], text: str) -> None:
    from meterhouse.app.billing.archive_ports import ArchiveFault

    said = "".join(f"\n  - {fault}" for fault in faults)
    verdict = f"{len(faults)} faults in {text}:{said}" if faults else f"all is well: {text}"
    call.tell({**counts, "faults": faults}, verdict)
    if faults:
        raise ArchiveFault("the archive is not as it was", hint="each fault is named above")


def _file_row(file: ArchivedFile) -> list[Cell]:
    return [file.format, file.name, file.size, file.sha256]


def _entry_row(entry: HistoryEntry) -> list[Cell]:
    from meterhouse.core.instant import instant_text

    event = entry.event
    row: list[Cell] = [entry.sequence, instant_text(event.at), event.actor, event.action]
    number = event.detail.get("number")
    return [*row, number if isinstance(number, str) else event.invoice, _told(event.detail)]


def _told(detail: Mapping[str, Any]) -> str:
    """Return what an entry says beside its invoice, for people: hashes begin, lists are counted."""
    said = []
    for name, value in detail.items():
        if name in _IN_COLUMNS or value in (None, "", []):
            continue
        if isinstance(value, list | dict):
            said.append(f"{len(value)} {name}")
        elif name == "sha256":
            said.append(f"SHA-256 {str(value)[:_HASH_CHARS]}…")
        else:
            said.append(f"{name} {value if isinstance(value, str) else json_text(value)}")
    return ", ".join(said)


FILES = Listing(
    "files",
    columns("Format", "Name", "#Bytes", "?SHA-256"),
    _file_row,
    lambda file: json_text(file.to_api()),
)
HISTORY = Listing(
    "entries",
    columns("#No", "At", "Actor", "Action", "?Invoice", "~Detail"),
    _entry_row,
    lambda entry: json_text(entry.to_api()),
)
app = new_group("Files of invoices in the archive, links to them, and their history.")
register(app)
