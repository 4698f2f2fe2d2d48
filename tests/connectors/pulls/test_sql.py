"""Queries as inputs, on PostgreSQL and SQLite: each row is metered once, and exactly."""

import json
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pysqlite3 import dbapi2 as sqlite3

from meterhouse.connectors.folders import AllowedFolders
from meterhouse.connectors.http import Guard
from meterhouse.connectors.sql.database import Database
from meterhouse.streams.ports import FileRefused
from tests.acceptance import small
from tests.cli.command import Meterhouse
from tests.connectors.pulls import pulling
from tests.connectors.pulls.pulling import (
    change,
    failing,
    metered,
    positions,
    read,
    run,
    run_killed,
    secret,
)
from tests.servers.postgres import PASSWORD, USER, Postgres

_names = count(1)
SQL = "readers/sql"
BY_ID = {"column": "id", "start": 0}


class Table:
    """A table of usage in one kind of database, and how a node reads it."""

    def __init__(self, name: str, url: str, execute: Callable[..., None]) -> None:
        self.name = name
        self.url = url
        self.execute = execute
        self.query = f'SELECT id, user_id AS "userId", value FROM {name}'
        self.query += " WHERE id > :watermark ORDER BY id"

    def make(self, columns: str = "id bigint PRIMARY KEY, user_id text, value numeric") -> None:
        self.execute(f"CREATE TABLE {self.name} ({columns})")

    def insert(self, *rows: str) -> None:
        self.execute(f"INSERT INTO {self.name} VALUES {', '.join(rows)}")

    def usage(self, numbers: range) -> None:
        """Usage of ann; the value is unlike for each."""
        self.insert(*(f"({n}, 'ann', {n * n + 1})" for n in numbers))


def whole(numbers: range) -> int:
    return sum(n * n + 1 for n in numbers)


class House:
    """The command line with what its streams need to read a table."""

    def __init__(self, meterhouse: Meterhouse, table: Table, entry: dict[str, str] | None) -> None:
        self.meterhouse = meterhouse
        self.table = table
        self.entry = entry

    def params(self, **more: Any) -> dict[str, Any]:
        given = {"url": self.table.url, "query": self.table.query, "watermark": BY_ID}
        return given | ({"secretsWalletEntry": self.entry} if self.entry else {}) | more

    def set_up(self, **more: Any) -> str:
        return pulling.set_up(self.meterhouse, SQL, **self.params(**more))


def sqlite_table(path: Path) -> Table:
    def execute(*statements: str) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return Table("usage", f"sqlite:///{path}", execute)


@pytest.fixture
def on_postgres(meterhouse: Meterhouse, postgres: Postgres) -> House:
    entry = secret(meterhouse, "basic", username=USER, password=PASSWORD)
    table = Table(f"usage{next(_names)}", postgres.url, postgres.execute)
    return House(meterhouse, table, entry)


@pytest.fixture
def on_sqlite(meterhouse: Meterhouse, tmp_path: Path) -> House:
    return House(meterhouse, sqlite_table(tmp_path / "usage.db"), None)


@pytest.fixture(params=["on_postgres", "on_sqlite"])
def house(request: pytest.FixtureRequest) -> House:
    return request.getfixturevalue(request.param)


# ---------------------------------------------------------------- once each


def test_several_runs_meter_each_row_once(house: House):
    house.table.make()
    key = house.set_up()
    assert run(house.meterhouse) == 0
    house.table.usage(range(1, 30))
    assert run(house.meterhouse) == 29
    house.table.usage(range(30, 50))
    assert run(house.meterhouse) == 20
    assert run(house.meterhouse) == 0
    assert metered(house.meterhouse, key) == whole(range(1, 50))


def test_a_run_takes_as_many_as_it_may_and_the_next_goes_on(house: House):
    house.table.make()
    house.table.usage(range(1, 21))
    key = house.set_up(maxRecords=7, fetchSize=2)
    assert [run(house.meterhouse) for _ in range(4)] == [7, 7, 6, 0]
    assert metered(house.meterhouse, key) == whole(range(1, 21))


@pytest.mark.parametrize("point", ["read", "committed"])
def test_a_killed_run_changes_nothing_or_all(house: House, point: str):
    house.table.make()
    house.table.usage(range(1, 11))
    key = house.set_up()
    run_killed(house.meterhouse, SQL, point)
    house.table.usage(range(11, 16))
    assert run(house.meterhouse) == (15 if point == "read" else 5)
    assert metered(house.meterhouse, key) == whole(range(1, 16))


def test_a_preview_shows_ten_rows_and_keeps_nothing(house: House):
    house.table.make()
    house.table.usage(range(1, 21))
    house.set_up()
    assert [row["id"] for row in read(house.meterhouse)] == list(range(1, 11))
    assert positions(house.meterhouse) == []
    assert run(house.meterhouse) == 20


def test_the_position_can_be_shown_and_reset(house: House):
    house.table.make()
    house.table.usage(range(1, 4))
    house.set_up()
    run(house.meterhouse)
    [position] = positions(house.meterhouse)
    assert (position["node"], position["part"]) == ("Reader", "query")
    watermark = [{"type": "integer", "value": "3"}]
    assert position["value"] == {"columns": ["id"], "watermark": watermark, "taken": 3}
    reset = house.meterhouse("stream", "position", "reset", small.STREAM, "--node", "Reader")
    assert "the next run begins at watermark.start of the node" in reset.err
    assert run(house.meterhouse) == 3


def test_rows_with_equal_timestamps_are_told_apart_by_a_tie(house: House):
    house.table.make("id bigint, user_id text, value numeric, at text")
    house.table.query = (
        f'SELECT id, at, user_id AS "userId", value FROM {house.table.name}'
        " WHERE (at, id) > (:watermark, :watermark_2) ORDER BY at, id"
    )
    house.table.insert(*(f"({n}, 'ann', {n * n + 1}, '2026-01-0{n // 4 + 1}')" for n in range(12)))
    watermark = {"column": "at", "tie": ["id"], "start": ["", 0]}
    key = house.set_up(watermark=watermark, maxRecords=5)
    assert [run(house.meterhouse) for _ in range(4)] == [5, 5, 2, 0]
    # More with the same moment as the last one.
    house.table.insert("(12, 'ann', 1000, '2026-01-03')")
    assert run(house.meterhouse) == 1
    assert metered(house.meterhouse, key) == whole(range(12)) + 1000


# ---------------------------------------------------------------- the order of rows


@pytest.mark.parametrize("order", ["", " ORDER BY id DESC"])
def test_a_query_without_the_order_fails_the_run(house: House, order: str):
    house.table.make()
    house.table.usage(range(9, 3, -1))
    house.table.query = house.table.query.removesuffix(" ORDER BY id")
    if house.entry is None and not order:
        house.table.query = house.table.query.replace("id > ", "+id + 0 * value > ")
        order = " ORDER BY value DESC"
    house.table.query += order
    house.set_up()
    said = failing(house.meterhouse)
    assert "row 2 has the watermark 8, below 9" in said
    assert "end with ORDER BY id" in said
    assert positions(house.meterhouse) == []


def test_rows_with_the_same_watermark_fail_the_run(house: House):
    house.table.make("id bigint, user_id text, value numeric")
    house.table.insert("(1, 'ann', 1)", "(1, 'ann', 2)")
    house.set_up()
    said = failing(house.meterhouse)
    assert "two rows have the same watermark (id): 1" in said
    assert "watermark.tie" in said


def test_a_comparison_that_takes_the_last_row_again_fails_the_run(house: House):
    house.table.make()
    house.table.usage(range(1, 4))
    house.table.query = house.table.query.replace(">", ">=")
    house.set_up()
    assert run(house.meterhouse) == 3
    assert "two rows have the same watermark (id): 3" in failing(house.meterhouse)


def test_a_watermark_that_is_null_fails_the_run(house: House):
    house.table.make("id bigint, user_id text, value numeric")
    house.table.insert("(NULL, 'ann', 1)")
    house.table.query = house.table.query.replace(">", "IS NULL OR id >")
    house.set_up()
    assert "row 1: the watermark (id) is NULL" in failing(house.meterhouse)


def test_a_column_that_the_query_lacks_is_named(house: House):
    house.table.make()
    house.set_up(watermark={"column": "ID", "start": 0})
    said = failing(house.meterhouse)
    assert "the query has no column ID" in said
    assert "It has id, userId, value" in said


def test_another_watermark_in_the_document_needs_a_reset(house: House):
    house.table.make()
    house.table.usage(range(1, 4))
    house.set_up()
    run(house.meterhouse)
    change(house.meterhouse, SQL, **house.params(watermark={"column": "value", "start": 0}))
    said = failing(house.meterhouse)
    assert "was read by id until now, and the node says value" in said
    assert "stream position reset" in said


# ---------------------------------------------------------------- values


def test_values_of_postgres_become_json_exactly(on_postgres: House):
    house = on_postgres
    house.table.make("id bigint, n numeric, f float8, g real, t timestamptz, u timestamp, d date")
    more = "ADD j jsonb, ADD a int[], ADD b bool, ADD w uuid, ADD x text"
    house.table.execute(f"ALTER TABLE {house.table.name} {more}")
    house.table.insert(
        "(1, 12345678901234567890.123456789012345678, 0.1, 0.1, '2026-01-31T01:00:00.000001+02',"
        " '2026-01-31 01:00', '2026-01-31', '{\"p\": 0.10, \"q\": [12345678901234567890]}',"
        " '{1,2}', true, '5F1B7C1E-8D5E-4F6E-9D0E-2A3B4C5D6E7F', NULL)"
    )
    house.table.query = f"SELECT * FROM {house.table.name} WHERE id > :watermark ORDER BY id"
    house.set_up()
    words = ("stream", "preview", small.STREAM, "--json")
    said = house.meterhouse.done(*words).out
    assert "12345678901234567890.123456789012345678" in said
    [record] = read(house.meterhouse)
    assert '"q":[12345678901234567890]' in said.replace(" ", "")
    del record["n"], record["j"]
    assert record == {
        "id": 1,
        "f": 0.1,
        "g": 0.1,
        "t": "2026-01-30T23:00:00.000001Z",
        "u": "2026-01-31T01:00:00Z",
        "d": "2026-01-31",
        "a": [1, 2],
        "b": True,
        "w": "5f1b7c1e-8d5e-4f6e-9d0e-2a3b4c5d6e7f",
    }


@pytest.mark.parametrize(
    ("type_", "low", "high", "kept"),
    [
        (
            "timestamptz",
            "2026-01-01T00:00:00.000001Z",
            "2026-01-01T00:00:00.000002Z",
            {"type": "timestamp", "value": "2026-01-01T00:00:00.000002+00:00"},
        ),
        ("timestamp", "2026-01-01", "2026-01-02", {"type": "datetime"}),
        ("date", "2026-01-01", "2026-01-02", {"type": "date", "value": "2026-01-02"}),
        ("numeric", "1.000000000000000001", "1.000000000000000002", {"type": "decimal"}),
        ("float8", "0.1", "0.30000000000000004", {"value": "0.30000000000000004"}),
        ("text", "B", "a", {"type": "text", "value": "a"}),
        ("uuid", str(UUID(int=1)), str(UUID(int=2)), {"type": "text"}),
    ],
)
def test_a_watermark_of_any_type_is_kept_exactly(
    on_postgres: House, type_: str, low: str, high: str, kept: dict[str, str]
):
    house = on_postgres
    house.table.make(f"id {type_}, user_id text, value numeric")
    house.table.insert(f"('{low}', 'ann', 1)", f"('{high}', 'ann', 2)")
    first = {"text": "", "uuid": str(UUID(int=0)), "numeric": "0", "float8": "0"}
    start = first.get(type_, "1970-01-01T00:00:00Z")
    key = house.set_up(watermark={"column": "id", "start": start}, maxRecords=1)
    assert [run(house.meterhouse) for _ in range(3)] == [1, 1, 0]
    [position] = positions(house.meterhouse)
    [mark] = position["value"]["watermark"]
    assert kept.items() <= mark.items()
    assert metered(house.meterhouse, key) == 3


def test_what_no_record_can_hold_is_suspended_with_its_place(house: House):
    blob = "bytea" if house.entry else "blob"
    house.table.make(f"id bigint, user_id text, value numeric, photo {blob}")
    bytes_ = "'\\xcafe'" if house.entry else "x'cafe'"
    house.table.insert("(1, 'ann', 5, NULL)", f"(2, 'ann', 6, {bytes_})", "(3, 'ann', 7, NULL)")
    house.table.query = house.table.query.replace("value FROM", "value, photo FROM")
    key = house.set_up()
    assert run(house.meterhouse) == 3
    [entry] = house.meterhouse.json("correction", "list")
    assert (entry["reason"], entry["offset"]) == ("not_readable", 1)
    assert entry["source"].startswith("sql:")
    raw = json.loads(entry["raw"])
    assert raw == {"id": 2, "userId": "ann", "value": 6, "photo": "\\xcafe"}
    assert "column photo holds 2 bytes" in entry["detail"]
    assert (run(house.meterhouse), metered(house.meterhouse, key)) == (0, 12)


def test_a_text_of_sqlite_that_is_no_utf_8_is_suspended(on_sqlite: House):
    house = on_sqlite
    house.table.make()
    house.table.insert("(1, CAST(x'ff' AS text), 5)")
    house.set_up()
    assert run(house.meterhouse) == 1
    assert small.suspended(house.meterhouse) == [("not_readable", 0)]


def test_colons_in_texts_and_casts_are_no_parameters(on_postgres: House):
    house = on_postgres
    house.table.make()
    house.table.usage(range(1, 3))
    house.table.query = (
        f"SELECT id, value::text AS value, ' :x' AS \"userId\", 'a\\:b' AS c -- of :nobody\n"
        f"FROM {house.table.name} WHERE id > :watermark AND 7 % 2 = 1 ORDER BY id;"
    )
    house.set_up()
    records = read(house.meterhouse)
    assert [(r["userId"], r["value"]) for r in records] == [(" :x", "2"), (" :x", "5")]


# ---------------------------------------------------------------- what is refused


def test_a_query_that_writes_changes_nothing(on_postgres: House):
    house = on_postgres
    house.table.make()
    house.table.usage(range(1, 4))
    house.table.query = (
        f"WITH gone AS (DELETE FROM {house.table.name} WHERE id > :watermark RETURNING id)"
        " SELECT id FROM gone ORDER BY id"
    )
    house.set_up()
    failing(house.meterhouse)
    house.table.execute(f"CREATE SEQUENCE {house.table.name}_s")
    query = f"SELECT nextval('{house.table.name}_s') AS id WHERE 1 > :watermark"
    change(house.meterhouse, SQL, **house.params(query=query))
    assert "read-only transaction" in failing(house.meterhouse)
    house.table.query = f"SELECT id FROM {house.table.name} WHERE id > :watermark ORDER BY id"
    change(house.meterhouse, SQL, **house.params())
    assert run(house.meterhouse) == 3


def test_a_wrong_password_is_not_told(on_postgres: House):
    house = on_postgres
    assert house.entry is not None
    given = json.dumps({"username": USER, "password": "wr0ng-canary"})
    words = ("secret", "update", house.entry["secretId"], "--file", "-")
    house.meterhouse.done(*words, given=given)
    house.set_up()
    said = failing(house.meterhouse)
    assert "127.0.0.1" in said
    assert "database postgres" in said
    assert "password authentication failed" in said
    assert "canary" not in said


def test_a_server_that_is_away_fails_the_run_and_is_named(on_postgres: House):
    house = on_postgres
    house.set_up(url="postgresql://127.0.0.1:1/billing")
    said = failing(house.meterhouse)
    assert "127.0.0.1:1, database billing" in said
    assert "refused" in said
    assert "canary" not in said


def test_a_private_address_is_refused_unless_it_is_allowed(
    on_postgres: House, monkeypatch: pytest.MonkeyPatch
):
    on_postgres.set_up()
    monkeypatch.delenv("METERHOUSE_HTTP_ALLOW")
    said = failing(on_postgres.meterhouse)
    assert "not a public address" in said
    assert "METERHOUSE_HTTP_ALLOW" in said


@pytest.mark.parametrize("way", ["itself", "a link", "a hard link"])
def test_the_data_directory_is_not_read(on_sqlite: House, tmp_path: Path, way: str):
    house = on_sqlite
    house.meterhouse.done("meter-type", "list")
    path = ledger = house.meterhouse.data / "ledger.sqlite"
    assert ledger.exists()
    if way != "itself":
        path = tmp_path / "innocent.db"
        path.symlink_to(ledger) if way == "a link" else path.hardlink_to(ledger)
    house.set_up(url=f"sqlite:///{path}")
    assert "lies in the data directory" in failing(house.meterhouse)


def test_a_server_reads_files_of_its_folders_only(on_sqlite: House, tmp_path: Path):
    (tmp_path / "open").mkdir()
    folders = AllowedFolders(open=(tmp_path / "open",))
    settings = {"driver": "sqlite", "file": str(tmp_path / "usage.db")}
    on_sqlite.table.make()
    database = Database(settings, None, guard=Guard(), folders=folders)
    with pytest.raises(FileRefused, match="lies in no allowed folder"):
        database.connect()


def test_a_file_that_is_not_there_is_not_made(on_sqlite: House, tmp_path: Path):
    on_sqlite.set_up(url=f"sqlite:///{tmp_path}/absent.db")
    assert "absent.db: cannot be opened: No such file" in failing(on_sqlite.meterhouse)
    assert not (tmp_path / "absent.db").exists()


def test_a_library_that_is_not_installed_is_named_with_its_extra(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    house.set_up()
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert "pip install 'meterhouse[sql]'" in failing(house.meterhouse)


def test_a_driver_that_is_not_installed_is_named(on_postgres: House):
    on_postgres.set_up(url="mysql+pymysql://127.0.0.1/billing")
    assert "Install the Python package of mysql+pymysql" in failing(on_postgres.meterhouse)


@pytest.mark.parametrize(
    ("place", "value", "text"),
    [
        ("url", "postgresql://ann:s3cr3t-canary@db.example.com/x", "has a password in it"),
        ("url", "postgresql://db.example.com/x?password=s3cr3t-canary", "has a password in it"),
        ("url", "postgresql://db.example.com/x?host=10.0.0.1", 'has the option "host"'),
        ("url", "postgresql://${payload.host}/x", "no placeholders here"),
        ("url", "mssql+pyodbc://db.example.com/x?driver=x};Server=y", "has driver=x};Server=y"),
        ("url", "duckdb://db.example.com/x", "write it as postgresql://"),
        ("url", "postgresql:///x", "write it as postgresql://"),
        ("url", "sqlite://", "write it as postgresql://"),
        ("query", "DELETE FROM usage WHERE id > :watermark", "write one SELECT"),
        ("query", "SELECT :watermark; SELECT 2", "has a semicolon inside"),
        ("query", "SELECT 1", "has no :watermark"),
        ("query", "SELECT ':watermark'", "has no :watermark"),
        ("query", "SELECT :watermark, :other", "has the parameter :other"),
        ("watermark", None, "is missing"),
        ("watermark", {"column": "id"}, "watermark.start: is missing"),
        ("watermark", {"column": "id", "tie": "id", "start": [0, 0]}, 'tie[0]: is "id" again'),
    ],
)
def test_wrong_parameters_are_named(house: House, place: str, value: Any, text: str):
    stream = pulling.stream(SQL, **house.params(**{place: value}))
    said = house.meterhouse.refused("stream", "validate", "-", given=json.dumps(stream))
    assert f"params.{place}" in said
    assert text in said
    assert "canary" not in said
