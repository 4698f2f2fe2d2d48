"""``meterhouse credit``: prepaid credit of customers, which invoices draw from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.arguments import read_instant
from meterhouse.cli.command import Call, command
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns, write_table, write_text
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import JsonValue, json_text

if TYPE_CHECKING:
    from meterhouse.core.credit import Grant

app = new_group("Credits: prepaid credit of customers, which invoices draw from.")

Reference = Annotated[
    str, typer.Argument(metavar="ID", help="The grant: its id, or the beginning of it.")
]
CustomerOption = Annotated[str, typer.Option("--customer", metavar="C", help="Whose credit it is.")]
OfCustomerOption = Annotated[
    str | None, typer.Option("--customer", metavar="C", help="Only of this customer.")
]
AmountOption = Annotated[str, typer.Option("--amount", metavar="A", help="How much, such as 200.")]
CurrencyOption = Annotated[
    str, typer.Option("--currency", metavar="C", help="Its currency, such as EUR.")
]
NameOption = Annotated[str, typer.Option("--name", metavar="N", help="What invoices call it.")]
PriorityOption = Annotated[
    int, typer.Option("--priority", metavar="N", help="A lower number is drawn first.")
]
EffectiveOption = Annotated[
    str | None,
    typer.Option(
        "--effective",
        metavar="T",
        help="From when on it can be drawn: a day, in the price book's zone, or an instant. "
        "Default: now.",
    ),
]
ExpiresOption = Annotated[
    str | None,
    typer.Option(
        "--expires",
        metavar="T",
        help="When it ends: before a day, in the price book's zone, or an instant. Default: never.",
    ),
]
PromotionalOption = Annotated[
    bool,
    typer.Option("--promotional", help="A gift: taken off before tax. Otherwise it pays after it."),
]


@command(
    app,
    "meterhouse credit grant --customer es --amount 200 --currency EUR",
    "meterhouse credit grant --customer es --amount 25 --currency EUR --promotional"
    " --expires 2026-12-01 --priority 1",
)
def grant(
    call: Call,
    *,
    customer: CustomerOption,
    amount: AmountOption,
    currency: CurrencyOption,
    name: NameOption = "",
    priority: PriorityOption = 0,
    effective: EffectiveOption = None,
    expires: ExpiresOption = None,
    promotional: PromotionalOption = False,
) -> None:
    """Give a customer credit. Invoices draw from it until nothing is left."""
    from meterhouse.app.billing.credits import grant_credit, grant_shown

    body: dict[str, JsonValue] = {
        "customer": customer,
        "amount": amount,
        "currency": currency,
        "name": name,
        "priority": priority,
        "promotional": promotional,
    }
    times = {"effective": (effective, "--effective"), "expires": (expires, "--expires")}
    for field, (text, option) in times.items():
        if read_instant(text, option=option) is not None:
            body[field] = text
    with call.opened() as house:
        made = grant_credit(house.ledger, body, new_id=house.new_id, at=house.clock())
    call.write(grant_shown(made))


@command(app, "meterhouse credit list --customer es", lists=True)
def list_(call: Call, *, customer: OfCustomerOption = None) -> None:
    """List grants with what is left of them."""
    from meterhouse.app.listing import take

    with call.opened() as house:
        found = take(partial(house.ledger.grants, customer=customer), limit=call.limit)
        call.show(found, LISTING)


@command(app, "meterhouse credit show 3f2a")
def show(call: Call, reference: Reference) -> None:
    """Show a grant and every entry that drew from it or gave back."""
    from meterhouse.app.billing.credits import find_grant, grant_shown

    with call.opened() as house:
        found = find_grant(house.ledger, reference)
        entries = house.ledger.entries_of_grant(found.id)
    if call.as_json:
        call.write(grant_shown(found, entries))
        return
    call.write(grant_shown(found))
    if entries:
        write_text()
        rows = [[instant_text(at), invoice, amount] for at, invoice, amount in entries]
        write_table(columns("At", "@Invoice", "#Amount"), rows)


def _to_json(item: Grant) -> str:
    from meterhouse.app.billing.credits import grant_shown

    return json_text(grant_shown(item))


def _row(item: Grant) -> list[Cell]:
    kind = "paid" if item.paid else "promotional"
    expires = None if item.expires is None else instant_text(item.expires)
    head: list[Cell] = [item.customer, item.name, item.amount, item.remaining, item.currency, kind]
    return [*head, item.priority, expires, item.id]


LISTING = Listing(
    "credits",
    columns(
        *("Customer", "?Name", "#Amount", "#Left", "Currency", "Kind", "#Priority"),
        *("?Expires", "@Id"),
    ),
    _row,
    _to_json,
)
