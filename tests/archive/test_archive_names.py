from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.app.billing.archive_names import invoice_stem, safe_part
from meterhouse.connectors.archive_store.name import checked
from tests.archive.filing import STEM, WHERE

_TEXTS = st.one_of(
    st.text(max_size=80),
    st.text(alphabet="aA./=_-\\%2F~ \n\x00\ud800é", max_size=12),
    st.text(alphabet="ab", min_size=40, max_size=60),
)


def test_the_name_is_made_of_its_parts() -> None:
    assert WHERE.stem == STEM


def test_a_customer_leads_nowhere_else() -> None:
    stem = invoice_stem(
        issuer="..",
        customer="../../etc/passwd",
        start=date(2026, 1, 31),
        number="A/1_2",
        version=12,
    )
    assert stem == (
        "invoices/=2E.=2F..=2Fetc=2Fpasswd/2026/01/"
        "=2E=2E_=2E.=2F..=2FETC=2FPASSWD_202601_A=2F1=5F2_v12"
    )
    assert checked(f"{stem}.xlsx")


@settings(max_examples=2_000)
@given(_TEXTS, _TEXTS)
def test_different_texts_have_different_parts(one: str, other: str) -> None:
    assert (safe_part(one) == safe_part(other)) == (one == other)


@settings(max_examples=1_000)
@given(_TEXTS)
def test_parts_are_safe_and_short(text: str) -> None:
    part = safe_part(text)
    assert re.fullmatch(r"[A-Za-z0-9=.-]{1,48}", part)
    assert not part.startswith(".") and not part.endswith(".")
    assert checked(part) == part


@settings(max_examples=1_000)
@given(*[st.tuples(_TEXTS, _TEXTS, _TEXTS, st.integers(1, 120))] * 2)
def test_different_invoices_have_different_names(
    one: tuple[str, str, str, int], other: tuple[str, str, str, int]
) -> None:
    stems = [
        invoice_stem(issuer=issuer, customer=customer, start=WHERE.start, number=no, version=v)
        for issuer, customer, no, v in (one, other)
    ]
    assert (stems[0] == stems[1]) == (one == other)


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "a/../b", ".", "a\\b", "a b", "a\n", "é"])
def test_a_store_takes_no_other_names(name: str) -> None:
    with pytest.raises(Exception, match="is no name of a file in an archive"):
        checked(name)
