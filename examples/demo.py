"""The demo: raw usage becomes golden records, and they an invoice. `make demo` runs it.

Every command is shown as you would type it, then run. Everything is kept in ./demo-data, which a
second demo makes anew.
"""

import json
import os
import sys
from pathlib import Path

from narrator import answer, begin_in, heading, run, say, show

EXAMPLE = Path("examples/botbot")
DATA = Path("demo-data")
STREAM = "Botbot AI assist"
CREATED = "2026-01-01T00:00:00Z"
JANUARY = "2026-01-20T12:00:00Z"
FEBRUARY = "2026-02-01T00:00:00Z"
LATER = "2026-02-02T12:00:00Z"


def tell() -> None:
    """Tell the story."""
    begin()
    key = provision()
    meter_january(key)
    close_january()
    correct()
    bill()
    end(key)


def begin() -> None:
    """Make an empty data directory."""
    say(
        "Botbot sells chatbot answers. It bills its customers for API calls, on two levels of "
        "service and in several language models. This demo meters two months of their usage and "
        "bills the first."
    )
    begin_in(DATA)


def provision() -> str:
    """Create types, stream and meters; returns the meter key."""
    heading("1. What is measured: six meter types")
    run("meter-type", "create", "--file", str(EXAMPLE / "meter-types.json"), quiet=True)
    run("meter-type", "list")

    heading("2. How usage is metered: a stream")
    say(
        "The stream makes sample usage, removes what comes twice, checks it, and leads each "
        "record to a meter. Its meter node gets a key; meters are bound to it."
    )
    run("stream", "import", str(EXAMPLE / "stream.json"))
    [stream] = answer("stream", "list")
    key = stream["meterKeys"]["Meter"]

    heading("3. For whom: twelve meters")
    say("Six customers, each with one meter on either level. The file waits for the meter key:")
    file = EXAMPLE / "meters.ndjson"
    text = file.read_text("utf-8").replace("METER_KEY", key)
    before = f"sed s/METER_KEY/{key}/ {file} \\\n  | "
    run("meter", "create", "--file", "-", "--at", CREATED, given=text, before=before)
    return key


def meter_january(key: str) -> None:
    """Run the stream in January and look at the meters."""
    heading("4. January: usage comes in")
    say("A run has a clock. Setting it lets you try any month without waiting for it.")
    run("stream", "run", STREAM, "--at", JANUARY, "--seed", "42", "--quiet")
    say("No golden record yet: January has not ended. This is what the meters hold:")
    run("inspect", key)


def close_january() -> None:
    """Run the stream in February: January's golden records leave."""
    heading("5. The clock moves to February: periods end")
    say(
        "The next run first closes every period that has ended, then counts its own usage in "
        "the new one. Each closed period leaves as one golden record."
    )
    run("stream", "run", STREAM, "--at", FEBRUARY, "--seed", "43", "--quiet")
    run("record", "list", "--kind", "golden")
    say("The first of them in full, as it goes to billing (indented here for reading):")
    show("record", "list", "--kind", "golden", "--limit", "1", "--json")
    [record] = answer("record", "list", "--kind", "golden", "--limit", "1")
    print(json.dumps(record, indent=2, ensure_ascii=False))


def correct() -> None:
    """Mend one suspended record and let it in again."""
    heading("6. Data Correction: nothing is lost")
    say("A quarter of the sessions name a region that does not exist. They wait, with a reason:")
    run("correction", "list", "--summary")
    run("correction", "list", "--limit", "3")
    first = answer("correction", "list", "--limit", "1")[0]
    number = str(first["id"])
    say(f"Say that record {number} was in EMEA, and queue it for the next run:")
    run("correction", "fix", number, "--set", 'region="EMEA"')
    run("correction", "requeue", number)
    run("stream", "run", STREAM, "--at", LATER, "--seed", "44", "--quiet")
    explain_return(number)


def explain_return(number: str) -> None:
    """Show by the counts of the run that the record came back."""
    nodes = {node["name"]: node for node in answer("run", "list", "--limit", "1")[0]["nodes"]}
    unique = sum(nodes["Deduplicate"]["out"].values())
    checked = nodes["Validate"]["in"]
    say(
        f"Deduplicate passed {unique} new sessions on, and Validate checked {checked}: the one "
        f"more is record {number}, which entered where it had been rejected. It was metered "
        "this time and waits no longer:"
    )
    run("correction", "show", number, fails=True)


def bill() -> None:
    """Make invoices of January's golden records."""
    heading("7. From golden records to invoices")
    say(
        "A price book says what usage costs: a base fee, first-level answers by tiers, "
        "second-level ones by model. An issuer sells, customers pay; their documents are short."
    )
    for noun, file in (
        ("price-book", "price-book"),
        ("issuer", "issuer"),
        ("customer", "customers"),
    ):
        run(noun, "create", "--file", str(EXAMPLE / f"{file}.yaml"), quiet=noun == "customer")
    say("A draft can be made as often as one likes. This is one customer's January:")
    run("invoice", "draft", "--customer", "machine-emotions", "--period", "2026-01")
    say("Drafts for all, then numbers without a gap. What is issued never changes:")
    run("invoice", "draft", "--all", "--period", "2026-01", quiet=True)
    run("invoice", "issue", "--all", "--period", "2026-01", "--issue-date", "2026-02-03")
    [invoice] = answer("invoice", "list", "--customer", "machine-emotions")
    say("Each line explains itself, down to the golden record and the run that made it:")
    run("invoice", "explain", invoice["number"], "--line", "3")
    workbook = next((DATA / "archive/invoices/machine-emotions").rglob("*.xlsx"))
    say("Each invoice is a workbook too, beside its JSON, CSV and FOCUS files:")
    print(f"\n  {workbook}")


def end(key: str) -> None:
    """Say what to try next."""
    heading("What to try next")
    command = os.path.relpath(Path(sys.executable).with_name("meterhouse"))
    print(
        f"  export PATH=$PWD/{Path(command).parent}:$PATH METERHOUSE_DATA={DATA}\n"
        f"  meterhouse inspect {key} --user 'Cloud AI' --json\n"
        f"  meterhouse stream preview '{STREAM}'\n"
        "  meterhouse record list --kind golden --all --json > golden.ndjson\n"
        f"  meterhouse stream run '{STREAM}' --at 2026-03-01T00:00:00Z --quiet\n"
        "  meterhouse invoice draft --all --period 2026-02\n"
        "\n"
        "  examples/files     meters usage from files and writes golden records to one\n"
        "  examples/printing  has thresholds that tell when a printer needs service\n"
        "  meterhouse --help  and docs/cli.md explain every command"
    )


if __name__ == "__main__":
    tell()
