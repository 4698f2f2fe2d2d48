"""Look-ups, in rows and in columns: the same as a dictionary of Python."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.json_text import Record, canonical_text, field_value
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Coded, Column, ColumnKind
from meterhouse.streams.key_index import KeyIndex
from meterhouse.streams.law import lawful
from meterhouse.streams.lookup_table import TableVersion
from meterhouse.streams.nodes.lookup import TableUnfit
from meterhouse.streams.record import RunResult
from meterhouse.streams.table_fields import TableFields
from meterhouse.streams.world import Services
from tests.streams.documents import AT, chain, counts, document, node, noop, reader, run
from tests.streams.generated import ANY, NUMBERS, TEXTS, canonical, records
from tests.streams.twins import Batches, Files, Snapshot, Spools, records_of

FORMS = pytest.mark.parametrize("columnar", [False, True], ids=["rows", "columns"])


@dataclass
class Table:
    """A table of the tests: its rows as records, and its columns as a run is given them."""

    rows: list[Record]
    names: tuple[str, ...]
    number: int = 1

    @property
    def content(self) -> dict[str, Column]:
        return {n: Column.from_values([row.get(n) for row in self.rows]) for n in self.names}

    @property
    def version(self) -> TableVersion:
        columns = tuple((name, column.kind) for name, column in self.content.items())
        head = ("id", "t", self.number, "sha", len(self.rows), columns)
        return TableVersion(*head, (), (), created_at=AT, created_by="me")

    def columns(self, version: TableVersion, names: frozenset[str] | None = None) -> Mapping:
        assert version == self.version
        return {n: c for n, c in self.content.items() if names is None or n in names}


TITLES = Table(
    records_of('{"title":"Dune","genre":"scifi","credits":5}\n{"title":"Heat","genre":"crime"}'),
    ("title", "genre", "credits"),
)
BY_TITLE = [{"field": "title", "column": "title"}]


def lookup(**params: Any) -> Record:
    return node("find", "transforms/lookup", **{"table": "t", "keys": BY_TITLE} | params)


def ran(
    found: Record, given_: list[Record] | Files, table: Table, *, columnar: bool, **more: Any
) -> tuple[dict[str, list[Record]], RunResult]:
    """What left by each port, and the result."""
    ports = ("match", "noMatch") if found["params"].get("onNoMatch") == "output" else ("match",)
    writers = [node(port, "writers/file", path=f"{port}.ndjson") for port in ports]
    edges = [f"find:{port} -> {port}" for port in ports]
    spools = Spools()
    files = given_ if isinstance(given_, Files) else Files({"a": given_}, columnar=columnar)
    result = run(
        document([reader(), found, *writers], "in -> find", *edges),
        files,
        services=Services(files, spools, tables=table),
        snapshot=Snapshot(tables={"t": table.version}),
        **more,
    )
    lawful_ = {port: spools.opened.get(port) for port in ports}
    return {port: spool.records if spool else [] for port, spool in lawful_.items()}, result


# ---------------------------------------------------------------- what becomes of records


@FORMS
def test_records_get_all_columns_that_are_no_key(columnar: bool):
    given_ = records_of('{"title":"Heat","n":1}\n{"title":"Dune"}\n{"title":"Jaws"}\n{"n":2}')
    left, result = ran(lookup(), given_, TITLES, columnar=columnar)
    assert left["match"] == [
        {"title": "Heat", "n": 1, "genre": "crime"},
        {"title": "Dune", "genre": "scifi", "credits": 5},
        {"title": "Jaws"},
        {"n": 2},
    ]
    assert counts(result, "find") == {"in": 4, "out": {"match": 4}}
    assert [text for _, _, text in result.log] == ["look-up table t: version 1, 2 rows"]


@FORMS
def test_what_finds_no_row_leaves_by_a_port(columnar: bool):
    given_ = records_of('{"title":"Jaws"}\n{"title":"Heat"}\n{"x":1}')
    left, result = ran(lookup(onNoMatch="output"), given_, TITLES, columnar=columnar)
    assert left["noMatch"] == [{"title": "Jaws"}, {"x": 1}]
    assert left["match"] == [{"title": "Heat", "genre": "crime"}]
    assert counts(result, "find") == {"in": 3, "out": {"match": 1, "noMatch": 2}}


@FORMS
def test_what_finds_no_row_is_suspended_with_its_keys(columnar: bool):
    given_ = records_of('{"title":"Jaws","n":1}\n{"title":"Heat"}\n{"n":2}')
    left, result = ran(lookup(onNoMatch="suspend"), given_, TITLES, columnar=columnar)
    assert left["match"] == [{"title": "Heat", "genre": "crime"}]
    assert [(s.reason.value, s.detail, s.record) for s in result.suspended] == [
        ("reference_missing", 't has no row with title "Jaws"', {"title": "Jaws", "n": 1}),
        ("reference_missing", "t has no row with title null", {"n": 2}),
    ]
    assert counts(result, "find") == {"in": 3, "out": {"match": 1}, "suspended": 2}


@FORMS
def test_what_finds_no_row_is_discarded(columnar: bool):
    given_ = records_of('{"title":"Jaws"}\n{"title":"Heat"}')
    left, result = ran(lookup(onNoMatch="discard"), given_, TITLES, columnar=columnar)
    assert left["match"] == [{"title": "Heat", "genre": "crime"}]
    assert counts(result, "find") == {"in": 2, "out": {"match": 1}, "filtered": 1}


def test_a_named_output_makes_the_port():
    found = lookup(multiOutput={"fixed": {"match": {"id": "m"}, "noMatch": {"id": "n"}}})
    files = Files({"a": records_of('{"title":"Jaws"}\n{"title":"Heat"}')})
    result = run(
        document(
            [reader(), found, noop("x"), noop("y")], "in -> find", "find:m -> x", "find:n -> y"
        ),
        services=Services(files, Spools(), tables=TITLES),
        snapshot=Snapshot(tables={"t": TITLES.version}),
    )
    assert counts(result, "find")["out"] == {"match": 1, "noMatch": 1}


@FORMS
def test_targets_make_objects_go_into_those_that_are_there_and_replace_all_else(columnar: bool):
    given_ = records_of(
        '{"title":"Dune","c":{"g":"old","k":1}}\n{"title":"Dune","c":7}\n{"title":"Heat"}\n'
        '{"title":"Jaws","c":{"k":2}}\n{"title":"Heat","value":9}'
    )
    fields = [
        {"column": "genre", "target": "c.g"},
        {"column": "credits", "target": "c.deep.n"},
        {"column": "credits", "target": "value"},
    ]
    left, _ = ran(lookup(fields=fields), given_, TITLES, columnar=columnar)
    assert canonical(left["match"]) == canonical(
        records_of(
            '{"title":"Dune","c":{"g":"scifi","k":1,"deep":{"n":5}},"value":5}\n'
            '{"title":"Dune","c":{"g":"scifi","deep":{"n":5}},"value":5}\n'
            '{"title":"Heat","c":{"g":"crime"}}\n{"title":"Jaws","c":{"k":2}}\n'
            '{"title":"Heat","value":9,"c":{"g":"crime"}}'
        )
    )


@FORMS
def test_given_records_stay_as_they_are(columnar: bool):
    given_ = records_of('{"title":"Dune","c":{"g":"old"}}')
    ran(lookup(fields=[{"column": "genre", "target": "c.g"}]), given_, TITLES, columnar=columnar)
    assert given_ == [{"title": "Dune", "c": {"g": "old"}}]


def test_a_reader_is_asked_for_keys_and_what_is_looked_at_later():
    files = Files({"a": records_of('{"title":"Dune","n":1}')}, columnar=True)
    shape = node("shape", "transforms/map", mappings=[{"v": "credits"}, {"m": "n"}])
    run(
        chain(reader(), lookup(keys=[{"field": "t.x", "column": "title"}]), shape, noop()),
        services=Services(files, Spools(), tables=TITLES),
        snapshot=Snapshot(tables={"t": TITLES.version}),
    )
    assert files.needed == [frozenset({"t", "t.x"})]


# ---------------------------------------------------------------- tables that do not fit


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"table": "x"}, 'there is no look-up table "x"'),
        ({"version": 7}, 'there is no look-up table "t" in version 7'),
        ({"keys": [{"field": "a", "column": "b"}]}, 'has no column "b"'),
        ({"fields": [{"column": "b"}]}, 'has no column "b"'),
    ],
)
def test_a_table_that_is_missing_or_lacks_a_column_fails_the_run(params: dict, said: str):
    with pytest.raises(TableUnfit, match=r'^node "find": ') as raised:
        ran(lookup(**params), [], TITLES, columnar=False)
    assert said in str(raised.value)
    assert raised.value.hint


def test_a_version_that_is_missing_points_to_the_versions():
    with pytest.raises(TableUnfit) as raised:
        ran(lookup(version=7), [], TITLES, columnar=False)
    assert "`meterhouse table versions 't'`" in raised.value.hint


def test_key_columns_that_are_not_unique_fail_the_run():
    table = Table(records_of('{"a":1,"b":1}\n{"a":2}\n{"a":1.0,"b":2}'), ("a", "b"))
    with pytest.raises(TableUnfit, match=r"has \[1\] as a in row 1 and 3"):
        ran(lookup(keys=[{"field": "x", "column": "a"}]), [], table, columnar=False)


# ---------------------------------------------------------------- equality


@FORMS
def test_a_number_is_another_key_than_its_text_and_the_same_as_with_zeros(columnar: bool):
    table = Table(records_of('{"k":5,"v":"number"}\n{"k":"5","v":"text"}'), ("k", "v"))
    given_: list[Record] = [{"x": 5}, {"x": Decimal("5.0")}, {"x": "5"}, {"x": "5.0"}, {"x": True}]
    for some in (given_, given_[:2], given_[:1], given_[2:4]):
        found = lookup(keys=[{"field": "${payload.x}", "column": "k"}])
        left, _ = ran(found, some, table, columnar=columnar)
        expected = {"5": "number", '"5"': "text"}
        assert [row.get("v") for row in left["match"]] == [
            expected.get(canonical_text(row["x"])) for row in some
        ]


@FORMS
def test_a_key_may_be_a_text_of_several_fields(columnar: bool):
    found = lookup(keys=[{"field": "${payload.a}-${payload.n}", "column": "title"}])
    table = Table([{"title": "x-1", "v": True}], ("title", "v"))
    left, _ = ran(found, records_of('{"a":"x","n":1}\n{"a":"x"}'), table, columnar=columnar)
    assert left["match"] == [{"a": "x", "n": 1, "v": True}, {"a": "x"}]


def as_dictionary(
    given_: list[Record], table: Table, keys: list[dict], fields: list[dict] | None
) -> list[Record]:
    """The obvious look-up."""
    columns = [key["column"] for key in keys]
    known = {
        tuple(canonical_text(row[name]) for name in columns): row
        for row in table.rows
        if all(row.get(name) is not None for name in columns)
    }
    if fields is None:
        fields = [{"column": n, "target": n} for n in table.names if n not in columns]
    made = []
    for record in given_:
        values = [field_value(record, key["field"]) for key in keys]
        row = known.get(tuple(map(canonical_text, values)), {}) if None not in values else {}
        new: Any = {**record}
        for field in fields:
            if (value := row.get(field["column"])) is not None:
                at = new
                *outer, name = field["target"].split(".")
                for step in outer:
                    at[step] = dict(at[step]) if isinstance(at.get(step), dict) else {}
                    at = at[step]
                at[name] = value
        made.append(new)
    return made


@st.composite
def tables(draw: st.DrawFn, keys: int) -> Table:
    """Rows with unique keys; some columns have one type, and some any."""
    kinds = [ANY, NUMBERS, TEXTS, st.booleans(), st.integers(-3, 9)]
    names = (*("k1", "k2")[:keys], "v", "w")
    values = {name: st.one_of(st.none(), draw(st.sampled_from(kinds))) for name in names}
    rows = draw(st.lists(st.fixed_dictionaries(values), max_size=12))
    unique: dict[tuple[str, ...], Record] = {}
    for row in rows:
        unique.setdefault(tuple(canonical_text(row[n]) for n in names[:keys]), row)
    return Table(list(unique.values()), names)


FIELDS = [None, [{"column": "v", "target": "b"}, {"column": "w", "target": "c.p"}]]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 2).flatmap(lambda n: st.tuples(st.just(n), tables(n))),
    records(),
    st.sampled_from(FIELDS),
    st.integers(1, 12),
    st.sampled_from(["keep", "output"]),
)
def test_a_look_up_is_a_dictionary_whatever_the_types_the_form_and_the_cut(
    given_table: tuple[int, Table],
    given_: list[Record],
    fields: list[dict] | None,
    chunk: int,
    on_no_match: str,
):
    count, table = given_table
    keys = [{"field": "a", "column": "k1"}, {"field": "b", "column": "k2"}][:count]
    found = lookup(
        keys=keys, onNoMatch=on_no_match, **({} if fields is None else {"fields": fields})
    )
    expected = as_dictionary(given_, table, keys, fields)
    for columnar in (False, True):
        left, result = ran(found, given_, table, columnar=columnar, chunk_records=chunk)
        assert all(map(lawful, result.nodes))
        if on_no_match == "keep":
            assert canonical(left["match"]) == canonical(expected)
        else:
            same = sorted(canonical(left["match"]) + canonical(left["noMatch"]))
            assert same == sorted(canonical(expected))


# ---------------------------------------------------------------- columns stay columns


def coded(values: list[str | None], texts: list[str]) -> Column:
    codes = [None if value is None else texts.index(value) for value in values]
    return Column.of_codes(Coded(pl.Series(codes, dtype=pl.UInt32), pl.Series(texts)))


def test_coded_keys_find_rows_and_texts_of_the_table_come_back_coded():
    values = ["b", None, "a", "x", "b"]
    column = coded(values, ["a", "x", "b", "unused"])
    batch = UsageBatch.from_columns({"k": column}, length=5)
    index = KeyIndex([Column.from_values(["b", "a"])])
    rows = index.rows([column])
    assert rows.to_list() == [0, None, 1, None, 0]
    fields = TableFields({("t",): Column.from_values(["B", "A"])})
    made = fields.put(batch, rows).columns()["t"]
    assert made.coded is not None
    assert made.to_values() == ["B", None, "A", None, "B"]


def test_instants_are_found_by_their_text():
    at = pl.Series(["2026-01-31T00:00:00.000Z", None]).str.to_datetime(time_zone="UTC")
    column = Column(ColumnKind.TIMESTAMP, at.cast(pl.Datetime("us", "UTC")))
    index = KeyIndex([Column.from_values(["2026-01-31T00:00:00.000Z"])])
    assert index.rows([column]).to_list() == [0, None]


def test_a_columnar_batch_of_coded_texts_passes_a_stream():
    batch = UsageBatch.from_columns({"title": coded(["Heat", "Jaws"], ["Jaws", "Heat"])}, length=2)
    left, _ = ran(lookup(), Batches(batch), TITLES, columnar=True)
    assert left["match"] == [{"title": "Heat", "genre": "crime"}, {"title": "Jaws"}]


def test_an_empty_table_finds_nothing():
    table = replace(TITLES, rows=[])
    left, _ = ran(lookup(), records_of('{"title":"Heat"}'), table, columnar=True)
    assert left["match"] == [{"title": "Heat"}]
