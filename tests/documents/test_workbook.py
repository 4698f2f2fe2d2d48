import io
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import date
from decimal import Decimal

import openpyxl
import pytest

from meterhouse.core.charge import ChargeKind, Source, Unpriced
from meterhouse.core.invoice import InvoiceKind, InvoiceStatus, Window
from meterhouse.core.problem import MeterhouseError
from meterhouse.documents.plain_text import xml_text
from meterhouse.documents.workbook.render import xlsx_bytes
from tests.documents.hostile import hostile_texts
from tests.documents.samples import (
    a_charge,
    a_line,
    an_invoice,
    converted_invoice,
    discounted_invoice,
    worked_invoice,
)

D = Decimal


def opened(made: bytes, *, values: bool = True):
    return openpyxl.load_workbook(io.BytesIO(made), data_only=values)


def value_beside(sheet, label):
    """The last value of the row that has this label."""
    for row in sheet.iter_rows(values_only=True):
        if label in row:
            return [value for value in row[:7] if value is not None][-1]
    raise AssertionError(label)


def column(sheet, title):
    head = [cell.value for cell in sheet[1]]
    place = head.index(title)
    return [row[place] for row in sheet.iter_rows(min_row=2, values_only=True)]


def test_the_worked_invoice_has_the_sheets_and_totals_of_the_layout():
    book = opened(xlsx_bytes(worked_invoice()))
    assert book.sheetnames == [
        "Invoice", "Components", "Services", "Daily", "Adjustments", "Exceptions", "Metadata",
    ]  # fmt: skip
    front = book["Invoice"]
    shown = {
        label: value_beside(front, label)
        for label in ("Total requests", "Net", "VAT 21 % (S)", "Total", "Amount payable")
    }
    assert shown == {
        "Total requests": 276540,
        "Net": 1178.91,
        "VAT 21 % (S)": 247.57,
        "Total": 1426.48,
        "Amount payable": 1426.48,
    }
    assert column(book["Components"], "Amount (EUR)") == [386.88, 183.09, 271.54, 337.4, 1178.91]
    assert column(book["Components"], "Queries")[:4] == [184230, 52311, 9874, 30125]
    assert column(book["Components"], "List price")[:4] == [0.0021, 0.0035, 0.0275, 0.0112]
    assert sum(filter(None, column(book["Daily"], "Queries"))) == 276540


def test_sums_are_formulas():
    front = opened(xlsx_bytes(worked_invoice()), values=False)["Invoice"]
    for label in ("Total requests", "Net", "Total", "Amount payable"):
        assert str(value_beside(front, label)).startswith("="), label


def test_amounts_are_numbers_in_the_format_of_the_currency():
    yen = an_invoice([a_line(a_charge("100", "12"))], digits=0, currency="JPY")
    sheet = opened(xlsx_bytes(yen))["Components"]
    head = [cell.value for cell in sheet[1]]
    cell = sheet[2][head.index("Amount (JPY)")]
    assert (cell.value, cell.data_type, cell.number_format) == (1200, "n", "#,##0")
    dinar = an_invoice([a_line(a_charge("1", "1.234", digits=3))], digits=3, currency="KWD")
    sheet = opened(xlsx_bytes(dinar))["Components"]
    head = [cell.value for cell in sheet[1]]
    assert sheet[2][head.index("Amount (KWD)")].number_format == "#,##0.000"


def test_more_digits_than_a_spreadsheet_keeps_stand_beside_as_text():
    line = a_line(a_charge("12345678901234567.123456789", "0"))
    book = opened(xlsx_bytes(an_invoice([line])))
    exact = column(book["Components"], "Queries, exact")
    assert exact[0] == "12345678901234567.123456789"
    few = opened(xlsx_bytes(worked_invoice()))["Components"]
    assert "Queries, exact" not in [cell.value for cell in few[1]]


def test_tokens_have_a_sheet_of_their_own_with_prices_per_million():
    sheet = opened(xlsx_bytes(discounted_invoice()))["Tokens"]
    assert column(sheet, "input tokens")[0] == 834567000
    assert column(sheet, "cached, price per 1M")[0] == 1.25
    assert column(sheet, "Amount (EUR)") == [3574.07, 3574.07]


def test_adjustments_list_all_that_is_no_plain_usage():
    sheet = opened(xlsx_bytes(discounted_invoice()))["Adjustments"]
    kinds = column(sheet, "Kind")
    assert kinds == [
        "discount", "discount", "maximum", "discount", "true-up", "adjustment", "credit",
        "prepaid credit",
    ]  # fmt: skip


def test_footer_of_discounts_commitments_and_credits_adds_up():
    front = opened(xlsx_bytes(discounted_invoice()))["Invoice"]
    labels = ["Usage and fees", "Discounts", "Over maximum"]
    labels += ["Minimum commitments", "Adjustments", "Credits"]
    parts = [D(str(value_beside(front, label))) for label in labels]
    assert sum(parts) == D(str(value_beside(front, "Net"))) == discounted_invoice().totals.net


def test_exceptions_show_what_blocks_issuing():
    unpriced = Unpriced({"app": '"x"'}, D(7), "ambiguous", ("a", "b"))
    made = worked_invoice(
        unpriced=(unpriced,), exceptions=(("null_app", "3 rows"),), status=InvoiceStatus.DRAFT
    )
    book = opened(xlsx_bytes(made))
    assert column(book["Exceptions"], "Code") == ["unpriced: ambiguous", "null_app"]
    assert column(book["Exceptions"], "What")[0] == "app x; between a, b"
    said = [cell.value for row in book["Invoice"].iter_rows() for cell in row]
    assert "This is a draft: it asks for no payment." in said


def test_detail_lists_the_records_behind_each_line():
    without = opened(xlsx_bytes(worked_invoice()))
    assert "Usage detail" not in without.sheetnames
    sheet = opened(xlsx_bytes(worked_invoice(), detail=True))["Usage detail"]
    assert column(sheet, "Record") == [
        "mi-movistar-record", "app-nlp-record", "app-rag-record", "app-gen-record",
    ]  # fmt: skip
    assert sum(column(sheet, "Quantity")) == 276540


def test_detail_beyond_the_rows_of_a_sheet_goes_on_in_the_next(monkeypatch):
    monkeypatch.setattr("meterhouse.documents.workbook.tables.ROWS_MAX", 3)
    book = opened(xlsx_bytes(worked_invoice(), detail=True))
    assert len(column(book["Usage detail"], "Record")) == 3
    assert column(book["Usage detail 2"], "Record") == ["app-gen-record"]


def test_more_lines_than_a_sheet_has_rows_are_refused(monkeypatch):
    monkeypatch.setattr("meterhouse.documents.workbook.render.ROWS_MAX", 3)
    with pytest.raises(MeterhouseError, match="csv or json"):
        xlsx_bytes(worked_invoice(windows=()))


def test_an_invoice_without_lines_can_be_seen():
    made = an_invoice([], status=InvoiceStatus.DRAFT, number=None, issue_date=None, due_date=None)
    front = opened(xlsx_bytes(made, detail=True))["Invoice"]
    assert value_beside(front, "Amount payable") == 0


def test_many_rows_are_written_without_being_kept_and_say_the_same():
    sources = [Source(f"r{at}", D(1), {}) for at in range(6000)]
    made = an_invoice([a_line(a_charge("6000", "0.5", sources=sources))])
    book = opened(xlsx_bytes(made, detail=True))
    assert value_beside(book["Invoice"], "Total") == 3630
    assert sum(column(book["Usage detail"], "Quantity")) == 6000


def test_there_are_charts_of_usage_and_of_amounts():
    with zipfile.ZipFile(io.BytesIO(xlsx_bytes(worked_invoice()))) as parts:
        charts = [parts.read(name).decode() for name in parts.namelist() if "charts/chart" in name]
    assert len(charts) == 2
    assert any("Usage by day" in chart and "aura-groot" in chart for chart in charts)
    assert any("Amount by component" in chart for chart in charts)


def test_days_of_different_units_have_a_chart_each():
    day = date(2026, 10, 1)
    windows = tuple(
        Window(day, {"meter_type": f'"{name}"'}, D(value), unit)
        for name, value, unit in (("Calls", 5, "call"), ("Chats", 7, "call"), ("Cpu", 9, "second"))
    )
    made = xlsx_bytes(worked_invoice(windows=windows))
    daily = opened(made)["Daily"]
    assert column(daily, "Unit")[:3] == ["call", "call", "second"]
    titles = [cell.value for cell in daily[1]]
    assert [title for title in titles if title and title.endswith(")")] == [
        "Chats (call)",
        "Calls (call)",
        "Cpu (second)",
    ]
    with zipfile.ZipFile(io.BytesIO(made)) as parts:
        charts = [parts.read(name).decode() for name in parts.namelist() if "charts/chart" in name]
    [calls] = [chart for chart in charts if "Usage by day (call)" in chart]
    [seconds] = [chart for chart in charts if "Usage by day (second)" in chart]
    assert ("Cpu" in calls, "Calls" in calls, "Calls" in seconds) == (False, True, False)
    assert len(charts) == 3


def test_late_usage_says_on_the_first_page_which_invoice_it_corrects():
    late = a_charge("5", "2", kind=ChargeKind.ADJUSTMENT, component="c", service="s")
    usual = a_charge("7", "2", component="c", service="s")
    front = opened(xlsx_bytes(an_invoice([a_line(usual), a_line(late, corrects="L-1")])))["Invoice"]
    said = [row[1] for row in front.iter_rows(values_only=True) if row[0] == "c"]
    assert said == ["s", "s (late usage, corrects L-1)"]


def test_rows_of_the_first_page_are_as_high_as_their_names():
    name = "Base fee of the platform (2026-10-01 to 2026-10-15, prices v1)"
    long, short = a_charge("1", "2", name=name, sku="a"), a_charge("1", "2", name="B", sku="b")
    front = opened(xlsx_bytes(an_invoice([a_line(long), a_line(short)])))["Invoice"]
    heights = {
        cell.value: front.row_dimensions[cell.row].height for cell in front["B"] if cell.value
    }
    assert (heights[name], heights["B"] or 15) == (60, 15)


def test_a_quantity_of_many_digits_has_room():
    line = a_line(a_charge("49381.428571428572", "2"))
    front = opened(xlsx_bytes(an_invoice([line])))["Invoice"]
    [cell] = [cell for cell in front["C"] if isinstance(cell.value, float)]
    assert cell.number_format == "#,##0.000000"


def test_a_credit_note_says_so():
    book = opened(xlsx_bytes(worked_invoice(kind=InvoiceKind.CREDIT_NOTE)))
    assert book["Invoice"]["A1"].value == "Credit note"
    assert value_beside(book["Invoice"], "Amount credited") == 1426.48


@pytest.mark.parametrize("count", [300, 5000])
def test_no_text_becomes_a_formula_a_link_or_markup(count):
    texts = hostile_texts(count)
    lines = [
        a_line(a_charge("1", "1", name=text, component=text, app=text), reason=text)
        for text in texts
    ]
    made = an_invoice(
        lines,
        seller=replace(worked_invoice().seller, name=texts[0], email=texts[1]),
        reference=texts[2],
        metadata={texts[3]: texts[4]},
        exceptions=((texts[5], texts[6]),),
    )
    book = opened(xlsx_bytes(made), values=False)
    shown = set()
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.hyperlink is None
                if cell.data_type == "f":
                    assert re.match(r"=(ROUND|SUMIFS)\(", cell.value), cell.value
                elif isinstance(cell.value, str):
                    shown.add(cell.value.strip())
    # Names are shown, whatever they look like; control characters are replaced or escaped.
    plain = [text for text in texts if text == xml_text(text) and "_x00" not in text]
    for text in plain:
        assert {text.strip(), text.replace("\r", "_x000D_").strip()} & shown, text


def recalculated(folder, made: dict[str, bytes]) -> dict[str, bytes]:
    """Let LibreOffice compute workbooks whose formulas have lost their values."""
    for name, book in made.items():
        with (
            zipfile.ZipFile(io.BytesIO(book)) as parts,
            zipfile.ZipFile(folder / f"{name}.xlsx", "w") as bare,
        ):
            for part in parts.namelist():
                text = parts.read(part)
                if part.startswith("xl/worksheets/sheet"):
                    text = re.sub(rb"(</f>)<v>[^<]*</v>", rb"\1", text)
                bare.writestr(part, text)
    command = ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless"]
    command += ["--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", str(folder / "made")]
    subprocess.run(
        [*command, *(str(folder / f"{name}.xlsx") for name in made)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return {name: (folder / "made" / f"{name}.xlsx").read_bytes() for name in made}


@pytest.mark.filterwarnings("ignore:Unable to read chart")  # openpyxl, on LibreOffice's own
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_recalculates_the_same_totals(tmp_path):
    invoices = {
        "worked": worked_invoice(),
        "discounted": discounted_invoice(),
        "converted": converted_invoice(),
        "yen": an_invoice([a_line(a_charge("333", "7.5", digits=0))], digits=0, currency="JPY"),
    }
    made = {name: xlsx_bytes(invoice) for name, invoice in invoices.items()}
    seen = 0
    for name, book in recalculated(tmp_path, made).items():
        ours, formulas = opened(made[name]), opened(made[name], values=False)
        theirs = opened(book)
        for sheet in formulas:
            for row in sheet.iter_rows():
                for cell in row:
                    if cell.data_type == "f":
                        computed = theirs[sheet.title][cell.coordinate].value
                        written = ours[sheet.title][cell.coordinate].value
                        assert computed == pytest.approx(written, abs=1e-9), cell.value
                        seen += 1
    assert seen > 30
