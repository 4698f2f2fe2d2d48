"""Messages that are committed, and of which it is not certain that the broker knows.

The broker gives no message a place. One with a message id is known by that. One without is known by
a digest of its content, and others may be alike: so these count as the same only where all messages
that were committed are back at the head of the queue, in their order. One acknowledgement covers
all of them, so either all are back or none is. As soon as that is certain, those without an id
are forgotten; those with one stay known for one run longer, should the broker lose what it heard.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b

_DIGEST_BYTES = 16
#: Whether it is of a message id, and the digest.
Identity = tuple[bool, bytes]


def identity(message_id: str | None, body: bytes) -> Identity:
    """Return what a message is known by."""
    content = message_id.encode() if message_id else body
    return bool(message_id), blake2b(content, digest_size=_DIGEST_BYTES).digest()


def text_of(identities: Iterable[Identity]) -> str:
    """Write identities as a text: for each a byte, and 16 of its digest, in Base64.

    >>> read_text(text_of([identity("a", b"")])) == [identity("a", b"")]
    True
    """
    joined = b"".join(bytes([named]) + digest for named, digest in identities)
    return base64.b64encode(joined).decode()


def read_text(text: str) -> list[Identity]:
    """Read what ``text_of`` has made."""
    joined, size = base64.b64decode(text), 1 + _DIGEST_BYTES
    entries = (joined[at : at + size] for at in range(0, len(joined), size))
    return [(bool(entry[0]), entry[1:]) for entry in entries]


class Pending:
    """What was committed last, in the order of the queue, and what is ``settled`` but for its id.

    >>> pending = Pending([identity("a", b"")], settled=[identity("b", b"")])
    >>> pending.take(identity("b", b"")), pending.take(identity("b", b"")), len(pending.left())
    (True, False, 1)
    """

    def __init__(
        self, identities: Sequence[Identity] = (), *, settled: Iterable[Identity] = ()
    ) -> None:
        self._identities = list(identities)
        self._named = Counter([*with_id(identities), *settled])

    def __len__(self) -> int:
        return len(self._identities)

    @property
    def ordered(self) -> bool:
        """Whether any of them is known only by its place among the others."""
        return any(not named for named, _ in self._identities)

    def back(self, head: Sequence[Identity]) -> bool:
        """Whether these messages, which were delivered before, are all of them."""
        return list(head) == self._identities

    def take(self, identity: Identity) -> bool:
        """Whether a message is known by its id; it is so once less then."""
        if self._named[identity] <= 0:
            return False
        self._named[identity] -= 1
        return True

    def left(self) -> list[Identity]:
        """Return those with an id that were not taken."""
        return list(self._named.elements())


def with_id(identities: Iterable[Identity]) -> list[Identity]:
    """Return those that are known by an id."""
    return [identity for identity in identities if identity[0]]
