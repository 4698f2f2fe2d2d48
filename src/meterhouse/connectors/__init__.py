"""Connectors: readers and writers of the world outside: files, and servers (``http``).

``UsageFiles`` reads usage, ``SpoolFolder`` keeps what file writers write until the run has
committed, ``FileDelivery`` brings it to where it belongs; ``AllowedFolders`` says which files they
may use. ``CollectorKinds`` opens inputs with positions, such as brokers; ``TableFolder`` keeps the
rows of look-up tables.
"""

from meterhouse.connectors.collectors import CollectorKinds
from meterhouse.connectors.delivery import FileDelivery
from meterhouse.connectors.files import UsageFiles
from meterhouse.connectors.folders import AllowedFolders, parse_folders, working_folder
from meterhouse.connectors.spool import FileSpool, SpoolFolder
from meterhouse.connectors.tables import TableFolder

__all__ = [
    "AllowedFolders",
    "CollectorKinds",
    "FileDelivery",
    "FileSpool",
    "SpoolFolder",
    "TableFolder",
    "UsageFiles",
    "parse_folders",
    "working_folder",
]
