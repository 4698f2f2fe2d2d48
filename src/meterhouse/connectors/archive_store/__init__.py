"""Where the files of invoices are kept: a folder, or a container of object storage."""

from meterhouse.connectors.archive_store.folder import FolderArchive as FolderArchive
from meterhouse.connectors.archive_store.remote import RemoteArchive as RemoteArchive
