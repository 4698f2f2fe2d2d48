"""``meterhouse serve``: the HTTP API."""

from __future__ import annotations

from typing import Annotated

import typer

from meterhouse.cli.installation import data_option
from meterhouse.cli.options import DataOption, JsonOption, examples, new_group
from meterhouse.cli.output import note, write_json, write_text

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


@app.command(
    epilog=examples(
        "meterhouse serve --port 8080",
        "meterhouse serve --host 0.0.0.0 --public-url https://metering.example.org",
    )
)
def serve(
    context: typer.Context,
    *,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8080,
    public_url: UrlOption = None,
    grace: GraceOption = 30,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the HTTP API. SIGTERM ends it: requests and runs end first, for a while.

    It speaks HTTP: let a proxy in front of it do the TLS. One line of JSON for each request goes to
    standard error.
    """
    from meterhouse import bootstrap

    def ready(url: str) -> None:
        if as_json:
            write_json({"url": url})
        else:
            write_text(f"listening on {url} (description: {url}/openapi.json)")

    bootstrap.serve(
        data_option(context, data),
        host=host,
        port=port,
        public_url=public_url,
        grace_seconds=grace,
        ready=ready,
    )
    note("stopped")
