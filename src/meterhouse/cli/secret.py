"""``meterhouse secret``: credentials that nodes of streams use. Values go in and never out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.arguments import file_name, read_text
from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.core.secret import Secret

app = new_group("Secrets: credentials that nodes of streams use. Values go in and never out.")

Reference = Annotated[str, typer.Argument(metavar="ID", help="The secret: its id or name.")]
CredentialsOption = Annotated[
    str,
    typer.Option(
        "--file", metavar="F", help="The credentials, one JSON object; - is standard input."
    ),
]
NewCredentialsOption = Annotated[
    str | None,
    typer.Option(
        "--file", metavar="F", help="New credentials, one JSON object; - is standard input."
    ),
]
NameOption = Annotated[
    str,
    typer.Option("--name", metavar="N", help="At most 30 letters, digits, spaces and - _ . ( )."),
]
NewNameOption = Annotated[str | None, typer.Option("--name", metavar="N", help="A new name.")]
PartOption = Annotated[
    str | None, typer.Option("--name", metavar="N", help="Only those with this in their name.")
]
DescriptionOption = Annotated[
    str | None, typer.Option("--description", metavar="D", help="What it is for.")
]
TypeOption = Annotated[
    str,
    typer.Option(
        "--type",
        metavar="T",
        help="One of oauth2, basic, bearer, azureSas, aws, sshKey, webhookSigning.",
    ),
]
OfTypeOption = Annotated[str | None, typer.Option("--type", metavar="T", help="Only of this type.")]


@command(
    app,
    "meterhouse secret create --name Billing --type basic --file credentials.json",
    """pass show crm | jq -R '{token: .}' | meterhouse secret create --name CRM --type bearer"""
    " --file -",
)
def create(
    call: Call,
    *,
    name: NameOption,
    type_: TypeOption,
    file: CredentialsOption,
    description: DescriptionOption = None,
) -> None:
    """Create a secret. Its credentials are read from a file, never from the command line."""
    from meterhouse.app.secrets import create_secret

    body = {"name": name, "type": type_, "credentials": _credentials(file)}
    if description is not None:
        body["description"] = description
    with call.opened() as house:
        secret = create_secret(
            house.ledger, house.sealer(), body, new_id=house.new_id, at=house.clock()
        )
    call.show([(secret, 0)], LISTING)


@command(app, "meterhouse secret list --type oauth2 --name crm", lists=True)
def list_(call: Call, *, type_: OfTypeOption = None, name: PartOption = None) -> None:
    """List secrets with their numbers of streams."""
    from functools import partial

    from meterhouse.app.listing import take
    from meterhouse.core.secret import read_type

    kind = None if type_ is None else read_type(type_)
    with call.opened() as house:
        found = take(partial(house.ledger.secrets, type=kind, name=name), limit=call.limit)
        call.show(found, LISTING)


@command(app, "meterhouse secret show Billing --json")
def show(call: Call, reference: Reference) -> None:
    """Show a secret without its values, and the streams that use it."""
    from meterhouse.app.secrets import shown_secret

    with call.opened() as house:
        shown = shown_secret(house.ledger, reference)
    call.write(shown)


@command(
    app,
    "meterhouse secret update Billing --file new-credentials.json",
    "meterhouse secret update Billing --name 'Billing (old)'",
)
def update(
    call: Call,
    reference: Reference,
    *,
    file: NewCredentialsOption = None,
    name: NewNameOption = None,
    description: DescriptionOption = None,
) -> None:
    """Change a secret. New credentials replace all old ones, and hold from the next run on."""
    from meterhouse.app.secrets import shown_secret, update_secret

    patch: dict[str, Any] = {"name": name, "description": description}
    patch = {key: value for key, value in patch.items() if value is not None}
    if file is not None:
        patch["credentials"] = _credentials(file)
    if not patch:
        raise WrongUsage("Nothing is to be changed", hint="give --file, --name or --description")
    with call.opened() as house:
        changed = update_secret(
            house.ledger, house.sealer(), reference, patch=patch, at=house.clock()
        )
        shown = shown_secret(house.ledger, changed.id)
    call.write(shown)


@command(app, "meterhouse secret delete Billing")
def delete(call: Call, reference: Reference) -> None:
    """Delete a secret that no stream uses."""
    from meterhouse.app.secrets import delete_secret

    with call.opened() as house:
        deleted = delete_secret(house.ledger, reference)
    call.tell(
        {"id": deleted.id, "name": deleted.name}, f"deleted secret {deleted.name} ({deleted.id})"
    )


@command(
    app,
    "meterhouse secret rotate-key",
    'METERHOUSE_SECRETS_KEY="$NEW $OLD" meterhouse secret rotate-key',
)
def rotate_key(call: Call) -> None:
    """Change the wallet's key: everything that is sealed is sealed anew.

    The key file in the data directory gets a new key. A key of your own (METERHOUSE_SECRETS_KEY,
    METERHOUSE_SECRETS_KEY_FILE) you change yourself: give the new one first and the old one after
    it, restart servers, run this, and take the old one away.
    """
    with call.opened() as house:
        count = house.rotate_wallet_key()
    values = "1 value" if count == 1 else f"{count} values"
    call.tell({"resealed": count}, f"sealed {values} by the first key of the wallet")


def _credentials(file: str) -> Any:
    from meterhouse.app.definitions import read_one

    return read_one(read_text(file), what=file_name(file))


def _to_json(item: tuple[Secret, int]) -> str:
    from meterhouse.app.secrets import secret_to_api

    return json_text(secret_to_api(item[0], streams=item[1]))


def _row(item: tuple[Secret, int]) -> list[Cell]:
    secret, streams = item
    modified = instant_text(secret.updated_at)
    return [secret.name, secret.type.value, streams, modified, secret.description, secret.id]


LISTING = Listing(
    "secrets",
    columns("Name", "Type", "#Streams", "Last modified", "?Description", "?@Id"),
    _row,
    _to_json,
)
