"""The Aura demo: component logs become datasets, and datasets become Liceo invoices.

`make demo-aura` runs it. Everything is kept in ./demo-aura-data, which a second one makes anew.
"""

import os
import sys
from pathlib import Path

from narrator import answer, begin_in, heading, run, say

EXAMPLE = Path("examples/aura")
DATA = Path("demo-aura-data")
LOGS = DATA / "logs"
OPERATION = str(EXAMPLE / "aura.yaml")
BUSINESSES = ("ES", "BR", "DE")
END = "2026-10-31T23:30:00Z"
DRAFTS, INVOICES = "2026-11-03T03:00:00Z", "2026-11-06T03:00:00Z"


def tell() -> None:
    """Tell the story."""
    begin()
    generate()
    publish()
    operate()
    consume()
    end()


def begin() -> None:
    """Make an empty data directory with an operation in it."""
    say(
        "Three operating businesses (OBs) run assistants. Their components write logs; the Global "
        "Team sends each of them an invoice for October, by the prices that it has chosen."
    )
    begin_in(DATA)
    heading("1. Who bills whom, and for how much")
    run("issuer", "create", "--file", str(EXAMPLE / "issuer.yaml"), quiet=True)
    for code in ("es", "br", "de"):
        book = str(EXAMPLE / f"price-book-{code}.yaml")
        run("price-book", "create", "--file", book)
    run("customer", "create", "--file", str(EXAMPLE / "customers.yaml"))
    say(
        "What an operation needs is made by one command: datasets, types of meters, streams, and "
        "the meters of each OB."
    )
    run("aura", "init", OPERATION)


def generate() -> None:
    """Make up logs, and turn them into datasets."""
    heading("2. Data generation: logs become datasets")
    say(
        "A made-up October, with the flaws that real logs have: lines that come twice or cannot be "
        "read, channels that nobody knows, and rows of other countries."
    )
    obs = [word for code in BUSINESSES for word in ("--ob", code)]
    run(*("aura", "generate", str(LOGS), *obs, "--month", "2026-10", "--requests", "3000"))
    say(
        "The uploader cleans new logs, derives Aura_Audit, and puts files of datasets into common "
        "storage. Rows that are not written have a reason."
    )
    run("aura", "upload", "--logs", str(LOGS), "--at", END)


def publish() -> None:
    """Import into the catalogue, and show who may read it."""
    heading("3. Publication: the catalogue, and its clients")
    for path in sorted((LOGS / "shared").glob("*.avro")):
        run("dataset", "add", str(path), quiet=True)
    say("The daily import brings files to the catalogue, day by day, and leaves a report.")
    run("aura", "import", "--at", "2026-11-01T02:00:00Z")
    run("dataset", "check", "Aura_Audit")
    say("Two clients of Kernel: one writes datasets, the other reads them to bill.")
    run("kernel-client", "create-defaults", "demo", quiet=True)
    run("kernel-client", "list")


def operate() -> None:
    """Draft and issue."""
    heading("4. The operation: two days after the month, drafts")
    run("aura", "run", OPERATION, "--at", DRAFTS)
    heading("5. Three days later, invoices")
    run("aura", "run", OPERATION, "--at", INVOICES)
    say("Run again, it finds that all is done: no invoice is made twice.")
    run("aura", "run", OPERATION, "--at", INVOICES)


def consume() -> None:
    """Show an invoice, and what a line of it is made of."""
    heading("6. The invoice of Spain")
    [spain] = answer("invoice", "list", "--customer", "ES", "--all")
    number = spain["number"]
    run("invoice", "show", number)
    say("Every line explains itself, down to the rows that were read:")
    run("invoice", "explain", number, "--line", "1")
    run("invoice", "rows", number, "--line", "1", "--limit", "3")
    say("The files, with their hashes; the history says who had which.")
    run("invoice", "files", number)
    run("invoice", "history", number)


def end() -> None:
    """Say where things are."""
    archive = DATA / "archive"
    say(f"The workbooks are in {archive}:")
    for path in sorted(archive.rglob("*.xlsx")):
        print(f"  {path}")
    program = os.path.relpath(Path(sys.executable).with_name("meterhouse"))
    print(f"\nGo on by yourself:  export METERHOUSE_DATA={DATA}; {program} doctor")


if __name__ == "__main__":
    tell()
