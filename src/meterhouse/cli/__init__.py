"""The command line: ``meterhouse <noun> <verb>``."""

from meterhouse.cli.main import main

__all__ = ["main"]
