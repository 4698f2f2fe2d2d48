"""Secrets: what may be written of one, and that no message shows a value."""

import pytest

from meterhouse.core.problem import DefinitionError
from meterhouse.core.secret import Credentials, Secret, SecretType, read_secret, read_type

CANARY = "c4nary-value"
BODY = {
    "name": "Billing (1) - a_b.c",
    "description": "the shop",
    "type": "basic",
    "credentials": {"username": "u", "password": CANARY},
}


def secret(**changes) -> Secret:
    return read_secret(BODY | changes, id="s", at=0)[0]


def test_a_secret_is_shown_without_its_values():
    read, credentials = read_secret(BODY, id="s", at=0)
    assert credentials == Credentials(SecretType.BASIC, BODY["credentials"])
    assert read.to_api() == {
        "id": "s",
        "name": "Billing (1) - a_b.c",
        "description": "the shop",
        "type": "basic",
        "version": 1,
        "revision": read.revision,
        "createdAt": "1970-01-01T00:00:00.000Z",
        "updatedAt": "1970-01-01T00:00:00.000Z",
    }
    assert CANARY not in repr(read) + repr(credentials)


@pytest.mark.parametrize("name", ["a", "x" * 30, "Ärger 9", "(._-)"])
def test_names_of_letters_digits_and_a_few_marks_are_good(name: str):
    assert secret(name=name).name == name


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "x" * 31}, "name: has 31 characters (at most 30 are allowed)"),
        ({"name": "a/b"}, 'name: has "/" (use letters, digits, spaces and - _ . ( ))'),
        ({"name": "a\tb"}, "use letters"),
        ({"name": " a"}, "name: has spaces around it (remove them)"),
        ({"name": None}, "name: is missing"),
        ({"description": "x" * 201}, "at most 200"),
        ({"type": "Basic "}, "type: is no type that there is (did you mean basic?)"),
        (
            {"type": 5},
            "type: is no type that there is (one of oauth2, basic, bearer, azureSas, aws, sshKey, "
            "webhookSigning)",
        ),
        ({"type": None}, "type: is missing"),
        ({"credentials": {"username": "u"}}, "credentials.password: is missing"),
        ({"credentials": CANARY}, "credentials: is not a JSON object"),
        ({"credential": CANARY}, "did you mean credentials?"),
    ],
)
def test_what_is_wrong_is_told_without_values(changes, said: str):
    with pytest.raises(DefinitionError) as caught:
        secret(**changes)
    assert said in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_secret_that_is_no_object_is_not_shown():
    with pytest.raises(DefinitionError, match="is not a JSON object") as caught:
        read_secret(CANARY, id="s", at=0)
    assert CANARY not in str(caught.value)


def test_a_patch_of_the_name_keeps_the_version_and_of_credentials_makes_a_new_one():
    renamed, none = secret().merged({"name": "B", "description": None}, at=5)
    assert (renamed.name, renamed.description, renamed.version, none) == ("B", None, 1, None)
    changed, new = secret().merged({"credentials": {"username": "v", "password": "w"}}, at=5)
    assert (changed.name, changed.version, changed.updated_at) == (BODY["name"], 2, 5)
    assert new is not None and new["username"] == "v"


def test_the_revision_is_of_what_may_be_written():
    one = secret()
    assert one.revision == one.merged({}, at=9)[0].revision
    for patch in ({"name": "B"}, {"description": "c"}, {"credentials": BODY["credentials"]}):
        assert one.revision != one.merged(patch, at=0)[0].revision


def test_what_is_shown_may_be_sent_back():
    one = secret()
    assert one.merged(one.to_api(), at=0) == (one, None)


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"type": "oauth2"}, "and stays so (create another secret)"),
        ({"credentials": None}, "credentials: is not a JSON object"),
        (
            {"credentials": {"password": CANARY, "token": CANARY}},
            "credentials.token: is not a known",
        ),
        ({"secret": CANARY}, "secret: is not a known field"),
    ],
)
def test_a_wrong_patch_is_refused_without_values(patch, said: str):
    with pytest.raises(DefinitionError) as caught:
        secret().merged(patch, at=0)
    assert said in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_type_is_read_by_its_name():
    assert read_type("azureSas") is SecretType.AZURE_SAS
    with pytest.raises(DefinitionError, match=r"did you mean azureSas\?"):
        read_type("azuresas")
