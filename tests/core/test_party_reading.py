"""Issuers and customers: read with every problem at once, and how invoices are numbered."""

from datetime import date
from typing import Any

import pytest

from meterhouse.core.party import Address, Customer, Issuer, Party
from meterhouse.core.party_reading import (
    customer_body,
    issuer_body,
    merged,
    number_of,
    read_customer,
    read_issuer,
    series_of,
    shown_body,
)
from meterhouse.core.problem import DefinitionError

ISSUER: dict[str, Any] = {"id": "liceo", "name": "Liceo S.A.", "address": {"country": "ES"}}
CUSTOMER: dict[str, Any] = ISSUER | {"id": "es", "issuer": "liceo", "priceBook": "liceo-es"}
NOVEMBER = date(2026, 11, 3)


def test_what_is_not_said_has_a_default():
    issuer = read_issuer(ISSUER)
    assert issuer == Issuer("liceo", Party("Liceo S.A.", Address("ES")))
    customer = read_customer(CUSTOMER)
    assert customer == Customer("es", Party("Liceo S.A.", Address("ES")), "liceo", "liceo-es")


def test_what_is_written_is_read_back():
    whole = ISSUER | {
        "address": {"country": "ES", "street": "Gran Via 1", "city": "Madrid", "postcode": "28013"},
        "taxId": "ESA28000000",
        "legalId": "M-1",
        "email": "billing@liceo.example",
        "numberFormat": "L-{year}-{customer}-{number:4}",
        "creditNoteFormat": "C-{year}-{customer}-{number:4}",
        "series": "{customer}-{year}",
        "paymentDays": 0,
    }
    issuer = read_issuer(whole)
    assert read_issuer(issuer_body(issuer)) == issuer
    assert issuer.payment_days == 0
    more = {"users": ["a", "b"], "reference": "PO 1", "language": "es", "customFields": {"n": 1}}
    customer = read_customer(CUSTOMER | more)
    assert read_customer(shown_body(customer_body(customer))) == customer


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        ({"id": None}, "id", "is missing"),
        ({"id": "a/b"}, "id", 'is "a/b"'),
        ({"name": ""}, "name", "is missing"),
        ({"address": None}, "address", "is missing"),
        ({"address": "Madrid"}, "address", 'is "Madrid", not a JSON object'),
        ({"address": {}}, "address.country", "is missing"),
        ({"address": {"country": "UK"}}, "address.country", 'is "UK"'),
        ({"address": {"country": "ES", "zip": "1"}}, "address.zip", "is not a known field"),
        ({"email": "nobody"}, "email", 'is "nobody"'),
        ({"numberFormat": "L-{year}"}, "numberFormat", "which has {number} 0 times"),
        ({"numberFormat": "{number}{number:3}{year}"}, "numberFormat", "{number} 2 times"),
        ({"numberFormat": "{day}-{year}-{number}"}, "numberFormat", 'has the place "{day}"'),
        ({"numberFormat": "{number:99}{year}"}, "numberFormat", 'has the place "{number:99}"'),
        ({"numberFormat": "}{year}{number}"}, "numberFormat", "braces do not match"),
        ({"numberFormat": "{number:6}"}, "series", "begins anew with each year"),
        ({"series": "s-{customer}"}, "series", "begins anew with each customer"),
        ({"series": "s-{month}"}, "series", 'has the place "{month}"'),
        ({"series": "s-{"}, "series", "braces do not match"),
        ({"creditNoteFormat": "{year}-{number:6}"}, "creditNoteFormat", "as numberFormat is"),
        ({"paymentDays": -1}, "paymentDays", "is -1"),
        ({"paymentDays": True}, "paymentDays", "is true"),
        ({"payment": 1}, "payment", "is not a known field"),
    ],
)
def test_what_is_wrong_with_an_issuer_is_named(changes: dict[str, Any], place: str, message: str):
    with pytest.raises(DefinitionError) as caught:
        read_issuer(ISSUER | changes)
    assert any(p.place == place and message in p.message for p in caught.value.problems), (
        caught.value
    )
    assert all(problem.hint for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        ({"issuer": None}, "issuer", "is missing"),
        ({"priceBook": ""}, "priceBook", "is missing"),
        ({"users": "ES"}, "users", 'is "ES", not a list'),
        ({"users": ["a", 1]}, "users[1]", "is 1"),
        ({"users": ["a", "b", "a"]}, "users", 'has "a" twice'),
        ({"language": "Spanish!"}, "language", 'is "Spanish!"'),
        ({"customFields": 1}, "customFields", "is 1, not a JSON object"),
    ],
)
def test_what_is_wrong_with_a_customer_is_named(changes: dict[str, Any], place: str, message: str):
    with pytest.raises(DefinitionError) as caught:
        read_customer(CUSTOMER | changes)
    assert any(p.place == place and message in p.message for p in caught.value.problems), (
        caught.value
    )


def test_every_problem_is_told_at_once():
    with pytest.raises(DefinitionError) as caught:
        read_customer({"id": "/", "address": {"country": "XX"}, "users": [7]})
    places = [problem.place for problem in caught.value.problems]
    assert places == ["id", "name", "address.country", "issuer", "priceBook", "users[0]"]


def test_a_merge_patch_changes_removes_and_keeps_the_id():
    body = issuer_body(read_issuer(ISSUER | {"taxId": "ES1"}))
    patch = {"taxId": None, "address": {"city": "Madrid"}, "revision": "old", "paymentDays": 7}
    issuer = read_issuer(merged(body, patch, what="issuer"))
    assert (issuer.party.tax_id, issuer.payment_days) == ("", 7)
    assert issuer.party.address == Address("ES", city="Madrid")
    assert merged(body, {"address": {"city": None}}, what="issuer") == body
    for wrong in ({"id": "other"}, "text"):
        with pytest.raises(DefinitionError):
            merged(body, wrong, what="issuer")


def test_a_patch_replaces_what_is_no_object():
    assert merged({"id": "a", "x": 1}, {"x": {"y": {"z": 2}}}, what="issuer") == {
        "id": "a",
        "x": {"y": {"z": 2}},
    }


def test_series_and_numbers_have_what_their_formats_say():
    formats = {
        "numberFormat": "L-{customer}-{year}{month}-{number:4}",
        "creditNoteFormat": "C-{customer}-{year}-{number}",
        "series": "{customer}/{year}",
    }
    issuer = read_issuer(ISSUER | formats)
    known: dict[str, Any] = {"customer": "es", "issue_date": NOVEMBER}
    assert series_of(issuer, **known, credit_note=False) == "es/2026"
    assert series_of(issuer, **known, credit_note=True) == "credit-notes:es/2026"
    assert number_of(issuer, 7, **known, credit_note=False) == "L-es-202611-0007"
    assert number_of(issuer, 12, **known, credit_note=True) == "C-es-2026-12"
