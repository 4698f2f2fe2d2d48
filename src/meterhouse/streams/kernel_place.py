"""Where Kernel is: its address, and that of its tokens, as documents have them."""

from __future__ import annotations

from meterhouse.core.reading import Reading, shown
from meterhouse.streams.dataset_ports import KernelPlace


def read_kernel_place(reading: Reading) -> KernelPlace:
    """Read ``url`` and ``tokenUrl``, if that is not below the other. Problems are noted."""
    url = _read_url(reading, "url", required=True)
    return KernelPlace(url, _read_url(reading, "tokenUrl") or f"{url}/token")


def _read_url(reading: Reading, name: str, *, required: bool = False) -> str:
    url = reading.text(name, required=required) or ""
    if url and not url.lower().startswith(("http://", "https://")):
        reading.fail(name, f"is {shown(url)}", "begin it with https://")
    return url.rstrip("/")
