"""A real server of SMTP that keeps what it takes, in a thread of its own."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """A server of SMTP that keeps what it takes; ``say`` answers for recipients and mails."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.recipient_says = "250 OK"
        self.mail_says = "250 OK"
        #: addresses that there are not
        self.unknown: set[str] = set()
        self.port = 0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.unknown:
            return "550 no such mailbox"
        if self.recipient_says.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient_says

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.mail_says.startswith("250"):
            self.mails.append(envelope)
        return self.mail_says

    @property
    def messages(self) -> list[EmailMessage]:
        parsed = (message_from_bytes(mail.content or b"", policy=default) for mail in self.mails)  # type: ignore[arg-type]
        return list(parsed)  # type: ignore[arg-type]


def free_port() -> int:
    # The controller calls the port that it is given, and so cannot be given any.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@contextmanager
def serving_mail() -> Iterator[Mailbox]:
    """Run the server."""
    box = Mailbox()
    box.port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
