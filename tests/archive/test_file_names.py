"""What an issuer says its files are called."""

from dataclasses import replace

import pytest

from meterhouse.app.billing.archive_names import file_name, invoice_stem
from meterhouse.core.party import Address
from meterhouse.core.party_reading import issuer_body, read_issuer
from meterhouse.core.problem import DefinitionError
from tests.documents.samples import worked_invoice

ISSUER = {"id": "liceo", "name": "L", "address": {"country": "ES"}}
FORMAT = "LICEO_{country3}_{period}_{number}"


def test_a_name_says_country_period_and_number():
    invoice = worked_invoice()
    name = file_name(FORMAT, invoice, issuer="liceo", number="2026/1")
    assert name == "LICEO_ESP_202610_2026=2F1"
    where = {"issuer": "liceo", "customer": "ES", "start": invoice.issue_date, "number": "x"}
    assert invoice_stem(**where, version=2, name=name).endswith(f"/{name}_v02")


def test_nothing_that_a_customer_is_called_leads_elsewhere():
    buyer = replace(worked_invoice().buyer, address=Address("../x"))
    invoice = replace(worked_invoice(), customer="../../etc", buyer=buyer)
    made = file_name("{customer}_{country}_{country3}_{number}", invoice, issuer="i", number="../1")
    assert made == "=2E.=2F..=2Fetc_=2E.=2Fx_=2E.=2Fx_=2E.=2F1"


def test_an_issuer_keeps_its_format_and_one_without_is_as_before():
    issuer = read_issuer(ISSUER | {"fileName": FORMAT})
    assert issuer.file_name == FORMAT
    assert read_issuer(issuer_body(issuer)) == issuer
    assert "fileName" not in issuer_body(read_issuer(ISSUER))
    assert file_name("", worked_invoice(), issuer="i", number="1") == ""


@pytest.mark.parametrize(
    ("format", "said"),
    [
        ("LICEO_{period}", "without {number}"),
        ("{number}_{ob}", 'has the place "{ob}"'),
        ("a/{number}", 'is "a/{number}"'),
        ("{number}}", 'is "{number}}"'),
    ],
)
def test_a_wrong_format_is_refused(format: str, said: str):
    with pytest.raises(DefinitionError) as refused:
        read_issuer(ISSUER | {"fileName": format})
    assert said in str(refused.value)
