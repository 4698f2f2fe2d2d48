"""A bare FastAPI application under the server's own settings of uvicorn: what nothing costs.

Use: python -m bench.server_bare; it says its port, and ends with a signal.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from fastapi import FastAPI, Response

from meterhouse.api import Address, RunThreads, Server

PLAIN, THREAD = "/plain", "/thread"


def bare_app() -> FastAPI:
    """Return an application with two routes that do nothing."""
    app = FastAPI(openapi_url=None)

    @app.get(PLAIN)
    async def plain() -> Response:
        return Response(b"{}", media_type="application/json")

    @app.get(THREAD)
    def thread() -> Response:
        return Response(b"{}", media_type="application/json")

    return app


def main() -> None:
    """Serve until a signal comes."""
    nothing: Any = nullcontext
    with Address("127.0.0.1", 0).listen() as listening:
        port = listening.getsockname()[1]
        server = Server(
            bare_app(), runs=RunThreads(nothing, nothing), ready=lambda: print(port, flush=True)
        )
        server.run(sockets=[listening])


if __name__ == "__main__":
    main()
