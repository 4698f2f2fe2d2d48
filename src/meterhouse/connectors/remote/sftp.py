"""Files of an SFTP server, which must show the key that is known of it before it is told anything.

The library is asynchronous, so one loop in one thread of its own runs it, for as long as the
connection is open. Nothing is read from the user's own SSH configuration but ``known_hosts``.
"""

from __future__ import annotations

import asyncio
import posixpath
import stat
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import asyncssh

from meterhouse.connectors.remote.place import ContentChanged, PlaceFault, RemoteFile
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.storage import Location

if TYPE_CHECKING:
    from meterhouse.connectors.remote.opening import Reached

T = TypeVar("T")
_BLOCK_BYTES = 1 << 20
_CONNECT_SECONDS = 20
#: One exchange with the server; a file is many of them.
_CALL_SECONDS = 120
LISTED_MAX = 1_000_000
_FOLDERS_DEEP_MAX = 50
_HOME = "~/"


class SftpPlace:
    """One server; keys are paths from the root, or from the user's folder behind ``~/``."""

    def __init__(
        self,
        where: Location,
        reached: Reached,
        credentials: Credentials | None,
        *,
        host_key: str | None,
    ) -> None:
        self._where = where
        self._reached = reached
        self._credentials = credentials
        self._host_key = host_key
        self._loop = asyncio.new_event_loop()
        self._client: Any = None

    @contextmanager
    def connected(self, known_hosts: Path | None) -> Iterator[None]:
        """Hold a connection open."""
        thread = Thread(target=self._loop.run_forever, name="sftp", daemon=True)
        thread.start()
        connection: Any = None
        try:
            connection = self._call(lambda: self._connect(known_hosts), self._where.uri)
            self._client = self._call(lambda: connection.start_sftp_client(), self._where.uri)
            yield
        finally:
            asyncio.run_coroutine_threadsafe(_ended(connection), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _connect(self, known_hosts: Path | None) -> Any:
        reached, secret = self._reached, self._credentials
        if secret is None:
            raise PlaceFault(
                f"{self._where.uri} needs a user", hint="name a secret of type sshKey or basic"
            )
        username = secret.get("username")
        if not username:
            raise PlaceFault(f"{self._where.uri}: the secret has no username", hint="add it")
        options: dict[str, Any] = {
            "username": username,
            "known_hosts": self._known(known_hosts),
            "host_key_alias": reached.host,
            "client_keys": None,
            "agent_path": None,
            "config": None,
            "gss_host": None,
            "x509_trusted_certs": None,
            "connect_timeout": _CONNECT_SECONDS,
            "login_timeout": _CONNECT_SECONDS,
            "keepalive_interval": 30,
        }
        if secret.type is SecretType.SSH_KEY:
            options["client_keys"] = [_private_key(secret, self._where.uri)]
            options["password"] = None
        else:
            options["password"] = secret["password"]
        # What was judged is what is called: the address, not the name.
        return await asyncssh.connect(reached.addresses[0], reached.port, **options)

    def _known(self, known_hosts: Path | None) -> Any:
        if self._host_key is not None:
            try:
                return ([asyncssh.import_public_key(self._host_key)], [], [])
            except asyncssh.KeyImportError:
                hint = "write it as known_hosts has it: ssh-ed25519 AAAA..."
                raise PlaceFault("hostKey is no public key", hint=hint) from None
        if known_hosts is None or not known_hosts.is_file():
            raise PlaceFault(
                f"{self._where.uri}: no key of {self._reached.host} is known",
                hint="give the server's public key in hostKey, or add it to ~/.ssh/known_hosts",
            )
        return str(known_hosts)

    # ------------------------------------------------------------ what a place does

    def list(self, prefix: str) -> Iterator[RemoteFile]:
        """Yield the regular files below a folder."""
        uri = self._where.at(prefix).uri
        found = self._call(lambda: self._walk(prefix.rstrip("/"), uri), uri, seconds=3600)
        yield from found

    def find(self, key: str) -> RemoteFile | None:
        """Return one regular file."""
        uri = self._where.at(key).uri
        try:
            attrs = self._call(lambda: self._client.stat(_path(key)), uri, missing=True)
        except FileNotFoundError:
            return None
        return _file(key, attrs) if _is_regular(attrs) else None

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        """Yield the content; what is there before and after must be what was listed."""
        uri = self._where.at(file.key).uri
        self._expect(file)
        try:
            handle = self._call(lambda: self._client.open(_path(file.key), "rb"), uri, missing=True)
        except FileNotFoundError:
            raise ContentChanged(f"{uri} is gone since it was listed") from None
        try:
            at = 0
            while block := self._call(partial(handle.read, _BLOCK_BYTES, at), uri):
                at += len(block)
                yield block
        finally:
            self._call(lambda: handle.close(), uri)
        self._expect(file)

    def _expect(self, file: RemoteFile) -> None:
        now = self.find(file.key)
        if now is None or not now.same(file):
            raise ContentChanged(f"{self._where.at(file.key).uri} changed since it was listed")

    def create(self, key: str, content: Path, *, token: str) -> bool:
        """Write under another name, then give it its own, which fails where there is one."""
        uri = self._where.at(key).uri
        if self.find(key) is not None:
            return False
        part = f"{posixpath.dirname(key)}/.{token}.part".lstrip("/")
        self._make_folder(posixpath.dirname(key), uri)
        self._call(lambda: self._write(_path(part), content), uri, seconds=6 * 3600)
        return self._publish(part, key)

    def copy(self, file: RemoteFile, key: str, *, token: str) -> bool:
        """Give a file a second name, or rename it where the server knows no links."""
        uri = self._where.at(key).uri
        if self.find(key) is not None:
            return False
        self._make_folder(posixpath.dirname(key), uri)
        self._call(lambda: self._rename(_path(file.key), _path(key)), uri)
        return True

    def delete(self, key: str) -> None:
        """Remove a file."""
        try:
            self._call(
                lambda: self._client.remove(_path(key)), self._where.at(key).uri, missing=True
            )
        except FileNotFoundError:
            pass

    def _publish(self, part: str, key: str) -> bool:
        """A second name is only given where there is none: so two writers never share one."""
        uri = self._where.at(key).uri
        try:
            self._call(lambda: self._link(_path(part), _path(key)), uri)
        except PlaceFault:
            if self.find(key) is None:
                raise
            return False
        finally:
            self.delete(part)
        return True

    # ------------------------------------------------------------ what runs in the loop

    async def _walk(self, folder: str, uri: str) -> Sequence[RemoteFile]:
        found: list[RemoteFile] = []
        waiting = [(folder, 0)]
        while waiting:
            at, deep = waiting.pop()
            try:
                entries = await self._client.readdir(_path(at) if at else "/")
            except asyncssh.SFTPNoSuchFile:
                continue
            for entry in entries:
                name = str(entry.filename)
                key = f"{at}/{name}" if at else name
                if name in (".", ".."):
                    continue
                # A link is what it leads to, but no folder: it could lead in circles.
                attrs = entry.attrs
                if stat.S_ISLNK(attrs.permissions or 0):
                    attrs = await self._followed(key)
                elif stat.S_ISDIR(attrs.permissions or 0) and deep < _FOLDERS_DEEP_MAX:
                    waiting.append((key, deep + 1))
                if attrs is not None and _is_regular(attrs):
                    found.append(_file(key, attrs))
                if len(found) > LISTED_MAX:
                    hint = "read a smaller folder"
                    raise PlaceFault(f"{uri} has more than {LISTED_MAX:,} files", hint=hint)
        return found

    async def _followed(self, key: str) -> Any:
        try:
            return await self._client.stat(_path(key))
        except asyncssh.SFTPError:
            return None

    async def _write(self, path: str, content: Path) -> None:
        async with self._client.open(path, "wb") as handle:
            at = 0
            with content.open("rb") as source:
                while block := source.read(_BLOCK_BYTES):
                    await handle.write(block, at)
                    at += len(block)
            try:
                await handle.fsync()
            except asyncssh.SFTPOpUnsupported:
                pass  # Such a server has its own idea of when a file is safe.

    async def _link(self, source: str, target: str) -> None:
        try:
            await self._client.link(source, target)
        except asyncssh.SFTPOpUnsupported:
            await self._rename(source, target)

    async def _rename(self, source: str, target: str) -> None:
        # The plain rename of SFTP fails where the target is there.
        await self._client.rename(source, target)

    def _make_folder(self, folder: str, uri: str) -> None:
        if folder.strip("/") in ("", "~"):
            return
        self._call(lambda: self._client.makedirs(_path(folder), exist_ok=True), uri)

    def _call(
        self,
        what: Callable[[], Awaitable[T]],
        uri: str,
        *,
        missing: bool = False,
        seconds: float = _CALL_SECONDS,
    ) -> T:
        """Run something in the loop and wait for it."""
        future = asyncio.run_coroutine_threadsafe(_bounded(what, seconds), self._loop)
        try:
            return future.result()
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
            if missing:
                raise FileNotFoundError(uri) from None
            raise PlaceFault(f"{uri}: {error}", hint="look whether it is there") from None
        except asyncssh.HostKeyNotVerifiable as error:
            hint = "compare its key; give it in hostKey, or mend ~/.ssh/known_hosts"
            raise PlaceFault(
                f"{uri}: the server is not the one that is known: {error}", hint=hint
            ) from None
        except asyncssh.PermissionDenied:
            raise PlaceFault(
                f"{uri}: the server does not let this user in", hint="look at the secret"
            ) from None
        except TimeoutError:
            raise PlaceFault(f"{uri}: no answer in time", hint="run again") from None
        except (asyncssh.Error, OSError, ValueError) as error:
            hint = "look whether the server can be reached, and run again"
            raise PlaceFault(f"{uri}: {error or type(error).__name__}", hint=hint) from None


async def _ended(connection: Any) -> None:
    """Let a connection go, and what it left in the loop come to its end."""
    if connection is not None:
        connection.abort()
        await connection.wait_closed()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def _bounded(what: Callable[[], Awaitable[T]], seconds: float) -> T:
    # It is made here, in the loop: what the library makes belongs to the loop that it is made in.
    return await asyncio.wait_for(what(), seconds)


def _private_key(secret: Credentials, uri: str) -> Any:
    try:
        return asyncssh.import_private_key(secret["privateKey"], secret.get("passphrase"))
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        hint = "give a private key of OpenSSH or PEM, and its passphrase if it has one"
        raise PlaceFault(
            f"{uri}: the secret has no private key that can be read", hint=hint
        ) from None


def _path(key: str) -> str:
    return key[len(_HOME) :] or "." if key.startswith(_HOME) else f"/{key}"


def _is_regular(attrs: Any) -> bool:
    return stat.S_ISREG(attrs.permissions or 0)


def _file(key: str, attrs: Any) -> RemoteFile:
    modified_ns = int(attrs.mtime or 0) * 1_000_000_000 + int(attrs.mtime_ns or 0)
    return RemoteFile(key, int(attrs.size or 0), modified_ns)
