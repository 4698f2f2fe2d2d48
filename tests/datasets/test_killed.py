"""Adding a file in a process that is killed: nothing half, and adding it again does the rest."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.datasets.catalogue import AT, CONTAINERS, NAME, a_row, document_of

#: Adds a file, and is killed by itself where it is told: once so many parts were put, or inside the
#: transaction that writes them down.
WORKER = """
import os, signal, sys
from pathlib import Path
from meterhouse.app.datasets.files import add_file
from meterhouse.app.datasets.publishing import publish
from meterhouse.connectors.avro.containers import AvroContainers
from meterhouse.connectors.dataset_storage import FolderStorage
from meterhouse.datasets.schema import BUILT_IN
from meterhouse.store import open_ledger

folder, name, at, where = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Dying(FolderStorage):
    puts = 0

    def put(self, name, content):
        made = super().put(name, content)
        self.puts += 1
        if where == f"put {self.puts}":
            die()
        return made

ledger = open_ledger(folder / "data")
publish(ledger, BUILT_IN["Aura_Audit"], at=at)
if where == "commit":
    add = ledger.add_dataset_files
    def add_and_die(files):
        with ledger._database.write():
            add(files)
            die()
    ledger.add_dataset_files = add_and_die
files = add_file(ledger, Dying(folder / "catalogue"), folder / "content.avro",
    dataset="Aura_Audit", name=name, at=at, containers=AvroContainers())
print(*(file.id for file in files))
"""
DAYS = ("2026-10-01", "2026-10-02", "2026-10-03")


def run(folder: Path, where: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WORKER, str(folder), NAME, str(AT), where]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_whenever_it_is_killed_adding_again_does_the_rest(tmp_path: Path):
    rows = [a_row(n, AURA_TM=f"{day}T10:00:00Z", DAY_DT=day) for n in range(99) for day in DAYS]
    CONTAINERS.write(tmp_path / "content.avro", schema=document_of(), rows=rows)
    catalogue = tmp_path / "catalogue"
    for puts, where in enumerate(("put 1", "put 2", "put 3", "commit"), start=1):
        killed = run(tmp_path, where)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        kept = sorted(path for path in catalogue.rglob("*.avro"))
        assert len(kept) == min(puts, 3)
        assert [len(list(CONTAINERS.rows(path))) for path in kept] == [99] * len(kept)
    first = run(tmp_path, "never")
    assert (first.returncode, len(first.stdout.split())) == (0, 3), first.stderr
    assert run(tmp_path, "never").stdout == first.stdout
    names = [path.relative_to(catalogue).parts[2] for path in sorted(catalogue.rglob("*.avro"))]
    assert names == [f"DAY_DT={day}" for day in DAYS]
