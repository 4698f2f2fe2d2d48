"""``meterhouse issuer``: who issues invoices, and how they are numbered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.arguments import file_name, read_text
from meterhouse.cli.command import Call, command
from meterhouse.cli.options import PatchOption, new_group
from meterhouse.cli.output import Cell, Listing, columns
from meterhouse.cli.party_file import PartyFileOption, read_bodies
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.core.party import Issuer

app = new_group("Issuers: who issues invoices, and how they are numbered.")

Reference = Annotated[str, typer.Argument(metavar="ID", help="The issuer: its id.")]


@command(app, "meterhouse issuer create --file issuer.yaml")
def create(call: Call, *, file: PartyFileOption) -> None:
    """Create issuers from definitions."""
    from meterhouse.app.billing.parties import read_all
    from meterhouse.core.party_reading import read_issuer

    issuers = read_all(read_bodies(file), read_issuer, what=file_name(file))
    with call.opened() as house:
        for issuer in issuers:
            house.ledger.add_issuer(issuer)
    call.show(issuers, LISTING)


@command(app, "meterhouse issuer list --json", lists=True)
def list_(call: Call) -> None:
    """List issuers."""
    from meterhouse.app.listing import take

    with call.opened() as house:
        call.show(take(house.ledger.issuers, limit=call.limit), LISTING)


@command(app, "meterhouse issuer show liceo")
def show(call: Call, reference: Reference) -> None:
    """Show an issuer."""
    from meterhouse.app.billing.parties import find_issuer, issuer_shown

    with call.opened() as house:
        shown = issuer_shown(find_issuer(house.ledger, reference))
    call.write(shown)


@command(app, """echo '{"paymentDays": 14}' | meterhouse issuer update liceo --file -""")
def update(call: Call, reference: Reference, *, file: PatchOption) -> None:
    """Change an issuer by a merge patch. What was issued stays as it is."""
    from meterhouse.app.billing.parties import issuer_shown, update_issuer
    from meterhouse.app.definitions import read_one

    patch = read_one(read_text(file), what=file_name(file))
    with call.opened() as house:
        issuer = update_issuer(house.ledger, reference, patch=patch)
    call.write(issuer_shown(issuer))


@command(app, "meterhouse issuer delete liceo")
def delete(call: Call, reference: Reference) -> None:
    """Delete an issuer that has no customers and no invoices."""
    from meterhouse.app.billing.parties import delete_issuer

    with call.opened() as house:
        delete_issuer(house.ledger, reference)
    call.tell({"id": reference}, f"deleted issuer {reference}")


def _to_json(issuer: Issuer) -> str:
    from meterhouse.app.billing.parties import issuer_shown

    return json_text(issuer_shown(issuer))


def _row(issuer: Issuer) -> list[Cell]:
    party = issuer.party
    return [issuer.id, party.name, party.address.country, issuer.number_format, party.tax_id]


LISTING = Listing("issuers", columns("Id", "Name", "Country", "Numbers", "?Tax id"), _row, _to_json)
