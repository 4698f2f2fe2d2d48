"""``meterhouse price-book``: what usage costs, by dated versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.arguments import file_name, read_text
from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import FAILED, WrongUsage
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns, note, write_json, write_text
from meterhouse.core.json_text import json_text
from meterhouse.core.quantity import ZERO, number_from_text

if TYPE_CHECKING:
    from meterhouse.app.billing.price_book_ports import BookVersion
    from meterhouse.app.billing.price_books import Checked, Document

app = new_group("Price books: what usage costs, by named prices. A version that was used stays.")

BookId = Annotated[str, typer.Argument(metavar="ID", help="The price book.")]
BookFile = Annotated[
    str,
    typer.Option("--file", metavar="F", help="YAML or JSON, one book or several; - is stdin."),
]
VersionOption = Annotated[
    str | None,
    typer.Option("--version", metavar="V", help="This version; the one that begins last if none."),
]
OnlyVersion = Annotated[
    str | None,
    typer.Option("--version", metavar="V", help="The version; not needed where there is one."),
]
BookOption = Annotated[
    str | None, typer.Option("--book", metavar="ID", help="Only versions of this book.")
]
CustomerOption = Annotated[
    str | None, typer.Option("--customer", metavar="C", help="Only those for this customer.")
]
UsageOption = Annotated[
    bool, typer.Option("--usage", help="Also tell which golden records of the ledger are unpriced.")
]
SourceOption = Annotated[
    bool, typer.Option("--source", help="The document as it was written, with its comments.")
]

PricesFile = Annotated[
    str, typer.Option("--file", metavar="F", help="The table of prices; - is standard input.")
]
FormatOption = Annotated[
    str, typer.Option("--format", metavar="F", help="litellm, litellm-history or genai-prices.")
]
IdOption = Annotated[str, typer.Option("--id", metavar="ID", help="The id of the price book.")]
CurrencyOption = Annotated[
    str, typer.Option("--currency", metavar="C", help="What the prices are in.")
]
ForOption = Annotated[
    str | None, typer.Option("--customer", metavar="C", help="Whom the book is for.")
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option("--models", metavar="M", help="Only these: a name or a pattern; repeat it."),
]
ProviderOption = Annotated[
    list[str] | None,
    typer.Option("--provider", metavar="P", help="Only of this provider; repeat it."),
]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="DAY", help="The prices of this day, one version.")
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="DAY", help="From when the one version is valid.")
]
MarkupOption = Annotated[
    str, typer.Option("--markup", metavar="X", help="Prices times this: 1.2 adds a fifth.")
]
PrintOption = Annotated[
    bool, typer.Option("--print", help="Write the documents instead of storing them.")
]


def _documents(file: str) -> list[Document]:
    from meterhouse.bootstrap import price_book_documents

    return price_book_documents(read_text(file), what=file_name(file))


@command(
    app,
    "meterhouse price-book create --file prices.yaml",
    "cat prices.json | meterhouse price-book create --file - --json",
)
def create(call: Call, *, file: BookFile) -> None:
    """Store the price books of a file: all of them, or none where one is wrong."""
    from meterhouse.app.billing.price_books import create_price_books

    documents = _documents(file)
    with call.opened() as house:
        made = create_price_books(house.ledger, documents, at=house.clock(), by=house.user())
    _tell_created(call, made)


def _tell_created(call: Call, made: Iterable[tuple[BookVersion, bool]]) -> None:
    for about, is_new in made:
        done = "created" if is_new else "as before:"
        prices = _count(about.prices, "price")
        text = f"{done} price book {about.id}, version {about.version}, {prices}"
        call.tell(about.to_api() | {"new": is_new}, text)


@command(app, "meterhouse price-book list --book liceo-es", lists=True)
def list_(call: Call, *, book: BookOption = None, customer: CustomerOption = None) -> None:
    """List versions of price books, in the order of their creation."""
    from functools import partial

    from meterhouse.app.listing import take

    with call.opened() as house:
        page = partial(house.ledger.price_books, id=book, customer=customer)
        call.show(take(page, limit=call.limit), VERSIONS)


@command(
    app,
    "meterhouse price-book show liceo-es",
    "meterhouse price-book show liceo-es --version 2026-10-01.1 --source",
)
def show(
    call: Call, book: BookId, *, version: VersionOption = None, source: SourceOption = False
) -> None:
    """Show a version of a price book with its document."""
    from meterhouse.app.billing.price_books import find_stored, shown_book

    with call.opened() as house:
        found = find_stored(house.ledger, book, version)
    if source:
        write_text(found.text.rstrip("\n"))
    else:
        call.write(shown_book(found))


@command(
    app,
    "meterhouse price-book check --file prices.yaml",
    "meterhouse price-book check --file prices.yaml --usage",
)
def check(call: Call, *, file: BookFile, usage: UsageOption = False) -> None:
    """Say what is wrong or strange in price books, without storing them.

    Exit code 1 where something is wrong; warnings are no error.
    """
    from meterhouse.app.billing.price_books import check_price_books, check_usage

    documents = _documents(file)
    with call.opened() as house:
        checked = check_price_books(house.ledger, documents)
        if usage:
            checked = check_usage(house.ledger, checked)
    for item in checked:
        if call.as_json:
            write_json(_checked(item))
        else:
            for line in _checked_lines(item):
                write_text(line)
    if any(item.is_wrong for item in checked):
        raise typer.Exit(FAILED)


def _checked(item: Checked) -> dict[str, Any]:
    return {
        "place": item.document.place,
        "id": None if item.book is None else item.book.id,
        "version": None if item.book is None else item.book.version,
        "hash": None if item.book is None else item.book.hash,
        "problems": [str(problem) for problem in item.lint.problems],
        "warnings": [str(warning) for warning in item.lint.warnings],
    }


def _checked_lines(item: Checked) -> Iterator[str]:
    book = item.book
    name = item.document.place or "the price book"
    name = name if book is None else f"{book.id}, version {book.version}"
    problems, warnings = len(item.lint.problems), len(item.lint.warnings)
    yield f"{name}: {_count(problems, 'problem')}, {_count(warnings, 'warning')}"
    yield from (f"  problem: {problem}" for problem in item.lint.problems)
    yield from (f"  warning: {warning}" for warning in item.lint.warnings)


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


@command(app, "meterhouse price-book delete liceo-es --version 2026-10-01.1")
def delete(call: Call, book: BookId, *, version: OnlyVersion = None) -> None:
    """Delete a version that nothing was rated with."""
    from meterhouse.app.billing.price_books import delete_version

    with call.opened() as house:
        gone = delete_version(house.ledger, book, version)
    body = {"id": gone.id, "version": gone.version}
    call.tell(body, f"deleted version {gone.version} of price book {gone.id}")


@command(
    app,
    "meterhouse price-book import-llm-prices --file prices.json --format litellm --id llm "
    "--from 2026-01-01 --models 'gpt-4o*' --markup 1.2",
    "meterhouse price-book import-llm-prices --file data.json --format genai-prices --id llm "
    "--provider anthropic --models claude-sonnet-4-5-20250929 --from 2026-01-01 --print",
)
def import_llm_prices(
    call: Call,
    *,
    file: PricesFile,
    format_: FormatOption,
    id: IdOption,
    currency: CurrencyOption = "USD",
    customer: ForOption = None,
    models: ModelsOption = None,
    provider: ProviderOption = None,
    at: AtOption = None,
    from_: FromOption = None,
    markup: MarkupOption = "1",
    print_: PrintOption = False,
) -> None:
    """Make price books of published prices of language models, by model and type of token.

    A dated file becomes a version for each day on which a price changed; with --at or --from it
    becomes one. What a price by model and type cannot say is told on standard error.
    """
    from meterhouse.app.billing.price_books import create_price_books
    from meterhouse.app.billing.price_import import FORMATS, PriceImport
    from meterhouse.bootstrap import imported_llm_prices

    if format_ not in FORMATS:
        raise WrongUsage(f"--format: {format_!r} is none of {', '.join(FORMATS)}")
    wanted = PriceImport(
        *(format_, id, customer, currency, tuple(models or ()), tuple(provider or ())),
        at=_day(at, "--at"),
        begin=_day(from_, "--from"),
        markup=_markup(markup),
    )
    made = imported_llm_prices(read_text(file), wanted, what=file_name(file))
    for notice in made.notices:
        note(notice)
    if print_:
        for document in made.documents:
            call.write(document)
        return
    with call.opened() as house:
        documents = made.to_store()
        stored = create_price_books(house.ledger, documents, at=house.clock(), by=house.user())
    _tell_created(call, stored)


def _day(text: str | None, option: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise WrongUsage(f"{option}: {text!r} is not a day, such as 2026-01-01") from None


def _markup(text: str) -> Decimal:
    number = number_from_text(text)
    if number is None or number <= ZERO:
        raise WrongUsage(f"--markup: {text!r} is not a factor, such as 1.2 for a fifth more")
    return number


def _row(about: BookVersion) -> list[Cell]:
    to = None if about.valid_to is None else about.valid_to.isoformat()
    used = "yes" if about.used_at is not None else None
    row: list[Cell] = [about.id, about.version, about.customer, about.currency]
    return [*row, about.valid_from.isoformat(), to, about.prices, used, about.hash[:12]]


VERSIONS = Listing(
    "price books",
    columns(
        *("Id", "Version", "?Customer", "Currency", "From", "?To", "#Prices", "?Used", "?Hash")
    ),
    _row,
    lambda about: json_text(about.to_api()),
)
