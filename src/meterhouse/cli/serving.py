"""``meterhouse serve``: the HTTP API."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import new_group
from meterhouse.cli.output import note, write_pairs, write_text
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.app.applications import NewClient

app = new_group("The HTTP API, until a signal comes.")

HostOption = Annotated[
    str, typer.Option("--host", metavar="H", help="The address to listen on; 0.0.0.0 is all.")
]
PortOption = Annotated[
    int,
    typer.Option("--port", metavar="P", min=0, max=65535, help="The port; 0 is any free one."),
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--public-url",
        metavar="URL",
        help="Where clients find it. Default: where it listens.",
    ),
]
GraceOption = Annotated[
    int,
    typer.Option(
        "--grace", metavar="SECONDS", min=0, help="How long running streams may go on at the end."
    ),
]


@command(
    app,
    "meterhouse serve --port 8080",
    "meterhouse serve --host 0.0.0.0 --public-url https://metering.example.org",
)
def serve(
    call: Call,
    *,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8080,
    public_url: UrlOption = None,
    grace: GraceOption = 30,
) -> None:
    """Serve the HTTP API and run what is scheduled. SIGTERM ends it: requests and runs end first.

    Where no program has access yet, one is made that may do everything, and its client secret is
    shown this once. It speaks HTTP: let a proxy in front of it do the TLS. One line of JSON for
    each request goes to standard error.
    """
    from meterhouse import bootstrap_server

    if public_url is not None and not public_url.startswith(("http://", "https://")):
        hint = "such as https://metering.example.org"
        raise WrongUsage(f"--public-url: {public_url!r} is no address", hint=hint)

    def ready(url: str) -> None:
        call.tell({"url": url}, f"listening on {url} (description: {url}/openapi.json)")
        sys.stdout.flush()

    bootstrap_server.serve(
        call.directory,
        host=host,
        port=port,
        public_url=public_url,
        grace_seconds=grace,
        ready=ready,
        introduce=lambda first: _introduce(first, as_json=call.as_json),
    )
    note("stopped")


def _introduce(first: NewClient, *, as_json: bool) -> None:
    """Show the first client, which may do everything, and its secret."""
    body = first.to_api()
    if as_json:
        # Standard output belongs to the answer: a program may well keep it.
        note(json_text(body))
        return
    name = body["name"]
    write_text(f"The first application, {name}, may do everything. Its secret is shown this once:")
    write_pairs({"Client id": body["clientId"], "Client secret": body["clientSecret"]})
    write_text(f"If it is lost: meterhouse access rotate {name}")
    sys.stdout.flush()
