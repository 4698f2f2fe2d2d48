"""Notification groups in the ledger, and telling them of runs within the run's own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from meterhouse.app.page import Page
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.revision import check_revision
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row, path_value, storable
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries
from meterhouse.streams.notice import Happening, Occasion, Outgoing, outgoing
from meterhouse.streams.notification import SILENCE, Event, NotificationGroup, Webhook
from meterhouse.streams.record import Run

_SQL = queries("notifications")
_FORWARDS = queries("forwards")
_SECRETS = queries("secrets")
_STREAMS = queries("streams")
_KIND = "notification group"


class NotificationTable(Recorder):
    """The part of the ledger that keeps notification groups."""

    _database: Database

    def add_notification_group(self, group: NotificationGroup) -> None:
        """Add; refused where the name is taken, or a stream or a secret is gone."""
        with self._recorded("create", _KIND, group.id, name=group.name):
            _refuse_taken(self._database, group.name)
            values = (group.id, *_written(group), group.created_at, group.updated_at)
            no = self._database.value(_SQL["insert"], values)
            _insert_parts(self._database, no, group)

    def update_notification_group(
        self, group: NotificationGroup, *, expected_revision: str | None = None
    ) -> None:
        """Replace; refused as ``add_notification_group`` does."""
        with self._recorded("update", _KIND, group.id, name=group.name):
            no, present = _checked(self._database, group.id, expected_revision)
            if group.name != present.name:
                _refuse_taken(self._database, group.name)
            self._database.execute(_SQL["update"], (*_written(group), group.updated_at, no))
            self._database.execute(_SQL["delete_webhooks"], (no,))
            self._database.execute(_SQL["delete_streams"], (no,))
            _insert_parts(self._database, no, group)

    def notification_group(self, reference: str) -> NotificationGroup | None:
        """Find one by id or name, in this order."""
        with self._database.read():
            found = _found(self._database, reference)
            return None if found is None else found[1]

    def notification_groups(
        self, *, limit: int = 100, after: str | None = None
    ) -> Page[NotificationGroup]:
        """List groups."""
        with self._database.read():
            rows = self._database.rows(_SQL["page"], (number_after(after), limit + 1))
            return page_of(rows, partial(_from_rows, self._database), limit=limit)

    def delete_notification_group(self, id: str, *, expected_revision: str | None = None) -> None:
        """Delete; what is on its way is delivered all the same."""
        with self._recorded("delete", _KIND, id) as note:
            no, group = _checked(self._database, id, expected_revision)
            note.detail["name"] = group.name
            self._database.execute(_SQL["delete"], (no,))

    def note_notification_test(self, group: NotificationGroup) -> None:
        """Write down that somebody tries a group out."""
        with self._recorded("test", _KIND, group.id, name=group.name):
            pass


def _written(group: NotificationGroup) -> Row:
    events = json_text([event.value for event in group.events])
    said = None if group.description is None else storable(group.description)
    every = int(group.streams is None)
    return (group.name, said, events, json_text(list(group.emails)), every)


def _insert_parts(database: Database, no: int, group: NotificationGroup) -> None:
    for position, webhook in enumerate(group.webhooks):
        if database.row(_SECRETS["by_id"], (webhook.secret_id,)) is None:
            hint = "`meterhouse secret list` shows those that exist"
            raise NotFoundError(f"There is no secret {webhook.secret_id!r}", hint=hint)
        values = (no, position, webhook.uri, webhook.secret_id)
        database.execute(_SQL["insert_webhook"], values)
    for position, (id, name) in enumerate(group.streams or ()):
        row = database.row(_STREAMS["by_id"], (id,))
        if row is None:
            raise NotFoundError(f"There is no stream {name!r}", hint="See `stream list`")
        database.execute(_SQL["insert_stream"], (no, position, row[0]))


def _refuse_taken(database: Database, name: str) -> None:
    if database.value(_SQL["name_taken"], (name,)) is not None:
        message = f"A notification group is named {name!r}"
        raise ConflictError(message, hint="Choose another name")


def _found(database: Database, reference: str) -> tuple[int, NotificationGroup] | None:
    no = database.value(_SQL["find"], {"reference": reference})
    if no is None:
        return None
    return no, _from_rows(database, database.rows(_SQL["page"], (no - 1, 1)))[0]


def _checked(
    database: Database, id: str, expected_revision: str | None
) -> tuple[int, NotificationGroup]:
    """Return a group with its number; refused where it is not as the caller has seen it."""
    found = _found(database, id)
    if found is None:
        raise NotFoundError(
            f"There is no notification group {id!r}", hint="See `notification list`"
        )
    what = f"Notification group {found[1].name!r}"
    check_revision(found[1].revision, expected=expected_revision, what=what)
    return found


def _from_rows(database: Database, rows: Sequence[Row]) -> list[NotificationGroup]:
    return [_from_row(database, row) for row in rows]


def _from_row(database: Database, row: Row) -> NotificationGroup:
    id, name, description, events, emails, every, created_at, updated_at, no = row
    webhooks = tuple(Webhook(*found) for found in database.rows(_SQL["webhooks"], (no,)))
    streams = None if every else tuple(database.rows(_SQL["streams"], (no,)))
    told = tuple(map(Event, parse_json(events)))
    addresses = (tuple(parse_json(emails)), webhooks)
    return NotificationGroup(
        id, name, description, told, *addresses, streams, created_at, updated_at
    )


def groups_of_secret(database: Database, id: str) -> list[str]:
    """Return the names of the groups whose webhooks a secret signs."""
    return [name for (name,) in database.rows(_SQL["groups_of_secret"], (id,))]


# ---------------------------------------------------------------- telling of runs


def tell(database: Database, run: Run, happened: Sequence[Happening], *, run_no: int) -> None:
    """Write the messages about a run that ends; the caller holds the transaction that ends it.

    A group that was told of the same event of the same stream a short while ago is not told again.
    """
    for row in database.rows(_SQL["for_stream"], (run.stream_id,)):
        group, no = _from_row(database, row), row[-1]
        for happening in happened:
            occasion = Occasion.of_run(run, happening)
            if happening.event in group.events and _speaks(database, no, occasion):
                for output in outgoing(group, occasion):
                    _write_output(database, group, output, run_no=run_no)


def _speaks(database: Database, group_no: int, occasion: Occasion) -> bool:
    """Whether it is time to say something; then it is noted that it was said."""
    about = (group_no, occasion.stream_id, occasion.type)
    last: Instant | None = database.value(_SQL["told_at"], about)
    # A clock that was put back silences nobody for longer than that either.
    if last is not None and abs(occasion.at - last) < SILENCE:
        return False
    database.execute(_SQL["put_told"], (*about, occasion.at))
    return True


def _write_output(
    database: Database, group: NotificationGroup, output: Outgoing, *, run_no: int
) -> None:
    """Put messages into the outbox; each way of a group is a channel of its own."""
    channel = database.value(_FORWARDS["put_channel"], (group.id, output.target))
    forward = json_text(output.forward.to_json())
    where = path_value(output.destination)
    values = (run_no, output.target, where, forward, channel, len(output.records))
    id = database.value(_SQL["insert_output"], values)
    rows = [
        (id, place, mark, key, storable(record))
        for place, (key, mark, record) in enumerate(output.records)
    ]
    database.execute_many(_SQL["insert_message"], rows)


def messages_of(database: Database, outbox_id: int) -> list[Row]:
    """Return place, order mark, key and text of the messages of an output."""
    return database.rows(_SQL["messages"], (outbox_id,))


def forget_messages(database: Database, outbox_id: int) -> None:
    """Forget messages that are done."""
    database.execute(_SQL["forget_messages"], (outbox_id,))
