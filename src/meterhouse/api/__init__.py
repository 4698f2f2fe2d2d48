"""The HTTP API."""

from meterhouse.api.access import Access
from meterhouse.api.application import create_app
from meterhouse.api.authority import (
    Authority,
    Forbidden,
    Principal,
    TokenRefused,
    Unauthenticated,
)
from meterhouse.api.context import Context, Limits
from meterhouse.api.deliverer import Deliverer
from meterhouse.api.kernel_access import KernelAccess
from meterhouse.api.run_threads import RunThreads
from meterhouse.api.scheduler import Scheduler
from meterhouse.api.serving import Address, Server, serve

__all__ = [
    "Access",
    "Address",
    "Authority",
    "Context",
    "Deliverer",
    "Forbidden",
    "Limits",
    "KernelAccess",
    "Principal",
    "RunThreads",
    "Scheduler",
    "Server",
    "TokenRefused",
    "Unauthenticated",
    "create_app",
    "serve",
]
