"""``meterhouse dataset``: schemas of datasets, and the files of the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.arguments import file_name, read_text
from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns, note
from meterhouse.core.counted import counted
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import MeterhouseError

if TYPE_CHECKING:
    from datetime import date

    from meterhouse.app.datasets.checking import DatasetCheck
    from meterhouse.app.datasets.ports import DatasetFile, DatasetSummary
    from meterhouse.app.datasets.publishing import Published
    from meterhouse.datasets.schema import DatasetSchema

app = new_group("Datasets: their schemas by version, and the files of the catalogue.")

DatasetName = Annotated[str, typer.Argument(metavar="NAME", help="The dataset.")]
SchemaOption = Annotated[
    str | None,
    typer.Option("--file", metavar="F", help="A schema of Avro (JSON); - is standard input."),
]
BuiltInOption = Annotated[
    list[str] | None,
    typer.Option(
        "--builtin", metavar="NAME", help="A schema that comes with the product; may be repeated."
    ),
]
AllBuiltInOption = Annotated[
    bool, typer.Option("--all-builtin", help="All schemas that come with the product.")
]
MajorOption = Annotated[
    int | None, typer.Option("--major", metavar="N", min=0, help="Only of this major version.")
]
ObOption = Annotated[
    str | None, typer.Option("--ob", metavar="OB", help="Only of this operating business (ES).")
]
SinceOption = Annotated[
    str | None, typer.Option("--from", metavar="DAY", help="Only from this day on (2026-10-01).")
]
UntilOption = Annotated[
    str | None, typer.Option("--to", metavar="DAY", help="Only up to this day, itself included.")
]
WholeOption = Annotated[
    bool, typer.Option("--whole", help="Read each file, and compare it with its SHA-256.")
]
AvroFile = Annotated[Path, typer.Argument(metavar="FILE", help="A file of Avro.")]
ToOption = Annotated[
    str | None,
    typer.Option("--dataset", metavar="NAME", help="The dataset; the name of the file tells it."),
]
NameOption = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="F",
        help="What the catalogue calls it: <OB>_<dataset>_YYYYMMDDTHH0000Z.avro. Its own if none.",
    ),
]
DocumentOption = Annotated[
    bool, typer.Option("--schema", help="Write the schema alone, as it was published.")
]


@command(
    app,
    "meterhouse dataset publish --all-builtin",
    "meterhouse dataset publish --builtin Aura_Audit",
    "meterhouse dataset publish --file Aura_Audit.avsc",
)
def publish(
    call: Call,
    *,
    file: SchemaOption = None,
    builtin: BuiltInOption = None,
    all_builtin: AllBuiltInOption = False,
) -> None:
    """Publish versions of schemas. One that is published already, as it is, stays."""
    from meterhouse.app.datasets.publishing import publish as publish_one

    schemas = _schemas(file, builtin or [], every=all_builtin)
    with call.opened() as house:
        done = [publish_one(house.ledger, schema, at=house.clock()) for schema in schemas]
    call.show(done, PUBLISHED)


def _schemas(file: str | None, names: list[str], *, every: bool) -> list[DatasetSchema]:
    from meterhouse.datasets.schema import BUILT_IN

    if (file is not None) + bool(names) + every != 1:
        hint = "give one of --file, --builtin and --all-builtin"
        raise WrongUsage("What is to be published?", hint=hint)
    if file is not None:
        return [_read(file)]
    unknown = [name for name in names if name not in BUILT_IN]
    if unknown:
        hint = f"there are {', '.join(BUILT_IN)}"
        raise WrongUsage(f"--builtin: {unknown[0]!r} does not come with the product", hint=hint)
    return [BUILT_IN[name] for name in (BUILT_IN if every else names)]


def _read(file: str) -> DatasetSchema:
    from meterhouse.core.json_text import parse_json
    from meterhouse.datasets.schema import read_schema

    text = read_text(file)
    try:
        document = parse_json(text)
    except (ValueError, RecursionError) as error:
        message = f"{file_name(file)} is not JSON: {error}"
        raise MeterhouseError(message, hint="give a schema of Avro") from error
    return read_schema(document)


@command(app, "meterhouse dataset list", lists=True)
def list_(call: Call) -> None:
    """List datasets with their newest versions."""
    from meterhouse.app.listing import take

    with call.opened() as house:
        call.show(take(house.ledger.datasets, limit=call.limit), DATASETS)


@command(app, "meterhouse dataset show Aura_Audit", "meterhouse dataset show Aura_Audit --schema")
def show(
    call: Call, name: DatasetName, *, major: MajorOption = None, schema: DocumentOption = False
) -> None:
    """Show a dataset: its versions, its key and its fields; or its newest schema."""
    from meterhouse.app.datasets.publishing import described, newest

    with call.opened() as house:
        body = described(house.ledger, name, major=major)
        document = newest(house.ledger, name, major=major).schema().document
    call.write(document if schema else body)


@command(
    app,
    "meterhouse dataset check Aura_Audit",
    "meterhouse dataset check Aura_Audit --ob ES --from 2026-10-01 --to 2026-10-31 --whole",
)
def check(
    call: Call,
    name: DatasetName,
    *,
    major: MajorOption = None,
    ob: ObOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    whole: WholeOption = False,
) -> None:
    """Check the files of a dataset, and list ids that no dimension knows. 1 if files are wrong."""
    from meterhouse.app.datasets.checking import Wanted, check_dataset

    wanted = Wanted(major, ob, _day(since, "--from"), _day(until, "--to"), whole)
    with call.opened() as house:
        found = check_dataset(
            *(house.ledger, house.datasets(), name),
            wanted=wanted,
            containers=house.containers(),
        )
    call.write_pairs(found.to_api(), _pairs(found))
    if found.faults:
        for fault in found.faults:
            note(str(fault))
        count = len(found.faults)
        hint = "add them again: `meterhouse dataset add FILE`"
        raise MeterhouseError(f"{count} of {found.files} files are wrong", hint=hint)


def _pairs(found: DatasetCheck) -> dict[str, Cell]:
    at = found.newest_at
    pairs: dict[str, Cell] = {
        "Dataset": f"{found.dataset} {found.version}",
        "Files": found.files,
        "Rows": found.rows,
        "Newest file": "none" if at is None else instant_text(at),
        "Wrong files": len(found.faults),
    }
    for one in found.references:
        title = f"{one.field} in {one.reference.dataset}"
        if not one.ids:
            pairs[title] = "no ids"
        elif not one.snapshots:
            pairs[title] = f"{counted(one.ids, 'id')}, and no file of that dimension"
        else:
            shown = ", ".join(f"{id} ({counted(rows, 'row')})" for id, rows in one.unknown[:3])
            more = f": {shown}" if shown else ""
            pairs[title] = f"{counted(one.ids, 'id')}, {len(one.unknown)} unknown{more}"
    return pairs


@command(
    app,
    "meterhouse dataset add ES_Aura_Audit_20261003T100000Z.avro",
    "meterhouse dataset add audit.avro --name ES_Aura_Audit_20261003T100000Z.avro",
)
def add(call: Call, file: AvroFile, *, dataset: ToOption = None, name: NameOption = None) -> None:
    """Add a file to the catalogue: checked whole, split by day. A second time changes nothing."""
    from meterhouse.app.datasets.files import add_file
    from meterhouse.datasets.naming import parse_file_name

    known_as = name or file.name
    with call.opened() as house:
        added = add_file(
            *(house.ledger, house.datasets(), file),
            dataset=dataset or parse_file_name(known_as).dataset,
            name=known_as,
            at=house.clock(),
            containers=house.containers(),
        )
    if added and added[0].name != known_as:
        note(f"{known_as} is added as {added[0].name}")
    call.show(added, FILES)


@command(app, "meterhouse dataset files Aura_Audit --from 2026-10-01 --to 2026-10-31", lists=True)
def files(
    call: Call,
    name: DatasetName,
    *,
    major: MajorOption = None,
    ob: ObOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
) -> None:
    """List the files of a dataset by day and name."""
    from functools import partial

    from meterhouse.app.datasets.publishing import newest
    from meterhouse.app.listing import take

    days = {"since": _day(since, "--from"), "until": _day(until, "--to")}
    with call.opened() as house:
        newest(house.ledger, name, major=major)
        page = partial(house.ledger.dataset_files, name, major=major, ob=ob, **days)
        call.show(take(page, limit=call.limit), FILES)


def _day(text: str | None, option: str) -> date | None:
    from datetime import date

    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongUsage(f"{option}: {text!r} is not a day", hint="such as 2026-10-01") from None


def _row(dataset: DatasetSummary) -> list[Cell]:
    newest = dataset.newest
    at = instant_text(newest.published_at)
    return [newest.name, str(newest.version), dataset.versions, dataset.files, dataset.rows, at]


def _row_published(done: Published) -> list[Cell]:
    version = done.version
    state = "published" if done.new else "as before"
    return [version.name, str(version.version), state, version.sha256]


def _row_file(file: DatasetFile) -> list[Cell]:
    day = None if file.day is None else file.day.isoformat()
    return [day, file.name, file.rows, file.size, str(file.version), file.sha256, file.id]


DATASETS = Listing(
    "datasets",
    columns("Name", "Newest", "#Versions", "#Files", "#Rows", "?Published"),
    _row,
    lambda dataset: json_text(dataset.to_api()),
)
PUBLISHED = Listing(
    "versions",
    columns("Name", "Version", "State", "?SHA-256"),
    _row_published,
    lambda done: json_text(done.to_api()),
)
FILES = Listing(
    "files",
    columns("?Day", "Name", "#Rows", "#Bytes", "?Version", "?SHA-256", "?@Id"),
    _row_file,
    lambda file: json_text(file.to_api()),
)
