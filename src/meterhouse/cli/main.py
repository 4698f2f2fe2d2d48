"""The entry point: the nouns, the options before them, and what becomes of errors.

Modules of this room import what they need to declare their commands and nothing else; everything
that takes time is imported by the command that needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from meterhouse.cli.exits import FAILED, exit_code, exit_code_of_parser
from meterhouse.cli.failures import tell, tell_parser_error
from meterhouse.cli.options import DataOption, examples
from meterhouse.config import keep_freed_memory
from meterhouse.core.problem import MeterhouseError

#: noun -> (its module, what it is about). Only the module of the noun that is used is imported.
NOUNS = {
    "meter-type": ("meter_type", "What is measured, how it is counted, when it resets."),
    "meter": ("meter", "One user's bucket of one meter type."),
    "stream": ("stream", "Where usage comes from and how it is metered; run and preview."),
    "node-type": ("node_type", "The types of nodes and their parameters."),
    "schedule": ("schedule", "When streams and groups run by themselves."),
    "group": ("group", "Streams that run one after another."),
    "notification": ("notification", "Who is told when streams fail, end, or find no file."),
    "table": ("table", "Look-up tables, which streams enrich records from."),
    "price-book": ("price_book", "What usage costs: named prices, dated versions."),
    "run": ("run", "What runs did, node by node."),
    "record": ("record", "The golden, threshold and adjustment records."),
    "usage": ("usage", "Single records of meters by event time: void, amend, total."),
    "correction": ("correction", "Suspended records: why, and what to do about them."),
    "delivery": ("delivery", "Outputs that wait for delivery, and giving one up."),
    "dead-letter": ("dead_letter", "Records that a receiver refused, and sending them again."),
    "inspect": ("inspection", "The meters of one meter key as they stand."),
    "issuer": ("issuer", "Who issues invoices, and how they are numbered."),
    "customer": ("customer", "Who pays for usage, by which price book."),
    "credit": ("credit", "Prepaid credit of customers."),
    "invoice": ("invoice", "Invoices: drafted, issued, corrected, explained."),
    "dataset": ("dataset", "Schemas of datasets, and the files of the catalogue."),
    "aura": ("aura", "Logs of Aura's components, uploaded and imported as datasets."),
    "secret": ("secret", "Credentials that nodes of streams use, sealed."),
    "access": ("access", "Applications: programs that may use the API, and their scopes."),
    "kernel-client": (
        "kernel_client",
        "Clients of Kernel: who may read and add files of datasets.",
    ),
    "activity": ("activity", "What people and programs did here."),
    "serve": ("serving", "The HTTP API, until a signal comes."),
    "doctor": ("doctor", "What is well here and what is not, with remedies."),
}


class Nouns(TyperGroup):
    """The nouns as a group whose members are imported when they are used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the nouns in the order of first use."""
        return list(NOUNS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the commands of a noun."""
        if cmd_name not in NOUNS:
            return None
        command = typer.main.get_command(import_module(f"meterhouse.cli.{NOUNS[cmd_name][0]}").app)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the noun; answer one that is misspelt with what it may have meant."""
        near = get_close_matches(args[0], NOUNS, n=1)
        if args[0] not in NOUNS and near:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of nouns for ``--help``, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(noun, about) for noun, (_, about) in NOUNS.items()])


app = typer.Typer(
    name="meterhouse",
    cls=Nouns,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=examples(
        "meterhouse meter-type create --file meter-types.json",
        "meterhouse stream import stream.json",
        "meterhouse meter create --file meters.ndjson",
        'meterhouse stream run "Botbot AI assist"',
        "meterhouse record list --json",
    )
    + "\n\nExit codes: 0 done, 1 failed, 2 wrong usage.",
)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        text = version("meterhouse")
    except PackageNotFoundError:
        text = "(not installed)"
    typer.echo(f"meterhouse {text}")
    raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
]


@app.callback()
def root(
    context: typer.Context, *, data: DataOption = None, version: VersionOption = False
) -> None:
    """Usage metering, exact and explainable: usage records in, golden records out."""
    context.obj = data


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    keep_freed_memory()
    try:
        words = None if arguments is None else list(arguments)
        return exit_code_of_parser(app(args=words, prog_name="meterhouse", standalone_mode=False))
    except TyperException as error:
        return tell_parser_error(error)
    except SystemExit as end:
        return exit_code_of_parser(end.code)
    except BrokenPipeError:
        _silence_standard_output()
        return FAILED
    except (MeterhouseError, OSError) as error:
        tell(error)
        return exit_code(error)


def program() -> NoReturn:
    """Be the program: run the command line of this process and end it with the exit code."""
    codes: list[int] = []
    # What is registered first is done last: all else that is to be done at the end has been done.
    atexit.register(_leave, codes)
    codes.append(main())
    sys.exit(codes[0])


def _leave(codes: Sequence[int]) -> None:
    """Leave memory to the system: taking gigabytes apart first costs a tenth of a second."""
    if not codes:
        return  # The interpreter ends what an error has ended that nobody caught.
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (AttributeError, OSError, ValueError):
        return  # It says itself what is wrong with a stream.
    os._exit(codes[0])


def _silence_standard_output() -> None:
    """Keep Python from writing to a reader that has gone, at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
