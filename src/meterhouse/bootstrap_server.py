"""Wiring the server: what the API needs of the world, and how it is served.

It is ``bootstrap`` for many threads: each borrows a ledger, and what is made once is shared.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from meterhouse.bootstrap import (
    archive_of,
    authority_of,
    checked_formats,
    client_secrets_of,
    containers,
    dataset_storage_of,
    file_means,
    forward_means,
    http_client,
    imported_llm_prices,
    links_of,
    new_id,
    new_seed,
    script_checker,
    sealer_of,
    served_means,
    software,
    tables_of,
)
from meterhouse.config import data_directory, mail_server
from meterhouse.processes import is_dead

if TYPE_CHECKING:
    from meterhouse.api import Access, Authority, Context, KernelAccess, Limits
    from meterhouse.app.access_ports import ClientSecretHasher, Sealer
    from meterhouse.app.applications import NewClient
    from meterhouse.app.ports import Ledger
    from meterhouse.core.instant import Instant
    from meterhouse.core.secret import Credentials

    Lend = Callable[..., AbstractContextManager[Ledger]]

#: The file of the data directory that has the key of cursors.
_CURSOR_KEY_FILE = "cursor.key"
_CURSOR_KEY_BYTES = 32


def _unseen(_: object) -> None:
    return None


def _write_line(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@contextmanager
def open_context(
    given: Path | None = None,
    *,
    public_url: str,
    own_urls: Sequence[str] = (),
    authority: Authority | None = None,
    limits: Limits | None = None,
    log: Callable[[str], None] = _write_line,
) -> Iterator[Context]:
    """Open a data directory for the API; many threads use it.

    ``own_urls`` are further base URLs of this server, beside the public one.
    """
    from meterhouse.api import Context, Limits, RunThreads
    from meterhouse.app.secrets import credentials_of
    from meterhouse.store import LedgerPool

    directory = data_directory(given)
    urls = list(dict.fromkeys(url.rstrip("/") for url in (public_url, *own_urls)))
    pool = LedgerPool(directory, dead=is_dead)
    http = http_client(own_urls=urls)

    def credentials(secret_id: str) -> Credentials:
        with pool.ledger() as ledger:
            return credentials_of(ledger, sealer, secret_id)

    try:
        # The ledger is made or brought up to date now, and not by the first request.
        with pool.ledger() as ledger:
            sealer = sealer_of(directory, ledger)
        client_secrets = client_secrets_of(pool.ledger, sealer)
        archive = archive_of(directory, credentials=credentials)
        means = served_means(
            directory, http=http, credentials=credentials, lend=pool.ledger, own_urls=urls
        )
        world = means()
        ours = (pool.ledger, sealer, client_secrets)
        authority = authority or _access_of(*ours, urls=urls, clock=world.clock)
        yield Context(
            ledger=pool.ledger,
            authority=authority,
            runs=RunThreads(pool.ledger_of_run, means, log=log),
            means=means,
            lease=world.lease,
            living=world.living,
            clock=world.clock,
            new_id=new_id,
            new_seed=new_seed,
            cursor_key=_cursor_key(directory),
            public_url=urls[0],
            free_bytes=lambda: shutil.disk_usage(directory).free,
            log=log,
            sealer=sealer,
            client_secrets=client_secrets,
            tables=tables_of(directory),
            scripts=script_checker(),
            limits=limits or Limits(),
            forwarding=forward_means(
                directory, credentials=credentials, own_urls=urls, served=True
            ),
            file_means=lambda actor: file_means(archive, actor=actor),
            invoice_formats=checked_formats(),
            price_importer=imported_llm_prices,
            software=software(),
            mails=mail_server() is not None,
            archive=archive,
            links=links_of(pool.ledger, sealer),
            kernel=_kernel_access(pool.ledger, client_secrets, clock=world.clock),
            datasets=dataset_storage_of(directory, credentials=credentials),
            containers=containers(),
        )
    finally:
        http.close()
        pool.close()


def _access_of(
    lend: Lend,
    sealer: Sealer,
    client_secrets: ClientSecretHasher,
    *,
    urls: Sequence[str],
    clock: Callable[[], Instant],
) -> Access:
    """Return who lets clients of the API in; there is a key that signs tokens from now on."""
    from meterhouse.api import Access

    tokens = authority_of(lend, sealer, public_urls=urls)
    tokens.renew_keys(at=clock())
    return Access(lend, tokens, client_secrets, clock=clock, new_id=new_id)


def _kernel_access(
    lend: Lend, client_secrets: ClientSecretHasher, *, clock: Callable[[], Instant]
) -> KernelAccess:
    """Return who lets clients of Kernel in."""
    from meterhouse.api import KernelAccess
    from meterhouse.security import OpaqueTokens

    return KernelAccess(lend, OpaqueTokens(secrets.token_bytes), client_secrets, clock=clock)


def _cursor_key(directory: Path) -> bytes:
    """Return the key that signs cursors; every server of a data directory has the same."""
    path = directory / _CURSOR_KEY_FILE
    if not path.exists():
        made = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        made.touch(mode=0o600)
        made.write_bytes(secrets.token_bytes(_CURSOR_KEY_BYTES))
        try:
            os.link(made, path)
        except FileExistsError:
            pass  # Another server was faster: its key is ours, too.
        finally:
            made.unlink()
    return path.read_bytes()


def serve(
    given: Path | None = None,
    *,
    host: str,
    port: int,
    public_url: str | None = None,
    grace_seconds: float,
    ready: Callable[[str], None],
    introduce: Callable[[NewClient], None] = _unseen,
    authority: Authority | None = None,
) -> None:
    """Serve the API and run what is due, until a signal comes.

    ``ready`` is told where it listens, once it does. ``introduce`` is given the client that may do
    everything, where there was none before; nobody ever sees its secret again.
    """
    from meterhouse.api import Access, Address, Deliverer, Scheduler, create_app
    from meterhouse.api import serve as serve_app

    with Address(host, port).listen() as listening:
        url = _shown_url(host, listening.getsockname()[1])
        opening = open_context(
            given, public_url=public_url or url, own_urls=[url], authority=authority
        )
        with opening as context:
            access = context.authority
            if isinstance(access, Access) and (first := access.first_client()) is not None:
                introduce(first)
            serve_app(
                create_app(context),
                listening,
                runs=context.runs,
                loops=(Scheduler(context), Deliverer(context)),
                grace_seconds=grace_seconds,
                ready=lambda: ready(url),
            )


def _shown_url(host: str, port: int) -> str:
    """Return how this machine reaches what listens there."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (it is read)
    shown = f"[{reached}]" if ":" in reached else reached
    return f"http://{shown}:{port}"
