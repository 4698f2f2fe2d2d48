"""Messages that are committed, and of which it is not certain that the broker knows.

The broker gives no message a place. It is known again by its message id, else by a digest of its
content, and then there may be several alike: they are counted. A message with an id stays known for
one run longer, should the broker lose an acknowledgement; one without is forgotten as soon as it is
acknowledged, because the next one alike is most likely another one.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from meterhouse.core.json_text import JsonValue

_DIGEST_BYTES = 16
#: (whether it is of a message id, digest)
Identity = tuple[bool, bytes]


def identity(message_id: str | None, body: bytes) -> Identity:
    """Return what a message is known by."""
    if message_id:
        return True, blake2b(message_id.encode(), digest_size=_DIGEST_BYTES).digest()
    return False, blake2b(body, digest_size=_DIGEST_BYTES).digest()


class Pending:
    """Identities, with how many messages have each.

    >>> pending = Pending([identity("a", b""), identity(None, b"x"), identity(None, b"x")])
    >>> [pending.take(identity(None, b"x")) for _ in range(3)], len(pending)
    ([True, True, False], 1)
    """

    def __init__(self, identities: Iterable[Identity] = ()) -> None:
        self._count = Counter(identities)

    @classmethod
    def read(cls, value: Mapping[str, JsonValue]) -> Pending:
        """Read what ``to_json`` has made."""
        names = ((True, "ids"), (False, "bodies"))
        return cls((named, d) for named, name in names for d in _digests(value.get(name) or ""))

    def to_json(self) -> dict[str, JsonValue]:
        """Return the digests as two texts."""
        return {
            name: base64.b64encode(b"".join(sorted(self._of(named=named)))).decode()
            for named, name in ((True, "ids"), (False, "bodies"))
        }

    def _of(self, *, named: bool) -> list[bytes]:
        return [digest for is_named, digest in self._count.elements() if is_named is named]

    def __len__(self) -> int:
        return self._count.total()

    def add(self, identity: Identity) -> None:
        """Know one message more."""
        self._count[identity] += 1

    def take(self, identity: Identity) -> bool:
        """Whether a message is known; it is so once less then."""
        if self._count[identity] <= 0:
            del self._count[identity]
            return False
        self._count[identity] -= 1
        return True

    def joined(self, other: Pending) -> Pending:
        """Return all of both."""
        joined = Pending()
        joined._count = self._count + other._count
        return joined

    def with_id(self) -> Pending:
        """Return those that are known by an id."""
        return Pending((True, digest) for digest in self._of(named=True))


def _digests(text: str) -> Iterable[bytes]:
    joined = base64.b64decode(text)
    return (joined[at : at + _DIGEST_BYTES] for at in range(0, len(joined), _DIGEST_BYTES))
