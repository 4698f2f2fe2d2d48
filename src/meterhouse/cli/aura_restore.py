"""``meterhouse aura restore``: files of uploads that are gone are made again.

``register`` adds the command to the group of the noun.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.output import note
from meterhouse.core.counted import counted
from meterhouse.core.problem import MeterhouseError

LogsOption = Annotated[
    Path,
    typer.Option("--logs", metavar="DIR", help="The logs, as they were when they were uploaded."),
]
SomeObsOption = Annotated[
    list[str] | None,
    typer.Option("--ob", metavar="OB", help="Only this one (ES); may be repeated."),
]
ConfigurationOption = Annotated[
    str | None,
    typer.Option("--configuration", metavar="PLACE", help="As that of `aura upload`."),
]
SecretOption = Annotated[
    str | None,
    typer.Option(
        "--configuration-secret", metavar="ID", help="A bearer secret that has the API's key."
    ),
]
LogLimitOption = Annotated[
    int,
    typer.Option(
        "--log-limit", metavar="MIB", min=1, help="Refuse a log that has more MiB, unpacked."
    ),
]


def restore(
    call: Call,
    *,
    logs: LogsOption,
    ob: SomeObsOption = None,
    configuration: ConfigurationOption = None,
    configuration_secret: SecretOption = None,
    log_limit: LogLimitOption = 1024,
) -> None:
    """Make files of uploads again that are neither in common storage nor in the catalogue.

    `aura import` and `doctor` say which ones. They are made of the same logs, and only where these
    have all of their rows still; then import them. 1 if one could not be made.
    """
    from meterhouse import bootstrap_aura
    from meterhouse.app.aura.restoring import restore as restore_all
    from meterhouse.datasets.audit import AuditRules

    place = bootstrap_aura.configuration_place(logs, configuration, secret=configuration_secret)
    found = bootstrap_aura.LogsPlace(logs, log_limit << 20)
    with (
        call.opened() as house,
        bootstrap_aura.upload_means(house, found, configuration=place, rules=AuditRules()) as means,
    ):
        done = restore_all(
            means,
            at=house.clock(),
            catalogued=lambda name: bool(house.ledger.dataset_files_called(name)),
            obs=ob or (),
        )
    for one in done:
        if one.error is None:
            call.tell(
                one.to_api(), f"{one.file.path}: made again with {counted(one.file.rows, 'row')}"
            )
        else:
            call.tell(one.to_api(), f"{one.file.path}: not made again")
            note(f"{one.file.path}: {one.error}")
    if not done:
        note("no file of an upload is gone")
    failed = sum(1 for one in done if one.error is not None)
    if failed:
        hint = "put back the logs that are named, as they were"
        raise MeterhouseError(f"{counted(failed, 'file')} could not be made again", hint=hint)


def register(app: typer.Typer) -> None:
    """Add the command to ``meterhouse aura``."""
    command(
        app,
        "meterhouse aura restore --logs /var/log/aura",
        "meterhouse aura restore --logs logs --ob ES",
    )(restore)
