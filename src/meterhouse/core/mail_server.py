"""The mail server that an operator configures, and what may stand in its settings.

Decides what an address and a host look like; who reads the settings is ``config``'s business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: How the connection is kept private, and the port that is usual then.
SECURITY = {"starttls": 587, "tls": 465, "none": 25}
PORT_MAX = 65_535
#: An address as one word; what a mailbox may be called beyond that, nobody uses.
ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\\x00-\x20\x7f]{1,64}@[A-Za-z0-9.-]{1,253}")
HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")


@dataclass(frozen=True, slots=True)
class MailServer:
    """A server of SMTP, from whom mails come, and who logs in there. The password is not shown.

    >>> MailServer("mail.example.com", 587, "starttls", "bill@example.com").url
    'smtp://mail.example.com:587'
    """

    host: str
    port: int
    security: str
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The server as a base URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"smtp://{host}:{self.port}"
