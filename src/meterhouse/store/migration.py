"""Brings a ledger up to date: each migration in a transaction of its own, in order."""

from __future__ import annotations

from meterhouse.store.connection import Database, StoreError
from meterhouse.store.sql_text import migrations

#: Marks a file as a ledger ("MtrH").
APPLICATION_ID = 0x4D747248


def migrate(database: Database) -> None:
    """Apply what is missing. Refuses a file of something else, or of a later version."""
    known = dict(migrations())
    with database.errors():
        _check(database, newest=max(known))
        present = _version(database)
    for number, text in known.items():
        if number <= present:
            continue  # Opening a ledger that is up to date waits for nobody's commit.
        with database.write():
            # Another process may have been faster: look again, now that it must wait.
            if _version(database) == number - 1:
                database.execute_script(text)
                database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                database.execute(f"PRAGMA user_version = {number}")


def _check(database: Database, *, newest: int) -> None:
    version = _version(database)
    mark = database.value("PRAGMA application_id")
    empty = not database.value("SELECT count(*) FROM sqlite_schema")
    if not empty and mark != APPLICATION_ID:
        hint = "Use another data directory"
        raise StoreError(f"{database.path} is not a ledger of this program", hint=hint)
    if version > newest:
        message = (
            f"The ledger {database.path} has version {version}, "
            f"and this program knows versions up to {newest}"
        )
        raise StoreError(message, hint="Update the program, or use another data directory")


def _version(database: Database) -> int:
    return database.value("PRAGMA user_version")
