"""``meterhouse kernel-client``: who may read and add files of datasets, and what each may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.arguments import read_instant
from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import FAILED, WrongUsage
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns, note, write_text
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.app.datasets.clients import ClientFindings, NewKernelClient
    from meterhouse.datasets.kernel_client import KernelClient

app = new_group("Clients of Kernel: who may read and add files of datasets.")

_ONCE = "The client secret is not shown again: keep it where the program finds it."
Reference = Annotated[
    str, typer.Argument(metavar="CLIENT", help="The client: its id or client id.")
]
ClientIdArgument = Annotated[
    str, typer.Argument(metavar="CLIENT_ID", help="What it calls itself: aura-bot-es-pro.")
]
Environment = Annotated[
    str, typer.Argument(metavar="ENVIRONMENT", help="The environment: global-int-current.")
]
ScopeOption = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="S", help="What it may do: data:Aura_Audit:read. Repeatable."),
]
NewScopeOption = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="S", help="What it may do from now on: all of it. Repeatable."),
]
PurposeOption = Annotated[
    str | None, typer.Option("--purpose", metavar="P", help="Why it reads personal data.")
]
BillingPurposeOption = Annotated[
    str | None,
    typer.Option(
        "--purpose",
        metavar="P",
        help="The purpose of the client that bills. Default: aura-kpi-data-read-purpose.",
    ),
]
ObOption = Annotated[
    str | None,
    typer.Option("--ob", metavar="OB", help="Only files of this operating business: ES."),
]
NewObOption = Annotated[
    str | None,
    typer.Option("--ob", metavar="OB", help="Only files of this one from now on; '' for all."),
]
TokensOption = Annotated[
    bool, typer.Option("--tokens", help="With scopes of Aura_Atria_Message, to bill tokens.")
]
RewriteOption = Annotated[
    bool, typer.Option("--rewrite", help="Replace scopes that name a version.")
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
    "meterhouse kernel-client create reports-es --scope data:read "
    "--scope data:Aura_Audit:read --ob ES",
)
def create(
    call: Call,
    client_id: ClientIdArgument,
    *,
    scope: ScopeOption = None,
    purpose: PurposeOption = None,
    ob: ObOption = None,
) -> None:
    """Create a client. Its secret is shown this once."""
    from meterhouse.app.datasets.clients import create_client

    body: dict[str, Any] = {"clientId": client_id, "scopes": scope or []}
    body |= {"purpose": purpose, "ob": ob}
    with call.opened() as house:
        made = create_client(
            house.ledger, house.client_secrets(), body, id=house.new_id(), at=house.clock()
        )
        _report(call, made.client)
    _write(call, [made])


@command(app, "meterhouse kernel-client create-defaults global-int-current")
def create_defaults(
    call: Call,
    environment: Environment,
    *,
    purpose: BillingPurposeOption = None,
    tokens: TokensOption = False,
) -> None:
    """Create aura-bot-ENVIRONMENT and aura-billing-ENVIRONMENT; those that exist stay."""
    from meterhouse.app.datasets.clients import BILLING_PURPOSE, create_default_clients

    with call.opened() as house:
        made = create_default_clients(
            *(house.ledger, house.client_secrets(), environment),
            new_id=house.new_id,
            at=house.clock(),
            purpose=BILLING_PURPOSE if purpose is None else purpose,
            tokens=tokens,
        )
    _write(call, made)


@command(app, "meterhouse kernel-client list", lists=True)
def list_(call: Call) -> None:
    """List the clients."""
    from meterhouse.app.listing import take

    with call.opened() as house:
        found = take(house.ledger.kernel_clients, limit=call.limit)
        call.show(found, LISTING)


@command(app, "meterhouse kernel-client show aura-billing-global-int-current --json")
def show(call: Call, reference: Reference) -> None:
    """Show a client and its scopes."""
    from meterhouse.app.datasets.clients import find_client

    with call.opened() as house:
        found = find_client(house.ledger, reference)
    call.write(found.to_api())


@command(app, "meterhouse kernel-client update aura-bot-br-pro --rewrite")
def update(
    call: Call,
    reference: Reference,
    *,
    scope: NewScopeOption = None,
    purpose: PurposeOption = None,
    ob: NewObOption = None,
    rewrite: RewriteOption = False,
) -> None:
    """Change scopes, purpose or OB. What is taken away ends at once, in tokens too."""
    from meterhouse.app.datasets.clients import rewrite_scopes, update_client

    patch: dict[str, Any] = {"scopes": scope} if scope else {}
    patch |= {} if purpose is None else {"purpose": purpose or None}
    patch |= {} if ob is None else {"ob": ob or None}
    if not patch and not rewrite:
        hint = "give --scope, --purpose, --ob or --rewrite"
        raise WrongUsage("Nothing is to be changed", hint=hint)
    with call.opened() as house:
        changed = update_client(house.ledger, reference, patch=patch, at=house.clock())
        if rewrite:
            changed = rewrite_scopes(house.ledger, reference, at=house.clock())
        _report(call, changed)
    call.write(changed.to_api())


@command(
    app,
    "meterhouse kernel-client check-scopes",
    "meterhouse kernel-client check-scopes aura-bot-br-pro",
)
def check_scopes(
    call: Call,
    reference: Annotated[
        str | None, typer.Argument(metavar="CLIENT", help="One client. Default: all of them.")
    ] = None,
) -> None:
    """Say which scopes are missing, name a version, or grant nothing: exit 1 then."""
    from meterhouse.app.datasets.clients import check_client, find_client
    from meterhouse.app.listing import take

    with call.opened() as house:
        clients: Sequence[KernelClient] = (
            list(take(house.ledger.kernel_clients, limit=None))
            if reference is None
            else [find_client(house.ledger, reference)]
        )
        checked = [check_client(house.ledger, client) for client in clients]
    for one in checked:
        _write_findings(call, one)
    if any(one.findings for one in checked):
        raise typer.Exit(FAILED)


@command(app, "meterhouse kernel-client rotate aura-bot-es-pro --old-until 2026-12-01T00:00:00Z")
def rotate(call: Call, reference: Reference, *, old_until: OldUntilOption = None) -> None:
    """Give a client a new secret, which is shown this once."""
    from meterhouse.app.datasets.clients import rotate_secret

    until = read_instant(old_until, option="--old-until")
    with call.opened() as house:
        now = house.clock()
        made = rotate_secret(
            *(house.ledger, house.client_secrets(), reference),
            old_until=now if until is None else until,
            at=now,
        )
    _write(call, [made])


@command(app, "meterhouse kernel-client delete reports-es")
def delete(call: Call, reference: Reference) -> None:
    """Delete a client; its tokens are refused from now on."""
    from meterhouse.app.datasets.clients import delete_client

    with call.opened() as house:
        deleted = delete_client(house.ledger, reference)
    call.tell(
        {"id": deleted.id, "clientId": deleted.client_id},
        f"deleted client {deleted.client_id} ({deleted.id})",
    )


def _write(call: Call, made: Sequence[NewKernelClient]) -> None:
    for number, one in enumerate(made):
        if number and not call.as_json:
            write_text()
        client = one.client
        pairs = {
            "Client id": client.client_id,
            "Id": client.id,
            "Client secret": one.client_secret or "(as it was)",
            "Purpose": client.purpose or "",
            "OB": client.ob or "all",
            "Scopes": f"{len(client.scopes)}: {' '.join(client.scopes)}",
        }
        call.write_pairs(one.to_api(), pairs)
    if not call.as_json and any(one.new for one in made):
        note(_ONCE)


def _report(call: Call, client: KernelClient) -> None:
    from meterhouse.datasets.scope import versioned

    for scope, replacement in versioned(client.scopes):
        note(f"{scope} names a version: {replacement} replaces it (update --rewrite)")


def _write_findings(call: Call, one: ClientFindings) -> None:
    client = one.client
    body = {
        "clientId": client.client_id,
        "scopes": len(client.scopes),
        "findings": [finding.to_api() for finding in one.findings],
    }
    if call.as_json:
        call.write(body)
        return
    count = len(one.findings)
    state = "is well" if not count else f"has {count} finding{'s' if count > 1 else ''}"
    call.tell(body, f"{client.client_id} ({len(client.scopes)} scopes) {state}")
    for finding in one.findings:
        note(f"{finding.message}: {finding.hint}")


def _row(client: KernelClient) -> list[Cell]:
    return [client.client_id, len(client.scopes), client.ob or "all", client.purpose, client.id]


LISTING = Listing(
    "clients",
    columns("Client id", "Scopes", "OB", "Purpose", "?@Id"),
    _row,
    lambda client: json_text(client.to_api()),
)
