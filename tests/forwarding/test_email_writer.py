"""What ``writers/email`` sends to a real server of SMTP, and what it refuses to."""

import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from meterhouse.config import HTTP_ALLOW_VARIABLE
from meterhouse.connectors.forwarders import ForwarderKinds
from meterhouse.connectors.http import AllowList, Guard
from meterhouse.core.reading import Reading
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.nodes.catalogue import NODE_TYPES
from meterhouse.streams.ports import Accepted, ForwardItem, Outcome, Refused, TryAgain
from tests.acceptance.small import node
from tests.forwarding.house import AT, Forwarding
from tests.forwarding.mailbox import Mailbox, free_port

Make = Callable[[dict[str, Any]], Forwarding]


def _params(port: int, **changes: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "from": "bill@example.com",
        "to": ["${payload.mail}", "books@example.com"],
        "subject": "Usage of ${payload.userId}",
        "text": "You used ${payload.value} units, Zoë.",
        **changes,
    }


def _send(params: dict[str, Any], record: dict[str, Any], **more: Any) -> Outcome:
    kinds = ForwarderKinds(Guard(AllowList.parse("127.0.0.0/8")), clock=lambda: AT, **more)
    forwarder = kinds.open("email", params, _login)
    try:
        [outcome] = forwarder.send([ForwardItem("key-1", json.dumps(record).encode())])
        return outcome
    finally:
        forwarder.close()


def _login(_: str) -> Credentials:
    return Credentials(SecretType.BASIC, {"username": "ann", "password": "s3cret-word"})


RECORD = {"userId": "ann", "mail": "ann@example.com", "value": 5}


def test_each_record_is_one_mail_with_its_key(mailbox: Mailbox, forwarding_to: Make):
    house = forwarding_to(node("Mail", "writers/email", **_params(mailbox.port)))
    house.run([{**RECORD, "recordId": f"r-{n}", "value": n} for n in range(5)])
    assert house.deliver().sent == 5
    first = mailbox.messages[0]
    assert mailbox.mails[0].rcpt_tos == ["ann@example.com", "books@example.com"]
    assert (first["From"], first["To"]) == (
        "bill@example.com",
        "ann@example.com, books@example.com",
    )
    assert first["Subject"] == "Usage of ann"
    assert first["Date"].datetime.isoformat() == "2026-01-10T00:00:00+00:00"
    assert first.get_content().splitlines() == ["You used 0 units, Zoë."]
    assert [m["Message-ID"] for m in mailbox.messages] == [f"<r-{n}@example.com>" for n in range(5)]


@pytest.mark.parametrize(
    "record",
    [
        {**RECORD, "userId": "ann\r\nBcc: eve@example.com"},
        {**RECORD, "userId": "ann\nX: y"},
        {**RECORD, "mail": "ann@example.com, eve@example.com"},
        {**RECORD, "mail": "ann@example.com>\r\nRCPT TO:<eve@example.com"},
        {**RECORD, "mail": "Ann <ann@example.com>"},
        {**RECORD, "mail": None},
    ],
)
def test_a_record_that_would_change_the_head_of_a_mail_is_refused(
    mailbox: Mailbox, record: dict[str, Any]
):
    outcome = _send(_params(mailbox.port), record)
    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("was not sent: ")
    assert mailbox.mails == []


@pytest.mark.parametrize("field", ["userId", "value"])
def test_a_mail_with_a_hole_is_not_sent_unless_it_is_meant(mailbox: Mailbox, field: str):
    record = {name: value for name, value in RECORD.items() if name != field}
    outcome = _send(_params(mailbox.port), record)
    assert isinstance(outcome, Refused)
    assert f"was not sent: the record has no {field}, which the mail names" in outcome.reason
    assert isinstance(_send(_params(mailbox.port, missing="empty"), record), Accepted)
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("said", "kind"),
    [("550 no such user", Refused), ("451 later", TryAgain), ("421 going down", TryAgain)],
)
def test_a_mail_goes_to_all_of_its_recipients_or_to_none(
    mailbox: Mailbox, said: str, kind: type[Outcome]
):
    mailbox.recipient_says = said
    outcome = _send(_params(mailbox.port), RECORD)
    assert isinstance(outcome, kind)
    assert f"answered {said[:3]} for ann@example.com: {said[4:]}" in outcome.reason  # type: ignore[union-attr]
    assert mailbox.mails == []


@pytest.mark.parametrize(("said", "kind"), [("554 spam", Refused), ("452 full", TryAgain)])
def test_what_the_server_says_of_the_mail_itself(mailbox: Mailbox, said: str, kind: type[Outcome]):
    mailbox.mail_says = said
    assert isinstance(_send(_params(mailbox.port), RECORD), kind)


def test_the_record_after_a_refused_one_goes_over_the_same_connection(
    mailbox: Mailbox, forwarding_to: Make
):
    house = forwarding_to(node("Mail", "writers/email", **_params(mailbox.port, lanes=1)))
    house.run([{**RECORD, "mail": "bad"}, RECORD, {**RECORD, "mail": "bad"}, RECORD])
    tally = house.deliver()
    assert (tally.sent, tally.dead) == (2, 2)


def test_a_server_that_is_away_is_tried_again(mailbox: Mailbox):
    outcome = _send(_params(1), RECORD)
    assert isinstance(outcome, TryAgain)
    assert outcome.away
    assert "127.0.0.1:1: " in outcome.reason


def test_the_host_is_judged_as_those_of_http(
    mailbox: Mailbox, forwarding_to: Make, monkeypatch: pytest.MonkeyPatch
):
    house = forwarding_to(node("Mail", "writers/email", **_params(mailbox.port)))
    monkeypatch.setenv(HTTP_ALLOW_VARIABLE, "")
    house.run([RECORD])
    house.deliver()
    [waiting] = house.waiting
    assert "127.0.0.1: not a public address" in (waiting.error or "")
    assert mailbox.mails == []


@pytest.fixture
def private(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server and of a client that trusts it."""
    made = _certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made)
    return server, ssl.create_default_context(cafile=str(made))


def _certificate(folder: Path) -> Path:
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize("good", [True, False])
def test_a_password_is_sent_behind_starttls_only(
    private: tuple[ssl.SSLContext, ssl.SSLContext], good: bool
):
    server, client = private
    box = Mailbox()
    seen: list[bytes] = []

    def authenticate(*given: Any) -> AuthResult:
        login: LoginPassword = given[-1]
        seen.append(login.password)
        return AuthResult(success=good, handled=False)

    port = free_port()
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        tls_context=server,
        require_starttls=True,
        authenticator=authenticate,
        auth_required=True,
    )
    controller.start()
    try:
        params = _params(port, security="starttls", secretsWalletEntry={"secretId": "s"})
        outcome = _send(params, RECORD, tls=client)
        untrusted = _send(params, RECORD)
    finally:
        controller.stop()
    assert set(seen) == {b"s3cret-word"}
    assert isinstance(outcome, Accepted if good else TryAgain)
    assert "s3cret-word" not in str(outcome)
    assert isinstance(untrusted, TryAgain)
    assert len(box.mails) == (1 if good else 0)


BAD = {
    "host": ({"host": "a b"}, "host: is"),
    "from": ({"from": "Bill <b@x>"}, "from: is"),
    "to": ({"to": []}, "to: is []"),
    "one of to": ({"to": ["a@b.c", "nobody"]}, 'to[1]: is "nobody"'),
    "subject": ({"subject": "a\nb"}, "subject: has a line break"),
    "missing": ({"missing": "keep"}, 'missing: is "keep"'),
    "security": ({"security": "ssl"}, "security: is"),
    "open password": ({"secretsWalletEntry": {"secretId": "s"}}, "security: is none"),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_parameters_are_named(fault: str):
    changes, said = BAD[fault]
    reading = Reading(_params(25, **changes))
    assert NODE_TYPES["writers/email"].read(reading) is None
    assert any(str(problem).startswith(said) for problem in reading.problems), reading.problems
