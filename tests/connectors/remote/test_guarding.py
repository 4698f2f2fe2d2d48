"""Places that a stream may not reach are not reached, however written and wherever they lead."""

import datetime
import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meterhouse.connectors.http import AllowList, Guard
from meterhouse.connectors.remote import RemotePlaces
from meterhouse.connectors.remote.place import PlaceFault
from meterhouse.connectors.remote.tunnel import Tunnel
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.storage import Storage, location

SECRETS = {
    "s3": Credentials(SecretType.AWS, {"accessKeyId": "a", "secretAccessKey": "canary"}),
    "az": Credentials(SecretType.AZURE_SAS, {"sasToken": "sig=canary"}),
    "gs": Credentials(SecretType.BEARER, {"token": "canary"}),
    "sftp": Credentials(SecretType.BASIC, {"username": "ann", "password": "canary"}),
}


class Canary:
    """A listener that nobody is to call."""

    def __init__(self) -> None:
        self.calls = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        while True:
            try:
                called, _ = self._listening.accept()
            except OSError:
                return
            self.calls += 1
            called.close()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


@pytest.fixture
def canary() -> Iterator[Canary]:
    made = Canary()
    yield made
    made.close()


def look(guard: Guard, uri: str, storage: Storage, roots: bytes | None = None) -> None:
    where = location(uri)
    assert where is not None
    secret = SECRETS[where.scheme]
    places = RemotePlaces(guard, credentials=lambda _: secret, roots=roots)
    with places.open(where, storage) as place:
        place.find(where.key)


ENDPOINTS = [
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:{port}",
    "http://localhost:{port}",
    "https://localhost.:{port}",
    "https://[::1]:{port}",
    "https://[::ffff:127.0.0.1]:{port}",
    "https://2130706433:{port}",
    "https://0x7f000001:{port}",
    "https://0177.0.0.1:{port}",
    "https://127.1:{port}",
    "https://169.254.169.254",
    "https://metadata.google.internal",
    "https://user:password@127.0.0.1:{port}",
    "https://10.0.0.1:{port}",
    "https://0.0.0.0:{port}",
]


@pytest.mark.parametrize("scheme", ["s3", "az", "gs"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_endpoint_that_is_not_public_is_not_called(canary: Canary, scheme: str, endpoint: str):
    storage = Storage("s", endpoint=endpoint.format(port=canary.port), account="account")
    with pytest.raises(PlaceFault) as raised:
        look(Guard(), f"{scheme}://bucket/a.csv", storage)
    assert canary.calls == 0
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]", "10.0.0.1"])
def test_a_server_that_is_not_public_is_not_called(canary: Canary, host: str):
    with pytest.raises(PlaceFault):
        look(Guard(), f"sftp://{host}:{canary.port}/a.csv", Storage("s"))
    assert canary.calls == 0


def test_a_public_address_is_not_called_without_tls():
    with pytest.raises(PlaceFault, match="is called without TLS"):
        look(Guard(), "s3://bucket/a.csv", Storage("s", endpoint="http://93.184.216.34"))


def rebinding(*answers: str) -> Callable[[str, int], list[str]]:
    left = list(answers)
    return lambda host, port: [left.pop(0) if len(left) > 1 else left[0]]


def test_a_name_that_changes_its_mind_is_judged_again(canary: Canary):
    guard = Guard(resolver=rebinding("93.184.216.34", "127.0.0.1"))
    storage = Storage("s", endpoint=f"https://rebinding.example.com:{canary.port}")
    with pytest.raises(PlaceFault, match=r"leads to 127\.0\.0\.1: not a public address"):
        look(guard, "s3://bucket/a.csv", storage)
    assert canary.calls == 0


# ---------------------------------------------------------------- with TLS


class _Bucket(http.server.BaseHTTPRequestHandler):
    leads_to = ""

    def do_HEAD(self) -> None:
        if self.path.endswith("redirect"):
            self.send_response(307)
            self.send_header("Location", self.leads_to)
        else:
            self.send_response(200)
            self.send_header("ETag", '"x"')
            self.send_header("Last-Modified", "Sun, 22 Nov 2026 05:00:00 GMT")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    is_root: bool = False,
) -> x509.Certificate:
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(2 - is_root)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )


@contextmanager
def bucket_with_tls(folder: Path, leads_to: str) -> Iterator[tuple[int, bytes]]:
    """Run a server with a certificate of its own; give its port and that certificate."""
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("root", authority, issuer="root", signer=authority, is_root=True)
    made = _certificate("bucket.example.com", key, issuer="root", signer=authority)
    pem = root.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    both = folder / "both.pem"
    both.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    handler = type("Handler", (_Bucket,), {"leads_to": leads_to})
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield listening.server_address[1], pem
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def test_with_tls_a_place_is_reached_through_the_tunnel_and_redirects_are_judged(
    tmp_path: Path, canary: Canary
):
    target = f"https://localhost:{canary.port}/latest/meta-data"
    with bucket_with_tls(tmp_path, target) as (port, roots):
        guard = Guard(
            AllowList.parse(f"127.0.0.1:{port}"),
            resolver=lambda host, _: ["127.0.0.1"],
        )
        storage = Storage("s", endpoint=f"https://bucket.example.com:{port}")
        look(guard, "s3://bucket/a.csv", storage, roots)
        with pytest.raises(PlaceFault, match="not a public address"):
            look(guard, "s3://bucket/redirect", storage, roots)
    assert canary.calls == 0


def test_without_tls_a_redirect_leads_nowhere_else(canary: Canary):
    leads_to = f"http://localhost:{canary.port}/latest/meta-data"
    handler = type("Handler", (_Bucket,), {"leads_to": leads_to})
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    port = listening.server_address[1]
    guard = Guard(AllowList.parse(f"127.0.0.1:{port}"))
    storage = Storage("s", endpoint=f"http://127.0.0.1:{port}")
    try:
        look(guard, "s3://bucket/a.csv", storage)
        with pytest.raises(PlaceFault):
            look(guard, "s3://bucket/redirect", storage)
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
    assert canary.calls == 0


def test_the_tunnel_lets_nobody_else_in(canary: Canary):
    guard = Guard(AllowList.parse("127.0.0.1"))
    with Tunnel(guard).opened() as tunnel:
        port = int(tunnel.url.rpartition(":")[2])
        for head in (
            f"CONNECT 127.0.0.1:{canary.port} HTTP/1.1\r\n\r\n",
            f"CONNECT 127.0.0.1:{canary.port} HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", port), 10) as asking:
                asking.sendall(head.encode())
                assert asking.recv(100).startswith(b"HTTP/1.1 407 ")
    assert canary.calls == 0


ENVIRONMENT = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:{port}",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:{port}",
    "AWS_ACCESS_KEY_ID": "operator",
    "AWS_SECRET_ACCESS_KEY": "operator",
    "AWS_SESSION_TOKEN": "operator",
    "AWS_SKIP_SIGNATURE": "true",
    "AWS_DEFAULT_REGION": "us-west-2",
    "AZURE_STORAGE_USE_EMULATOR": "true",
    "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:{port}",
    "AZURE_STORAGE_ACCOUNT_KEY": "b3BlcmF0b3I=",
    "AZURE_STORAGE_SAS_KEY": "sig=operator",
    "GOOGLE_BASE_URL": "http://127.0.0.1:{port}",
    "GOOGLE_BEARER_TOKEN": "operator",
    "HTTPS_PROXY": "http://127.0.0.1:{port}",
    "HTTP_PROXY": "http://127.0.0.1:{port}",
    "ALL_PROXY": "http://127.0.0.1:{port}",
}


class _Witness(http.server.BaseHTTPRequestHandler):
    seen: list[str]

    def do_HEAD(self) -> None:
        self.seen.append(f"{self.path} {self.headers}")
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("scheme", ["s3", "az", "gs"])
@pytest.mark.parametrize("secret_id", ["s", None])
def test_nothing_of_the_environment_is_taken(
    monkeypatch: pytest.MonkeyPatch, canary: Canary, scheme: str, secret_id: str | None
):
    """The rights of this machine are its operator's, not those of who writes a stream."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value.format(port=canary.port))
    handler = type("Handler", (_Witness,), {"seen": []})
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        port = listening.server_address[1]
        storage = Storage(secret_id, endpoint=f"http://127.0.0.1:{port}", account="account")
        look(Guard(AllowList.parse("127.0.0.1")), f"{scheme}://bucket/a.csv", storage)
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
    (seen,) = handler.seen
    assert "operator" not in seen
    assert "us-west-2" not in seen
    assert ("canary" in seen or "Credential=a/" in seen) == (secret_id is not None)
    assert canary.calls == 0
