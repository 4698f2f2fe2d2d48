"""``meterhouse table``: look-up tables, from which streams enrich records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Column, Listing, columns
from meterhouse.core.counted import counted
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.core.json_text import Record
    from meterhouse.streams.lookup_table import LookupTable, TableVersion

app = new_group("Look-up tables: what streams enrich records from. Each upload is a version.")

TableName = Annotated[str, typer.Argument(metavar="NAME", help="The table: its name or id.")]
NewName = Annotated[str, typer.Argument(metavar="NAME", help="The table; it is made if needed.")]
FileOption = Annotated[Path, typer.Option("--file", metavar="F", help="A file of CSV or Parquet.")]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", metavar="F", help="csv or parquet; the name tells it otherwise."),
]
KeyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="COLUMN",
        help="A column of the key, which must be unique; repeat it for several. As before if none.",
    ),
]
FieldOption = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="COLUMN=TYPE",
        help="The type of a column: string, number or boolean. As before if none.",
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option("--force", help="Take it without rows or columns that streams look up, too."),
]
VersionOption = Annotated[
    int | None,
    typer.Option("--version", metavar="V", min=1, help="Of this version; the latest if none."),
]


@command(
    app,
    "meterhouse table upload titles --file titles.csv --key title --field credits=number",
    "meterhouse table upload titles --file titles.csv",
)
def upload(
    call: Call,
    name: NewName,
    *,
    file: FileOption,
    key: KeyOption = None,
    field: FieldOption = None,
    format_: FormatOption = None,
    force: ForceOption = False,
) -> None:
    """Make a file the newest version of a table. Runs that begin from now on use it."""
    from meterhouse.app.lookup_tables import TableUpload, upload_table

    fields = None if not field else dict(_field(text) for text in field)
    wanted = TableUpload(name, file, format_, tuple(key) if key else None, fields, force)
    with call.opened() as house:
        version, is_new = upload_table(
            *(house.ledger, house.tables(), wanted),
            new_id=house.new_id,
            at=house.clock(),
            by=house.user(),
        )
    done = "version" if is_new else "as before: version"
    text = f"table {name}: {done} {version.number}, {counted(version.rows, 'row')}"
    call.tell(version.to_api() | {"table": name, "new": is_new}, text)


def _field(text: str) -> tuple[str, str]:
    name, sign, type_ = text.rpartition("=")
    if not sign or not name:
        raise WrongUsage(f"--field {text!r} is not COLUMN=TYPE, such as credits=number")
    return name, type_


@command(app, "meterhouse table list", lists=True)
def list_(call: Call) -> None:
    """List look-up tables with their latest versions."""
    from meterhouse.app.listing import take

    with call.opened() as house:
        call.show(take(house.ledger.lookup_tables, limit=call.limit), TABLES)


@command(app, "meterhouse table show titles")
def show(call: Call, table: TableName) -> None:
    """Show a table, its latest version and the streams that use it."""
    from meterhouse.app.lookup_tables import shown_table

    with call.opened() as house:
        shown = shown_table(house.ledger, table)
    call.write(shown)


@command(app, "meterhouse table versions titles", lists=True)
def versions(call: Call, table: TableName) -> None:
    """List the versions of a table, newest first."""
    from functools import partial

    from meterhouse.app.listing import take
    from meterhouse.app.lookup_tables import find_table

    with call.opened() as house:
        page = partial(house.ledger.table_versions, find_table(house.ledger, table).id)
        call.show(take(page, limit=call.limit), VERSIONS)


@command(app, "meterhouse table rows titles --version 2 --json", lists=True)
def rows(call: Call, table: TableName, *, version: VersionOption = None) -> None:
    """Show rows of a table, in the order of its file."""
    from functools import partial

    from meterhouse.app.listing import take
    from meterhouse.app.lookup_tables import find_table_version, table_rows

    with call.opened() as house:
        found = find_table_version(house.ledger, table, number=version)
        # All pages are of one version, whatever is uploaded meanwhile.
        page = partial(
            table_rows, house.ledger, house.tables(), found.table_id, number=found.number
        )
        call.show(take(page, limit=call.limit), _rows_listing(found))


@command(app, "meterhouse table delete titles")
def delete(call: Call, table: TableName) -> None:
    """Delete a table with all its versions; refused while streams use it."""
    from meterhouse.app.lookup_tables import delete_table

    with call.opened() as house:
        deleted = delete_table(house.ledger, house.tables(), table)
    call.tell({"deleted": deleted.id}, f"deleted table {deleted.name}")


def _row_of_table(table: LookupTable) -> list[Cell]:
    latest = table.latest
    keys = ", ".join(latest.keys)
    at = instant_text(latest.created_at)
    return [table.name, latest.number, latest.rows, keys, at, latest.created_by, table.id]


def _row_of_version(version: TableVersion) -> list[Cell]:
    row: list[Cell] = [version.number, version.rows, ", ".join(version.keys)]
    return [*row, instant_text(version.created_at), version.created_by, version.sha256]


def _rows_listing(version: TableVersion) -> Listing[Record]:
    def cells(record: Record) -> list[Cell]:
        values = [record.get(name) for name in version.names]
        return [
            value if value is None or isinstance(value, str) else json_text(value)
            for value in values
        ]

    return Listing("rows", tuple(Column(name) for name in version.names), cells, json_text)


TABLES = Listing(
    "look-up tables",
    columns("Name", "#Version", "#Rows", "?Key", "Uploaded", "?By", "?@Id"),
    _row_of_table,
    lambda table: json_text(table.to_api()),
)
VERSIONS = Listing(
    "versions",
    columns("#Version", "#Rows", "?Key", "Uploaded", "?By", "?SHA-256"),
    _row_of_version,
    lambda version: json_text(version.to_api()),
)
