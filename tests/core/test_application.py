"""Applications: what may be written of one, and what is refused."""

import pytest

from meterhouse.core.application import Application, read_application
from meterhouse.core.problem import DefinitionError
from meterhouse.core.scope import SCOPES

BODY = {"name": "CRM", "scopes": ["read:runs", "read:meters"]}


def application(**changes) -> Application:
    return read_application(BODY | changes, id="a", client_id="c", at=0)


def test_an_application_is_shown_as_it_was_written_scopes_in_order():
    assert application().to_api() == {
        "id": "a",
        "name": "CRM",
        "clientId": "c",
        "scopes": ["read:meters", "read:runs"],
        "revision": application().revision,
        "createdAt": "1970-01-01T00:00:00.000Z",
        "updatedAt": "1970-01-01T00:00:00.000Z",
    }


def test_one_that_names_no_scopes_has_them_all_and_one_that_names_none_has_none():
    assert application(scopes=None).scopes == set(SCOPES)
    assert application(scopes=[]).scopes == frozenset()


def test_the_revision_is_of_name_and_scopes():
    one = application()
    assert one.revision == application(scopes=BODY["scopes"][::-1]).revision
    assert one.revision == one.merged({}, at=9).revision
    assert one.revision != application(name="x").revision
    assert one.revision != application(scopes=["read:runs"]).revision


def test_a_patch_changes_what_it_names():
    changed = application().merged({"scopes": ["read:audit"]}, at=5)
    assert (changed.name, changed.scopes, changed.updated_at) == ("CRM", {"read:audit"}, 5)
    assert application().merged({"name": "B"}, at=5).scopes == application().scopes


def test_what_is_shown_may_be_sent_back():
    one = application()
    assert one.merged(one.to_api(), at=0) == one


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"name": None}, "name: is missing"),
        ({"name": "x" * 81}, "at most 80 are allowed"),
        ({"scopes": "read:meters"}, 'is "read:meters", not a list'),
        ({"scopes": None}, "scopes: is null, not a list"),
        ({"scopes": ["read:meters", 5]}, "scopes[1]: 5 is no scope"),
        ({"scope": []}, "did you mean scopes?"),
        ([], "not a JSON object"),
    ],
)
def test_a_wrong_patch_is_refused_with_its_place(patch, said: str):
    with pytest.raises(DefinitionError) as caught:
        application().merged(patch, at=0)
    assert said in str(caught.value)


def test_a_wrong_application_has_all_its_problems_listed():
    with pytest.raises(DefinitionError) as caught:
        read_application({"scopes": ["x"], "y": 1}, id="a", client_id="c", at=0)
    assert [problem.place for problem in caught.value.problems] == ["y", "name", "scopes[0]"]
