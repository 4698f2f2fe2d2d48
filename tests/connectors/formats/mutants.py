"""The process that reads mutants: ``mutants FOLDER FORMAT SEED COUNT``.

It mutates each seed file of a folder, reads every mutant as a stream would, and writes one line of
JSON about each: what became of it, and how far the memory of the process has grown. Should it die,
the last line says on what.
"""

import io
import json
import random
import resource
import sys
import time
import zipfile
from pathlib import Path

from meterhouse.connectors import UsageFiles
from meterhouse.streams.ports import InputError, InputFile

_EDGES = (
    b"\x00",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"\xff\xff\xff\xff\x0f",
    b'"',
    b"[",
    b"{",
    b"\n",
    b",",
)


def mutant(content: bytes, chance: random.Random) -> bytes:
    """Return content with a few things wrong."""
    data = bytearray(content)
    kind = chance.randrange(6)
    if kind == 0:
        return bytes(data[: chance.randrange(len(data))])
    for _ in range(chance.choice((1, 1, 2, 8, 32))):
        at = chance.randrange(len(data))
        if kind == 1:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            data[at] = chance.randrange(256)
        elif kind == 3:
            data[at : at + chance.randrange(1, 9)] = chance.choice(_EDGES)
        elif kind == 4:
            del data[at : at + chance.randrange(1, 64)]
            data = data or bytearray(b"\x00")
        else:
            end = at + chance.randrange(1, 64)
            data[at:at] = data[at:end] * chance.choice((1, 2, 50))
    return bytes(data)


def inner_mutant(content: bytes, chance: random.Random) -> bytes:
    """Return a zip archive that is sound, one member of which is not."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        names = old.namelist()
        wrong = chance.choice(names)
        for name in names:
            part = old.read(name)
            new.writestr(name, mutant(part, chance) if name == wrong and part else part)
    return made.getvalue()


def outcome(path: Path) -> str:
    """Read a file to its end and say what came of it."""
    found = path.stat()
    file = InputFile(str(path), found.st_size, found.st_mtime_ns)
    records = bad = 0
    try:
        for chunk in UsageFiles(data=path.parent).read(
            file, source=0, format=None, fields={}, records_max=100_000
        ):
            chunk.batch.rows()
            records += len(chunk.batch)
            bad += len(chunk.unreadable)
    except InputError as error:
        return f"refused: {error}"
    return f"read {records}, {bad} unreadable"


def main(folder: Path, kind: str, seed: int, count: int) -> None:
    """Read ``count`` mutants."""
    chance = random.Random(seed)
    seeds = sorted(path for path in folder.iterdir() if path.is_file())
    contents = [(path.name, path.read_bytes()) for path in seeds]
    work = folder / "work"
    work.mkdir()
    for path in seeds:
        outcome(path)  # What is loaded and cached once is not counted.
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        name, content = contents[number % len(contents)]
        inside = kind in ("xlsx", "zip") and number % 3 == 0
        path = work / f"{number}-{name}"
        path.write_bytes((inner_mutant if inside else mutant)(content, chance))
        print(json.dumps({"mutant": path.name}), flush=True)
        begun = time.monotonic()
        said = outcome(path)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        result = {
            "mutant": path.name,
            "said": said,
            "seconds": round(time.monotonic() - begun, 3),
            "grownMiB": grown >> 10,
            "childMiB": children >> 10,
        }
        print(json.dumps(result), flush=True)
        path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
