"""Where files of datasets are kept: a folder, or a container of object storage."""

from meterhouse.connectors.dataset_storage.folder import FolderStorage as FolderStorage
from meterhouse.connectors.dataset_storage.remote import RemoteStorage as RemoteStorage
