"""Functions of numbers."""

from __future__ import annotations

from meterhouse.core.expression import arithmetic, numerals
from meterhouse.core.expression.signature import Maker, function

#: In the order of the reference.
NUMBERS: tuple[Maker, ...] = (
    function(
        "round number:n places:w?",
        "The nearest number with so many digits after the point (0 unless given); halves go "
        "away from zero. Negative places round tens, hundreds …",
        arithmetic.rounded,
        ("round(2.5)", 3),
        ("round(-0.125, 2)", "-0.13"),
    ),
    function(
        "floor number:n places:w?",
        "The greatest such number that is not above.",
        arithmetic.floor,
        ("floor(-1.5)", -2),
    ),
    function(
        "ceil number:n places:w?",
        "The smallest such number that is not below.",
        arithmetic.ceil,
        ("ceil(1.21, 1)", "1.3"),
    ),
    function(
        "trunc number:n places:w?",
        "The number with further digits cut off.",
        arithmetic.truncated,
        ("trunc(-1.99)", -1),
    ),
    function(
        "abs number:n",
        "The number without its sign.",
        lambda number: number.copy_abs(),
        ("abs(-4.2)", "4.2"),
    ),
    function(
        "min number:n*",
        "The smallest of some numbers.",
        lambda *numbers: min(numbers),
        ("min(3, 1.5, 2)", "1.5"),
    ),
    function(
        "max number:n*",
        "The greatest of some numbers; with 0, a floor for negative ones.",
        lambda *numbers: max(numbers),
        ("max(0, -3)", 0),
    ),
    function(
        "number value:n",
        "A text as a number, so that + adds it.",
        lambda number: number,
        ('number("2") + 1', 3),
    ),
    function(
        "sign number:n",
        "-1, 0 or 1: below, equal to or above zero.",
        arithmetic.sign,
        ("sign(-4.2)", -1),
    ),
    function(
        "power base:n exponent:w",
        "A number times itself so often; with a negative exponent, 1 divided by that.",
        arithmetic.power,
        ("power(1.1, 2)", "1.21"),
        ("power(2, -2)", "0.25"),
    ),
    function(
        "quotient number:n divisor:n",
        "How often a number goes into another as a whole; `a % b` is the rest.",
        arithmetic.quotient,
        ("quotient(17, 5)", 3),
        ("quotient(-17, 5)", -3),
    ),
    function(
        "average number:n*",
        "The sum of some numbers, divided by how many they are.",
        arithmetic.average,
        ("average(1, 2, 6)", 3),
    ),
    function(
        "parseNumber text:t point:t group:t?",
        "A text as a number that is written with another decimal point, and with marks between "
        "groups of digits.",
        numerals.parsed,
        ('parseNumber("1.234,56", ",", ".")', "1234.56"),
    ),
    function(
        "formatNumber number:n places:w point:t? group:t?",
        "A number as text with so many digits after the point, rounded as by round.",
        numerals.written,
        ("formatNumber(1234.5, 2)", "1234.50"),
        ('formatNumber(1234.5, 2, ",", ".")', "1.234,50"),
    ),
)
