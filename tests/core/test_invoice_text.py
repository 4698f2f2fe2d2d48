import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings

from meterhouse.core.charge import BillingPeriod
from meterhouse.core.instant import parse_instant
from meterhouse.core.invoice import Invoice, InvoiceKind, InvoiceStatus, TaxTotal, Totals
from meterhouse.core.invoice_text import SCHEMA, invoice_text, read_invoice
from meterhouse.core.party import Address, Party
from meterhouse.core.problem import MeterhouseError
from tests.core.invoices import any_invoices


def an_invoice(**changes) -> Invoice:
    party = Party(name="Liceo", address=Address(country="ES"))
    invoice = Invoice(
        id="5b7e7d0e-0000-4000-8000-000000000001",
        kind=InvoiceKind.INVOICE,
        status=InvoiceStatus.DRAFT,
        customer="es",
        seller=party,
        buyer=party,
        period=BillingPeriod(
            parse_instant("2026-09-30T22:00:00Z"),
            parse_instant("2026-10-31T23:00:00Z"),
            "Europe/Madrid",
        ),
        currency="EUR",
        currency_digits=2,
        invoicing_model="pay_per_use",
        lines=(),
        taxes=(TaxTotal("S", Decimal("21.00"), Decimal("386.9"), Decimal("81.25")),),
        totals=Totals(lines=Decimal("386.9")),
        books=(),
    )
    return replace(invoice, **changes)


@given(any_invoices())
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back_and_written_the_same(invoice):
    text = invoice_text(invoice)
    read = read_invoice(text)
    assert read == invoice
    assert invoice_text(read) == text


def test_the_text_is_one_line_with_amounts_as_texts_and_keys_in_order():
    text = invoice_text(an_invoice(issue_date=date(2026, 11, 2)))
    assert "\n" not in text
    made = json.loads(text)
    assert list(made)[:7] == ["schema", "id", "kind", "status", "number", "issueDate", "dueDate"]
    assert made["schema"] == SCHEMA
    assert made["issueDate"] == "2026-11-02"
    assert made["period"]["start"] == "2026-09-30T22:00:00.000Z"
    assert made["totals"]["lines"] == "386.90"
    assert made["taxes"][0]["rate"] == "21"
    assert made["number"] is None


@pytest.mark.parametrize(("digits", "text"), [(0, "5"), (2, "5.00"), (3, "5.000")])
def test_amounts_have_the_digits_of_the_currency(digits, text):
    made = an_invoice(currency_digits=digits, totals=Totals(total=Decimal(5)))
    assert json.loads(invoice_text(made))["totals"]["total"] == text


def test_equal_invoices_have_equal_texts():
    one = an_invoice(metadata={"a": "1", "b": "2"}, requests=Decimal("5.0"))
    other = an_invoice(metadata={"b": "2", "a": "1"}, requests=Decimal(5))
    assert one == other
    assert invoice_text(one) == invoice_text(other)


def test_instants_keep_their_microseconds():
    made = an_invoice(period=BillingPeriod(1, 2_000, "UTC"))
    assert '"start":"1970-01-01T00:00:00.000001Z"' in invoice_text(made)
    assert read_invoice(invoice_text(made)) == made


def test_half_a_character_is_written_so_that_it_can_be_encoded():
    made = an_invoice(reference="a\ud83d")
    assert read_invoice(invoice_text(made).encode()) == made


def test_a_member_with_a_default_may_be_missing():
    made = json.loads(invoice_text(an_invoice()))
    del made["metadata"]
    assert read_invoice(json.dumps(made)) == an_invoice()


def edited(path, value):
    made = json.loads(invoice_text(an_invoice()))
    inner = made
    for step in path[:-1]:
        inner = inner[step]
    if value is KeyError:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(made)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["schema"], "other/9", "schema is \"other/9\"; this program reads meterhouse.invoice/1"),
        (["kind"], "bill", 'kind is "bill", not one of invoice, credit_note'),
        (["customer"], None, "customer is missing, not a text"),
        (["customer"], KeyError, "customer is missing"),
        (["extra"], 1, "extra is not known here"),
        (["currencyDigits"], "2", 'currencyDigits is "2", not a whole number'),
        (["currencyDigits"], True, "currencyDigits is true, not a whole number"),
        (["issueDate"], "2026-13-01", 'issueDate is "2026-13-01", not a date'),
        (["period", "start"], "soon", 'period.start is "soon", not an instant'),
        (["totals"], [], "totals is [], not an object"),
        (["totals", "net"], 5, "totals.net is 5, not a number as text"),
        (["taxes", 0, "base"], "1,0", 'taxes[0].base is "1,0", not a number as text'),
        (["lines"], {}, "lines is {}, not a list"),
        (["metadata"], [], "metadata is [], not an object"),
        (["metadata", "run"], 5, "metadata.run is 5, not a text"),
        (["seller", "address", "country"], KeyError, "seller.address.country is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(path, value, said):
    with pytest.raises(MeterhouseError) as caught:
        read_invoice(edited(path, value))
    assert said in str(caught.value)
    assert caught.value.code == "invoice_unreadable"


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "the text is not JSON"), ("[]", "schema is []"), (b"\xff", "is not JSON")],
)
def test_what_is_no_invoice_is_refused(text, said):
    with pytest.raises(MeterhouseError, match=said.replace("[", r"\[")):
        read_invoice(text)
