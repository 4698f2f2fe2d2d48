"""The page about price books: each example costs what the page says."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from meterhouse.connectors.price_book_files import read_documents
from meterhouse.core.charge import BillingPeriod, MeteredUsage
from meterhouse.core.price_book_models import MODEL_FIELDS
from meterhouse.core.price_book_reading import read_price_book
from meterhouse.rating import rate
from tests.core.price_books import book_of

PAGE = (Path(__file__).parents[2] / "docs" / "price-books.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```\n\n(.*?)\n\n", PAGE, re.DOTALL)
FIGURES = re.compile(r"([0-9,.]+) units cost ([0-9,.]+[0-9])")
PERIOD = BillingPeriod(0, 1, "Etc/UTC")
CASES = [
    (example, quantity, amount)
    for example, text in EXAMPLES
    for quantity, amount in FIGURES.findall(text)
]


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


@pytest.mark.parametrize(("example", "quantity", "amount"), CASES)
def test_an_example_costs_what_the_page_says(example, quantity, amount):
    [document] = read_documents(example, what="example")
    assert isinstance(document.body, dict)
    book = read_price_book(book_of(document.body))
    usage = MeteredUsage("r", "m", "c", "u", "unit", number(quantity), PERIOD)

    assert rate(book, [usage], period=PERIOD, customer="c").net == number(amount)


def test_every_model_has_its_example():
    shown = {word for example, _ in EXAMPLES for word in re.findall(r"model: (\w+)", example)}

    assert len(CASES) == 19
    assert set(MODEL_FIELDS) - shown == {"percentage"}  # beside its graduated twin
