"""``meterhouse access``: the programs that may use the API, and what each may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.arguments import read_instant
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.installation import opened
from meterhouse.cli.options import (
    LIMIT,
    AllOption,
    DataOption,
    JsonOption,
    LimitOption,
    examples,
    new_group,
)
from meterhouse.cli.output import (
    Cell,
    Listing,
    columns,
    limit_of,
    note,
    show_list,
    write_document,
    write_json,
    write_pairs,
    write_text,
)
from meterhouse.core.json_text import json_text
from meterhouse.core.scope import SCOPES, scopes_text

if TYPE_CHECKING:
    from meterhouse.app.applications import NewClient
    from meterhouse.core.application import Application

app = new_group("Application access: the programs that may use the API, and their scopes.")

Reference = Annotated[
    str, typer.Argument(metavar="ID", help="The application: its id, client id or name.")
]
NameOption = Annotated[str, typer.Option("--name", metavar="N", help="Its name.")]
NewNameOption = Annotated[str | None, typer.Option("--name", metavar="N", help="A new name.")]
ScopeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="S",
        help="What it may do, such as read:meters. Repeatable. Default: all.",
    ),
]
NewScopeOption = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="S", help="What it may do from now on: all of it. Repeatable."),
]
OldUntilOption = Annotated[
    str | None,
    typer.Option(
        "--old-until",
        metavar="INSTANT",
        help="Let the present client secret work until then. Default: it ends at once.",
    ),
]


@app.command(
    epilog=examples(
        "meterhouse access create --name CRM --scope read:meters --scope create:meters",
        "meterhouse access create --name Provisioning --json > client.json",
    )
)
def create(
    context: typer.Context,
    *,
    name: NameOption,
    scope: ScopeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a program access. Its client secret is shown this once."""
    from meterhouse.app.applications import create_application

    body: dict[str, Any] = {"name": name}
    if scope:
        body["scopes"] = scope
    with opened(context, data) as house:
        client = create_application(
            house.ledger, house.client_secrets(), body, new_id=house.new_id, at=house.clock()
        )
    _write_client(client, as_json=as_json)


@app.command("list", epilog=examples("meterhouse access list"))
def list_(
    context: typer.Context,
    *,
    limit: LimitOption = LIMIT,
    every: AllOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the programs that have access."""
    from meterhouse.app.listing import take

    most = limit_of(limit, every=every)
    with opened(context, data) as house:
        found = take(house.ledger.applications, limit=most)
        show_list(found, LISTING, limit=most, as_json=as_json)


@app.command(epilog=examples("meterhouse access show CRM --json"))
def show(
    context: typer.Context,
    reference: Reference,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one program and its scopes."""
    from meterhouse.app.applications import find_application

    with opened(context, data) as house:
        _write_one(find_application(house.ledger, reference), as_json=as_json)


@app.command(epilog=examples("meterhouse access update CRM --scope read:meters"))
def update(
    context: typer.Context,
    reference: Reference,
    *,
    name: NewNameOption = None,
    scope: NewScopeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change name or scopes. A scope that is taken away ends at once, in tokens too."""
    from meterhouse.app.applications import update_application

    patch: dict[str, Any] = {} if name is None else {"name": name}
    if scope:
        patch["scopes"] = scope
    if not patch:
        raise WrongUsage("Nothing is to be changed", hint="give --name or --scope")
    with opened(context, data) as house:
        changed = update_application(house.ledger, reference, patch=patch, at=house.clock())
    _write_one(changed, as_json=as_json)


@app.command(epilog=examples("meterhouse access rotate CRM --old-until 2026-02-01T00:00:00Z"))
def rotate(
    context: typer.Context,
    reference: Reference,
    *,
    old_until: OldUntilOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a program a new client secret, which is shown this once."""
    from meterhouse.app.applications import rotate_client_secret

    until = read_instant(old_until, option="--old-until")
    with opened(context, data) as house:
        now = house.clock()
        client = rotate_client_secret(
            house.ledger,
            house.client_secrets(),
            reference,
            old_until=now if until is None else until,
            at=now,
        )
    _write_client(client, as_json=as_json)


@app.command(epilog=examples("meterhouse access delete CRM"))
def delete(
    context: typer.Context,
    reference: Reference,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a program's access; its tokens are refused from now on."""
    from meterhouse.app.applications import delete_application

    with opened(context, data) as house:
        deleted = delete_application(house.ledger, reference)
    if as_json:
        write_json({"id": deleted.id, "name": deleted.name})
    else:
        write_text(f"deleted application {deleted.name} ({deleted.id})")


def _write_client(client: NewClient, *, as_json: bool) -> None:
    body = client.to_api()
    if as_json:
        write_json(body)
        return
    write_pairs(
        {
            "Name": body["name"],
            "Id": body["id"],
            "Client id": body["clientId"],
            "Client secret": body["clientSecret"],
            "Scopes": _scopes(client.application),
        }
    )
    note("The client secret is not shown again: keep it where the program finds it.")


def _write_one(application: Application, *, as_json: bool) -> None:
    if as_json:
        write_json(application.to_api())
    else:
        write_document(application.to_api())


def _scopes(application: Application) -> str:
    whole = len(application.scopes) == len(SCOPES)
    return "all" if whole else scopes_text(application.scopes)


def _row(application: Application) -> list[Cell]:
    return [application.name, application.client_id, _scopes(application), application.id]


LISTING = Listing(
    "applications",
    columns("Name", "Client id", "Scopes", "?@Id"),
    _row,
    lambda application: json_text(application.to_api()),
)
