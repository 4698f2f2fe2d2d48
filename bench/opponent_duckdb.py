"""The job by hand in DuckDB SQL, from process start to Parquet files.

The same plan as in Polars, in the form that is fastest here (bench/README.md has the figures):
texts are numbered by `list_position`, which DuckDB computes once per Parquet dictionary (a cast to
ENUM is computed per record); the string join carries one packed number on each side; groups are
folded by one combined key; carries are minimum and maximum of one integer, joined with the session
texts at the end (`arg_min` on a text costs twice as much); crossings are searched in two levels.

Use: python -m bench.opponent_duckdb --meters FILE --out DIR INPUT...
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from bench import job
from bench.arguments import opponent_arguments

_DOMAINS = {"model": job.MODELS, "level": job.LEVELS, "app": job.APPS, "region": job.REGIONS}
_CATEGORIES = tuple(rule.category for rule in job.RULES)
_SLICES = 32

# Every packed number is made of whole bits: shifts cost a tenth of a division here.
_FIELD = {"model": 3, "region": 3, "app": 3, "level": 2}  # a group is its fields' bits in a row
_GROUP = tuple(sum(_FIELD[name] for name in section) for section in job.SECTIONS)
_SLOT = 3  # a meter is user << _SLOT | rule, a group key is meter << _GROUP | group
_HELD = len(job.RULES)

_NDJSON_COLUMNS = {
    **dict.fromkeys(("userId", *_DOMAINS, "session"), "VARCHAR"),
    "stream": "BOOLEAN",
    "tokens": "BIGINT",
}


def _texts(values: Sequence[str]) -> str:
    return "[" + ", ".join(f"'{value}'" for value in values) + "]"


def _code(field: str) -> str:
    return f"(list_position({_texts(_DOMAINS[field])}, {field}) - 1)::INTEGER"


def _text(code: str, values: Sequence[str]) -> str:
    return f"({_texts(values)})[({code}) + 1]"


def _rule_bits() -> str:
    bits = []
    for slot, rule in enumerate(job.RULES):
        parts = [
            field if value is True else f"{field} = '{value}'" for field, value in rule.conditions
        ]
        holds = f" {rule.relation} ".join(parts) or "true"
        bits.append(f"case when {holds} then {1 << slot} else 0 end")
    return "(" + " + ".join(bits) + ")::UTINYINT"


def _users(meters: Path) -> str:
    bits = " ".join(f"when '{name}' then {1 << slot}" for slot, name in enumerate(_CATEGORIES))
    return f"""
        create temp table users as
        select userId, (row_number() over () - 1)::UINTEGER as number, held
        from (select userId, sum(case category {bits} end)::UTINYINT as held
              from read_parquet('{meters}') group by userId)"""


def _group(number: int) -> str:
    one, two = job.SECTIONS[number - 1]
    return f"({_code(one)} * {1 << _FIELD[two]} + {_code(two)})"


def _coded() -> str:
    """Columns of a record as numbers; `rest` is the rules that hold and both groups."""
    shift = sum(_GROUP)
    return f"""
        userId, tokens::INTEGER as tokens, {_code("app")} as app,
        ({_rule_bits()}::INTEGER * {1 << shift} + {_group(1)} * {1 << _GROUP[1]} + {_group(2)}
        )::UINTEGER as rest"""


def _read(connection: duckdb.DuckDBPyConnection, inputs: Sequence[Path]) -> str:
    """Make the table of sessions by sequence number; return the query for the other columns.

    Parquet is read twice, each time only the columns that are needed. NDJSON is read once, in the
    order of the file, so that the row number is the sequence number.
    """
    if inputs[0].suffix == ".ndjson":
        files = _texts([str(path) for path in inputs])
        connection.execute("set preserve_insertion_order = true")
        connection.execute(f"""
            create temp table source as select {_coded()}, session
            from read_json({files}, format = 'newline_delimited', columns = {_NDJSON_COLUMNS})""")
        connection.execute("set preserve_insertion_order = false")
        sessions = ["select rowid::UINTEGER as seq, session from source"]
        records = ["select userId, tokens, app, rest, rowid as seq from source"]
    else:
        records, sessions, start = [], [], 0
        for path in inputs:
            scan = f"read_parquet('{path}', file_row_number = true)"
            seq = f"file_row_number + {start}"
            records.append(f"select {_coded()}, {seq} as seq from {scan}")
            sessions.append(f"select ({seq})::UINTEGER as seq, session from {scan}")
            counted = connection.execute(f"select count(*) from read_parquet('{path}')").fetchone()
            start += counted[0] if counted else 0
    connection.execute(f"create temp table sessions as {' union all '.join(sessions)}")
    return " union all ".join(records)


def _guided(records: str) -> str:
    """One string join; `pos` is the sequence number times 8, plus the app.

    The rule that takes a record is the lowest bit that the record and the user have in common.
    """
    group1, group2 = _GROUP
    return f"""
        create temp table records as
        with packed as (
            select userId, tokens, rest, (seq * 8 + app)::UINTEGER as pos from ({records})),
        known as (select userId, (number * {1 << _HELD} + held)::UINTEGER as user from users),
        joined as (
            select tokens, pos, rest, user, ((rest >> {group1 + group2}) & user)::UTINYINT as bits
            from packed join known using (userId)),
        guided as (
            select tokens, pos, rest,
                   (user >> {_HELD}) * {1 << _SLOT} + bit_count(xor(bits, bits - 1)) - 1 as meter
            from joined)
        select (meter * {1 << group1} + ((rest >> {group2}) & {(1 << group1) - 1}))::UINTEGER as k1,
               (meter * {1 << group2} + (rest & {(1 << group2) - 1}))::UINTEGER as k2, pos, tokens
        from guided"""


def _fold(prefix: str, records: str) -> Sequence[str]:
    """Fold both sections, and the meters from the smaller one."""
    folds = "sum(tokens)::BIGINT as value, min(pos) as first, max(pos) as last"
    return (
        f"create temp table {prefix}1 as select k1 as k, {folds} from {records} group by k1",
        f"create temp table {prefix}2 as select k2 as k, {folds} from {records} group by k2",
        f"""create temp table {prefix}0 as
            select (k >> {_GROUP[1]})::UINTEGER as k, sum(value)::BIGINT as value,
                   min(first) as first, max(last) as last
            from {prefix}2 group by 1""",
    )


def _crossings(records: int) -> Sequence[str]:
    """Find the crossing record of each meter: first the slice of the sequence, then the record."""
    shift = max((records * 8 // _SLICES).bit_length(), 1)
    limits = {c.name: c.limit for c in job.CATEGORIES}
    cases = " ".join(f"when {n} then {limits[name]}" for n, name in enumerate(_CATEGORIES))
    limit = f"(case k & {(1 << _SLOT) - 1} {cases} end)"
    running = "sum(tokens) over (partition by k order by {0}) - tokens"
    return (
        f"create temp table limits as select k, {limit} as top from whole0 where value >= {limit}",
        f"""create temp table own as
            select r.*, k, top from records r join limits on k2 >> {_GROUP[1]} = k""",
        f"""create temp table hit as
            with slices as (select k, any_value(top) as top, pos >> {shift} as slice,
                                   sum(tokens)::BIGINT as tokens from own group by k, slice),
            sums as (select *, ({running.format("slice")})::BIGINT as before from slices)
            select k, slice, before from sums where before < top and before + tokens >= top""",
        f"""create temp table crossed as
            with inside as (
                select k, pos, top, tokens, before as start
                from own join hit using (k) where pos >> {shift} = slice),
            sums as (select *, start + {running.format("pos")} as before from inside)
            select k, pos as until from sums where before < top and before + tokens >= top""",
        """create temp table early as
            select k1, k2, pos, tokens from own join crossed using (k) where pos <= until""",
    )


def _answer(table: str, section: int | None, extra: str = "") -> str:
    meter, fields = "k", ""
    if section is not None:
        one, two = job.SECTIONS[section - 1]
        meter = f"(k >> {_GROUP[section - 1]})"
        code1 = f"(k >> {_FIELD[two]}) & {(1 << _FIELD[one]) - 1}"
        code2 = f"k & {(1 << _FIELD[two]) - 1}"
        fields = f"{_text(code1, _DOMAINS[one])} as {one}, {_text(code2, _DOMAINS[two])} as {two},"
    slot = f"{meter} & {(1 << _SLOT) - 1}"
    return f"""
        select userId, {_text(slot, _CATEGORIES)} as category, {fields} {extra} value,
               f.session as carryFirstSession, {_text("last & 7", job.APPS)} as carryLastApp,
               l.session as carryLastSession
        from {table} join users on number = {meter} >> {_SLOT}
        join sessions f on f.seq = first >> 3 join sessions l on l.seq = last >> 3"""


def _answers() -> dict[str, str]:
    return {
        "meters": _answer("whole0", None),
        "groups1": _answer("whole1", 1),
        "groups2": _answer("whole2", 2),
        "crossings": _answer("crossing0", None, "last >> 3 as sequence,"),
        "crossing_groups1": _answer("crossing1", 1),
        "crossing_groups2": _answer("crossing2", 2),
    }


def run(inputs: Sequence[Path], meters: Path, out: Path) -> None:
    """Compute the answer and write its tables into `out`."""
    connection = duckdb.connect()
    connection.execute("set threads = 2")
    connection.execute("set preserve_insertion_order = false")
    connection.execute(_users(meters))
    records = _read(connection, inputs)
    connection.execute(_guided(records))
    top = connection.execute("select (max(pos) >> 3) + 1 from records").fetchone()
    assert top is not None
    for statement in (
        *_fold("whole", "records"),
        *_crossings(top[0]),
        *_fold("crossing", "early"),
    ):
        connection.execute(statement)
    for name, query in _answers().items():
        connection.execute(
            f"copy ({query}) to '{out / name}.parquet' (format parquet, compression uncompressed)"
        )


if __name__ == "__main__":
    run(*opponent_arguments(__doc__))
