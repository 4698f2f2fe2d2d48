"""``meterhouse notification``: who is told when streams fail, end, or find no file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns, write_json, write_text
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import MeterhouseError

if TYPE_CHECKING:
    from meterhouse.streams.notification import NotificationGroup

app = new_group("Notification groups: who is told of what happens to streams.")

GroupName = Annotated[str, typer.Argument(metavar="G", help="The group: its name or id.")]
NewGroup = Annotated[str, typer.Argument(metavar="NAME", help="The name of the group.")]
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Another name for the group.")
]
DescriptionOption = Annotated[
    str | None, typer.Option("--description", metavar="D", help="What it is for.")
]
EventOption = Annotated[
    list[str] | None,
    typer.Option(
        "--event",
        metavar="E",
        help="One of no_file_found, stream_failed, stream_complete, suspense_arrived; repeatable.",
    ),
]
EmailOption = Annotated[
    list[str] | None,
    typer.Option("--email", metavar="A", help="An address of e-mail; repeatable."),
]
WebhookOption = Annotated[
    list[str] | None,
    typer.Option("--webhook", metavar="URI", help="Where messages are posted; repeatable."),
]
SecretOption = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="S",
        help="What signs: one for all webhooks, or one for each in their order.",
    ),
]
StreamsOption = Annotated[
    list[str] | None,
    typer.Option("--stream", metavar="N", help="Only of this stream; repeatable. Default: all."),
]
AllStreamsOption = Annotated[bool, typer.Option("--all-streams", help="Of all streams again.")]


@command(
    app,
    'meterhouse notification create "On call" --event stream_failed --email ann@example.com',
    'meterhouse notification create Books --event stream_complete --stream "Botbot AI assist"'
    " --webhook https://hooks.example.com/billing --secret Hooks",
)
def create(
    call: Call,
    name: NewGroup,
    *,
    event: EventOption = None,
    email: EmailOption = None,
    webhook: WebhookOption = None,
    secret: SecretOption = None,
    stream: StreamsOption = None,
    description: DescriptionOption = None,
) -> None:
    """Make a group. E-mail needs a mail server: METERHOUSE_SMTP_HOST and METERHOUSE_SMTP_FROM."""
    from meterhouse.app.notifications import create_notification_group

    body = {
        "name": name,
        "description": description,
        "events": event or [],
        "emails": email or [],
        "webhooks": _webhooks(webhook or [], secret or []),
        "streams": stream or None,
    }
    with call.opened() as house:
        mails = house.has_mail_server()
        group = create_notification_group(
            house.ledger, body, mails=mails, new_id=house.new_id, at=house.clock()
        )
    _write(call, group)


@command(app, "meterhouse notification list --json", lists=True)
def list_(call: Call) -> None:
    """List groups with their events."""
    from meterhouse.app.notifications import list_notification_groups

    with call.opened() as house:
        call.show(list_notification_groups(house.ledger, limit=call.limit), LISTING)


@command(app, 'meterhouse notification show "On call"')
def show(call: Call, group: GroupName) -> None:
    """Show a group. The keys that sign are never shown."""
    from meterhouse.app.notifications import find_notification_group

    with call.opened() as house:
        found = find_notification_group(house.ledger, group)
    _write(call, found)


@command(
    app,
    'meterhouse notification update "On call" --email ann@example.com --email bob@example.com',
)
def update(
    call: Call,
    group: GroupName,
    *,
    name: NameOption = None,
    event: EventOption = None,
    email: EmailOption = None,
    webhook: WebhookOption = None,
    secret: SecretOption = None,
    stream: StreamsOption = None,
    all_streams: AllStreamsOption = False,
    description: DescriptionOption = None,
) -> None:
    """Change a group: what is given replaces what it had, the rest stays."""
    from meterhouse.app.notifications import find_notification_group, update_notification_group

    if all_streams and stream:
        raise WrongUsage("--all-streams is all of them", hint="leave out --stream")
    if secret and not webhook:
        raise WrongUsage("--secret signs no webhook", hint="give every --webhook anew")
    given: dict[str, Any] = {"name": name, "description": description, "events": event}
    given |= {"emails": email, "streams": stream}
    changes = {field: value for field, value in given.items() if value}
    if webhook:
        changes["webhooks"] = _webhooks(webhook, secret or [])
    if all_streams:
        changes["streams"] = None
    if not changes:
        raise WrongUsage("Nothing is to be changed", hint="give an option")
    with call.opened() as house:
        before = find_notification_group(house.ledger, group)
        updated = update_notification_group(
            house.ledger,
            before.id,
            body=before.to_api() | changes,
            mails=house.has_mail_server(),
            at=house.clock(),
            expected_revision=before.revision,
        )
    _write(call, updated)


@command(app, 'meterhouse notification delete "On call"')
def delete(call: Call, group: GroupName) -> None:
    """Delete a group. What is on its way is delivered all the same."""
    from meterhouse.app.notifications import delete_notification_group

    with call.opened() as house:
        deleted = delete_notification_group(house.ledger, group)
    call.tell(
        {"id": deleted.id, "name": deleted.name},
        f"deleted notification group {deleted.name} ({deleted.id})",
    )


@command(app, 'meterhouse notification test "On call"')
def test(call: Call, group: GroupName) -> None:
    """Send a test to every address of a group now, and say what became of it."""
    from meterhouse.app.notifications import try_notification_group

    with call.opened() as house:
        attempts = try_notification_group(
            house.ledger, group, means=house.forwarding(), new_id=house.new_id, at=house.clock()
        )
    for attempt in attempts:
        if call.as_json:
            write_json(attempt.to_api())
        else:
            said = "accepted" if attempt.accepted else f"NOT accepted: {attempt.reason}"
            write_text(f"{attempt.address}: {said}")
    if failed := [attempt.address for attempt in attempts if not attempt.accepted]:
        message = f"{len(failed)} of {len(attempts)} addresses did not accept the test"
        raise MeterhouseError(message, hint="Mend what the reasons say, and test again")


def _webhooks(uris: list[str], secrets: list[str]) -> list[dict[str, str]]:
    """Pair each webhook with what signs it."""
    if len(secrets) != len(uris) and (len(secrets) != 1 or not uris):
        message = f"There are {len(uris)} webhooks and {len(secrets)} secrets"
        raise WrongUsage(message, hint="give one --secret, or one for each --webhook")
    each = secrets * len(uris) if len(secrets) == 1 else secrets
    return [{"uri": uri, "secret": secret} for uri, secret in zip(uris, each, strict=True)]


def _write(call: Call, group: NotificationGroup) -> None:
    pairs: dict[str, Cell] = {"name": group.name, "id": group.id}
    if group.description:
        pairs["description"] = group.description
    pairs["events"] = _events(group)
    pairs |= {f"e-mail {n}": email for n, email in enumerate(group.emails, start=1)}
    for number, webhook in enumerate(group.webhooks, start=1):
        pairs[f"webhook {number}"] = f"{webhook.uri} (signed by {webhook.secret_name})"
    pairs["streams"] = _streams(group)
    call.write_pairs(group.to_api(), pairs)


def _events(group: NotificationGroup) -> str:
    return ", ".join(event.value for event in group.events)


def _streams(group: NotificationGroup) -> str:
    if group.streams is None:
        return "all"
    return ", ".join(name for _, name in group.streams) or "none: they are deleted"


def _row(group: NotificationGroup) -> list[Cell]:
    addresses = len(group.emails) + len(group.webhooks)
    return [group.name, _events(group), addresses, _streams(group), group.id]


LISTING = Listing(
    "notification groups",
    columns("Name", "Events", "#Addresses", "Streams", "@Id"),
    _row,
    lambda group: json_text(group.to_api()),
)
