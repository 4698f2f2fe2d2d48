"""An SFTP server in a thread of this process; its root is a folder."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import asyncssh

from tests.servers.process import free_port


@dataclass(frozen=True)
class Sftp:
    """Where the server listens, its public key, and whom it lets in: by key or by password."""

    port: int
    host_key: str
    client_key: str
    folder: Path
    username: str = "ann"
    password: str = "correct horse"


@contextmanager
def sftp_server(folder: Path) -> Iterator[Sftp]:
    """Run the server until the block ends."""
    host, client = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    public = " ".join(host.export_public_key().decode().split()[:2])
    private = client.export_private_key().decode()
    made = Sftp(free_port(), public, private, folder)
    loop = asyncio.new_event_loop()

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (made.username, made.password)

        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            return username == made.username and key.public_data == client.public_data

    class Files(asyncssh.SFTPServer):
        def __init__(self, channel: "asyncssh.SSHServerChannel[bytes]") -> None:
            super().__init__(channel, chroot=str(folder))

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            Server, "127.0.0.1", made.port, server_host_keys=[host], sftp_factory=Files
        )

    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    try:
        yield made
    finally:

        async def end() -> None:
            listening.close()
            await listening.wait_closed()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
