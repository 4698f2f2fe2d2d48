"""A gate before a server: it can be shut, and it counts what goes through."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Gate:
    """Takes connections at ``port`` and leads them to a server, while it is open.

    ``passing`` is told of every piece that clients send, before the server has it.
    """

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.passing: Callable[[int], None] = lambda _: None
        self.target: int | None = None
        self.silent = False
        self._open = True
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._leading: list[threading.Thread] = []
        self._lock = threading.Lock()

    def shut(self) -> None:
        """Cut all connections, and take no more."""
        self._open = False
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Take connections again."""
        self._open = True
        self.silent = False

    @contextmanager
    def serving(self) -> Iterator["Gate"]:
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            with suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            thread.join()
            self.shut()
            for leading in self._leading:
                leading.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if not self._open or self.target is None:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            with self._lock:
                self._pairs.append((client, server))
            self._leading = [thread for thread in self._leading if thread.is_alive()]
            leading = threading.Thread(target=self._lead_both, args=(client, server), daemon=True)
            leading.start()
            self._leading.append(leading)

    def _lead_both(self, client: socket.socket, server: socket.socket) -> None:
        back = threading.Thread(target=self._lead, args=(server, client, False), daemon=True)
        back.start()
        self._lead(client, server, True)
        back.join()
        client.close()
        server.close()

    def _lead(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(65_536):
                if counted:
                    self.passing(len(piece))
                if not self.silent:
                    sink.sendall(piece)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
