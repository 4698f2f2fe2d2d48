"""Connectors: readers and writers of the world outside: files, and servers (``http``).

``UsageFiles`` reads usage, ``SpoolFolder`` keeps what file writers write until the run has
committed, ``FileDelivery`` brings it to where it belongs. ``CollectorKinds`` opens inputs with
positions, such as brokers.
"""

from meterhouse.connectors.collectors import CollectorKinds
from meterhouse.connectors.delivery import FileDelivery
from meterhouse.connectors.files import UsageFiles
from meterhouse.connectors.spool import FileSpool, SpoolFolder

__all__ = ["CollectorKinds", "FileDelivery", "FileSpool", "SpoolFolder", "UsageFiles"]
