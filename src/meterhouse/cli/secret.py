"""``meterhouse secret``: credentials that nodes of streams use. Values go in and never out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.arguments import file_name, read_text
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
    show_list,
    write_document,
    write_json,
    write_text,
)
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
        "--type", metavar="T", help="One of oauth2, basic, bearer, azureSas, aws, sshKey."
    ),
]
OfTypeOption = Annotated[str | None, typer.Option("--type", metavar="T", help="Only of this type.")]


@app.command(
    epilog=examples(
        "meterhouse secret create --name Billing --type basic --file credentials.json",
        """pass show crm | jq -R '{token: .}' | meterhouse secret create --name CRM --type bearer"""
        " --file -",
    )
)
def create(
    context: typer.Context,
    *,
    name: NameOption,
    type_: TypeOption,
    file: CredentialsOption,
    description: DescriptionOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a secret. Its credentials are read from a file, never from the command line."""
    from meterhouse.app.secrets import create_secret

    body = {"name": name, "type": type_, "credentials": _credentials(file)}
    if description is not None:
        body["description"] = description
    with opened(context, data) as house:
        secret = create_secret(
            house.ledger, house.sealer(), body, new_id=house.new_id, at=house.clock()
        )
    show_list([(secret, 0)], LISTING, limit=None, as_json=as_json)


@app.command("list", epilog=examples("meterhouse secret list --type oauth2 --name crm"))
def list_(
    context: typer.Context,
    *,
    type_: OfTypeOption = None,
    name: PartOption = None,
    limit: LimitOption = LIMIT,
    every: AllOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List secrets with their numbers of streams."""
    from functools import partial

    from meterhouse.app.listing import take
    from meterhouse.core.secret import read_type

    most = limit_of(limit, every=every)
    kind = None if type_ is None else read_type(type_)
    with opened(context, data) as house:
        found = take(partial(house.ledger.secrets, type=kind, name=name), limit=most)
        show_list(found, LISTING, limit=most, as_json=as_json)


@app.command(epilog=examples("meterhouse secret show Billing --json"))
def show(
    context: typer.Context,
    reference: Reference,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a secret without its values, and the streams that use it."""
    from meterhouse.app.secrets import shown_secret

    with opened(context, data) as house:
        _write_one(shown_secret(house.ledger, reference), as_json=as_json)


@app.command(
    epilog=examples(
        "meterhouse secret update Billing --file new-credentials.json",
        "meterhouse secret update Billing --name 'Billing (old)'",
    )
)
def update(
    context: typer.Context,
    reference: Reference,
    *,
    file: NewCredentialsOption = None,
    name: NewNameOption = None,
    description: DescriptionOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a secret. New credentials replace all old ones, and hold from the next run on."""
    from meterhouse.app.secrets import shown_secret, update_secret

    patch: dict[str, Any] = {"name": name, "description": description}
    patch = {key: value for key, value in patch.items() if value is not None}
    if file is not None:
        patch["credentials"] = _credentials(file)
    if not patch:
        raise WrongUsage("Nothing is to be changed", hint="give --file, --name or --description")
    with opened(context, data) as house:
        changed = update_secret(
            house.ledger, house.sealer(), reference, patch=patch, at=house.clock()
        )
        _write_one(shown_secret(house.ledger, changed.id), as_json=as_json)


@app.command(epilog=examples("meterhouse secret delete Billing"))
def delete(
    context: typer.Context,
    reference: Reference,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a secret that no stream uses."""
    from meterhouse.app.secrets import delete_secret

    with opened(context, data) as house:
        deleted = delete_secret(house.ledger, reference)
    if as_json:
        write_json({"id": deleted.id, "name": deleted.name})
    else:
        write_text(f"deleted secret {deleted.name} ({deleted.id})")


@app.command(
    "rotate-key",
    epilog=examples(
        "meterhouse secret rotate-key",
        'METERHOUSE_SECRETS_KEY="$NEW $OLD" meterhouse secret rotate-key',
    ),
)
def rotate_key(
    context: typer.Context, *, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Change the wallet's key: everything that is sealed is sealed anew.

    The key file in the data directory gets a new key. A key of your own (METERHOUSE_SECRETS_KEY,
    METERHOUSE_SECRETS_KEY_FILE) you change yourself: give the new one first and the old one after
    it, restart servers, run this, and take the old one away.
    """
    with opened(context, data) as house:
        count = house.rotate_wallet_key()
    if as_json:
        write_json({"resealed": count})
    else:
        values = "1 value" if count == 1 else f"{count} values"
        write_text(f"sealed {values} by the first key of the wallet")


def _credentials(file: str) -> Any:
    from meterhouse.app.definitions import read_one

    return read_one(read_text(file), what=file_name(file))


def _write_one(body: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(body)
    else:
        write_document(body)


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
