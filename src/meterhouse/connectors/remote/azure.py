"""Removing one blob of Azure Blob Storage: a plain request.

The library removes blobs in batches only, which a signature of one container may not open.
"""

from __future__ import annotations

from urllib.parse import quote

from meterhouse.connectors.http.client import HttpClient
from meterhouse.connectors.http.guard import Guard
from meterhouse.streams.ports import HttpRequest

_VERSION = "2019-12-12"
_DONE = (202, 404)


class AzureContainer:
    """A container, by its URL and the signature that opens it."""

    def __init__(self, url: str, token: str, *, guard: Guard) -> None:
        self._url = url
        self._token = token
        self._guard = guard

    def delete(self, key: str) -> None:
        """Remove a blob; one that is gone is fine. Raises ``OSError`` for any other answer."""
        url = f"{self._url}/{quote(key)}{'?' if self._token else ''}{self._token}"
        client = HttpClient(self._guard)
        try:
            answer = client.send(HttpRequest("DELETE", url, headers={"x-ms-version": _VERSION}))
        finally:
            client.close()
        if answer.status not in _DONE:
            raise OSError(f"it could not be removed (status {answer.status})")
