"""``python -m meterhouse``: the command line."""

from meterhouse.cli import program

if __name__ == "__main__":
    program()
