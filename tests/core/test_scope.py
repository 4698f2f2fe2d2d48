"""Scopes: the table, reading lists of them, and what is said of those that there are not."""

import pytest

from meterhouse.core.problem import DefinitionError
from meterhouse.core.scope import SCOPES, VERBS, ordered_scopes, read_scopes, scopes_text


def test_the_table_has_every_scope_once_and_the_originals_among_them():
    assert len(set(SCOPES)) == len(SCOPES) == sum(map(len, VERBS.values()))
    originals = "create:meter_types create:meters delete:meter_types delete:meters read:meter_types"
    assert set(originals.split()) <= set(SCOPES)
    assert "run:streams" in SCOPES
    assert [scope for scope in SCOPES if scope.endswith(":audit")] == ["read:audit"]


def test_what_is_written_is_read_again():
    assert read_scopes(scopes_text(SCOPES)) == set(SCOPES)
    assert read_scopes("") == frozenset()
    assert read_scopes(" read:runs\tread:runs ") == {"read:runs"}


def test_scopes_are_written_in_the_order_of_the_table():
    assert ordered_scopes(reversed(SCOPES)) == list(SCOPES)


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("read:meter", '"read:meter" is no scope (did you mean read:meters?)'),
        ("meters:read", "did you mean read:meters?"),
        ("READ:METERS", "did you mean read:meters?"),
        ("launch:runs", "of runs there is read:runs"),
        ("everything", "a scope is verb:noun, such as read:meters"),
    ],
)
def test_an_unknown_scope_is_refused_with_what_may_be_meant(scope: str, said: str):
    with pytest.raises(DefinitionError) as caught:
        read_scopes(f"read:meters {scope}")
    assert [problem.place for problem in caught.value.problems] == ["scope[1]"]
    assert said in str(caught.value)
