"""``meterhouse invoice``: drafting, issuing, correcting and explaining invoices."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli import invoice_archive, invoice_rows, invoice_what_if
from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.invoice_period import CustomersOption, MonthOption, PeriodOptions
from meterhouse.cli.nothing_to_bill import tell_nothing_to_bill, tell_nothing_to_issue
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns, note, write_text
from meterhouse.core.counted import counted
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from datetime import date

    from meterhouse.app.billing.drafts import Drafted
    from meterhouse.app.billing.periods import Days
    from meterhouse.app.billing.ports import InvoiceHead
    from meterhouse.bootstrap import Installation

app = new_group("Invoices: from golden records to issued invoices, and every cent explained.")
invoice_archive.register(app)
invoice_what_if.register(app)
invoice_rows.register(app)

Reference = Annotated[
    str, typer.Argument(metavar="ID", help="The invoice: its number, or its whole id.")
]
ShownReference = Annotated[
    str,
    typer.Argument(metavar="ID", help="The invoice: its number, its id, or the beginning of that."),
]
References = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID...]", help="Drafts: their whole ids."),
]
CustomerOption = Annotated[
    str | None, typer.Option("--customer", metavar="C", help="Only of this customer.")
]
EveryOption = Annotated[bool, typer.Option("--all", help="All customers.")]
DateOption = Annotated[
    str | None,
    typer.Option("--issue-date", metavar="D", help="Default: today in the period's time zone."),
]
StatusOption = Annotated[
    str | None,
    typer.Option("--status", metavar="S", help="One of draft, issued, corrected, void."),
]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="R", help="Why.")]
OverrideOption = Annotated[
    list[str] | None,
    typer.Option(
        "--override",
        metavar="CODE",
        help="A check that blocks drafts, and is answered for on those that have it; several times "
        "for several.",
    ),
]
OverrideReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="R", help="Why checks are overridden.")
]
FormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="F",
        help="Files to make; may be given several times. Default: all usual.",
    ),
]


@command(
    app,
    "meterhouse invoice preview --customer es --period 2026-10",
    "meterhouse invoice preview --customer es --from 2026-10-01 --to 2026-10-16",
)
def preview(
    call: Call,
    *,
    customer: CustomersOption = None,
    every: EveryOption = False,
    period: PeriodOptions,
) -> None:
    """Show what invoices would say. Nothing is stored."""
    _draft(call, customer, every, period, stored=False)


@command(
    app,
    "meterhouse invoice draft --customer es --period 2026-10",
    "meterhouse invoice draft --all --period 2026-10",
)
def draft(
    call: Call,
    *,
    customer: CustomersOption = None,
    every: EveryOption = False,
    period: PeriodOptions,
) -> None:
    """Draft invoices of a period, in place of the drafts there were; as often as wanted."""
    _draft(call, customer, every, period, stored=True)


def _draft(
    call: Call, customer: list[str] | None, every: bool, period: PeriodOptions, *, stored: bool
) -> None:
    from meterhouse.app.billing.drafts import draft_all
    from meterhouse.app.billing.usage import not_billed

    if bool(customer) == every:
        hint = "such as --customer es, or --all for every customer"
        raise WrongUsage("Say whose invoices, and once", hint=hint)
    days = period.days()
    with call.opened() as house:
        drafted = draft_all(
            house.ledger,
            None if every else customer,
            days=days,
            at=house.clock(),
            metadata=house.software(),
            stored=stored,
        )
        nobody = not_billed(house.ledger, period=_known_period(drafted, days))
        if not drafted:
            tell_nothing_to_bill(house, days)
    _write_drafted(call, drafted)
    from meterhouse.cli.invoice_view import tell_not_billed

    tell_not_billed(nobody.records, len(nobody.users))
    _raise_first([one.error for one in drafted])


def _known_period(drafted: list[Drafted], days: Days) -> Any:
    """Return the period in the zone of the first draft; in UTC where there is none."""
    made = [one.invoice.period for one in drafted if one.invoice is not None]
    return made[0] if made else days.in_zone("Etc/UTC")


def _write_drafted(call: Call, drafted: list[Drafted]) -> None:
    from meterhouse.cli.invoice_view import write_invoice
    from meterhouse.core.invoice_text import invoice_text

    for place, one in enumerate(drafted):
        if one.invoice is None:
            note(f"no draft for customer {one.customer}: {one.error}")
            _tell_trace(one.error)
        elif call.as_json:
            write_text(invoice_text(one.invoice))
        else:
            if place:
                write_text()
            write_invoice(one.invoice)


def _tell_trace(error: BaseException | None) -> None:
    """Write where a fault of our own came from, for whoever mends it."""
    from traceback import format_exception

    from meterhouse.app.billing.drafts import DraftFault

    if isinstance(error, DraftFault) and error.__cause__ is not None:
        note("".join(format_exception(error.__cause__)).rstrip())


def _raise_first(errors: list[Any]) -> None:
    failed = [error for error in errors if error is not None]
    if failed:
        if len(failed) > 1:
            note(f"{len(failed)} failed; the first of them:")
        raise failed[0]


@command(app, "meterhouse invoice list --status draft", lists=True)
def list_(
    call: Call,
    *,
    customer: CustomerOption = None,
    status: StatusOption = None,
    period: MonthOption = None,
) -> None:
    """List drafts, invoices and credit notes, in the order in which they were made."""
    from meterhouse.app.billing.periods import read_days
    from meterhouse.app.listing import take

    wanted = _status(status)
    days = None if period is None else read_days(period).around()
    since, until = days or (None, None)
    with call.opened() as house:
        list_of = partial(
            house.ledger.invoices, customer=customer, status=wanted, since=since, until=until
        )
        call.show(take(list_of, limit=call.limit), LISTING)


@command(app, "meterhouse invoice show LICEO-2026-000001")
def show(call: Call, reference: ShownReference) -> None:
    """Show an invoice: its lines, taxes and totals, and what a reviewer should know."""
    from meterhouse.app.billing.issuing import find_invoice, stored_invoice
    from meterhouse.cli.invoice_view import write_invoice

    with call.opened() as house:
        head = find_invoice(house.ledger, reference, begins=True)
        manual = house.ledger.manual_lines(head.id)
        files = house.ledger.files_of(head.id)
    if call.as_json:
        write_text(head.text)
    else:
        write_invoice(stored_invoice(head), manual=manual, files=files)


@command(
    app,
    "meterhouse invoice issue 3f0f2c52-6a0e-5c0e-9d0b-8f6f0c2a7d14",
    "meterhouse invoice issue --all --period 2026-10 --issue-date 2026-11-03",
    "meterhouse invoice issue 3f0f2c52-6a0e-5c0e-9d0b-8f6f0c2a7d14 --override unattributed "
    "--reason 'Known fault of the app, agreed with the OB'",
)
def issue(
    call: Call,
    references: References = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All drafts of the period.")] = False,
    period: MonthOption = None,
    issue_date: DateOption = None,
    before_end: Annotated[
        bool, typer.Option("--before-end", help="Also of periods that have not ended yet.")
    ] = False,
    empty: Annotated[bool, typer.Option("--empty", help="Also drafts without any line.")] = False,
    override: OverrideOption = None,
    reason: OverrideReasonOption = None,
    format_: FormatOption = None,
) -> None:
    """Issue drafts: each gets its number, and its files are made and archived."""
    from meterhouse.app.billing.issuing import issue_invoice, still_open
    from meterhouse.app.billing.overriding import read_overrides, refuse_needless

    if bool(references) == every or every != (period is not None):
        hint = "give ids of drafts, or --all with --period 2026-10"
        raise WrongUsage("Say which drafts are to be issued", hint=hint)
    day = _day(issue_date)
    with call.opened() as house:
        formats = house.invoice_formats(format_)
        given = {"overrides": list(override or ()), "reason": reason}
        overrides = read_overrides(given, author=house.user())
        chosen = references or _drafts(house, period)
        if not chosen and period is not None:
            tell_nothing_to_issue(house, period)
        if len(chosen) > 1:
            refuse_needless(house.ledger, chosen, overrides)
        errors = []
        for reference in chosen:
            issued, error = _attempt(
                partial(
                    issue_invoice,
                    house.ledger,
                    reference,
                    formats=formats,
                    at=house.clock(),
                    issue_date=day,
                    before_end=before_end,
                    empty=empty,
                    overrides=overrides,
                    one_of_many=len(chosen) > 1,
                )
            )
            errors.append(error)
            if issued is not None:
                _tell_issued(call, issued)
                for _, text in still_open(house.ledger, issued.id):
                    note(f"warning: {text}")
            else:
                note(f"not issued: {reference}")
        errors += _finish_files(house)
    _raise_first(errors)


def _attempt(act: Any) -> tuple[Any, Any]:
    """Do something for one of many; what refuses it is for the end."""
    from meterhouse.core.problem import MeterhouseError

    try:
        return act(), None
    except MeterhouseError as error:
        return None, error


def _drafts(house: Installation, period: str | None) -> list[str]:
    from meterhouse.app.billing.periods import read_days
    from meterhouse.app.listing import take
    from meterhouse.core.invoice import InvoiceStatus

    since, until = read_days(period).around()
    list_of = partial(house.ledger.invoices, status=InvoiceStatus.DRAFT, since=since, until=until)
    return [head.id for head in take(list_of, limit=None)]


def _tell_issued(call: Call, invoice: Any) -> None:
    from meterhouse.core.invoice_text import invoice_text
    from meterhouse.core.money import amount_text

    if call.as_json:
        write_text(invoice_text(invoice))
        return
    total = amount_text(invoice.totals.total, invoice.currency_digits)
    what = "issued" if invoice.corrects is None else f"credited {invoice.corrects[0]} by"
    write_text(f"{what} {invoice.number} to {invoice.customer}: {total} {invoice.currency}")


def _finish_files(house: Installation) -> list[Any]:
    """Make files that were asked for, of whatever process, and say where they are.

    Returns what went wrong: the invoices are issued all the same.
    """
    from meterhouse.app.billing.files import finish_files

    finished = finish_files(house.ledger, house.file_means())
    for one in finished:
        if one.files:
            folder, _, _ = one.files[0].name.rpartition("/")
            note(f"archived {counted(len(one.files), 'file')} of {one.invoice.number} in {folder}")
        if one.error is not None:
            what = "were given up" if one.given_up else "are not made yet"
            note(f"files of {one.invoice.number} {what}: {one.error}")
    return [one.error for one in finished]


@command(
    app,
    "meterhouse invoice render LICEO-2026-000001",
    "meterhouse invoice render LICEO-2026-000001 --format pdf --format ubl",
)
def render(call: Call, reference: Reference, *, format_: FormatOption = None) -> None:
    """Make the files of an issued invoice, also in more formats than it has.

    A file that is gone from the archive is put back, the same to the byte.
    """
    from meterhouse.app.billing.files import render_invoice

    with call.opened() as house:
        formats = house.invoice_formats(format_)
        rendered = render_invoice(house.ledger, reference, house.file_means(), formats=formats)
    for name in rendered.back:
        note(f"put back: {name}")
    call.show(rendered.files, FILES)


@command(app, "meterhouse invoice void 3f0f2c52-6a0e-5c0e-9d0b-8f6f0c2a7d14")
def void(call: Call, reference: Reference) -> None:
    """Drop a draft. Its records can be drafted again."""
    from meterhouse.app.billing.issuing import find_invoice

    with call.opened() as house:
        head = find_invoice(house.ledger, reference)
        house.ledger.void_draft(head.id)
    call.tell({"id": head.id, "status": "void"}, f"void: the draft {head.id} of {head.customer}")


@command(app, "meterhouse invoice credit LICEO-2026-000001 --reason 'Wrong customer'")
def credit(
    call: Call, reference: Reference, *, reason: ReasonOption, issue_date: DateOption = None
) -> None:
    """Take an issued invoice back by a credit note over all of it."""
    from meterhouse.app.billing.issuing import credit_invoice

    day = _day(issue_date)
    with call.opened() as house:
        credit_note = credit_invoice(
            house.ledger,
            reference,
            reason=reason,
            formats=house.invoice_formats(None),
            at=house.clock(),
            issue_date=day,
        )
        _tell_issued(call, credit_note)
        errors = _finish_files(house)
    _raise_first(errors)


@command(app, "meterhouse invoice correct LICEO-2026-000001 --reason 'Price of October'")
def correct(
    call: Call, reference: Reference, *, reason: ReasonOption, issue_date: DateOption = None
) -> None:
    """Take an issued invoice back and draft its period anew, by the books as they are now.

    The issue date is that of the credit note.
    """
    from meterhouse.app.billing.issuing import correct_invoice
    from meterhouse.cli.invoice_view import write_invoice
    from meterhouse.core.invoice_text import invoice_text

    day = _day(issue_date)
    with call.opened() as house:
        credit_note, draft = correct_invoice(
            house.ledger,
            reference,
            reason=reason,
            formats=house.invoice_formats(None),
            at=house.clock(),
            metadata=house.software(),
            issue_date=day,
        )
        _tell_issued(call, credit_note)
        if call.as_json:
            write_text(invoice_text(draft))
        else:
            write_text()
            write_invoice(draft)
        errors = _finish_files(house)
    _raise_first(errors)


@command(
    app,
    "meterhouse invoice add-line 3f0f2c52-6a0e-5c0e-9d0b-8f6f0c2a7d14 --amount -25 "
    "--reason 'Goodwill' --name Discount",
)
def add_line(
    call: Call,
    reference: Reference,
    *,
    amount: Annotated[str, typer.Option("--amount", metavar="A", help="May be below 0.")],
    reason: ReasonOption,
    name: Annotated[str, typer.Option("--name", metavar="N", help="What the line says.")] = "",
    tax: Annotated[
        str | None,
        typer.Option("--tax", metavar="T", help="A tax of the book. Default: its first."),
    ] = None,
) -> None:
    """Add a line to a draft by hand. It stays when the draft is made anew."""
    from meterhouse.app.billing.issuing import add_line as add
    from meterhouse.app.billing.issuing import read_line

    with call.opened() as house:
        line = read_line(
            {"amount": amount, "reason": reason, "name": name, "tax": tax},
            id=house.new_id(),
            author=house.user(),
            at=house.clock(),
        )
        draft = add(house.ledger, reference, line, at=house.clock())
        manual = house.ledger.manual_lines(draft.id)
    _write_draft(call, draft, manual)


@command(
    app,
    "meterhouse invoice remove-line 3f0f2c52-6a0e-5c0e-9d0b-8f6f0c2a7d14 "
    "0192f0c1-7e1c-7000-8000-1f2e3d4c5b6a",
)
def remove_line(
    call: Call,
    reference: Reference,
    line: Annotated[str, typer.Argument(metavar="LINE", help="The id of the line by hand.")],
) -> None:
    """Take a line by hand off a draft."""
    from meterhouse.app.billing.issuing import remove_line as remove

    with call.opened() as house:
        draft = remove(house.ledger, reference, line, at=house.clock())
        manual = house.ledger.manual_lines(draft.id)
    _write_draft(call, draft, manual)


def _write_draft(call: Call, draft: Any, manual: Any) -> None:
    from meterhouse.cli.invoice_view import write_invoice
    from meterhouse.core.invoice_text import invoice_text

    if call.as_json:
        write_text(invoice_text(draft))
    else:
        write_invoice(draft, manual=manual)


@command(
    app,
    "meterhouse invoice explain LICEO-2026-000001 --line 1",
    "meterhouse invoice explain LICEO-2026-000001 --line 1 --records all",
)
def explain(
    call: Call,
    reference: ShownReference,
    *,
    line: Annotated[str, typer.Option("--line", metavar="N", help="The number of the line.")],
    records: Annotated[
        str,
        typer.Option(
            "--records", metavar="N|all", help="How many input records of each metered one."
        ),
    ] = "20",
) -> None:
    """Show how a line came about: its price, its calculation, its records and their input."""
    from meterhouse.app.billing.explaining import explain_line
    from meterhouse.app.billing.issuing import find_invoice
    from meterhouse.cli.explanation_view import write_explanation

    most = _how_many(records)
    with call.opened() as house:
        head = find_invoice(house.ledger, reference, begins=True)
        explained = explain_line(house.ledger, head.id, line, records=most)
    if call.as_json:
        call.write(explained)
    else:
        write_explanation(explained)


def _how_many(text: str) -> int | None:
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise WrongUsage(f"--records: {text!r} is no number", hint="such as 20, or all")
    return int(text)


@command(app, "meterhouse invoice unbilled --period 2026-10")
def unbilled(call: Call, *, period: PeriodOptions) -> None:
    """List users whose golden records of a period no customer pays for."""
    from meterhouse.app.billing.usage import not_billed

    with call.opened() as house:
        found = not_billed(house.ledger, period=period.days().in_zone("Etc/UTC"))
    call.show(found.users, UNBILLED)


def _status(text: str | None) -> Any:
    from meterhouse.core.invoice import InvoiceStatus

    if text is None:
        return None
    known = {status.value: status for status in InvoiceStatus}
    if text not in known:
        hint = f"one of {', '.join(known)}"
        raise WrongUsage(f"--status: there is no status {text!r}", hint=hint)
    return known[text]


def _day(text: str | None) -> date | None:
    from datetime import date

    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongUsage(f"--issue-date: {text!r} is no day", hint="such as 2026-11-03") from None


def _row(head: InvoiceHead) -> list[Cell]:
    from meterhouse.cli.invoice_view import period_text
    from meterhouse.core.invoice_text import read_invoice
    from meterhouse.core.money import amount_text

    invoice = read_invoice(head.text)
    digits, totals = invoice.currency_digits, invoice.totals
    amounts = [amount_text(amount, digits) for amount in (totals.total, totals.payable)]
    to_pay = amounts[1] if totals.prepaid else None
    kind = "credit note" if head.kind.value == "credit_note" else "invoice"
    row: list[Cell] = [head.number, kind, head.status.value, head.customer]
    return [*row, period_text(invoice.period), amounts[0], to_pay, invoice.currency, head.id]


def _to_json(head: InvoiceHead) -> str:
    from meterhouse.app.billing.issuing import head_shown

    return json_text(head_shown(head))


LISTING = Listing(
    "invoices",
    columns(
        *("?Number", "Kind", "Status", "Customer", "?Period", "#Total", "?#To pay"),
        *("Currency", "@Id"),
    ),
    _row,
    _to_json,
)
FILES = Listing(
    "files",
    columns("Format", "Name", "#Bytes", "SHA-256"),
    lambda file: [file.format, file.name, file.size, file.sha256],
    lambda file: json_text(
        {"format": file.format, "name": file.name, "size": file.size, "sha256": file.sha256}
    ),
)
UNBILLED = Listing(
    "users with unbilled records",
    columns("User", "#Records"),
    lambda item: [item[0], item[1]],
    lambda item: json_text({"user": item[0], "records": item[1]}),
)
