"""A server without a socket, with its own authority: for tests that knock very often."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from meterhouse import bootstrap_server
from meterhouse.api import Access, Context, Limits, create_app
from meterhouse.app.applications import NewClient, create_application
from meterhouse.core.scope import SCOPES

URL = "https://metering.example"


@dataclass
class Doors:
    """The application, called in this process; and its first client, which may do everything."""

    app: FastAPI
    context: Context
    first: NewClient
    log: list[str] = field(default_factory=list)

    @property
    def access(self) -> Access:
        assert isinstance(self.context.authority, Access)
        return self.context.authority

    def client(self, name: str, scopes: frozenset[str] | list[str] | None = None) -> NewClient:
        """Make an application."""
        body: dict[str, Any] = {"name": name}
        if scopes is not None:
            body["scopes"] = sorted(scopes)
        with self.context.ledger() as ledger:
            return create_application(
                ledger,
                self.context.client_secrets,
                body,
                new_id=self.context.new_id,
                at=self.context.clock(),
            )

    def headers(self, client: NewClient | None = None, scope: str = "") -> dict[str, str]:
        """Ask for a token; the headers that have it."""
        client = client or self.first
        form = {
            "grant_type": "client_credentials",
            "client_id": client.application.client_id,
            "client_secret": client.client_secret,
        }
        issued = self.access.issue(form | ({"scope": scope} if scope else {}))
        return {"Authorization": f"Bearer {issued['access_token']}"}

    def ask_all(self, requests: list[tuple[str, str, Mapping[str, Any]]]) -> list[httpx.Response]:
        """Answer many requests, some at a time; the answers in their order."""
        return asyncio.run(self._ask_all(requests))

    async def _ask_all(
        self, requests: list[tuple[str, str, Mapping[str, Any]]]
    ) -> list[httpx.Response]:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            return [await client.request(method, path, **how) for method, path, how in requests]

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Answer one request; by the first client, unless headers say something else."""
        how.setdefault("headers", {})
        if "Authorization" not in how["headers"]:
            how["headers"] = how["headers"] | self.headers()
        return self.ask_all([(method, path, how)])[0]


@contextmanager
def doors(directory: Path, *, limits: Limits | None = None) -> Iterator[Doors]:
    """Open a data directory."""
    log: list[str] = []
    opening = bootstrap_server.open_context(
        directory, public_url=URL, limits=limits, log=log.append
    )
    with opening as context:
        assert isinstance(context.authority, Access)
        first = context.authority.first_client()
        assert first is not None
        assert first.application.scopes == frozenset(SCOPES)
        yield Doors(create_app(context), context, first, log)
        context.runs.stop(grace_seconds=30)
