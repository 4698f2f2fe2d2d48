"""What the archive of invoices needs: a place that keeps files, and a history that only grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from meterhouse.app.access_ports import SealedValue
from meterhouse.app.page import Page
from meterhouse.core.instant import Instant
from meterhouse.core.invoice_history import HistoryEntry, HistoryEvent
from meterhouse.core.problem import ConflictError, MeterhouseError, NotFoundError

#: Where the key of links to downloads is sealed.
LINK_KEY = "invoice_links"


class ArchiveFault(MeterhouseError):
    """The archive cannot be read or written; what was begun can be done again."""

    code = "archive_failed"


class ArchiveConflict(ConflictError):
    """The archive has a file of that name with another content; it is left as it is."""

    code = "archive_conflict"


class LinkInvalid(NotFoundError):
    """A link is none of ours, or what it was for is not there. Which, it does not say."""

    code = "link_invalid"


class LinkExpired(MeterhouseError):
    """A link of ours has ended."""

    code = "link_expired"


@dataclass(frozen=True, slots=True)
class HistorySegment:
    """Entries of the history that are one file of the archive; both ends are in it."""

    first: int
    last: int
    archived_at: Instant | None

    @property
    def name(self) -> str:
        """The name of the file. Names sort as the entries do."""
        return f"history/{self.first:010d}-{self.last:010d}.jsonl"


class ArchiveStore(Protocol):
    """Keeps files for good. Names are relative, with slashes; nothing is ever overwritten.

    Every method raises ``ArchiveFault`` where the place cannot be reached or refuses.
    """

    def put(self, name: str, content: bytes) -> bool:
        """Keep a file, whole or not at all; ``False`` where the same one is there already.

        ``ArchiveConflict`` where another content is there.
        """
        ...

    def get(self, name: str) -> bytes | None:
        """Return the content of a file; ``None`` where there is none."""
        ...


class InvoiceHistory(Protocol):
    """The history of invoices in the ledger."""

    def add_history(self, event: HistoryEvent) -> HistoryEntry:
        """Append an event. Within a transaction of the ledger, it is part of that."""
        ...

    def history(
        self,
        *,
        invoice: str | None = None,
        since: int = 1,
        until: int | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[HistoryEntry]:
        """List entries, oldest first, from one sequence to another."""
        ...

    def archived_invoice(self, reference: str) -> str | None:
        """Return the id of an invoice that has a history, by id or by its number.

        ``ConflictError`` where several issuers have given the number.
        """
        ...

    def claim_history_segment(self) -> None:
        """Make a segment of the entries that are in none yet."""
        ...

    def history_segments(self) -> Sequence[HistorySegment]:
        """Return all segments, in order."""
        ...

    def history_segment_archived(self, first: int, *, at: Instant) -> None:
        """Note that the archive has a segment."""
        ...

    def link_key(self, seal: Callable[[str], SealedValue]) -> SealedValue:
        """Return the sealed key of links; the first call makes it."""
        ...


@dataclass(frozen=True, slots=True)
class Link:
    """What a link opens: one file, as it was when the link was made, until it expires."""

    id: str
    invoice: str
    name: str
    sha256: str
    expires: Instant


class LinkSigner(Protocol):
    """Makes tokens of links, and knows its own again."""

    def token(self, link: Link) -> str:
        """Return the token of a link."""
        ...

    def link(self, token: str) -> Link | None:
        """Return the link of a token; ``None`` where it is none of ours, or was changed."""
        ...
