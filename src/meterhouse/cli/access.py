"""``meterhouse access``: the programs that may use the API, and what each may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.arguments import read_instant
from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns, note
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


@command(
    app,
    "meterhouse access create --name CRM --scope read:meters --scope create:meters",
    "meterhouse access create --name Provisioning --json > client.json",
)
def create(call: Call, *, name: NameOption, scope: ScopeOption = None) -> None:
    """Give a program access. Its client secret is shown this once."""
    from meterhouse.app.applications import create_application

    body: dict[str, Any] = {"name": name}
    if scope:
        body["scopes"] = scope
    with call.opened() as house:
        client = create_application(
            house.ledger, house.client_secrets(), body, new_id=house.new_id, at=house.clock()
        )
    _write_client(call, client)
    if not scope:
        note("it may do everything, because no --scope was given")


@command(app, "meterhouse access list", lists=True)
def list_(call: Call) -> None:
    """List the programs that have access."""
    from meterhouse.app.listing import take

    with call.opened() as house:
        found = take(house.ledger.applications, limit=call.limit)
        call.show(found, LISTING)


@command(app, "meterhouse access show CRM --json")
def show(call: Call, reference: Reference) -> None:
    """Show one program and its scopes."""
    from meterhouse.app.applications import find_application

    with call.opened() as house:
        found = find_application(house.ledger, reference)
    call.write(found.to_api())


@command(app, "meterhouse access update CRM --scope read:meters")
def update(
    call: Call, reference: Reference, *, name: NewNameOption = None, scope: NewScopeOption = None
) -> None:
    """Change name or scopes. A scope that is taken away ends at once, in tokens too."""
    from meterhouse.app.applications import update_application

    patch: dict[str, Any] = {} if name is None else {"name": name}
    if scope:
        patch["scopes"] = scope
    if not patch:
        raise WrongUsage("Nothing is to be changed", hint="give --name or --scope")
    with call.opened() as house:
        changed = update_application(house.ledger, reference, patch=patch, at=house.clock())
    call.write(changed.to_api())


@command(app, "meterhouse access rotate CRM --old-until 2026-02-01T00:00:00Z")
def rotate(call: Call, reference: Reference, *, old_until: OldUntilOption = None) -> None:
    """Give a program a new client secret, which is shown this once."""
    from meterhouse.app.applications import rotate_client_secret

    until = read_instant(old_until, option="--old-until")
    with call.opened() as house:
        now = house.clock()
        client = rotate_client_secret(
            house.ledger,
            house.client_secrets(),
            reference,
            old_until=now if until is None else until,
            at=now,
        )
    _write_client(call, client)


@command(app, "meterhouse access delete CRM")
def delete(call: Call, reference: Reference) -> None:
    """End a program's access; its tokens are refused from now on."""
    from meterhouse.app.applications import delete_application

    with call.opened() as house:
        deleted = delete_application(house.ledger, reference)
    call.tell(
        {"id": deleted.id, "name": deleted.name},
        f"deleted application {deleted.name} ({deleted.id})",
    )


def _write_client(call: Call, client: NewClient) -> None:
    body = client.to_api()
    pairs = {
        "Name": body["name"],
        "Id": body["id"],
        "Client id": body["clientId"],
        "Client secret": body["clientSecret"],
        "Scopes": _scopes(client.application),
    }
    call.write_pairs(body, pairs)
    if not call.as_json:
        note("The client secret is not shown again: keep it where the program finds it.")


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
