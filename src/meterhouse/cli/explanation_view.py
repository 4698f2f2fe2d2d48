"""How a line of an invoice is explained on a terminal: from the amount to the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meterhouse.cli.output import Cell, columns, one_line, write_pairs, write_table, write_text
from meterhouse.core.problem import DefinitionError
from meterhouse.core.told_fields import told_fields
from meterhouse.datasets.naming import parse_file_name

_INPUTS_SHOWN = 5
_DATASETS = "dataset://"


def write_explanation(line: Mapping[str, Any]) -> None:
    """Write how a line came about."""
    price = line["price"]
    per = "" if price["per"] == "1" else f" per {price['per']}"
    pairs: dict[str, Cell] = {
        "Line": f"{line['line']} of {line['number'] or line['invoice']}: {line['name']}",
        "Kind": line["kind"],
        "Corrects": line["corrects"],
        "By hand": f"{line['reason']} ({line['author']})" if line["author"] else "",
        "Usage": _fields(line["fields"]),
        "Quantity": f"{line['quantity']} {_metered_unit(line)}".strip(),
        "Billable": f"{line['billable']} {line['unit']}".strip(),
        "Price": f"{price['sku']} ({price['model']})",
        "List price": "" if price["listPrice"] is None else f"{price['listPrice']}{per}",
        "Price book": f"{price['book']} {price['version']}" if price["book"] else "",
        "Hash": price["hash"],
        "Exact": line["exact"],
        "Rounded": f"{line['gross']}{_together(line['roundedTogether'])}",
        "Net": f"{line['net']} {line['currency']}",
        "Tax": f"{line['taxCategory']} {line['taxRate']} %",
    }
    write_pairs({name: value for name, value in pairs.items() if value})
    if price["document"] is not None:
        write_text(f"\nThe price book says: {one_line(price['document'])}")
    _write_steps(line)
    for record in line["records"]:
        _write_record(record)
    if any(record.get("keepUsage") is False for record in line["records"]):
        where = f"{line['number'] or line['invoice']} --line {line['line']}"
        write_text(f"\nThe rows that it is made of: meterhouse invoice rows {where}")
    if len(line["records"]) < line["recordCount"]:
        more = line["recordCount"] - len(line["records"])
        write_text(f"\n... and {more} more records (--records all)")


def _together(step: Mapping[str, str] | None) -> str:
    """Say how a line of a price change is rounded: as all up to it grows."""
    if step is None:
        return ""
    whole = f"{step['rounded']} of all up to then, exact {step['exact']}"
    return f" ({whole}, less {step['before']} before)"


def _metered_unit(line: Mapping[str, Any]) -> str:
    """The meter's unit; that of the price where the same number of it is charged."""
    same = line["unit"] if line["quantity"] == line["billable"] else ""
    return line["meteredUnit"] or same


def _write_steps(line: Mapping[str, Any]) -> None:
    if line["parts"]:
        write_text("\nCalculation:")
        rows: list[list[Cell]] = [
            [part["label"], part["quantity"], part["unitPrice"], part["flat"], part["amount"]]
            for part in line["parts"]
        ]
        write_table(columns("Step", "#Quantity", "?#Unit price", "?#Flat", "#Amount"), rows)
    for reduction in line["reductions"]:
        write_text(f"less {reduction['amount']}: {reduction['name'] or reduction['kind']}")


def _write_record(record: Mapping[str, Any]) -> None:
    fields = f" where {_fields(record['fields'])}" if record["fields"] else ""
    write_text(f"\nRecord {record['recordId']}: {record['quantity']}{fields}")
    if "user" not in record:
        return
    about = f"{record['meterType']} of user {record['user']}"
    write_text(f"  {about}, {record['periodStart']} to {record['periodEnd']}")
    if record["adjusts"]:
        write_text(f"  adjusts record {record['adjusts']}")
    made = record["madeBy"]
    if record["inputRecords"] is not None:
        _write_input_records(record["inputRecords"])
    if record.get("keepUsage") is False:
        write_text("  its meter keeps no single records (keepUsage is false)")
    if made is not None:
        write_text(f"  made by run {made['run']} of {made.get('stream')} at {made.get('at')}")
    _write_inputs(record)


def _write_inputs(record: Mapping[str, Any]) -> None:
    """Write a few of the inputs, only such as can have usage of the user where names say so."""
    read = [(one, run["run"]) for run in record["fedBy"] for one in run["inputs"]]
    own = [(one, run) for one, run in read if _may_have(one["name"], record["user"])]
    for one, run in own[:_INPUTS_SHOWN]:
        write_text(f"  input {one['name']} ({one['detail']}), read by run {run}")
    more, others = max(0, len(own) - _INPUTS_SHOWN), len(read) - len(own)
    said = [f"{more:,} more"] * bool(more) + [f"{others:,} of other users"] * bool(others)
    if said:
        write_text(f"  ... and {', '.join(said)}: --json has all")


def _may_have(name: str, user: str) -> bool:
    """Whether an input may have usage of a user: files of datasets are of one OB, or of all."""
    if not name.startswith(_DATASETS):
        return True
    try:
        file = parse_file_name(name.rpartition("/")[2])
    except DefinitionError:
        return True
    return file.ob in (None, user)


def _fields(fields: Mapping[str, Any]) -> str:
    """Return fields for people: without those that are null, names instead of ids."""
    told = told_fields(fields)
    return ", ".join(
        f"{name.removesuffix('_name')} {text if isinstance(text, str) else one_line(text)}"
        for name, text in told.items()
    )


def _write_input_records(kept: Mapping[str, Any]) -> None:
    told = kept["records"]
    least = "" if kept["complete"] else "at least "
    write_text(f"  of {least}{kept['count']} input records, which come to {kept['value']}:")
    rows: list[list[Cell]] = [
        [one["identity"], one["timestamp"], one["value"], one["origin"]] for one in told
    ]
    write_table(columns("Identity", "Timestamp", "#Value", "?Read from"), rows)
    if len(told) < kept["count"]:
        write_text(f"  ... and {kept['count'] - len(told)} more (--records all)")
