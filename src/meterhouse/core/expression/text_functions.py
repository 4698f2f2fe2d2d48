"""Functions of texts and lists."""

from __future__ import annotations

from meterhouse.core.expression import texts
from meterhouse.core.expression.signature import Maker, function

#: In the order of the reference.
TEXTS: tuple[Maker, ...] = (
    function(
        "text value:t",
        "A number, a condition or a date as text.",
        lambda item: item,
        ("text(1.50)", "1.5"),
    ),
    function("upper text:t", "Capital letters.", str.upper, ('upper("eu")', "EU")),
    function("lower text:t", "Small letters.", str.lower, ('lower("EU")', "eu")),
    function("trim text:t", "Without white space around it.", str.strip, ('trim(" a b ")', "a b")),
    function(
        "length value:a",
        "How many characters a text has, or items a list.",
        texts.length,
        ('length("abc")', 3),
        ("length([1, 2])", 2),
    ),
    function(
        "substring text:t start:w end:w?",
        "The characters from start to before end, counted from 0; negative ones count from "
        "the end of the text.",
        texts.substring,
        ('substring("2026-01-31", 0, 7)', "2026-01"),
    ),
    function(
        "replace text:t old:t new:t",
        "Every occurrence of a text replaced by another.",
        texts.replace,
        ('replace("a-b-c", "-", "")', "abc"),
    ),
    function(
        "startsWith text:t beginning:t",
        "Whether a text begins so.",
        str.startswith,
        ('startsWith("eu-west", "eu")', True),
    ),
    function(
        "endsWith text:t end:t",
        "Whether a text ends so.",
        str.endswith,
        ('endsWith("a.csv", ".csv")', True),
    ),
    function(
        "contains text:t part:t",
        "Whether a text is in another; for lists write `x in list`.",
        lambda text, part: part in text,
        ('contains("gpt-large", "large")', True),
    ),
    function(
        "splitPart text:t separator:t place:w",
        "One of the parts that separators cut a text into, counted from 0, or from the end "
        "by -1, -2 …; null where there are not so many.",
        texts.split_part,
        ('splitPart("eu/west/1", "/", 1)', "west"),
        ('splitPart("eu/west/1", "/", -1)', "1"),
    ),
    function(
        "padStart text:t length:w fill:t?",
        "The text with characters in front of it, until it is so long.",
        texts.padded,
        ('padStart(7, 3, "0")', "007"),
    ),
    function(
        "padEnd text:t length:w fill:t?",
        "The text with characters behind it, until it is so long.",
        texts.padded_end,
        ('padEnd("ab", 4, ".")', "ab.."),
    ),
    function(
        "concat text:t*",
        "Several texts as one. With `+`, two numbers would be added.",
        texts.concatenated,
        ('concat("a", 1, 2)', "a12"),
    ),
    function(
        "left text:t length:w",
        "The first characters.",
        texts.left,
        ('left("Berlin", 3)', "Ber"),
    ),
    function(
        "right text:t length:w",
        "The last characters.",
        texts.right,
        ('right("Berlin", 3)', "lin"),
    ),
    function(
        "trimStart text:t", "Without white space before it.", str.lstrip, ('trimStart(" a ")', "a ")
    ),
    function(
        "trimEnd text:t", "Without white space behind it.", str.rstrip, ('trimEnd(" a ")', " a")
    ),
    function(
        "capitalize text:t",
        "The first character as a capital letter, the others as they are.",
        texts.capitalized,
        ('capitalize("new york")', "New york"),
    ),
    function(
        "indexOf text:t part:t",
        "Where a text is first found in another, counted from 0; -1 where it is not.",
        str.find,
        ('indexOf("gpt-large", "large")', 4),
    ),
    function(
        "repeat text:t count:w",
        "A text so many times.",
        texts.repeated,
        ('repeat("ab", 3)', "ababab"),
    ),
    function(
        "split text:t separator:t",
        "The parts that separators cut a text into, as a list.",
        texts.split,
        ('split("a,b", ",")', ["a", "b"]),
    ),
    function(
        "join list:l separator:t",
        "The items of a list as one text, with a separator between them.",
        texts.list_joined,
        ('join(["a", "b"], "-")', "a-b"),
    ),
    function(
        "item list:l place:w",
        "An item of a list, counted from 0, or from the end by -1, -2 …; null where there is none.",
        texts.item,
        ('item(["a", "b"], -1)', "b"),
    ),
)
