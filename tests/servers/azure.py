"""A blob server: Azurite, which `make test` installs where there is npm."""

import base64
import hashlib
import hmac
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import free_port, listens, running

ROOT = Path(__file__).parents[2]
_PROGRAM = "azurite/node_modules/azurite/dist/src/blob/main.js"
ACCOUNT = "devstoreaccount1"
#: The key of the development account, which is the same everywhere and opens nothing else.
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Azure:
    """Where the account answers, and a signature that opens all of it."""

    url: str
    sas: str


def program() -> Path | None:
    """Return the server's program, where it can be run."""
    path = ROOT / ".venv" / _PROGRAM
    return path if path.exists() and shutil.which("node") else None


def account_sas() -> str:
    """Return a shared access signature of the whole account."""
    fields = {
        "sp": "rwdlac",
        "ss": "b",
        "srt": "sco",
        "st": "",
        "se": "2099-01-01T00:00:00Z",
        "sip": "",
        "spr": "https,http",
        "sv": "2019-12-12",
    }
    signed = "\n".join([ACCOUNT, *fields.values()]) + "\n"
    digest = hmac.new(base64.b64decode(_KEY), signed.encode(), hashlib.sha256).digest()
    given = {name: value for name, value in fields.items() if value}
    return urllib.parse.urlencode({**given, "sig": base64.b64encode(digest).decode()})


@contextmanager
def azure_server(folder: Path, *, containers: tuple[str, ...] = ("usage",)) -> Iterator[Azure]:
    """Run the server with some containers."""
    port, path = free_port(), program()
    node = shutil.which("node")
    assert path is not None and node is not None
    place = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    command = [node, str(path), *place, "--silent"]
    with running(command, log=folder / "azure.log", ready=lambda: listens(port)):
        azure = Azure(f"http://127.0.0.1:{port}/{ACCOUNT}", account_sas())
        for name in containers:
            url = f"{azure.url}/{name}?restype=container&{azure.sas}"
            request = urllib.request.Request(url, method="PUT", data=b"")
            request.add_header("x-ms-version", "2019-12-12")
            with urllib.request.urlopen(request, timeout=30):
                pass
        yield azure
