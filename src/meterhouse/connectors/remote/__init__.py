"""Files that lie elsewhere: object storage and SFTP servers, behind one small interface."""

from meterhouse.connectors.remote.opening import RemotePlaces

__all__ = ["RemotePlaces"]
