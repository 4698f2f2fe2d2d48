"""What customers read: quantities in the unit of their price, sums of one kind, no codes."""

import csv
import io
import re
from dataclasses import replace
from datetime import date

import openpyxl
import pytest

from meterhouse.cli.invoice_view import write_invoice
from meterhouse.core.charge import ChargePart, MeteredUsage, Unpriced
from meterhouse.core.invoice import InvoiceKind
from meterhouse.core.invoice_text import invoice_text, read_invoice
from meterhouse.core.price_book import Conversion, PerUnit, Price
from meterhouse.documents.csv_lines import csv_bytes
from meterhouse.documents.einvoice import terms
from meterhouse.documents.focus import focus_rows
from meterhouse.documents.pdf import pdf_bytes
from meterhouse.documents.shown_line import parts_text, quantity_title, shown_lines
from meterhouse.documents.summary import grouped, sums_of
from meterhouse.documents.workbook.render import xlsx_bytes
from meterhouse.rating import rate
from tests.documents.samples import (
    PERIOD,
    D,
    a_charge,
    a_line,
    an_invoice,
    converted_invoice,
    discounted_invoice,
    worked_invoice,
)
from tests.rating.charged import book

#: What is for programs and operators alone.
_CODES = re.compile(r"by-hand|minimum-commitment/1|\broot\b|4f1c7e1e|per_unit|true_up")


def test_a_calculation_has_no_digits_without_end():
    third = D(1) / D(3)
    parts = (ChargePart("0 to 10", third, D("0.1"), D(0), third / 10),)
    [line] = an_invoice([a_line(a_charge("1", "2", parts=parts))]).lines
    assert parts_text(line, 2) == "0 to 10: 0.333333333 at 0.1 = 0.033333333"


def test_late_usage_shows_its_steps():
    parts = (
        ChargePart("rated anew: 0 to 100", D(100), D(1), D(0), D(100)),
        ChargePart("rated anew: flat", D(0), None, D(5), D(5)),
        ChargePart("billed before", D(-80), None, D(0), D(-80)),
    )
    [line] = an_invoice([a_line(a_charge("1", "2", parts=parts))]).lines
    assert parts_text(line, 2) == (
        "with late usage, 0 to 100: 100 at 1 = 100.00; with late usage, flat amount 5.00; "
        "billed before: -80 = -80.00"
    )


def pdf_text(invoice) -> str:
    pytest.importorskip("typst", reason="typst is not installed")
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    pages = pypdf.PdfReader(io.BytesIO(pdf_bytes(invoice))).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def sheets_of(invoice):
    return openpyxl.load_workbook(io.BytesIO(xlsx_bytes(invoice)), data_only=True)


def rows_of(sheet) -> list[dict[str, object]]:
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


def a_rated(**changes):
    usage = MeteredUsage("r1", "compute", "", "u", "second", D(86400), PERIOD)
    priced = book(prices=(Price("compute", PerUnit(D(1)), **changes),))
    return rate(priced, [usage], period=PERIOD, customer="ES").charges[0]


def test_what_is_converted_is_charged_in_the_unit_of_the_price():
    made = a_rated(unit="hour", conversion=Conversion(divide=D(3600)))
    assert (made.quantity, made.metered_unit) == (86400, "second")
    assert (made.billable, made.unit) == (24, "hour")
    invoice = an_invoice([a_line(made)])
    assert read_invoice(invoice_text(invoice)) == invoice


def test_a_price_without_a_unit_has_that_of_the_meter_unless_it_converts():
    assert a_rated().unit == "second"
    assert a_rated(unit="s").unit == "s"
    assert a_rated(conversion=Conversion(divide=D(3600))).unit == ""


def test_all_files_show_what_is_charged_and_what_was_metered_beside_it(capsys):
    invoice = converted_invoice()
    row = rows_of(sheets_of(invoice)["Components"])[0]
    assert (row["Quantity"], row["Unit"], row["List price"]) == (24, "hour", 1.111)
    assert (row["Metered"], row["Metered in"]) == (86399, "second")
    text = pdf_text(invoice)
    assert "24 hour 1.110833333" in text and "metered 86,399 second" in text
    focus = next(focus_rows(invoice))
    assert (focus["ConsumedQuantity"], focus["ConsumedUnit"]) == ("86399", "second")
    assert (focus["PricingQuantity"], focus["PricingUnit"]) == ("24", "hour")
    first = next(csv.DictReader(io.StringIO(csv_bytes(invoice).decode(), newline="")))
    assert (first["quantity"], first["meteredUnit"]) == ("86399", "second")
    assert (first["billable"], first["unit"]) == ("24", "hour")
    write_invoice(invoice)
    told = capsys.readouterr().out
    assert re.search(r"Compute +eu-west +24 +hour +1\.111 .*metered 86399 second", told)


def test_fields_that_have_no_column_are_said():
    invoice = converted_invoice()
    assert rows_of(sheets_of(invoice)["Components"])[0]["Of"] == "region eu-west"
    assert "region eu-west" in pdf_text(invoice)
    item = terms(invoice)["BG-25"][0]["BG-32"]
    assert {"BT-160": "Region", "BT-161": "eu-west"} in item
    first = next(csv.DictReader(io.StringIO(csv_bytes(invoice).decode(), newline="")))
    assert first["otherFields"] == "region eu-west"


def test_only_what_is_of_one_kind_is_added_up():
    for invoice in (converted_invoice(), discounted_invoice()):
        assert sums_of(invoice).counted is None
        shown = [cell for row in sheets_of(invoice)["Invoice"].values for cell in row]
        assert not any(str(cell).startswith("Total ") for cell in shown)
        assert "Total requests" not in pdf_text(invoice)
    hours = an_invoice([a_line(a_charge("2", "1", unit="hour"))])
    assert (sums_of(hours).counted_as, sums_of(hours).counted) == ("Total quantity (hour)", 2)
    said = sums_of(converted_invoice(requests=D(7)))
    assert (said.counted_as, said.counted) == ("Total requests", 7)


def test_queries_are_called_so_and_all_else_is_a_quantity():
    assert quantity_title(shown_lines(worked_invoice())) == "Queries"
    assert quantity_title(shown_lines(discounted_invoice())) == "Quantity"
    assert quantity_title([]) == "Quantity"


def test_true_ups_and_maxima_are_apart():
    sums = sums_of(discounted_invoice())
    assert (sums.true_ups, sums.maxima) == (D("154.30"), D("35.00"))
    text = pdf_text(discounted_invoice())
    assert "Over maximum -35.00" in text and "Minimum commitments 154.30" in text


def test_a_component_shows_its_list_price_where_there_is_one():
    lines = [a_line(a_charge("3", "0.335"), shares=()), a_line(a_charge("4", "0.335"))]
    one = grouped(shown_lines(an_invoice(lines)), "component")[0]
    assert (one.price, one.quantity) == (D("0.335"), 7)
    other = [*lines, a_line(a_charge("4", "0.4"))]
    assert grouped(shown_lines(an_invoice(other)), "component")[0].price is None
    head = [row for row in sheets_of(an_invoice(lines))["Invoice"].values if row[0] == "Component"]
    assert head[0][4:6] == ("Unit price", "Effective price")


def test_calculations_are_in_words():
    shown = [parts_text(line, 2) for line in converted_invoice().lines[1:3]]
    assert shown == ["flat amount 49.90", "minimum 1,500.00; less 966.47 charged already"]
    assert parts_text(discounted_invoice().lines[1], 2) == (
        "0 to 1,000: 1,000 at 0.02 = 20.00; "
        "1,000 to 10,000: 9,000 at 0.015 plus 5.00 = 140.00; "
        "above 10,000: 2,500 at 0.01 = 25.00"
    )


@pytest.mark.parametrize(
    ("model", "parts", "text"),
    [
        (
            "graduated_percentage",
            [
                ChargePart("0 to 1,000 at 1 %", D(1000), None, D(0), D(10)),
                ChargePart("over 1,000 at 0.8 %", D(9000), None, D(2), D(74)),
            ],
            "0 to 1,000 at 1 %: 1,000 = 10.00; over 1,000 at 0.8 %: 9,000 plus 2.00 = 74.00",
        ),
        (
            "volume",
            [ChargePart("0 to 1,000", D(500), D("0.02"), D(0), D(10))],
            "0 to 1,000: 500 at 0.02 = 10.00",
        ),
        (
            "package",
            [ChargePart("13 packages of 1,000", D(12345), D("3.50"), D(0), D("45.50"))],
            "13 packages of 1,000 at 3.5 = 45.50",
        ),
        (
            "hybrid",
            [
                ChargePart("flat", D(0), None, D(10), D(10)),
                ChargePart("all", D(9874), D("0.01"), D(0), D("98.74")),
            ],
            "flat amount 10.00; 9,874 at 0.01 = 98.74",
        ),
        ("stairstep", [ChargePart("0 to 9", D(5), None, D(7), D(7))], "0 to 9: 5 = 7.00"),
        ("per_unit", [ChargePart("all", D(5), D(1), D(0), D(5))], ""),
    ],
)
def test_calculations_add_up(model: str, parts: list[ChargePart], text: str):
    line = a_line(replace(a_charge("5", "1", parts=parts), model=model))
    assert parts_text(line, 2) == text


def test_a_pdf_names_the_invoice_of_late_usage_and_the_reason_of_a_credit_note():
    late = replace(a_line(a_charge("5", "1")), corrects="LICEO-2026-000031")
    assert "late usage of invoice LICEO-2026-000031" in pdf_text(an_invoice([late]))
    note = worked_invoice(
        kind=InvoiceKind.CREDIT_NOTE,
        corrects=("LICEO-2026-000001", date(2026, 11, 3)),
        metadata={"reason": "The price of October"},
    )
    assert "Reason The price of October" in pdf_text(note)


def test_no_code_reaches_the_customer():
    invoice = converted_invoice()
    text = pdf_text(invoice)
    assert not _CODES.search(text) and "--" not in text
    assert "Adjustment by hand" in text and "Minimum commitment" in text
    book = sheets_of(invoice)
    for sheet in book:
        if sheet.title not in ("Metadata", "Exceptions"):
            said = " ".join(str(cell) for row in sheet.values for cell in row)
            assert not _CODES.search(said), sheet.title
    metadata = {row["Name"]: row["Value"] for row in rows_of(book["Metadata"])}
    assert metadata["Line 4, author"] == "root"
    assert metadata["Credit Welcome credit"] == "grant 4f1c7e1e-6c1b-4f0e-9b1a-3d5d0f6a2f10"
    assert not any(
        _CODES.search(str(line["BT-127-00"]) + str(line["BT-155"]))
        for line in terms(invoice)["BG-25"]
    )


def test_the_workbook_is_fit_to_be_printed():
    invoice = converted_invoice()
    book = sheets_of(invoice)
    assert "Daily" not in book.sheetnames and "Services" not in book.sheetnames
    assert [tax for row in book["Invoice"].values for tax in row if "(E)" in str(tax)] == [
        "VAT (E): Education"
    ]
    sheet = book["Components"]
    assert sheet.page_setup.orientation == "landscape"
    assert sheet.sheet_properties.pageSetUpPr.fitToPage and sheet.page_setup.fitToWidth in (None, 1)
    head = [cell.value for cell in sheet[1]]
    last = openpyxl.utils.get_column_letter(head.index("Amount (EUR)") + 1)
    assert f"${last}$" in sheet.print_area


def test_the_terminal_shows_what_a_line_has_and_says_why_usage_is_unpriced(capsys):
    unpriced = Unpriced({"app": '"x"'}, D(7), "no_price")
    write_invoice(replace(converted_invoice(), unpriced=(unpriced,)))
    told = capsys.readouterr().out
    assert "Loyalty 1.15" in told and "--" not in told
    assert re.search(r"Minimum of October +533\.53 +true-up", told)
    assert re.search(r"x +7 +no price is for it", told)
