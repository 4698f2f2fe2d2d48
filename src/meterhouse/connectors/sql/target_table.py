"""The table that a writer adds rows to: whether it will do, and what stands in its columns.

Nothing is rounded on its way: numbers leave as they are written, and what a column of PostgreSQL
would round is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from meterhouse.connectors.sql.database import library
from meterhouse.core.json_text import JsonValue, has_half_pair, json_text
from meterhouse.core.quantity import number_text

_INT64 = range(-(2**63), 2**63)
POSTGRESQL = "postgresql"


class TableUnfit(Exception):
    """The table is not as it has to be; its owner can mend that."""


class TargetTable:
    """A table, looked at once over a connection. Raises ``TableUnfit``."""

    def __init__(self, connection: Any, name: str, *, key_column: str) -> None:
        schema, _, table = name.rpartition(".")
        self._name = name
        self._key = key_column
        self._dialect: str = connection.dialect.name
        inspector = library().inspect(connection)
        where = {"schema": schema or None}
        if not inspector.has_table(table, **where):
            raise TableUnfit(f"there is no table {name}")
        columns = inspector.get_columns(table, **where)
        self._columns = {column["name"]: _scale(column["type"]) for column in columns}
        self._schema, self._table = schema or None, table
        if key_column not in self._columns:
            raise TableUnfit(f"the table {name} has no column {key_column}, which is the keyColumn")
        if [key_column] not in _unique(inspector, table, where):
            raise TableUnfit(
                f"the column {key_column} of the table {name} is not unique on its own: give it a "
                "primary key or a unique constraint, so that no record is there twice"
            )

    def require(self, columns: Sequence[str]) -> None:
        """Raise ``TableUnfit`` where a column is missing."""
        for column in columns:
            if column not in self._columns:
                raise TableUnfit(f"the table {self._name} has no column {column}")

    def row(self, key: str, fields: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Return a row as the driver takes it. Raises ``ValueError`` saying what does not fit."""
        row: dict[str, Any] = {self._key: key}
        for column, value in fields.items():
            if column not in self._columns:
                raise ValueError(f"the table {self._name} has no column {column}")
            row[column] = self._bound(column, value)
        return row

    def insert(self, columns: Sequence[str]) -> Any:
        """Return the statement that adds a row, unless its key is there already."""
        sa = library()
        if self._dialect == POSTGRESQL:
            from sqlalchemy.dialects.postgresql import insert
        else:
            from sqlalchemy.dialects.sqlite import insert
        table = sa.table(self._table, *map(sa.column, columns), schema=self._schema)
        # By position: a column may be called whatever a parameter may not.
        values = {column: sa.bindparam(f"p{n}") for n, column in enumerate(columns)}
        return insert(table).values(values).on_conflict_do_nothing(index_elements=[self._key])

    def _bound(self, column: str, value: JsonValue) -> Any:
        if value is None:
            return None
        if isinstance(value, str):
            return _text(column, value)
        if isinstance(value, dict | list):
            return _text(column, json_text(value))
        if isinstance(value, bool):
            # PostgreSQL is given texts only: what they mean, the column decides, or refuses.
            return str(value).lower() if self._dialect == POSTGRESQL else int(value)
        return self._number(column, value)

    def _number(self, column: str, value: int | Decimal) -> Any:
        if self._dialect == POSTGRESQL:
            scale = self._columns[column]
            if scale is not None and isinstance(value, Decimal) and _digits(value) > scale:
                text = number_text(value)
                raise ValueError(f"{text} has more than the {scale} decimals of column {column}")
            return number_text(value)
        # A text, where the library would make a float of it.
        return value if isinstance(value, int) and value in _INT64 else number_text(value)


def _scale(type_: Any) -> int | None:
    """Return how many decimals a column keeps; ``None`` where it keeps them all, or has none."""
    sa = library()
    if isinstance(type_, sa.Numeric) and not isinstance(type_, sa.Float):
        return type_.scale
    return None


def _digits(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _text(column: str, value: str) -> str:
    if has_half_pair(value):
        raise ValueError(f"column {column} would hold half of a character, which UTF-8 cannot")
    return value


def _unique(inspector: Any, table: str, where: Mapping[str, Any]) -> list[list[str]]:
    """Return the columns of everything that keeps rows unique."""
    found = [inspector.get_pk_constraint(table, **where)["constrained_columns"]]
    found += [u["column_names"] for u in inspector.get_unique_constraints(table, **where)]
    for index in inspector.get_indexes(table, **where):
        options = index.get("dialect_options", {})
        partial = any(options.get(f"{dialect}_where") for dialect in ("postgresql", "sqlite"))
        if index["unique"] and not partial:
            found.append(index["column_names"])
    return [list(columns) for columns in found]
