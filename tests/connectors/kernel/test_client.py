"""The client of Kernel against a real server with faults: tokens, correlators, tries, downloads."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meterhouse.app.aura.catalogue import OperationCatalogue
from meterhouse.app.aura.operation import Month
from meterhouse.app.aura.unaudited import unaudited
from meterhouse.app.billing.periods import read_days
from meterhouse.connectors.dataset_reading import KernelCatalogue
from meterhouse.connectors.http import AllowList, Guard, HttpClient
from meterhouse.connectors.kernel import KernelClient, KernelFault, KernelFile, KernelMeans
from meterhouse.connectors.scratch import SCRATCH, Scratch
from meterhouse.streams.dataset_ports import InputForbidden
from meterhouse.streams.ports import InputError, OAuth2Auth
from tests.connectors.http.server import Asked, Reply, Server
from tests.datasets.catalogue import CONTAINERS

SECRET = "mhs_c4nary+secret/of=kernel"
CONTENT = b"Obj\x01" + bytes(range(256)) * 400
SHA = hashlib.sha256(CONTENT).hexdigest()
FILE = {
    "id": "f1",
    "dataset": "Aura_Audit",
    "version": "6.1.0",
    "ob": "ES",
    "day": "2026-10-03",
    "name": "ES_Aura_Audit_20261003T100000Z.avro",
    "rows": 3,
    "size": len(CONTENT),
    "sha256": SHA,
}
VERSION = "/kernel/datasets/Aura_Audit/6"


class Kernel:
    """Gives out numbered tokens; ``faults`` come before good answers."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.given: list[str] = []
        self.valid: set[str] = set()
        self.lifetime = 3599
        self.faults: list[Reply] = []
        self.content: Callable[[], Reply] = lambda: Reply(200, CONTENT)

    def routes(self) -> dict[str, Any]:
        return {
            "/kernel/token": self.token,
            f"{VERSION}/partitions": self.guarded(lambda _: self.partitions()),
            f"{VERSION}/files/f1": self.guarded(lambda _: self.content()),
            f"{VERSION}/files": self.guarded(self.added),
            "/kernel/datasets/Aura_Gateway_Message": self.guarded(lambda _: Reply(404, b"{}")),
            "/kernel/datasets": self.guarded(lambda _: Reply.of({"datasets": [{"name": "A"}]})),
            "*": lambda _: Reply.of({"detail": f"no, {SECRET} is unknown"}, 404),
        }

    def token(self, asked: Asked) -> Reply:
        with self.lock:
            text = f"mht_t0ken-{len(self.given)}"
            self.given.append(text)
            self.valid.add(text)
        return Reply.of({"access_token": text, "expires_in": self.lifetime})

    def guarded(self, answer: Callable[[Asked], Reply]) -> Callable[[Asked], Reply]:
        def reply(asked: Asked) -> Reply:
            text = asked.headers.get("authorization", "").removeprefix("Bearer ")
            with self.lock:
                if text not in self.valid:
                    return Reply.of({"detail": "The token has expired"}, 401)
                return self.faults.pop(0) if self.faults else answer(asked)

        return reply

    def partitions(self) -> Reply:
        days = [{"day": "2026-10-03", "files": [FILE]}]
        return Reply.of({"dataset": "Aura_Audit", "major": 6, "partitions": days})

    def added(self, asked: Asked) -> Reply:
        found = FILE | {"size": len(asked.body), "name": asked.headers["x-file-name"]}
        return Reply.of({"files": [found]}, 201)


class House:
    def __init__(self, folder: Path, kernel: Kernel, server: Server) -> None:
        self.folder, self.kernel, self.server = folder, kernel, server
        self.waited: list[int] = []
        numbers = iter(range(1000))
        means = KernelMeans(lambda: f"id-{next(numbers)}", self.waited.append, Scratch(folder))
        auth = OAuth2Auth(f"{server.url}/kernel/token", "reader", SECRET, in_body=False)
        guard = Guard(AllowList.parse("127.0.0.0/8"))
        self.client = KernelClient(HttpClient(guard), auth, url=f"{server.url}/kernel", means=means)

    def calls(self, path: str) -> list[Asked]:
        return [asked for asked in self.server.asked if asked.route == path]

    def file(self) -> KernelFile:
        [found] = self.client.files("Aura_Audit", major=6)
        return found

    def left(self) -> list[Path]:
        return list((self.folder / SCRATCH).glob("*"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    kernel = Kernel()
    with Server(kernel.routes()).serving() as server:
        made = House(tmp_path, kernel, server)
        yield made
        made.client.close()


def test_a_token_is_asked_for_once_and_kept(house: House):
    for _ in range(3):
        house.client.datasets()
    assert len(house.kernel.given) == 1
    [asked] = house.calls("/kernel/token")
    assert asked.headers["authorization"].startswith("Basic ")
    assert asked.form == {"grant_type": "client_credentials"}


def test_c25_a_token_that_was_withdrawn_is_replaced_once(house: House):
    house.client.datasets()
    house.kernel.valid.clear()
    assert house.client.datasets() == [{"name": "A"}]
    assert len(house.kernel.given) == 2


def test_c25_a_new_token_that_is_refused_is_not_asked_for_again(house: House):
    house.kernel.valid = Always()  # type: ignore[assignment]
    with pytest.raises(KernelFault, match="401: The token has expired") as caught:
        house.client.datasets()
    assert caught.value.status == 401
    assert len(house.kernel.given) == 1


class Always(set):
    """Nothing is in force, whatever was added."""

    def __contains__(self, _: object) -> bool:
        return False


def test_c25_a_short_token_is_renewed_before_its_end(house: House):
    house.kernel.lifetime = 0
    house.client.datasets()
    house.client.datasets()
    assert len(house.kernel.given) == 2


def test_every_call_has_a_correlator_and_its_token_request_has_the_same(house: House):
    house.client.datasets()
    house.client.datasets()
    found = [(asked.route, asked.headers["x-correlator"]) for asked in house.server.asked]
    assert found == [
        *[("/kernel/token", "id-0"), ("/kernel/datasets", "id-0")],
        ("/kernel/datasets", "id-1"),
    ]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_be_better_next_time_is_asked_for_again(house: House, status: int):
    house.kernel.faults = [Reply(status, b""), Reply(status, b"")]
    assert house.client.datasets() == [{"name": "A"}]
    assert sum(house.waited) == 1 + 2


def test_a_server_says_how_long_to_wait(house: House):
    house.kernel.faults = [Reply(429, b"", {"retry-after": "7"})]
    house.client.datasets()
    assert sum(house.waited) == 7


def test_after_four_more_tries_it_is_told(house: House):
    house.kernel.faults = [Reply(503, b"busy")] * 5
    with pytest.raises(KernelFault, match=r"x-correlator id-0\) was answered 503: busy"):
        house.client.datasets()
    assert house.kernel.faults == []


def test_a_missing_scope_is_told_and_not_asked_for_again(house: House):
    house.kernel.faults = [Reply.of({"detail": "The token does not have data:A:read"}, 403)]
    with pytest.raises(KernelFault, match="403: The token does not have data:A:read") as caught:
        house.client.datasets()
    assert "--scope" in caught.value.hint
    assert house.waited == []


def test_the_gateway_s_rows_may_be_forbidden_but_kernel_has_to_answer(house: House):
    catalogue = OperationCatalogue(KernelCatalogue(house.client), CONTAINERS)
    month = Month(read_days("2026-10"))
    refused = {"detail": "The token does not have data:Aura_Gateway_Message:read"}
    house.kernel.faults = [Reply.of(refused, 403)]
    assert list(unaudited(catalogue, month, ob="ES", told=())) == []
    house.kernel.faults = [Reply(503, b"busy")] * 5
    with pytest.raises(InputError, match="503") as caught:
        list(unaudited(catalogue, month, ob="ES", told=()))
    assert not isinstance(caught.value, InputForbidden)


def test_a_file_is_downloaded_whole_and_gone_afterwards(house: House):
    with house.client.downloaded(house.file()) as path:
        assert path.read_bytes() == CONTENT
        assert len(house.left()) == 1
    assert house.left() == []


def test_a_download_is_asked_for_again_and_begins_anew(house: House):
    file = house.file()
    house.kernel.faults = [Reply(503, b"busy"), Reply(200, b"", raw=_cut_off)]
    with house.client.downloaded(file) as path:
        assert path.read_bytes() == CONTENT


def _cut_off(connection: Any) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(CONTENT)}\r\n\r\n"
    connection.sendall(head.encode() + CONTENT[:1000])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CONTENT[:-1] + b"x", "another SHA-256"),
        (CONTENT[:-1], "102,403 of 102,404 bytes"),
        (CONTENT + b"x", "more than 102,404 bytes"),
    ],
)
def test_a_file_that_is_not_what_was_listed_is_refused(house: House, content: bytes, said: str):
    file = house.file()
    house.kernel.content = lambda: Reply(200, content)
    with pytest.raises(KernelFault, match=said), house.client.downloaded(file):
        pass
    assert house.left() == []


def test_a_file_is_added_with_its_name(house: House, tmp_path: Path):
    path = tmp_path / "x.avro"
    path.write_bytes(CONTENT)
    files, new = house.client.add_file(path, dataset="Aura_Audit", major=6, name="ES_x.avro")
    assert ([file.name for file in files], new) == (["ES_x.avro"], True)
    [asked] = house.calls(f"{VERSION}/files")
    assert (asked.body, asked.headers["content-type"]) == (CONTENT, "application/avro")


def test_a_file_is_sent_piece_by_piece_and_whole_again_where_it_is_asked_for_again(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A withdrawn token, and a server that is busy: each try begins with the first byte."""
    path = tmp_path / "x.avro"
    content = CONTENT * 40
    path.write_bytes(content)
    house.client.files("Aura_Audit", major=6)
    house.kernel.valid.clear()
    house.kernel.faults = [Reply.of({}, 503)]
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it is held as a whole"))
    _, new = house.client.add_file(path, dataset="Aura_Audit", major=6, name="ES_x.avro")
    calls = house.calls(f"{VERSION}/files")
    assert (new, len(calls)) == (True, 3)
    assert all(asked.body == content for asked in calls)
    assert all(asked.headers["content-length"] == str(len(content)) for asked in calls)


def test_days_are_asked_for_as_they_are(house: House):
    house.client.files("Aura_Audit", major=6, since="2026-10-01", until="2026-10-31")
    [asked] = house.calls(f"{VERSION}/partitions")
    assert asked.query == {"from": ["2026-10-01"], "to": ["2026-10-31"]}


@pytest.mark.parametrize("change", [{"name": "../x"}, {"sha256": "ab"}, {"size": "big"}])
def test_a_list_of_what_are_no_files_is_refused(house: House, change: dict[str, Any]):
    days = [{"day": None, "files": [FILE | change]}]
    house.kernel.faults = [Reply.of({"partitions": days})]
    with pytest.raises(KernelFault, match="Kernel lists"):
        house.file()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"])
def test_what_is_not_kernel_is_told(house: House, body: bytes):
    house.kernel.faults = [Reply(200, body)]
    with pytest.raises(KernelFault) as caught:
        house.client.datasets()
    assert "ends in /kernel" in caught.value.hint


def test_c25_no_message_has_a_secret_or_a_token(house: House):
    echo = Reply.of({"detail": f"who is {SECRET} with mht_t0ken-0?"}, 400)
    house.kernel.faults = [echo]
    with pytest.raises(KernelFault) as caught:
        house.client.datasets()
    said = f"{caught.value} {caught.value!r} {caught.value.hint}"
    assert SECRET not in said
    assert "mht_t0ken-0" not in said
    assert SECRET not in repr(house.client)
    assert json.dumps(SECRET)[1:-1] not in said
