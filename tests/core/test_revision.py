"""Revisions: equal bodies have equal ones, and a stale one stops a change."""

import pytest

from meterhouse.core.revision import StaleRevision, check_revision, revision_of


def test_a_revision_is_of_the_content_and_not_of_how_it_is_written():
    assert revision_of({"a": 1, "b": [True, None]}) == revision_of({"b": [True, None], "a": 1})
    assert revision_of({"a": 5}) != revision_of({"a": "5"})
    assert len(revision_of(None)) == 32


def test_a_stale_revision_is_refused_and_none_asks_for_nothing():
    check_revision("a", expected=None, what="Secret 'x'")
    check_revision("a", expected="a", what="Secret 'x'")
    with pytest.raises(StaleRevision, match="Secret 'x' has changed: its revision is a, not b"):
        check_revision("a", expected="b", what="Secret 'x'")
