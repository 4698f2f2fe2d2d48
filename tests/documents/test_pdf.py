import io
import re
from dataclasses import replace

import pytest

from meterhouse.core.invoice import InvoiceStatus
from meterhouse.core.problem import MeterhouseError
from meterhouse.documents.einvoice import cii_bytes
from meterhouse.documents.pdf import facturx_bytes, pdf_bytes
from tests.documents.samples import (
    BUYER,
    a_charge,
    a_line,
    an_invoice,
    discounted_invoice,
    worked_invoice,
)

pytest.importorskip("typst", reason="typst is not installed")
pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")


def text_of(made: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(made)).pages
    return "\n".join(page.extract_text() for page in pages)


def test_it_says_who_asks_whom_for_what():
    text = text_of(pdf_bytes(worked_invoice()))
    for said in (
        "LICEO-2026-000042", "Liceo España S.A.U.", "ESB12345674", "pay_per_use", "276,540",
        "1,178.91", "247.57", "1,426.48 EUR", "mi-movistar", "2026-11-02",
    ):  # fmt: skip
        assert said in text


def test_it_says_that_it_is_pdf_a_3b_and_is_dated_with_the_issue_date():
    reader = pypdf.PdfReader(io.BytesIO(pdf_bytes(worked_invoice())))
    xmp = reader.trailer["/Root"]["/Metadata"].get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in xmp
    assert "<pdfaid:conformance>B</pdfaid:conformance>" in xmp
    assert reader.metadata["/CreationDate"].startswith("D:20261102")


def test_text_is_never_markup():
    texts = [
        "*bold* _it_ #panic()",
        '#read("/etc/passwd")',
        "$x^2$ <label> @ref",
        "= heading",
        "// comment",
        r"\#let x = 1",
        "#sys.inputs",
    ]
    lines = [a_line(a_charge("1", "1", name=text, component=text, app=text)) for text in texts]
    text = re.sub(r"\s+", "", text_of(pdf_bytes(an_invoice(lines, reference=texts[0]))))
    for one in texts:
        assert one.replace(" ", "") in text


def test_letters_that_the_fonts_do_not_have_are_refused():
    with pytest.raises(MeterhouseError, match="Latin, Greek and Cyrillic"):
        pdf_bytes(worked_invoice(buyer=replace(BUYER, name="株式会社")))
    pdf_bytes(worked_invoice(buyer=replace(BUYER, name="Ωmega Łódź Газ, “GmbH” €")))


def test_a_draft_without_lines_can_be_seen():
    draft = InvoiceStatus.DRAFT
    made = an_invoice([], status=draft, number=None, issue_date=None, due_date=None)
    text = text_of(pdf_bytes(made))
    assert "DRAFT" in text and "asks for no payment" in text


def test_a_long_invoice_ends_where_people_stop_reading(monkeypatch):
    monkeypatch.setattr("meterhouse.documents.pdf._LINES_MAX", 40)
    monkeypatch.setattr("meterhouse.documents.pdf._GROUPS_MAX", 30)
    lines = [a_line(a_charge("1", "0.02", component=f"part {at}")) for at in range(50)]
    text = text_of(pdf_bytes(an_invoice(lines)))
    assert "and 10 more lines" in text
    assert "20 others" in text and "0.40" in text


def test_factur_x_has_the_xml_in_it():
    pytest.importorskip("facturx", reason="factur-x is not installed")
    from facturx import get_facturx_xml_from_pdf

    made = facturx_bytes(discounted_invoice())
    name, xml = get_facturx_xml_from_pdf(made, check_xsd=True)
    assert name == "factur-x.xml"
    assert xml == cii_bytes(discounted_invoice())
    reader = pypdf.PdfReader(io.BytesIO(made))
    xmp = reader.trailer["/Root"]["/Metadata"].get_data().decode()
    assert "EN 16931" in xmp and "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#" in xmp
    assert "4,595.94 EUR" in text_of(made)
