"""Notification groups by command and over HTTP: what they may be, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meterhouse.config import mail_server
from meterhouse.core.problem import DefinitionError
from tests.api.world import House, running
from tests.forwarding.mailbox import Mailbox
from tests.forwarding.receiver import Receiver, Say
from tests.notifications.told import KEY, STREAM, Told

PATH = "/v1/notification-groups"
HOOK = {"uri": "https://hooks.example.com/billing", "secret": "Hooks"}
BODY: dict[str, Any] = {"name": "Ops", "events": ["stream_failed"], "webhooks": [HOOK]}
ANY = {"If-Match": "*"}


# ---------------------------------------------------------------- by command


def test_a_group_is_made_changed_and_deleted_by_command(mailbox: Mailbox, told: Told):
    words = ("--event", "stream_failed", "--email", "ann@example.com", "--stream", STREAM)
    [made] = told.command.json("notification", "create", "Ops", *words)
    assert (made["events"], made["emails"]) == (["stream_failed"], ["ann@example.com"])
    assert (made["webhooks"], made["streams"]) == ([], [STREAM])
    assert told.command.json("notification", "list") == [made]
    more = ("--webhook", HOOK["uri"], "--secret", "Hooks", "--event", "no_file_found")
    [changed] = told.command.json("notification", "update", "Ops", *more, "--all-streams")
    assert changed["emails"] == ["ann@example.com"], "what is not given stays"
    assert (changed["events"], changed["webhooks"]) == (["no_file_found"], [HOOK])
    assert changed["streams"] is None
    shown = told.command.done("notification", "show", made["id"]).out
    assert "signed by Hooks" in shown
    told.command.done("notification", "delete", "Ops")
    assert told.command.json("notification", "list") == []
    acts = [(act["action"], act["kind"]) for act in told.command.json("activity", "list")]
    assert acts[:3] == [(act, "notification group") for act in ("delete", "update", "create")]


def test_without_a_mail_server_addresses_are_refused_with_the_remedy(told: Told):
    words = ("--event", "stream_failed", "--email", "ann@example.com")
    said = told.command.refused("notification", "create", "Ops", *words)
    assert "METERHOUSE_SMTP_HOST" in said
    assert told.command.json("notification", "list") == []


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--webhook", "https://a.example", "--webhook", "https://b.example"), "--secret"),
        (("--secret", "Hooks"), "--secret"),
    ],
)
def test_each_webhook_has_what_signs_it(told: Told, words: tuple[str, ...], hint: str):
    ended = told.command("notification", "create", "Ops", "--event", "stream_failed", *words)
    assert ended.code == 2
    assert hint in ended.err


def test_an_update_without_a_change_or_with_a_contradiction_is_wrong_usage(told: Told):
    told.group(webhooks=[HOOK])
    for words in ((), ("--secret", "Hooks"), ("--all-streams", "--stream", STREAM)):
        assert told.command("notification", "update", "Ops", *words).code == 2


def test_a_test_says_what_became_of_it_at_each_address(
    receiver: Receiver, mailbox: Mailbox, told: Told
):
    told.hook(receiver.url, emails=["ann@example.com", "gone@example.com"])
    mailbox.unknown = {"gone@example.com"}
    ended = told.command("notification", "test", "Ops", "--json")
    assert ended.code == 1
    assert [(o["address"], o["accepted"]) for o in ended.objects] == [
        ("ann@example.com", True),
        ("gone@example.com", False),
        (f"POST {receiver.url}", True),
    ]
    assert (receiver.accepted[0].record["type"], len(mailbox.mails)) == ("test", 1)
    mailbox.unknown = set()
    receiver.behave = lambda _: Say(500)
    said = told.command("notification", "test", "Ops")
    assert (said.code, "NOT accepted" in said.out) == (1, True)
    assert told.waiting == [], "a test is sent once, and is no output"


def test_a_secret_that_signs_is_not_deleted(told: Told):
    told.group(webhooks=[HOOK])
    assert "'Ops'" in told.command.refused("secret", "delete", "Hooks")
    told.command.done("notification", "delete", "Ops")
    told.command.done("secret", "delete", "Hooks")


def test_a_group_of_a_stream_that_is_deleted_is_for_none(told: Told):
    told.group(webhooks=[HOOK], streams=["Other"])
    told.command.done("stream", "delete", "Other")
    [group] = told.command.json("notification", "list")
    assert group["streams"] == []
    told.run()
    assert told.waiting == []


# ---------------------------------------------------------------- over HTTP


@pytest.fixture
def served(tmp_path: Path) -> Iterator[House]:
    with running(tmp_path / "served") as house:
        house.import_stream()
        secret = {"name": "Hooks", "type": "webhookSigning", "credentials": {"key": KEY}}
        assert house.http.post("/v1/secrets", json=secret).status_code == 201
        yield house


def test_a_group_is_made_read_replaced_and_deleted_over_http(served: House):
    made = served.http.post(PATH, json=BODY, headers={"Idempotency-Key": "one"})
    assert made.status_code == 201, made.text
    again = served.http.post(PATH, json=BODY, headers={"Idempotency-Key": "one"})
    assert again.json() == made.json()
    path, tag = made.headers["location"], made.headers["etag"]
    read = served.http.get(f"{PATH}/Ops")
    assert (read.json(), read.headers["etag"]) == (made.json(), tag)
    assert served.http.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert served.http.get(PATH).json() == {
        "notificationGroups": [made.json()],
        "next_cursor": None,
    }
    body = read.json() | {"name": "Books", "streams": [STREAM], "description": "By day"}
    assert served.http.put(path, json=body).status_code == 428
    changed = served.http.put(path, json=body, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["streams"]) == (200, [STREAM])
    assert served.http.put(path, json=body, headers={"If-Match": tag}).status_code == 412
    assert served.http.delete(path, headers={"If-Match": tag}).status_code == 412
    assert served.http.delete(path, headers=ANY).status_code == 204
    assert served.http.get(path).status_code == 404
    assert KEY.removeprefix("whsec_") not in read.text + changed.text


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"events": []}, "/events"),
        ({"events": ["stream_failed", "broken"]}, "/events/1"),
        ({"events": ["stream_failed"] * 2}, "/events"),
        ({"webhooks": []}, "/emails"),
        ({"emails": ["ann@example.com"]}, "/emails"),
        ({"streams": []}, "/streams"),
        ({"streams": [7]}, "/streams/0"),
        ({"webhooks": [{"uri": "ftp://x.example", "secret": "Hooks"}]}, "/webhooks/0/uri"),
        ({"webhooks": [HOOK | {"uri": "https://ann:pw@x.example"}]}, "/webhooks/0/uri"),
        ({"webhooks": [HOOK | {"uri": "https://x.example/${payload.a}"}]}, "/webhooks/0/uri"),
        ({"webhooks": [HOOK, HOOK]}, "/webhooks"),
        ({"webhooks": [{"uri": "https://x.example"}]}, "/webhooks/0/secret"),
        ({"webhooks": [HOOK | {"secret": "None"}]}, "/webhooks/0/secret"),
        ({"webhooks": [HOOK | {"secret": "Basic"}]}, "/webhooks/0/secret"),
        ({"silence": 5}, "/silence"),
    ],
)
def test_a_bad_group_names_the_place(served: House, changes: dict[str, Any], pointer: str):
    basic = {"username": "a", "password": "b"}
    served.http.post("/v1/secrets", json={"name": "Basic", "type": "basic", "credentials": basic})
    answer = served.http.post(PATH, json=BODY | changes)
    assert answer.status_code == 422, answer.text
    assert pointer in [error.get("pointer") for error in answer.json()["errors"]]


def test_what_contradicts_or_is_not_there_is_refused(served: House):
    assert served.http.post(PATH, json=BODY).status_code == 201
    assert served.http.post(PATH, json=BODY).status_code == 409
    assert served.http.post(PATH, json=BODY | {"streams": ["none"]}).status_code == 404
    assert served.http.put(f"{PATH}/none", json=BODY, headers=ANY).status_code == 404
    assert served.http.post(f"{PATH}/none/test").status_code == 404


def test_to_name_a_secret_needs_to_know_of_it(served: House):
    some = served.token("some", "create:notifications", "update:notifications")
    assert served.http.post(PATH, json=BODY, headers=some).status_code == 403
    assert served.http.post(PATH, json=BODY).status_code == 201
    assert served.http.put(f"{PATH}/Ops", json=BODY, headers=some | ANY).status_code == 403


def test_a_test_over_http_says_what_became_of_it(receiver: Receiver, tmp_path: Path):
    # The receiver's fixture allows its address, which a server reads when it starts.
    with running(tmp_path / "served") as served:
        secret = {"name": "Hooks", "type": "webhookSigning", "credentials": {"key": KEY}}
        served.http.post("/v1/secrets", json=secret)
        hooks = [{"uri": receiver.url, "secret": "Hooks"}]
        served.http.post(PATH, json=BODY | {"webhooks": hooks})
        answer = served.http.post(f"{PATH}/Ops/test")
    address = f"POST {receiver.url}"
    expected = {"attempts": [{"address": address, "accepted": True, "reason": None}]}
    assert (answer.status_code, answer.json()) == (200, expected)


# ---------------------------------------------------------------- the mail server


def test_the_mail_server_is_read_from_the_environment(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    server = mail_server(
        environment={
            "METERHOUSE_SMTP_HOST": "mail.example.com",
            "METERHOUSE_SMTP_FROM": "bill@example.com",
            "METERHOUSE_SMTP_USER": "bill",
            "METERHOUSE_SMTP_PASSWORD_FILE": str(file),
        }
    )
    assert server is not None
    assert (server.port, server.security, server.password) == (587, "starttls", "s3cret")
    assert "s3cret" not in repr(server)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"HOST": "mail example"}, "METERHOUSE_SMTP_HOST"),
        ({"FROM": ""}, "METERHOUSE_SMTP_FROM: is missing"),
        ({"FROM": "bill"}, 'METERHOUSE_SMTP_FROM: is "bill"'),
        ({"PORT": "x"}, 'METERHOUSE_SMTP_PORT: is "x"'),
        ({"PORT": "0"}, 'METERHOUSE_SMTP_PORT: is "0"'),
        ({"PORT": "70000"}, 'METERHOUSE_SMTP_PORT: is "70000"'),
        ({"SECURITY": "ssl"}, 'METERHOUSE_SMTP_SECURITY: is "ssl"'),
        ({"USER": "bill"}, "METERHOUSE_SMTP_PASSWORD: is missing"),
        ({"PASSWORD": "s3cret"}, "METERHOUSE_SMTP_USER: is missing"),
        ({"USER": "b", "PASSWORD": "s3cret", "SECURITY": "none"}, "in the open"),
        ({"USER": "b", "PASSWORD_FILE": "/no/such"}, "METERHOUSE_SMTP_PASSWORD_FILE"),
    ],
)
def test_a_bad_configuration_names_the_variable(changes: dict[str, str], said: str):
    given = {"HOST": "mail.example.com", "FROM": "bill@example.com"} | changes
    variables = {f"METERHOUSE_SMTP_{name}": value for name, value in given.items()}
    with pytest.raises(DefinitionError) as refused:
        mail_server(environment=variables)
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)
