"""Generated records: fields of every type, of mixed types, absent, null and nested."""

from decimal import Decimal

from hypothesis import strategies as st

from meterhouse.core.json_text import Record, canonical_text
from meterhouse.streams.record import RunResult

NUMBERS = st.one_of(
    st.integers(-3, 9),
    st.decimals(-2, 9, places=1),
    st.sampled_from([10**25, Decimal("0.1234567890123456789"), Decimal("1E+30"), 2**63]),
)
TEXTS = st.sampled_from(
    ["", "a", "ab", "abcd", "5", "5.0", "-1.50", "+7", "1e1", "x\ny", "é😀", '"']
)
NESTED = st.one_of(
    st.fixed_dictionaries({"p": st.integers(0, 2)}, optional={"q": TEXTS}),
    st.lists(st.integers(0, 2), max_size=2),
)
ANY = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, NESTED)


def _column(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(values, st.none(), values, values)


@st.composite
def records(draw, *, size_max: int = 12) -> list[Record]:
    """Records in which some fields have one type in all of them, and some have any."""
    fields = {
        name: draw(st.sampled_from([ANY, NUMBERS, TEXTS, st.booleans(), st.integers(0, 3), NESTED]))
        for name in ("a", "b", "c", "d")
    }
    count = draw(st.integers(1, size_max))
    made = []
    for _ in range(count):
        record = {name: draw(_column(values)) for name, values in fields.items()}
        keep_nulls = draw(st.booleans())
        made.append({k: v for k, v in record.items() if keep_nulls or v is not None})
    return made


def canonical(records: list[Record]) -> list[str]:
    """Records as texts that are equal for equal records; an absent field is a null one."""
    return [canonical_text({k: v for k, v in r.items() if v is not None}) for r in records]


def outcome(result: RunResult) -> dict:
    """What a run did, in a form that can be compared."""
    return {
        "counts": [count.to_api() for count in result.nodes],
        "suspended": [
            (s.node_id, s.reason.value, s.detail, s.source, s.offset, canonical([s.record or {}]))
            for s in result.suspended
        ],
        "keys": [(k.node_id, sorted(k.digests)) for k in result.duplicate_keys],
        "records": [
            (e.node_id, e.record.kind.value, canonical([e.record.body])) for e in result.records
        ],
    }
