"""What lies beside the logs of components and is read by nobody: misnamed folders, stray files.

A folder that is misspelt looks like one without logs: its rows would be missed by nobody.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from meterhouse.app.aura.ports import LOG_KINDS, IgnoredPlace
from meterhouse.core.country import is_country

#: Where the configuration of an OB may lie, beside its logs.
_CONFIGURATION = "configuration"
#: Files of datasets that were put beside the logs are no logs: they are added, not uploaded.
_DATASET = ".avro"


def ignored_places(folder: Path, obs: Sequence[str]) -> Iterator[IgnoredPlace]:
    """Yield what is ignored: below the folders of some OBs, or everywhere where none is named.

    A place that cannot be listed has none: who reads logs there says so.
    """
    for name in obs or _names(folder):
        path = folder / name
        if is_country(name) and path.is_dir():
            yield from _of_ob(path)
        elif not path.exists():
            yield IgnoredPlace(name, "there is no such folder")
        elif not _has_datasets_only(path):
            yield IgnoredPlace(name, _why(path))


def _of_ob(folder: Path) -> Iterator[IgnoredPlace]:
    for name in _names(folder):
        if name in (*LOG_KINDS, _CONFIGURATION) and (folder / name).is_dir():
            continue
        kinds = ", ".join(LOG_KINDS)
        is_folder = (folder / name).is_dir()
        why = f"is none of {kinds}" if is_folder else f"lies in none of the folders {kinds}"
        yield IgnoredPlace(f"{folder.name}/{name}", why)


def _why(path: Path) -> str:
    name = path.name
    if not path.is_dir():
        return "lies in no folder of an OB, such as ES/groot"
    if is_country(name.upper()):
        return f"OBs have capital letters: call it {name.upper()}"
    if name in LOG_KINDS:
        return f"lies in no folder of an OB: move it, such as to ES/{name}"
    return "is no OB: these are called by the two letters of ISO 3166-1, such as ES"


def _has_datasets_only(path: Path) -> bool:
    names = [name for _, _, files in os.walk(path) for name in files]
    return bool(names) and all(name.endswith(_DATASET) for name in names)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []
