"""The client against a real server: what goes over the wire, and what a bad server can do."""

import gzip
import logging
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from meterhouse.connectors.http import AllowList, Guard, HttpClient
from meterhouse.streams.ports import (
    BasicAuth,
    BearerAuth,
    HttpFailed,
    HttpRefused,
    HttpRequest,
    HttpTimedOut,
    HttpTooLarge,
    HttpUnreachable,
)
from tests.connectors.http.server import Asked, Reply, in_turn


def get(url: str, **more) -> HttpRequest:
    return HttpRequest("GET", url, **more)


def ok(_: Asked) -> Reply:
    return Reply.of({"ok": True})


def to(location: str, status: int = 302) -> Reply:
    return Reply(status, b"", {"location": location})


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_every_method_goes_over_the_wire_with_its_query_and_headers(serve, calling, method: str):
    server = serve({"*": ok})
    url = f"{server.url}/a%2Fb/c?x=1%202&y="
    answer = calling().send(HttpRequest(method, url, {"X-Tenant": "häuser"}))
    [asked] = server.asked
    assert (answer.status, asked.method, asked.path) == (200, method, "/a%2Fb/c?x=1%202&y=")
    assert asked.headers["x-tenant"].encode("latin-1").decode() == "häuser"
    assert asked.headers["host"] == server.host
    assert "cookie" not in asked.headers


def test_a_body_arrives_byte_for_byte(serve, calling):
    server = serve({"*": ok})
    body = '{"n":0.10,"big":12345678901234567890.000000000000000001,"t":"ä\\u0000"}'.encode()
    calling().send(HttpRequest("POST", server.url, {"content-type": "application/json"}, body))
    assert server.asked[0].body == body
    assert server.asked[0].headers["content-length"] == str(len(body))


def test_an_answer_comes_whole_with_its_headers(serve, calling):
    reply = Reply(418, b"\x00\xff", {"X-One": "a", "Retry-After": "7"})
    answer = calling().send(get(serve({"*": lambda _: reply}).url))
    assert (answer.status, answer.body, answer.retry_after) == (418, b"\x00\xff", 7)
    assert answer.headers["x-one"] == "a"


def test_retry_after_may_be_a_date_by_the_server_s_own_clock(serve, calling):
    def later(sock: socket.socket) -> None:
        sock.sendall(
            b"HTTP/1.1 503 No\r\nDate: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: 0\r\n"
            b"Retry-After: Wed, 21 Oct 2015 07:30:00 GMT\r\n\r\n"
        )

    server = serve({"*": lambda _: Reply(raw=later)})
    assert calling().send(get(server.url)).retry_after == 120


# ---------------------------------------------------------------- authentication


def test_a_password_is_sent_as_the_standard_says(serve, calling):
    server = serve({"*": ok})
    calling().send(get(server.url, auth=BasicAuth("Aladdin", "open sesame")))
    assert server.asked[0].headers["authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_a_token_is_sent_behind_its_prefix(serve, calling):
    server = serve({"*": ok})
    calling().send(get(server.url, auth=BearerAuth("t0ken")))
    calling().send(get(server.url, auth=BearerAuth("t0ken", "Token")))
    assert [a.headers["authorization"] for a in server.asked] == ["Bearer t0ken", "Token t0ken"]


def test_nothing_secret_shows_itself(serve, calling, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    server = serve({"*": in_turn(to("http://other.example/x"), Reply(500, b"no"))})
    request = get(
        f"{server.url}/?key=s3cret",
        headers={"x-api-key": "s3cret"},
        body=b"s3cret",
        auth=BasicAuth("ann", "s3cret"),
    )
    with pytest.raises(HttpRefused) as caught:
        calling().send(request)
    answer = calling().send(request)
    seen = f"{request!r} {caught.value!r} {caught.value} {answer!r} {caplog.text}"
    assert "s3cret" not in seen
    assert "YW5uOnMzY3JldA" not in seen


def test_a_secret_that_fits_no_header_is_not_quoted(serve, calling):
    server = serve({"*": ok})
    for secret in ("s3cret\nx", "s3\r\nHost: cret", "s3cret\0"):
        with pytest.raises(HttpFailed, match="header that cannot be sent") as caught:
            calling().send(get(server.url, auth=BearerAuth(secret)))
        assert "cret" not in f"{caught.value!r}".replace("the secret", "")
        assert caught.value.__cause__ is None
    assert server.asked == []


# ---------------------------------------------------------------- redirects


def test_redirects_on_the_same_host_are_followed(serve, calling):
    server = serve({"/a": lambda _: to("/b?x=1", 308), "/b": lambda _: to("c", 303), "/c": ok})
    answer = calling().send(HttpRequest("POST", f"{server.url}/a", {}, b"body", BearerAuth("t")))
    assert answer.status == 200
    assert [(a.method, a.path, a.body) for a in server.asked] == [
        ("POST", "/a", b"body"),
        ("POST", "/b?x=1", b"body"),
        ("GET", "/c", b""),
    ]
    assert {a.headers["authorization"] for a in server.asked} == {"Bearer t"}


def test_a_loop_of_redirects_ends(serve, calling):
    server = serve({"*": lambda _: to("/again")})
    with pytest.raises(HttpFailed, match="redirects more than 5 times"):
        calling().send(get(server.url))
    assert len(server.asked) == 6


def test_what_is_secret_does_not_follow_to_another_port(serve, calling):
    other = serve({"*": ok})
    server = serve({"*": lambda _: to(f"http://127.0.0.1:{other.port}/x")})
    headers = {"x-api-key": "k", "cookie": "c", "accept": "text/csv"}
    calling().send(get(server.url, headers=headers, auth=BasicAuth("a", "b")))
    [asked] = other.asked
    assert not {"authorization", "x-api-key", "cookie"} & set(asked.headers)
    assert asked.headers["accept"] == "text/csv"


# ---------------------------------------------------------------- bad servers


def test_a_connection_that_drops_is_unreachable(serve, calling):
    def drop(sock: socket.socket) -> None:
        sock.shutdown(socket.SHUT_RDWR)

    server = serve({"*": lambda _: Reply(raw=drop)})
    with pytest.raises(HttpUnreachable, match=f"127.0.0.1:{server.port}: "):
        calling().send(get(server.url))


def test_an_answer_that_is_cut_off_is_unreachable(serve, calling):
    def half(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    with pytest.raises(HttpUnreachable):
        calling().send(get(serve({"*": lambda _: Reply(raw=half)}).url))


def test_nobody_listening_is_unreachable(calling):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(HttpUnreachable, match="refused"):
        calling().send(get(f"http://127.0.0.1:{port}/"))


@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_drips_is_left_at_the_deadline(serve, calling, drip: bytes):
    """Each byte comes quickly; the whole would never be over."""
    gone = threading.Event()

    def slow(sock: socket.socket) -> None:
        sock.sendall(drip)
        while not gone.wait(0.02):
            if drip:
                sock.sendall(b"x")

    server = serve({"*": lambda _: Reply(raw=slow)})
    started = time.monotonic()
    with pytest.raises(HttpTimedOut, match=r"No answer within 0\.3 s"):
        calling(whole_seconds=0.3).send(get(server.url))
    gone.set()
    assert time.monotonic() - started < 20


def test_an_answer_beyond_the_cap_is_refused(serve, calling):
    server = serve(
        {"/fits": lambda _: Reply(200, b"x" * 1000), "/not": lambda _: Reply(200, b"x" * 1001)}
    )
    client = calling(answer_bytes=1000)
    assert len(client.send(get(f"{server.url}/fits")).body) == 1000
    with pytest.raises(HttpTooLarge, match="more than 1,000 bytes"):
        client.send(get(f"{server.url}/not"))


def test_an_endless_answer_is_refused_at_the_cap(serve, calling):
    def endless(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            sock.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")

    with pytest.raises(HttpTooLarge, match="more than 10,485,760 bytes"):
        calling().send(get(serve({"*": lambda _: Reply(raw=endless)}).url))


def test_packed_answers_are_unpacked_up_to_the_cap(serve, calling):
    def packed(content: bytes) -> Reply:
        return Reply(200, gzip.compress(content), {"content-encoding": "gzip"})

    bomb = packed(b"\0" * 11 * 2**20)
    cut = Reply(200, gzip.compress(b"whole")[:-9], {"content-encoding": "gzip"})
    odd = Reply(200, b"x", {"content-encoding": "br"})
    server = serve(
        {
            "/good": lambda _: packed(b"whole"),
            "/bomb": lambda _: bomb,
            "/cut": lambda _: cut,
            "/odd": lambda _: odd,
        }
    )
    client = calling()
    assert client.send(get(f"{server.url}/good")).body == b"whole"
    with pytest.raises(HttpTooLarge):
        client.send(get(f"{server.url}/bomb"))
    for path, said in (("cut", "cut off"), ("odd", "'br'")):
        with pytest.raises(HttpUnreachable, match=said):
            client.send(get(f"{server.url}/{path}"))


# ---------------------------------------------------------------- connections


def test_connections_are_kept_and_proxies_of_the_environment_are_not_used(
    serve, calling, monkeypatch: pytest.MonkeyPatch
):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = serve({"*": ok})
    client = calling()
    assert [client.send(get(server.url)).status for _ in range(3)] == [200] * 3
    assert len(server.callers) == 1


def test_a_closed_client_may_be_used_again_and_does_not_end_what_is_under_way(serve, calling):
    entered, leave = threading.Event(), threading.Event()

    def slow(_: Asked) -> Reply:
        entered.set()
        leave.wait(10)
        return Reply.of("late")

    server = serve({"/slow": slow, "*": ok})
    client = calling()
    bodies: list[bytes] = []
    thread = threading.Thread(
        target=lambda: bodies.append(client.send(get(f"{server.url}/slow")).body)
    )
    thread.start()
    entered.wait(10)
    client.close()
    assert client.send(get(server.url)).status == 200
    leave.set()
    thread.join()
    assert bodies == [b'"late"']


def _certificate(folder: Path, name: str) -> Path:
    """A certificate that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path = folder / f"{name}.pem"
    path.write_bytes(private + certificate.public_bytes(pem))
    return path


def test_certificates_are_checked_against_the_name_in_the_url(serve, tmp_path: Path):
    pem = _certificate(tmp_path, "secure.example")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pem)
    server = serve({"*": ok}, tls=tls)
    trusting = ssl.create_default_context(cafile=str(pem))
    guard = Guard(AllowList.parse("127.0.0.0/8"), resolver=lambda host, port: ["127.0.0.1"])
    for name, context, good in (
        ("secure.example", trusting, True),
        ("other.example", trusting, False),
        ("secure.example", None, False),
    ):
        client = HttpClient(guard, tls=context)
        request = get(f"https://{name}:{server.port}/")
        if good:
            assert client.send(request).status == 200
        else:
            with pytest.raises(HttpUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
                client.send(request)
        client.close()
    assert len(server.asked) == 1
