"""Write the lock files in `requirements/` from pyproject.toml.

A lock file holds names, versions and hashes and nothing else: no index address, no
link, no path. A release must be a week old before it is taken (the cool-down), unless
`--days` says otherwise. Run it as `make lock`.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("requirements")

#: lock file -> what goes in; the later files keep the versions of the first.
LOCKS: dict[str, tuple[str, ...]] = {
    "runtime.txt": ("pyproject.toml",),
    "build.txt": ("--group", "build"),
    "dev.txt": ("pyproject.toml", "--extra", "all", "--group", "dev"),
    "bench.txt": ("pyproject.toml", "--group", "bench"),
}

_ENTRY = re.compile(r"^[a-z0-9][a-z0-9._-]*==[^\s;]+( ; [^:\\]+)? \\$")
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def main(arguments: list[str] | None = None) -> int:
    """Compile every lock file, or stop at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=7, help="cool-down of a release, in days")
    days: int = parser.parse_args(arguments).days
    for name, choice in LOCKS.items():
        _compile(name=name, choice=choice, days=days)
        faults = foreign_lines((ROOT / FOLDER / name).read_text().splitlines())
        if faults:
            print(f"{FOLDER / name}: lines that no lock file may hold:", *faults, sep="\n  ")
            return 1
        print(f"wrote {FOLDER / name}")
    return 0


def foreign_lines(lines: Iterable[str]) -> list[str]:
    """Return the lines that are neither a pinned package nor a hash."""
    return [line for line in lines if not (_ENTRY.match(line) or _HASH.match(line))]


def _compile(*, name: str, choice: tuple[str, ...], days: int) -> None:
    command = [_uv(), "pip", "compile", *choice]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes", "--upgrade"]
    command += ["--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--exclude-newer", f"{days} days", "--quiet", "-o", str(FOLDER / name)]
    if name != "runtime.txt":
        command += ["--constraint", str(FOLDER / "runtime.txt")]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise SystemExit("uv is missing: run `make lock`, which installs it first")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
