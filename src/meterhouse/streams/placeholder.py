"""Placeholders in parameters: ``${payload.a.b}`` and ``@{payload.a.b}`` name a field of the record.

Decides what a parameter with placeholders means for a record. A whole value that is one
placeholder keeps the field's type; anything else becomes text. ``${payload}`` is the whole record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from meterhouse.core.json_text import JsonValue, Record, field_value
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.streams.field import canonical_texts, field_column, plain_texts, record_texts

_PLACEHOLDER = re.compile(r"[$@]\{payload(?:\.([^{}]+))?\}")
_OPENING = re.compile(r"[$@]\{")


@dataclass(frozen=True, slots=True)
class FieldReference:
    """A placeholder. ``path`` is empty where it is the whole record."""

    path: str

    def column(self, batch: UsageBatch) -> Column:
        """Return what it stands for, for each record."""
        if self.path:
            return field_column(batch, self.path)
        return Column(ColumnKind.JSON, record_texts(batch))

    def value(self, record: Record) -> JsonValue:
        """Return what it stands for in one record; ``None`` where it is absent."""
        return field_value(record, self.path) if self.path else record

    def __str__(self) -> str:
        return f"${{payload.{self.path}}}" if self.path else "${payload}"


@dataclass(frozen=True, slots=True)
class Template:
    """A text parameter, cut into literal texts and placeholders.

    >>> Template.parse("${payload.user.id}").fields
    ('user.id',)
    """

    parts: tuple[str | FieldReference, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a text that names at least one field. Raises ``ValueError`` saying what is wrong."""
        template = cls.parse_any(text)
        if not template.references:
            raise ValueError("names no field of the record, as ${payload.field} does")
        return template

    @classmethod
    def parse_any(cls, text: str) -> Template:
        """Read a text that may as well name no field. Raises ``ValueError``."""
        parts: list[str | FieldReference] = []
        done = 0
        for found in _PLACEHOLDER.finditer(text):
            parts.append(_literal(text[done : found.start()]))
            parts.append(FieldReference(found[1] or ""))
            done = found.end()
        parts.append(_literal(text[done:]))
        return cls(tuple(part for part in parts if part != ""))

    @property
    def single(self) -> FieldReference | None:
        """The placeholder, where the whole text is one."""
        only = self.parts[0] if len(self.parts) == 1 else None
        return only if isinstance(only, FieldReference) else None

    @property
    def references(self) -> tuple[FieldReference, ...]:
        """The placeholders, in order."""
        return tuple(part for part in self.parts if isinstance(part, FieldReference))

    @property
    def fields(self) -> tuple[str, ...] | None:
        """The paths of the fields that are named; ``None`` where the whole record is."""
        paths = tuple(reference.path for reference in self.references)
        return None if "" in paths else paths

    def column(self, batch: UsageBatch) -> Column:
        """Return the value for each record: typed for a single placeholder, text otherwise."""
        if (single := self.single) is not None:
            return single.column(batch)
        texts = [
            pl.lit(part) if isinstance(part, str) else pl.lit(plain_texts(part.column(batch)))
            for part in self.parts
        ]
        return Column(ColumnKind.TEXT, pl.select(pl.concat_str(texts).alias("text"))["text"])

    def key_texts(self, batch: UsageBatch) -> pl.Series:
        """Return one text a record, equal where all placeholders stand for equal JSON values.

        Values are kept apart: 1 and 12 give another text than 11 and 2, number 5 another than
        the text "5". An absent field counts as null.
        """
        texts = [canonical_texts(reference.column(batch)) for reference in self.references]
        if len(texts) == 1:
            return texts[0]
        return pl.select(pl.concat_str([pl.lit(t) for t in texts], separator=",").alias("t"))["t"]


def _literal(text: str) -> str:
    if (found := _OPENING.search(text)) is not None:
        shown = text[found.start() : found.start() + 40]
        raise ValueError(f"holds {shown!r}, no placeholder such as ${{payload.field}}")
    return text
