"""Each invoicing model by its example book: the workbook, its twins, and LibreOffice agree."""

import csv
import io
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.cli.command import Meterhouse
from tests.documents.test_workbook import recalculated
from tests.liceo.test_checklist import labelled
from tests.liceo.world import MODELS, OBS, WORKED, Liceo, queries

pytestmark = pytest.mark.filterwarnings("ignore:Unable to read chart")
D = Decimal
COST = [("gpt-4o", "3.5740675"), ("gpt-4o-mini", "120.10")]
#: Lines with an amount, before tax, as worked out by hand.
NET = {
    "pay_per_use": "1178.91",
    # 184: 643.50 for ceil(183.73) = 184; 52; ai (9,000 + 874 + 30,125 - 500) = 40 packages.
    "package": str(D("3.50") * (184 + 52 + 40)),
    "stairstep": "1500.00",  # 700 above 100,000; 400; 400
    "minimum_commitment": "2000.00",
    "flat_fee": "1500.00",
    "flat_plus_overage": "752.69",  # 500 + 84,230 x 0.0030
    "prepaid_credits": "1178.91",
    # 834,567 x 2.50 + 400,000 x 1.25 + 98,765 x 10.00 per million, each line rounded
    "token_based": "3.58",
    # 368.46 + 104.62 + 19.75 + 60.25 + 3.58 = 556.66, less 5 % (27.83)
    "hybrid": "528.83",
    "cost_plus": str(D("4.29") + D("144.12")),
    "internal_chargeback": "0.00",
}


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> tuple[Liceo, dict[str, Any]]:
    """An OB for each model, and its invoice of October."""
    folder = tmp_path_factory.mktemp("models")
    house = Liceo(Meterhouse(folder / "data"), folder)
    house.begin()
    for code, model in zip(OBS, MODELS, strict=True):
        house.ob(code, house.book(model))
    house.use(OBS, list(map(queries, WORKED)))
    house.tell(OBS)
    payer = OBS[MODELS.index("cost_plus")]
    cost = [{"userId": payer, "value": value, "model": model} for model, value in COST]
    house.count("ProviderCost", cost, ["model"], unit="EUR")
    buyer = OBS[MODELS.index("prepaid_credits")]
    grant = ("--amount", "1000.00", "--currency", "EUR", "--name", "Bought in September")
    house.run.done(
        "credit", "grant", "--customer", buyer, *grant, "--effective", "2026-09-01T00:00:00Z"
    )
    house.draft()
    return house, dict(zip(MODELS, house.issue(), strict=True))


def archived(house: Liceo, invoice: dict[str, Any], suffix: str) -> bytes:
    folder = house.run.data / "archive" / "invoices" / invoice["customer"] / "2026" / "10"
    return (folder / f"{invoice['fileName']}_v01.{suffix}").read_bytes()


def front(book: bytes) -> list[tuple[Any, ...]]:
    opened = openpyxl.load_workbook(io.BytesIO(book), data_only=True)
    return list(opened["Invoice"].iter_rows(values_only=True))


def test_c03_there_is_a_book_for_each_of_the_eleven_models():
    assert set(MODELS) == set(NET)
    assert len(MODELS) == 11


@pytest.mark.parametrize("model", MODELS)
def test_c03_a_model_charges_what_was_worked_out_by_hand(issued, model: str):
    invoice = issued[1][model]
    assert invoice["invoicingModel"] == model
    assert invoice["totals"]["net"] == str(D(NET[model]).quantize(D("0.01")))


@pytest.mark.parametrize("model", MODELS)
def test_c04_c14_the_workbook_its_twin_and_focus_say_the_same(issued, model: str):
    house, invoices = issued
    invoice = invoices[model]
    totals = invoice["totals"]
    rows = front(archived(house, invoice, "xlsx"))
    shown = [labelled(rows, label) for label in ("Net", "Total", "Amount payable")]
    assert shown == [float(totals[name]) for name in ("net", "total", "payable")]
    assert labelled(rows, "Invoicing model") == model
    twin = json.loads(archived(house, invoice, "json"))
    assert twin["totals"] == totals
    taxes = [D(tax["amount"]) for tax in twin["taxes"]]
    assert sum(taxes) == D(totals["tax"])
    focus = csv.DictReader(archived(house, invoice, "focus.csv").decode().splitlines())
    assert sum(D(row["BilledCost"]) for row in focus) == D(totals["payable"])


def test_tokens_have_their_price_per_million(issued):
    house, invoices = issued
    book = openpyxl.load_workbook(
        io.BytesIO(archived(house, invoices["token_based"], "xlsx")), data_only=True
    )
    head, row, *_ = book["Tokens"].iter_rows(values_only=True)
    said = dict(zip(head, row, strict=True))
    assert (said["Model"], said["Preset"], said["App"]) == (
        "gpt-4o",
        "generative",
        "app-gen (gen-1)",
    )
    prices = [said[f"{kind}, price per 1M"] for kind in ("input", "cached", "output")]
    assert prices == [2.5, 1.25, 10]
    assert said["input tokens"] == 834_567


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_c04_libreoffice_computes_the_same_totals_of_all_models(issued, tmp_path: Path):
    house, invoices = issued
    made = {model: archived(house, invoice, "xlsx") for model, invoice in invoices.items()}
    theirs = recalculated(tmp_path, made)
    assert set(theirs) == set(MODELS)
    for model, book in theirs.items():
        totals = invoices[model]["totals"]
        rows = front(book)
        shown = [labelled(rows, label) for label in ("Net", "Total", "Amount payable")]
        expected = [float(totals[name]) for name in ("net", "total", "payable")]
        assert shown == pytest.approx(expected, abs=1e-9), model
