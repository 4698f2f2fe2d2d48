"""The command line: ``meterhouse <noun> <verb>``."""

from meterhouse.cli.main import main, program

__all__ = ["main", "program"]
