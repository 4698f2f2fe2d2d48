"""Notification groups: making, finding, changing, deleting them, and trying them out.

Nothing here tells of a run: that is written by the transaction that ends it (``streams/notice``),
and delivered as other outputs are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from meterhouse.app.forwarding import ForwardMeans
from meterhouse.app.listing import found, take
from meterhouse.app.ports import Ledger, NotificationGroups
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError, MeterhouseError, NotFoundError, Problem
from meterhouse.core.reading import shown
from meterhouse.core.secret import SecretType
from meterhouse.streams.notice import EMAIL, TEST, Occasion, Outgoing, outgoing
from meterhouse.streams.notification import (
    GroupBody,
    NotificationGroup,
    Webhook,
    read_notification_group,
)
from meterhouse.streams.ports import Accepted, Forwarder, ForwardItem


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of a test at one address; ``reason`` says why it was not accepted."""

    address: str
    accepted: bool
    reason: str | None = None

    def to_api(self) -> dict[str, Any]:
        """Return the object of ``notification test --json``."""
        return {"address": self.address, "accepted": self.accepted, "reason": self.reason}


def create_notification_group(
    ledger: Ledger, body: JsonValue, *, mails: bool, new_id: Callable[[], str], at: Instant
) -> NotificationGroup:
    """Make a group. ``mails``: a mail server is configured.

    Raises ``DefinitionError``, ``NotFoundError`` of a stream, ``ConflictError`` of its name.
    """
    written = _resolved(ledger, read_notification_group(body, mails=mails))
    group = replace(written, id=new_id(), created_at=at, updated_at=at)
    ledger.add_notification_group(group)
    return group


def update_notification_group(
    ledger: Ledger,
    reference: str,
    *,
    body: JsonValue,
    mails: bool,
    at: Instant,
    expected_revision: str | None = None,
) -> NotificationGroup:
    """Replace what people write of a group; raises as the above, and ``StaleRevision``."""
    before = find_notification_group(ledger, reference)
    written = _resolved(ledger, read_notification_group(body, mails=mails))
    group = replace(written, id=before.id, created_at=before.created_at, updated_at=at)
    ledger.update_notification_group(group, expected_revision=expected_revision)
    return group


def _resolved(ledger: Ledger, body: GroupBody) -> NotificationGroup:
    """Find the streams and secrets that a body names. It has no id yet, and no times."""
    problems: list[Problem] = []
    webhooks = tuple(
        _webhook(ledger, uri, secret, place=f"webhooks[{place}].secret", problems=problems)
        for place, (uri, secret) in enumerate(body.webhooks)
    )
    if problems:
        raise DefinitionError(problems, what="The notification group")
    streams = None
    if body.streams is not None:
        members = [find_stream(ledger, reference) for reference in body.streams]
        # One may be named twice: by its name and by its id.
        streams = tuple(dict.fromkeys((member.id, member.name) for member in members))
    said = (body.name, body.description, body.events, body.emails)
    return NotificationGroup("", *said, webhooks, streams, 0, 0)


def _webhook(
    ledger: Ledger, uri: str, reference: str, *, place: str, problems: list[Problem]
) -> Webhook:
    secret = ledger.secret(reference)
    if secret is None:
        hint = "`meterhouse secret list` shows those that exist"
        problems.append(Problem(place, f"names {shown(reference)}, which there is not", hint))
        return Webhook(uri, "")
    if secret.type is not SecretType.WEBHOOK_SIGNING:
        message = f"names {shown(reference)}, of type {secret.type.value}"
        hint = f"choose one of type {SecretType.WEBHOOK_SIGNING.value}"
        problems.append(Problem(place, message, hint))
    return Webhook(uri, secret.id, secret.name)


def find_notification_group(groups: NotificationGroups, reference: str) -> NotificationGroup:
    """Return a group by id or name, in this order."""
    return found(
        groups.notification_group(reference),
        or_raise=lambda: NotFoundError(
            f"There is no notification group {reference!r}",
            hint="`meterhouse notification list` shows those that exist",
        ),
    )


def list_notification_groups(
    groups: NotificationGroups, *, limit: int | None = None
) -> Iterator[NotificationGroup]:
    """Yield groups in the order in which they were made."""
    return take(groups.notification_groups, limit=limit)


def delete_notification_group(
    groups: NotificationGroups, reference: str, *, expected_revision: str | None = None
) -> NotificationGroup:
    """Delete a group; returns what it was. What is on its way is delivered all the same."""
    group = find_notification_group(groups, reference)
    groups.delete_notification_group(group.id, expected_revision=expected_revision)
    return group


def try_notification_group(
    ledger: Ledger,
    reference: str,
    *,
    means: ForwardMeans,
    new_id: Callable[[], str],
    at: Instant,
) -> list[Attempt]:
    """Send a test to every address of a group now, once, and return what became of it."""
    group = find_notification_group(ledger, reference)
    ledger.note_notification_test(group)
    occasion = Occasion(TEST, at, "", "", new_id())
    return [
        attempt
        for output in outgoing(group, occasion)
        for attempt in _attempts(group, output, means)
    ]


def _attempts(group: NotificationGroup, output: Outgoing, means: ForwardMeans) -> list[Attempt]:
    by_mail = output.forward.kind == EMAIL
    addresses = group.emails if by_mail else (output.destination,)
    try:
        forward = output.forward
        forwarder = means.forwarders.open(forward.kind, forward.settings, means.credentials)
    except MeterhouseError as error:
        return [Attempt(address, accepted=False, reason=str(error)) for address in addresses]
    try:
        items = [ForwardItem(key, text.encode()) for key, _, text in output.records]
        return [
            _attempt(forwarder, address, item)
            for address, item in zip(addresses, items, strict=True)
        ]
    finally:
        forwarder.close()


def _attempt(forwarder: Forwarder, address: str, item: ForwardItem) -> Attempt:
    try:
        [outcome] = forwarder.send([item])
    except MeterhouseError as error:
        return Attempt(address, accepted=False, reason=str(error))
    if isinstance(outcome, Accepted):
        return Attempt(address, accepted=True)
    return Attempt(address, accepted=False, reason=outcome.reason)
