"""``transforms/filter``: records chosen by a condition, in both forms of a batch."""

import pytest
from hypothesis import given, settings

from tests.streams.documents import counts, node, passed
from tests.streams.generated import canonical, outcome, records
from tests.streams.made_expressions import EXPRESSIONS

FORMS = pytest.mark.parametrize("columnar", [False, True], ids=["rows", "columns"])


def chosen_by(condition: str, **params) -> dict:
    return node("f", "transforms/filter", condition=condition, **params)


WITH_REST = {"multiOutput": {"fixed": {"out": {"id": "good"}, "filtered": {"id": "rest"}}}}


@FORMS
def test_what_holds_goes_on_and_false_and_null_are_filtered(columnar):
    given_ = [{"n": 5}, {"n": 0}, {"n": 9}, {"n": 1, "x": None}]
    made, result = passed(chosen_by("n == 9 ? null : n > 1"), given_, columnar=columnar)
    assert made["out"] == [{"n": 5}]
    assert counts(result, "f") == {"in": 4, "out": {"out": 1}, "filtered": 3}


@FORMS
def test_a_missing_condition_filters_all(columnar):
    made, result = passed(chosen_by("missing"), [{"n": 5}], columnar=columnar)
    assert made["out"] == []
    assert counts(result, "f") == {"in": 1, "filtered": 1}


@FORMS
def test_the_others_may_leave_by_a_port(columnar):
    given_ = [{"n": 5}, {"n": 0}, {"n": "x"}, {"n": 7}]
    stream = chosen_by("n > 1", **WITH_REST)
    made, result = passed(stream, given_, "good", "rest", columnar=columnar)
    assert made == {"good": [{"n": 5}, {"n": 7}], "rest": [{"n": 0}]}
    assert counts(result, "f") == {"in": 4, "out": {"out": 2, "filtered": 1}, "suspended": 1}


@FORMS
def test_neither_true_nor_false_is_suspended(columnar):
    given_ = [{"v": True}, {"v": "true"}, {"v": 1}, {"v": False}, {}]
    made, result = passed(chosen_by("v"), given_, columnar=columnar)
    assert made["out"] == [{"v": True}]
    assert counts(result, "f") == {"in": 5, "out": {"out": 1}, "filtered": 2, "suspended": 2}
    assert [(s.offset, s.reason.value, s.detail) for s in result.suspended] == [
        (
            1,
            "script_error",
            'the condition gives "true", neither true nor false; compare it, as in a > 0',
        ),
        (
            2,
            "script_error",
            "the condition gives 1, neither true nor false; compare it, as in a > 0",
        ),
    ]


@FORMS
def test_where_bad_records_are_not_kept_they_are_filtered(columnar):
    stream = chosen_by("1 / n > 0", suspenseManagement={"enabled": False})
    _, result = passed(stream, [{"n": 1}, {"n": 0}, {"n": -1}], columnar=columnar)
    assert counts(result, "f") == {"in": 3, "out": {"out": 1}, "filtered": 2}


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, records())
def test_columns_are_filtered_as_rows_are(condition, given_):
    node_ = chosen_by(condition, **WITH_REST)
    made = [passed(node_, given_, "good", "rest", columnar=columnar) for columnar in (False, True)]
    assert [canonical(made[0][0][port]) for port in ("good", "rest")] == [
        canonical(made[1][0][port]) for port in ("good", "rest")
    ]
    assert outcome(made[0][1]) == outcome(made[1][1])
