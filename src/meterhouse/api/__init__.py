"""The HTTP API."""

from meterhouse.api.application import create_app
from meterhouse.api.authority import (
    Authority,
    Closed,
    Forbidden,
    Principal,
    TokenRefused,
    Unauthenticated,
)
from meterhouse.api.context import Context, Limits
from meterhouse.api.run_threads import RunThreads
from meterhouse.api.serving import Address, Server, serve

__all__ = [
    "Address",
    "Authority",
    "Closed",
    "Context",
    "Forbidden",
    "Limits",
    "Principal",
    "RunThreads",
    "Server",
    "TokenRefused",
    "Unauthenticated",
    "create_app",
    "serve",
]
