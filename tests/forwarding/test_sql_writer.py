"""What ``writers/sql`` puts into tables, and which tables it does not write to."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.small import node
from tests.forwarding.house import Forwarding, usage
from tests.forwarding.receiving import Sqlite
from tests.forwarding.test_broker_writers import reasons
from tests.forwarding.test_contract import secret

Make = Callable[[dict[str, Any]], Forwarding]
Start = Callable[[str], Any]
BOTH = pytest.mark.parametrize("kind", ["postgres", "sqlite"])
#: What no float holds, and what no 64 bits hold.
EXACT = "12345678901234567890.123456789012345678"
BIG = 10**25


def made(receiving: Any, name: str, columns: str) -> str:
    receiving.execute(f"create table {name} ({columns})")
    return name


def fresh(receiving: Any, columns: str) -> str:
    return made(receiving, f"{receiving.make()}x", columns)


def sql_writer(receiving: Any, folder: Path, table: str, **params: Any) -> dict[str, Any]:
    """A writer of that table alone, with all top-level fields."""
    entry = {} if receiving.login is None else secret(folder, *receiving.login)
    url = receiving.writer(table)["params"]["url"]
    where = {"url": url, "table": table, "keyColumn": "id", "lanes": 1}
    return node("Out", "writers/sql", **where | entry | params)


@BOTH
def test_values_are_exact_and_objects_are_json(
    kind: str, start_receiving: Start, forwarding_to: Make, tmp_path: Path
):
    receiving = start_receiving(kind)
    columns = "id text primary key, amount {}, big {}, tags {}, ok boolean, gone text default 'd'"
    types = ("numeric", "numeric", "jsonb") if kind == "postgres" else ("text",) * 3
    table = fresh(receiving, columns.format(*types))
    house = forwarding_to(sql_writer(receiving, tmp_path, table))
    line = f'{{"amount":{EXACT},"big":{BIG},"tags":{{"a":[1,"\'x"]}},"ok":true}}'
    (house.usage / "1.ndjson").write_text(line + "\n")
    house.run([], name="2")
    assert house.deliver().sent == 1
    [row] = receiving.execute(f"select amount, big, tags, ok, gone from {table}")
    assert (Decimal(row[0]), Decimal(row[1])) == (Decimal(EXACT), BIG)
    assert row[2] == ({"a": [1, "'x"]} if kind == "postgres" else '{"a":[1,"\'x"]}')
    assert (bool(row[3]), row[4]) == (True, "d")


@BOTH
def test_columns_have_paths_and_texts(
    kind: str, start_receiving: Start, forwarding_to: Make, tmp_path: Path
):
    receiving = start_receiving(kind)
    table = fresh(receiving, 'id text primary key, "Region x" text, note text')
    columns = {"Region x": "at.region", "note": "${payload.n} of ${payload.meterId}"}
    house = forwarding_to(sql_writer(receiving, tmp_path, table, columns=columns))
    house.run([{"meterId": "m", "n": 1, "at": {"region": "eu"}}, {"meterId": "m", "n": 2}])
    assert house.deliver().sent == 2
    rows = receiving.execute(f'select "Region x", note from {table} order by note')
    assert [tuple(row) for row in rows] == [("eu", "1 of m"), (None, "2 of m")]


@BOTH
def test_what_violates_is_refused_alone_and_the_others_of_its_batch_are_there(
    kind: str, start_receiving: Start, forwarding_to: Make, tmp_path: Path
):
    receiving = start_receiving(kind)
    table = fresh(receiving, "id text primary key, n integer check (n > 0), once text unique")
    house = forwarding_to(sql_writer(receiving, tmp_path, table, batchSize=100))
    house.run(
        [
            {"n": 1, "once": "a"},
            {"n": -1},
            {"n": 2, "once": "a"},
            {"n": 3, "what": "no such column"},
            {"n": 4, "once": "b"},
        ]
    )
    tally = house.deliver()
    assert (tally.sent, tally.dead, house.waiting) == (2, 3, [])
    assert [row[0] for row in receiving.execute(f"select n from {table} order by n")] == [1, 4]
    said = dict(reasons(house))
    assert sorted(said) == [1, 2, 3]
    assert "has no column what" in said[3]


def test_postgres_refuses_what_it_would_round(
    start_receiving: Start, forwarding_to: Make, tmp_path: Path
):
    receiving = start_receiving("postgres")
    table = fresh(
        receiving, "id text primary key, whole integer, cents numeric(10,2), at timestamp"
    )
    house = forwarding_to(sql_writer(receiving, tmp_path, table))
    records = [{"whole": 1.5}, {"cents": 1.005}, {"at": "yesterdayish"}, {"cents": 1.05}]
    house.run([*records, {"whole": "\0"}, {"whole": 10**12}])
    tally = house.deliver()
    assert (tally.sent, tally.dead) == (1, 5)
    [row] = receiving.execute(f"select cents from {table}")
    assert row[0] == Decimal("1.05")


@BOTH
@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("id text, n integer", "is not unique on its own"),
        ("id text, n integer, unique (id, n)", "is not unique on its own"),
        ("other text primary key, n integer", "has no column id, which is the keyColumn"),
    ],
)
def test_a_table_without_a_unique_key_column_is_not_written_to(
    kind: str, columns: str, said: str, start_receiving: Start, forwarding_to: Make, tmp_path: Path
):
    receiving = start_receiving(kind)
    table = fresh(receiving, columns)
    house = forwarding_to(sql_writer(receiving, tmp_path, table, columns={"n": "n"}))
    house.run(usage(3, meters=1))
    tally = house.deliver()
    assert (tally.sent, tally.dead) == (0, 0)
    assert said in (house.waiting[0].error or "")
    assert receiving.execute(f"select * from {table}") == []
    # Its owner mends it, and the records are there.
    receiving.execute(f"drop table {table}")
    made(receiving, table, "id text primary key, n integer")
    house.deliver_all()
    assert len(receiving.execute(f"select * from {table}")) == 3


@BOTH
def test_a_table_or_a_column_that_is_missing_holds_the_lane(
    kind: str, start_receiving: Start, forwarding_to: Make, tmp_path: Path
):
    receiving = start_receiving(kind)
    table = fresh(receiving, "id text primary key")
    house = forwarding_to(sql_writer(receiving, tmp_path, table, columns={"n": "n"}))
    house.run(usage(1))
    house.deliver()
    assert f"the table {table} has no column n" in (house.waiting[0].error or "")
    receiving.execute(f"drop table {table}")
    house.clock.move(60)
    house.deliver()
    assert f"there is no table {table}" in (house.waiting[0].error or "")


def test_a_file_that_another_writes_to_is_waited_for(forwarding_to: Make, tmp_path: Path):
    from pysqlite3 import dbapi2

    receiving = Sqlite(tmp_path)
    table = fresh(receiving, "id text primary key, n integer")
    writer = sql_writer(receiving, tmp_path, table, columns={"n": "n"}, timeoutSeconds=1)
    house = forwarding_to(writer)
    house.run(usage(2, meters=1))
    other = dbapi2.connect(str(receiving.file), isolation_level=None)
    other.execute("begin immediate")
    tally = house.deliver()
    other.execute("rollback")
    other.close()
    assert (tally.sent, tally.dead) == (0, 0)
    assert "locked" in (house.waiting[0].error or "")
    house.clock.move(60)
    assert house.deliver().sent == 2


@pytest.mark.parametrize("name", ["ledger.db", "../data/ledger.db", "link.db"])
def test_the_products_own_data_is_not_written_to(name: str, forwarding_to: Make, tmp_path: Path):
    (tmp_path / "link.db").symlink_to(tmp_path / "data" / "ledger.db")
    folder = tmp_path if name == "link.db" else tmp_path / "data"
    where = {"url": f"sqlite:///{folder}/{name}", "table": "run", "keyColumn": "id"}
    house = forwarding_to(node("Out", "writers/sql", **where))
    house.run(usage(1))
    tally = house.deliver()
    assert (tally.sent, tally.dead) == (0, 0)
    assert "lies in the data directory" in (house.waiting[0].error or "")


def test_a_file_that_is_not_there_is_not_made(forwarding_to: Make, tmp_path: Path):
    where = {"url": f"sqlite:///{tmp_path}/none.db", "table": "t", "keyColumn": "id"}
    house = forwarding_to(node("Out", "writers/sql", **where))
    house.run(usage(1))
    house.deliver()
    assert "cannot be opened: No such file" in (house.waiting[0].error or "")
    assert not (tmp_path / "none.db").exists()


def test_a_server_that_nobody_allowed_is_not_connected_to(
    forwarding_to: Make, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("METERHOUSE_HTTP_ALLOW", "192.0.2.1")
    where = {"url": "postgresql://127.0.0.1:5432/x", "table": "t", "keyColumn": "id"}
    house = forwarding_to(node("Out", "writers/sql", **where))
    house.run(usage(1))
    house.deliver()
    assert "127.0.0.1: not a public address" in (house.waiting[0].error or "")
