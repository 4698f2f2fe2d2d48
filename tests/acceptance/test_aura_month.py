"""A month that was counted by hand: golden records and invoices equal a loop over the files.

The loop has fastavro alone, and reads what the catalogue has: by the key of a row, the earliest
``AURA_TM`` counts. The month has all that goes wrong with real ones.
"""

import json
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest

from tests.acceptance.aura_files import (
    AUDIT,
    GATEWAY,
    LICEO,
    WHEN_ISSUED,
    SpainsOperation,
    audit_name,
    query,
    schema_of,
    snapshots,
    write,
)

SERVICES = ("message", "nlpaas", "ai", "other")
KEY = ("INTERACTION_ID", "AURA_COMPONENT_ID")
KNOWN = "app-known"
NLP = {"AURA_COMPONENT_ID": GATEWAY, "AURA_SERVICE_NAME_CD": "nlpaas", "AURA_APP_ID": KNOWN}
AI = NLP | {"AURA_SERVICE_NAME_CD": "ai", "AURA_PRESET_NAME": "rag"}
SPEECH = NLP | {"AURA_SERVICE_NAME_CD": "stt"}
TALK = {"AURA_CHANNEL_ID": "ch-1"}
DAYS = [f"2026-10-{day:02}" for day in (1, 2, 15, 31)]
NOVEMBER = "2026-11-05"
LATE_IMPORT, NEXT_INVOICES = "2026-11-12T02:00:00Z", "2026-12-06T03:00:00Z"
_SERVICE = "AURA_SERVICE_NAME_CD"


def usual(day: str, *, talks: int = 300, tag: str = "") -> list[dict[str, Any]]:
    """Rows of a day that nothing is wrong with."""
    found = []
    for kind, count, fields in (("m", talks, TALK), ("n", 200, NLP), ("a", 100, AI)):
        for number in range(count):
            tm = f"{day}T{number % 24:02}:{number % 60:02}:00.000Z"
            found.append(query(f"{tag}{kind}{day}-{number}", tm, **fields))
    return found


def newer_schema() -> dict[str, Any]:
    """6.1.0: a service more, and a field that may be null."""
    schema = schema_of(AUDIT) | {"x-fp-version": "6.1.0"}
    for field in schema["fields"]:
        if field["name"] == _SERVICE:
            field["type"]["symbols"] += ["stt"]
    schema["fields"].append({"name": "TENANT_CD", "type": ["null", "string"], "default": None})
    return schema


def flawed(day: str) -> list[dict[str, Any]]:
    """A second upload of a day: what is in the first one comes again, and what nobody knows."""
    first = usual(day)
    identical = first[:7] + first[310:312]
    early, later = f"{day}T00:00:00.000Z", f"{day}T23:59:59.000Z"
    return [
        *identical,
        # The same interaction, said to be of another channel: it counts as the earlier row says.
        *(row | {"AURA_TM": later, "AURA_CHANNEL_ID": "ch-2"} for row in first[20:23]),
        # The second upload has what happened first: its row stays, that of the first one goes.
        *(row | {"AURA_TM": early, "AURA_APP_ID": "app-2"} for row in first[330:332]),
        *(query(f"nobody-{n}", f"{day}T10:00:00.000Z") for n in range(4)),
        *(query(f"gone-{n}", later, **NLP | {"AURA_APP_ID": "app-gone"}) for n in range(2)),
        *(query(f"lost-{n}", later, AURA_CHANNEL_ID="ch-gone") for n in range(2)),
        # One interaction at two components.
        *(query(f"m{day}-{n}", later, **NLP) for n in range(5)),
    ]  # fmt: skip


def other_country(day: str) -> list[dict[str, Any]]:
    return [query(f"x-{n}", f"{day}T10:00:00.000Z", COUNTRY_3_ALPHA_CD="PRT") for n in range(3)]


class Month(SpainsOperation):
    """A house whose uploads lie in common storage; ``refused`` are those that its import left."""

    refused: set[str]

    @property
    def catalogue(self) -> list[Path]:
        """The files that were imported."""
        return sorted((self.data / "datasets" / AUDIT / "6").rglob("*.avro"))

    @property
    def uploads(self) -> list[Path]:
        """The files of common storage that were not imported."""
        return sorted((self.data / "common-storage" / "avro").rglob("*.avro"))

    def uploaded(self, hour: str, rows: list[dict[str, Any]], **changed: Any) -> None:
        schema = changed.pop("schema", schema_of(AUDIT))
        folder = f"common-storage/avro/entity/{AUDIT}/{schema['x-fp-version']}"
        write(self.data / folder / audit_name(hour), schema, rows)

    def golden(self) -> list[dict[str, Any]]:
        """The records that stand."""
        return self.json("record", "list", "--kind", "golden", "--all")


def read(paths: list[Path]) -> list[dict[str, Any]]:
    """All rows of files, as a reader of 6.0.0 has them."""
    found: list[dict[str, Any]] = []
    for path in paths:
        with path.open("rb") as file:
            found += list(fastavro.reader(file, reader_schema=schema_of(AUDIT)))
    return found


def counted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that count: one for each key, the earliest."""
    best: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in KEY)
        if key not in best or row["AURA_TM"] < best[key]["AURA_TM"]:
            best[key] = row
    return list(best.values())


def by_fields(rows: list[dict[str, Any]]) -> Counter:
    """Count rows by service, component, app and channel."""
    found: Counter = Counter()
    for row in rows:
        app, channel = row["AURA_APP_ID"], row["AURA_CHANNEL_ID"]
        whose = "(unattributed)" if app is None and channel is None else app
        found[row[_SERVICE], row["AURA_COMPONENT_ID"], whose, channel] += 1
    return found


def of_records(records: list[dict[str, Any]], month: str) -> Counter:
    """What golden records say of a month, by the same."""
    found: Counter = Counter()
    for record in records:
        if record["meterTypeName"] in SERVICES and record["periodStart"].startswith(month):
            [section, *_] = record["groupBreakdowns"] or [{"groups": []}]
            for group in section["groups"]:
                at = group["fields"]
                key = [at.get(name) for name in ("service", "component", "app", "channel")]
                found[tuple(key)] += int(Decimal(str(group["value"])))
    return found


def of_lines(lines: list[dict[str, Any]]) -> Counter:
    """What lines of an invoice charge, by the same."""
    found: Counter = Counter()
    for line in lines:
        charge = line["charge"]
        if charge["unit"] == "query":
            said = {name: json.loads(text) for name, text in charge["fields"].items()}
            key = [said.get(name) for name in ("service", "component", "app", "channel")]
            found[tuple(key)] += int(Decimal(charge["quantity"]))
    return found


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Month, dict[str, Any]]:
    """October in the catalogue, and the report of its import."""
    folder = tmp_path_factory.mktemp("month")
    month = Month(folder / "data")
    text = (LICEO / "pay-per-use.yaml").read_text("utf-8")
    more = (
        "  - sku: other\n    name: Speech\n    match: {service: other, service_raw: stt}\n"
        "    line_by: [component, service, service_raw, app, app_name, channel, preset]\n"
        '    unit: query\n    model: per_unit\n    price: "0.0100"\n'
    )
    book = folder / "book.yaml"
    book.write_text(text.replace("prices:\n", f"prices:\n{more}"), "utf-8")
    month.begin(folder, book=book)
    channels, apps = {"ch-1": "one", "ch-2": "two"}, {KNOWN: "Known", "app-2": "Second"}
    for path in snapshots(folder, channels=channels, apps=apps):
        month.done("dataset", "add", path)
    for day in DAYS:
        hour = f"{day.replace('-', '')}T"
        month.uploaded(f"{hour}22", usual(day))
    # Two uploads of one day, and one that has two days in it.
    month.uploaded("20261015T23", flawed("2026-10-15"))
    month.uploaded("20261031T23", usual("2026-10-30", talks=11) + usual("2026-10-31", tag="x"))
    speech = [query(f"stt-{n}", "2026-10-31T12:00:00.000Z", **SPEECH) for n in range(13)]
    month.uploaded("20261031T21", speech, schema=newer_schema())
    month.uploaded("20261016T10", other_country("2026-10-16"))
    newer = schema_of(AUDIT) | {"x-fp-version": "7.0.0"}
    month.uploaded("20261017T10", usual("2026-10-17"), schema=newer)
    ended = month("aura", "import", "--at", "2026-11-01T02:00:00Z", "--json")
    assert ended.code == 1
    [report] = ended.objects
    month.refused = {path.name for path in month.uploads}
    return month, report


@pytest.fixture(scope="module")
def october(imported: tuple[Month, dict[str, Any]]) -> tuple[Month, dict[str, Any], list[Path]]:
    """October's invoice, and the files that there were then."""
    month, _ = imported
    # Two files were refused and wait in common storage: without them, the month is not whole.
    ended = month("aura", "run", month.operation, "--at", WHEN_ISSUED, "--json")
    [business] = ended.objects[0]["months"][0]["businesses"]
    refused = [file for file in month.uploads if file.name in json.dumps(business["problems"])]
    assert (ended.code, business["status"], len(refused)) == (1, "blocked", 2)
    for file in refused:
        file.unlink()
    report = month.operate()
    assert report["complete"], report
    return month, month.issued(), month.catalogue


def test_c29_the_import_report_has_the_files_that_were_refused(imported):
    month, report = imported
    summary = report["summary"]
    errors = {
        (one["version"], error["file"].rpartition("/")[2]): str(error)
        for one in summary.values()
        for error in one["errors"]
    }
    ours, newer = ("6.0.0", audit_name("20261016T10")), ("7.0.0", audit_name("20261017T10"))
    assert set(errors) == {ours, newer}
    assert '"PRT"' in errors[ours] and "ESP" in errors[ours]
    assert "7.0.0" in errors[newer]
    left = month.refused
    assert left == {name for _, name in errors}
    assert not any(name in {path.name for path in month.catalogue} for name in left)


def test_c02_golden_records_equal_a_hand_count(october):
    month, _, files = october
    assert of_records(month.golden(), "2026-10") == by_fields(counted(read(files)))


def test_c10_lines_of_the_invoice_equal_the_same_count(october):
    _, invoice, files = october
    hand = by_fields(counted(read(files)))
    assert of_lines(invoice["lines"]) == hand
    # What the flaws of this month were made to be, in numbers that can be added up by hand.
    assert sum(hand.values()) == 4 * 600 + 311 + 600 + 13 + 4 + 2 + 2 + 5
    assert hand["message", "aura-groot", "(unattributed)", None] == 4
    assert hand["nlpaas", GATEWAY, "app-gone", None] == 2
    assert hand["nlpaas", GATEWAY, "app-2", None] == 2
    assert hand["message", "aura-groot", None, "ch-gone"] == 2
    assert ("message", "aura-groot", None, "ch-2") not in hand


def test_c13_interactions_are_counted_once_for_all_components(october):
    _, invoice, files = october
    rows = counted(read(files))
    assert invoice["requests"] == str(len({row["INTERACTION_ID"] for row in rows}))
    assert int(invoice["requests"]) == len(rows) - 5


def test_c17_duplicates_across_files_and_what_nobody_knows_are_exceptions(october):
    _, invoice, files = october
    rows = read(files)
    assert len(rows) - len(counted(rows)) == 9 + 3 + 2
    told = {}
    for one in invoice["exceptions"]:
        told.setdefault(one["code"], []).append(one["text"])
    assert told["duplicates"] == ["identical duplicates were dropped: 9"]
    assert told["conflicting_duplicates"] == [
        "conflicting duplicates were dropped (the earliest counts): 5"
    ]
    [nobody] = told["unattributed"]
    assert nobody.startswith("queries without app and channel")
    assert nobody.endswith(": 4")
    assert [text[-3:] for text in told["unknown_ids"]] == [": 2", ": 2"]
    assert any("unknown app" in text and "app-gone" in text for text in told["unknown_ids"])
    assert any("unknown channel" in text and "ch-gone" in text for text in told["unknown_ids"])


def test_a_symbol_that_is_new_counts_as_other(october):
    _, invoice, files = october
    assert by_fields(counted(read(files)))["other", GATEWAY, KNOWN, None] == 13
    [line] = [line for line in invoice["lines"] if line["charge"]["sku"] == "other"]
    assert (line["charge"]["quantity"], line["net"]) == ("13", "0.13")
    # What its writer has called it is a field, by which it may be priced and is shown.
    fields = {name: json.loads(text) for name, text in line["charge"]["fields"].items()}
    assert (fields["service"], fields["service_raw"]) == ("other", "stt")


def test_late_rows_are_lines_of_the_next_invoice_by_the_book_of_their_month(
    october, tmp_path: Path
):
    month, invoice, files = october
    shutil.copytree(month.data, tmp_path / "data")
    folder, month = month.data.parent, Month(tmp_path / "data")
    month.operation = folder / "aura.yaml"
    dearer = tmp_path / "november.yaml"
    text = (folder / "book.yaml").read_text("utf-8")
    text = text.replace("2026-10-01.1", "2026-11-01.1").replace("2026-01-01", "2026-11-01")
    dearer.write_text(text.replace('"0.0035"', '"7.0000"').replace('"0.0021"', '"9.0000"'))
    month.done("price-book", "create", "--file", dearer)
    day = "2026-10-31"
    late = [query(f"late-{n}", f"{day}T09:00:00.000Z", **NLP) for n in range(600)]
    again = [row | {"AURA_TM": f"{day}T23:00:00.000Z"} for row in usual(day)[:6]]
    month.uploaded("20261110T10", late + again)
    month.uploaded("20261110T11", usual(NOVEMBER))
    ended = month("aura", "import", "--at", LATE_IMPORT)
    assert "2 imported" in ended.out, ended.err
    report = month.operate(NEXT_INVOICES)
    assert report["complete"], report
    now = [path for path in month.catalogue if f"DAY_DT={NOVEMBER}" not in str(path)]
    before, after = by_fields(counted(read(files))), by_fields(counted(read(now)))
    assert after - before == Counter({("nlpaas", GATEWAY, KNOWN, None): 600})
    # October's invoice stays as it is; November's has what is more, at October's price.
    assert month.issued() == invoice
    november = month.issued("2026-11")
    adjusting = [one for one in november["lines"] if one["charge"]["kind"] == "adjustment"]
    assert sum(Decimal(one["net"]) for one in adjusting) == 600 * Decimal("0.0035")
    assert {one["corrects"] for one in adjusting} == {invoice["number"]}
    own = [one for one in november["lines"] if one["charge"]["kind"] != "adjustment"]
    theirs = [path for path in month.catalogue if f"DAY_DT={NOVEMBER}" in str(path)]
    assert of_lines(own) == by_fields(counted(read(theirs)))
    assert sum(Decimal(one["net"]) for one in own) > 200 * 7


def test_c26_day_after_day_comes_to_the_same_as_the_whole_month_at_once(tmp_path: Path):
    """The job goes by partitions: whoever runs it for each of them has what one run has."""
    found = []
    for name in ("at-once", "by-day"):
        (tmp_path / name).mkdir()
        month = Month(tmp_path / name / "data")
        month.begin(tmp_path / name)
        for path in snapshots(tmp_path / name, channels={"ch-1": "one"}, apps={KNOWN: "Known"}):
            month.done("dataset", "add", path)
        month.done("aura", "init", month.operation)
        for day in DAYS:
            month.uploaded(f"{day.replace('-', '')}T22", usual(day, talks=40))
            if name == "by-day":
                at = f"{day}T23:30:00Z"
                month.done("aura", "import", "--at", at)
                month.done("stream", "run", "aura-audit", "--at", at)
        month.done("aura", "import", "--at", "2026-11-01T02:00:00Z")
        month.operate()
        totals, lines = month.issued()["totals"], of_lines(month.issued()["lines"])
        found.append((of_records(month.golden(), "2026-10"), lines, totals))
        runs = month.json("run", "list", "--stream", "aura-audit", "--all")
        assert len(runs) == (2 if name == "at-once" else 2 + len(DAYS))
    assert found[0] == found[1]
    assert sum(found[0][0].values()) == 4 * 340
