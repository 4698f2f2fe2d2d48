import csv
import io
from decimal import Decimal

import pytest

from meterhouse.core.invoice import InvoiceKind
from meterhouse.documents.csv_lines import csv_bytes
from meterhouse.documents.focus import COLUMNS, focus_bytes
from tests.documents.focus_rules import broken
from tests.documents.hostile import STARTS, hostile_texts
from tests.documents.samples import (
    D,
    a_charge,
    a_line,
    an_invoice,
    discounted_invoice,
    worked_invoice,
)

CASES = {
    "worked": worked_invoice,
    "discounted": discounted_invoice,
    "credit note": lambda: discounted_invoice(kind=InvoiceKind.CREDIT_NOTE),
    "yen": lambda: an_invoice([a_line(a_charge("333", "7.5", digits=0))], digits=0, currency="JPY"),
    "dinars": lambda: an_invoice(
        [a_line(a_charge("1", "1.234", digits=3))], digits=3, currency="KWD"
    ),
    "thirds": lambda: an_invoice([a_line(a_charge("10", "1", per="3"))]),
    "nothing": lambda: an_invoice([]),
}


def rows_of(made: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(made.decode(), newline="")))


def test_lines_show_quantities_prices_and_amounts_as_written():
    first, *_, last = rows_of(csv_bytes(worked_invoice()))
    assert (first["component"], first["service"], first["app"]) == (
        "aura-groot",
        "message",
        "mi-movistar",
    )
    assert (first["quantity"], first["listPrice"], first["exactAmount"]) == (
        "184230",
        "0.0021",
        "386.883",
    )
    assert last["netAmount"] == "337.40"


@pytest.mark.parametrize("case", CASES)
def test_lines_add_up_to_the_invoice(case):
    invoice = CASES[case]()
    rows = rows_of(csv_bytes(invoice))
    assert sum((D(row["netAmount"]) for row in rows), D(0)) == invoice.totals.lines


@pytest.mark.parametrize("case", CASES)
def test_rows_of_focus_bill_the_payable_amount(case):
    invoice = CASES[case]()
    billed = sum((D(row["BilledCost"]) for row in rows_of(focus_bytes(invoice))), D(0))
    back = invoice.kind is InvoiceKind.CREDIT_NOTE
    assert billed == (-invoice.totals.payable if back else invoice.totals.payable)


def test_the_exact_cost_has_the_sign_of_the_billed():
    for row in rows_of(focus_bytes(CASES["credit note"]())):
        assert not row["x_ExactCost"] or D(row["x_ExactCost"]) * D(row["BilledCost"]) >= 0


@pytest.mark.parametrize("case", CASES)
def test_rows_keep_the_rules_of_focus(case):
    made = focus_bytes(CASES[case]())
    assert broken(COLUMNS, rows_of(made)) == []


def test_the_rules_of_focus_can_be_broken():
    row = rows_of(focus_bytes(worked_invoice()))[0]
    wrong = {"ListUnitPrice": "0.0022", "ChargeCategory": "Gift", "BilledCost": "1,000.00"}
    for name, value in wrong.items():
        assert broken(COLUMNS, [row | {name: value}]), name


def test_services_and_meters_have_the_names_of_focus():
    rows = rows_of(focus_bytes(discounted_invoice()))
    by_category = {row["ChargeCategory"] for row in rows}
    assert by_category == {"Usage", "Adjustment", "Credit", "Tax"}
    token = next(row for row in rows if row["SkuMeter"] == "Input Tokens")
    assert token["ServiceCategory"] == "AI and Machine Learning"
    assert token["ServiceSubcategory"] == "Generative AI"
    assert (token["PricingQuantity"], token["PricingUnit"]) == ("834.567", "1000000 Tokens")
    late = next(row for row in rows if row["ChargeClass"])
    assert (late["ChargeClass"], late["BilledCost"]) == ("Correction", "-12.00")
    assert late["ChargeDescription"] == "Records that arrived after the period was closed"


def test_prepaid_credit_pays_and_is_not_an_effective_cost():
    rows = rows_of(focus_bytes(discounted_invoice()))
    paid = next(row for row in rows if row["ChargeDescription"] == "Prepaid pack")
    assert (paid["BilledCost"], paid["EffectiveCost"]) == ("-200.00", "0.00")


@pytest.mark.parametrize("write", [csv_bytes, focus_bytes])
def test_no_text_begins_as_a_formula_does(write):
    texts = hostile_texts(5000)
    lines = [
        a_line(a_charge("1", "1", name=text, sku=text, component=text, app=text), reason=text)
        for text in texts
    ]
    rows = rows_of(write(an_invoice(lines, number=texts[0], customer=texts[1])))
    assert len(rows) >= len(texts)
    starts = tuple(start.strip(" \u00a0") for start in STARTS)
    for row in rows:
        for name, value in row.items():
            if value.lstrip(" \u00a0").startswith(starts):
                assert Decimal(value) < 0, (name, value)
