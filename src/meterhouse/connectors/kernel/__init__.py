"""Kernel over HTTP: the datasets of another installation, its files, and files for it."""

from meterhouse.connectors.kernel.client import KernelClient, KernelFault, KernelFile, KernelMeans

__all__ = ["KernelClient", "KernelFault", "KernelFile", "KernelMeans"]
