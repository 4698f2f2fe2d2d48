"""The functions of expressions: one table, from which the reference page is written too.

A function takes values that were fitted to the kinds of its parameters. Examples run as tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meterhouse.core.expression import arithmetic, dates, texts, value
from meterhouse.core.expression.value import Kind

Example = tuple[str, object]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. ``many`` takes any number of arguments, at least one."""

    name: str
    kind: Kind
    optional: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A function. ``compute`` is ``None`` where the evaluator itself knows what to do.

    ``examples`` are expressions and their results as JSON values.
    """

    name: str
    group: str
    parameters: tuple[Parameter, ...]
    doc: str
    compute: Callable[..., Any] | None
    examples: tuple[Example, ...]

    @property
    def signature(self) -> str:
        """How it is written: ``round(number, [places])``."""
        shown = (
            f"[{p.name}]" if p.optional else f"{p.name}, …" if p.many else p.name
            for p in self.parameters
        )
        return f"{self.name}({', '.join(shown)})"

    def takes(self, count: int) -> bool:
        """Whether it takes so many arguments."""
        least = sum(not parameter.optional for parameter in self.parameters)
        many = any(parameter.many for parameter in self.parameters)
        return least <= count and (many or count <= len(self.parameters))

    def parameter(self, place: int) -> Parameter:
        """Return the parameter that the argument at a place is for."""
        return self.parameters[min(place, len(self.parameters) - 1)]


_KINDS = {
    "n": Kind.NUMBER,
    "w": Kind.WHOLE,
    "t": Kind.TEXT,
    "b": Kind.BOOLEAN,
    "d": Kind.DATE,
    "l": Kind.LIST,
    "a": Kind.ANY,
}


def _parameters(words: str) -> tuple[Parameter, ...]:
    """Read parameters as ``name:kind``, with ``?`` where optional and ``*`` where many."""
    pairs = (word.split(":") for word in words.split())
    return tuple(
        Parameter(name, _KINDS[kind[0]], optional="?" in kind, many="*" in kind)
        for name, kind in pairs
    )


def _function(
    signature: str, doc: str, compute: Callable[..., Any] | None, *examples: Example
) -> Callable[[str], Function]:
    name, _, rest = signature.partition(" ")
    parameters = _parameters(rest)
    return lambda group: Function(name, group, parameters, doc, compute, examples)


def _is_number(item: object) -> bool:
    return value.numeric(item) is not None


_GROUPS: dict[str, tuple[Callable[[str], Function], ...]] = {
    "Conditions and missing values": (
        _function(
            "if condition:b then:a otherwise:a",
            "One of two values; only that one is computed. Also written `c ? a : b`.",
            None,
            ('if(5 > 3, "more", "less")', "more"),
        ),
        _function(
            "coalesce value:a*",
            "The first value that is not missing; null where all are.",
            None,
            ("coalesce(null, 0)", 0),
            ('coalesce(@{payload.nickname}, @{payload.name}, "nobody")', "Ann"),
        ),
        _function(
            "isNull value:a",
            "Whether a value is missing: an absent field, or null.",
            lambda item: item is None,
            ("isNull(@{payload.nickname})", True),
        ),
        _function(
            "isNumber value:a",
            "Whether a value is a number, or a text that is one.",
            _is_number,
            ('isNumber("1.5")', True),
            ('isNumber("n/a")', False),
        ),
    ),
    "Numbers": (
        _function(
            "round number:n places:w?",
            "The nearest number with so many digits after the point (0 unless given); halves go "
            "away from zero. Negative places round tens, hundreds …",
            arithmetic.rounded,
            ("round(2.5)", 3),
            ("round(-0.125, 2)", "-0.13"),
        ),
        _function(
            "floor number:n places:w?",
            "The greatest such number that is not above.",
            arithmetic.floor,
            ("floor(-1.5)", -2),
        ),
        _function(
            "ceil number:n places:w?",
            "The smallest such number that is not below.",
            arithmetic.ceil,
            ("ceil(1.21, 1)", "1.3"),
        ),
        _function(
            "trunc number:n places:w?",
            "The number with further digits cut off.",
            arithmetic.truncated,
            ("trunc(-1.99)", -1),
        ),
        _function(
            "abs number:n",
            "The number without its sign.",
            lambda number: number.copy_abs(),
            ("abs(-4.2)", "4.2"),
        ),
        _function(
            "min number:n*",
            "The smallest of some numbers.",
            lambda *numbers: min(numbers),
            ("min(3, 1.5, 2)", "1.5"),
        ),
        _function(
            "max number:n*",
            "The greatest of some numbers; with 0, a floor for negative ones.",
            lambda *numbers: max(numbers),
            ("max(0, -3)", 0),
        ),
        _function(
            "number value:n",
            "A text as a number, so that + adds it.",
            lambda number: number,
            ('number("2") + 1', 3),
        ),
    ),
    "Texts": (
        _function(
            "text value:t",
            "A number, a condition or a date as text.",
            lambda item: item,
            ("text(1.50)", "1.5"),
        ),
        _function("upper text:t", "Capital letters.", str.upper, ('upper("eu")', "EU")),
        _function("lower text:t", "Small letters.", str.lower, ('lower("EU")', "eu")),
        _function(
            "trim text:t", "Without white space around it.", str.strip, ('trim(" a b ")', "a b")
        ),
        _function(
            "length value:a",
            "How many characters a text has, or items a list.",
            texts.length,
            ('length("abc")', 3),
            ("length([1, 2])", 2),
        ),
        _function(
            "substring text:t start:w end:w?",
            "The characters from start to before end, counted from 0; negative ones count from "
            "the end of the text.",
            texts.substring,
            ('substring("2026-01-31", 0, 7)', "2026-01"),
        ),
        _function(
            "replace text:t old:t new:t",
            "Every occurrence of a text replaced by another.",
            texts.replace,
            ('replace("a-b-c", "-", "")', "abc"),
        ),
        _function(
            "startsWith text:t beginning:t",
            "Whether a text begins so.",
            str.startswith,
            ('startsWith("eu-west", "eu")', True),
        ),
        _function(
            "endsWith text:t end:t",
            "Whether a text ends so.",
            str.endswith,
            ('endsWith("a.csv", ".csv")', True),
        ),
        _function(
            "contains text:t part:t",
            "Whether a text is in another; for lists write `x in list`.",
            lambda text, part: part in text,
            ('contains("gpt-large", "large")', True),
        ),
        _function(
            "splitPart text:t separator:t place:w",
            "One of the parts that separators cut a text into, counted from 0, or from the end "
            "by -1, -2 …; null where there are not so many.",
            texts.split_part,
            ('splitPart("eu/west/1", "/", 1)', "west"),
            ('splitPart("eu/west/1", "/", -1)', "1"),
        ),
        _function(
            "padStart text:t length:w fill:t?",
            "The text with characters in front of it, until it is so long.",
            texts.padded,
            ('padStart(7, 3, "0")', "007"),
        ),
    ),
    "Dates": (
        _function(
            "now",
            "The clock of the run; in Data Correction, the time of the action.",
            None,
            ("now()", "2026-02-01T00:00:00.000Z"),
        ),
        _function(
            "date value:a format:t? zone:t?",
            "A text as a date, by a format; without one, ISO 8601 or Unix milliseconds. A wall "
            "time is in the zone given, else in UTC.",
            dates.read,
            ('date("31.01.2026 14:30", "DD.MM.YYYY HH:mm")', "2026-01-31T14:30:00.000Z"),
            (
                'date("2026-07-01", "YYYY-MM-DD", "Europe/Berlin")',
                "2026-06-30T22:00:00.000Z",
            ),
        ),
        _function(
            "formatDate date:d format:t zone:t?",
            "A date as text, by a format.",
            dates.write,
            ('formatDate("2026-01-31T23:30:00Z", "YYYY-MM-DD", "Europe/Berlin")', "2026-02-01"),
            ('formatDate("2026-01-31", "[Q]Q YYYY, ddd D MMM")', "Q1 2026, Sat 31 Jan"),
        ),
        _function(
            "dateAdd date:d amount:w unit:t zone:t?",
            "A date so many units later. Days and longer units keep the wall time of the zone; a "
            "day that a month does not have becomes its last.",
            dates.add,
            ('dateAdd("2026-01-31", 1, "month")', "2026-02-28T00:00:00.000Z"),
            ('dateAdd("2026-01-01", -90, "minutes")', "2025-12-31T22:30:00.000Z"),
        ),
        _function(
            "dateDiff from:d to:d unit:t zone:t?",
            "How many whole units lie between two dates; negative where the second is earlier.",
            dates.between,
            ('dateDiff("2026-01-31", "2026-03-01", "months")', 1),
            ('dateDiff("2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z", "hour")', 1),
        ),
    ),
}

#: All functions by name, in the order of the reference.
FUNCTIONS: dict[str, Function] = {
    function.name: function
    for group, makers in _GROUPS.items()
    for function in (make(group) for make in makers)
}
