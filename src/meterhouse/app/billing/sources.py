"""The files of datasets that usage was read from: what runs have read, and the catalogue knows."""

from __future__ import annotations

from collections.abc import Iterable

from meterhouse.app.ports import Ledger
from meterhouse.core.invoice import SourceFile


def source_files(ledger: Ledger, runs: Iterable[str]) -> tuple[SourceFile, ...]:
    """Return the files of datasets that runs have read, each once, by dataset and name.

    Other files that they read are not told: nobody has their hash.
    """
    read = {one.name for run in runs for one in ledger.inputs_of_run(run)}
    found = {}
    for name in read:
        for file in ledger.dataset_files_called(name.rpartition("/")[2]):
            if name == file.path or name.endswith(f"/{file.path}"):
                found[file.path] = SourceFile(
                    file.path, file.dataset, str(file.version), file.rows, file.sha256
                )
    return tuple(found[path] for path in sorted(found))
