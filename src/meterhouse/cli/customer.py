"""``meterhouse customer``: who pays for usage, by which price book."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.arguments import file_name, read_text
from meterhouse.cli.command import Call, command
from meterhouse.cli.options import PatchOption, new_group
from meterhouse.cli.output import Cell, Listing, columns
from meterhouse.cli.party_file import PartyFileOption, read_bodies
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.core.party import Customer

app = new_group("Customers: who pays for usage, by which price book.")

Reference = Annotated[str, typer.Argument(metavar="ID", help="The customer: its id.")]
IssuerOption = Annotated[
    str | None, typer.Option("--issuer", metavar="I", help="Only those of this issuer.")
]


@command(app, "meterhouse customer create --file customers.yaml")
def create(call: Call, *, file: PartyFileOption) -> None:
    """Create customers from definitions. A user id may be of one customer only."""
    from meterhouse.app.billing.parties import check_references, read_all
    from meterhouse.core.party_reading import read_customer

    customers = read_all(read_bodies(file), read_customer, what=file_name(file))
    with call.opened() as house:
        for customer in customers:
            check_references(house.ledger, customer)
        for customer in customers:
            house.ledger.add_customer(customer)
    call.show(customers, LISTING)


@command(app, "meterhouse customer list --issuer liceo", lists=True)
def list_(call: Call, *, issuer: IssuerOption = None) -> None:
    """List customers."""
    from meterhouse.app.listing import take

    with call.opened() as house:
        found = take(partial(house.ledger.customers, issuer=issuer), limit=call.limit)
        call.show(found, LISTING)


@command(app, "meterhouse customer show es")
def show(call: Call, reference: Reference) -> None:
    """Show a customer."""
    from meterhouse.app.billing.parties import customer_shown, find_customer

    with call.opened() as house:
        shown = customer_shown(find_customer(house.ledger, reference))
    call.write(shown)


@command(app, """echo '{"priceBook": "liceo-2027"}' | meterhouse customer update es --file -""")
def update(call: Call, reference: Reference, *, file: PatchOption) -> None:
    """Change a customer by a merge patch. What was issued stays as it is."""
    from meterhouse.app.billing.parties import customer_shown, update_customer
    from meterhouse.app.definitions import read_one

    patch = read_one(read_text(file), what=file_name(file))
    with call.opened() as house:
        customer = update_customer(house.ledger, reference, patch=patch)
    call.write(customer_shown(customer))


@command(app, "meterhouse customer delete es")
def delete(call: Call, reference: Reference) -> None:
    """Delete a customer that was never billed."""
    from meterhouse.app.billing.parties import delete_customer

    with call.opened() as house:
        delete_customer(house.ledger, reference)
    call.tell({"id": reference}, f"deleted customer {reference}")


def _to_json(customer: Customer) -> str:
    from meterhouse.app.billing.parties import customer_shown

    return json_text(customer_shown(customer))


def _row(customer: Customer) -> list[Cell]:
    users = customer.users or (customer.id,)
    shown = ", ".join(users[:3]) + (f" and {len(users) - 3} more" if len(users) > 3 else "")
    party = customer.party
    head: list[Cell] = [customer.id, party.name, party.address.country]
    return [*head, customer.price_book, customer.issuer, shown]


LISTING = Listing(
    "customers",
    columns("Id", "Name", "Country", "Price book", "Issuer", "?Users"),
    _row,
    _to_json,
)
