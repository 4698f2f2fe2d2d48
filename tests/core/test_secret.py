"""Credentials: every type reads its fields, every problem is listed, and no value is shown."""

import pytest

from meterhouse.core.problem import DefinitionError
from meterhouse.core.secret import SecretType, read_credentials

CANARY = "c4nary-value"


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        (SecretType.OAUTH2, {"clientId": "a", "clientSecret": CANARY}),
        (SecretType.BASIC, {"username": "a", "password": CANARY}),
        (SecretType.BEARER, {"token": CANARY}),
        (SecretType.AZURE_SAS, {"sasToken": CANARY, "account": "a"}),
        (SecretType.AWS, {"accessKeyId": "a", "secretAccessKey": CANARY}),
        (SecretType.SSH_KEY, {"privateKey": CANARY}),
    ],
)
def test_each_type_keeps_its_fields_and_shows_no_value(type_, body):
    credentials = read_credentials(type_, body)
    assert credentials.values == body
    assert CANARY not in repr(credentials)


def test_the_password_grant_needs_name_and_password():
    body = {"clientId": "a", "clientSecret": "b", "authentication": "password"}
    with pytest.raises(DefinitionError) as caught:
        read_credentials(SecretType.OAUTH2, body)
    assert [problem.place for problem in caught.value.problems] == ["username", "password"]
    whole = read_credentials(SecretType.OAUTH2, body | {"username": "u", "password": CANARY})
    assert whole.grant == "password"
    assert whole.get("passphrase") is None
    assert whole["username"] == "u"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"username": "a"}, "password: is missing"),
        ({"username": "a", "password": ["c4nary-value"]}, "password: is not text"),
        ({"username": "a", "password": CANARY * 2_000}, "password: has 24000 characters"),
        ({"username": "a", "password": CANARY, "pass": CANARY}, "pass: is not a known field"),
        ([CANARY], "is not a JSON object"),
    ],
)
def test_problems_name_the_field_and_hide_the_value(body, message):
    with pytest.raises(DefinitionError, match=message) as caught:
        read_credentials(SecretType.BASIC, body)
    assert CANARY not in str(caught.value)


def test_an_unknown_grant_is_refused():
    body = {"clientId": "a", "clientSecret": "b", "authentication": "implicit"}
    with pytest.raises(DefinitionError, match="authentication: is not a known way"):
        read_credentials(SecretType.OAUTH2, body)
