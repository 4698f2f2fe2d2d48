"""The HTTP client of streams: guarded, exact in time and size, with tokens of its own."""

from meterhouse.connectors.http.allow import AllowList
from meterhouse.connectors.http.client import HttpClient, Limits
from meterhouse.connectors.http.guard import Guard

__all__ = ["AllowList", "Guard", "HttpClient", "Limits"]
