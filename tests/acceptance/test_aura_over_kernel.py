"""The billing operation of an installation that has no datasets: it asks Kernel as its own client.

One server has the catalogue. What another installation makes of it, with nothing but the client's
id and secret in its wallet, is what the operation makes where the catalogue is.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from typing import Any

import pytest

from tests.cli.command import EXAMPLES, ROOT, Meterhouse

_EXAMPLE = EXAMPLES / "aura"
_BUSINESSES = ("ES", "BR", "DE")
_AT = "2026-11-06T03:00:00Z"
_CLIENT = "aura-billing-test"
#: What the streams read beside the datasets that the client of an environment reads by default.
_TOKENS = "data:Aura_Atria_Message:read"
#: Numbers and ids: of invoices, of their lines, of records and runs.
_OWN = frozenset({"id", "number", "recordId", "records", "runs"})


@dataclass
class Kernel:
    """An installation with the catalogue of October, and what its clients have as a secret."""

    operators: Meterhouse
    secret: str
    scopes: list[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/kernel"

    def may(self, *scopes: str) -> None:
        """Say anew what the client may do."""
        options = [word for scope in scopes for word in ("--scope", scope)]
        self.operators.done("kernel-client", "update", _CLIENT, *options)

    @contextmanager
    def served(self) -> Iterator[None]:
        """Let it run for a while."""
        words = ["serve", "--port", str(self.port), "--data", str(self.operators.data), "--json"]
        with (self.operators.data.parent / "kernel.log").open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "meterhouse", *words],
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
            )
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["url"]
            yield
        finally:
            process.kill()
            process.communicate()


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def _parties(house: Meterhouse) -> Meterhouse:
    """Make what invoices need: who writes them, who gets them, by which prices."""
    house.done("issuer", "create", "--file", _EXAMPLE / "issuer.yaml")
    for code in _BUSINESSES:
        book = _EXAMPLE / f"price-book-{code.lower()}.yaml"
        house.done("price-book", "create", "--file", book)
    house.done("customer", "create", "--file", _EXAMPLE / "customers.yaml")
    return house


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    """October of all businesses, and the client that bills."""
    folder = tmp_path_factory.mktemp("kernel")
    operators, logs = _parties(Meterhouse(folder / "kernel")), folder / "logs"
    operators.done("aura", "init", _EXAMPLE / "aura.yaml")
    obs = [word for code in _BUSINESSES for word in ("--ob", code)]
    operators.done("aura", "generate", logs, *obs, "--month", "2026-10", "--requests", "1500")
    for path in sorted((logs / "shared").glob("*.avro")):
        operators.done("dataset", "add", path)
    operators.done("aura", "upload", "--logs", logs, "--at", "2026-10-31T23:30:00Z")
    operators.done("aura", "import", "--at", "2026-11-01T02:00:00Z")
    made = operators.json("kernel-client", "create-defaults", "test")
    [billing] = [client for client in made if client["clientId"] == _CLIENT]
    scopes = [*billing["scopes"], _TOKENS]
    return Kernel(operators, billing["clientSecret"], scopes, _free_port())


@pytest.fixture
def kernel(catalogue: Kernel, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    monkeypatch.setenv("METERHOUSE_HTTP_ALLOW", "127.0.0.1")
    catalogue.may(*catalogue.scopes)
    return catalogue


class Billing(Meterhouse):
    """An installation that bills what another one has."""

    def __init__(self, folder: Path, kernel: Kernel) -> None:
        super().__init__(folder / "billing")
        text = (_EXAMPLE / "aura.yaml").read_text("utf-8")
        self.file = folder / "aura.yaml"
        self.file.write_text(f"{text}kernel: {{url: '{kernel.url}', secret: Kernel}}\n", "utf-8")
        _parties(self)
        given = json.dumps({"clientId": _CLIENT, "clientSecret": kernel.secret})
        words = ("secret", "create", "--name", "Kernel", "--type", "oauth2", "--file", "-")
        self.done(*words, given=given)

    def init(self) -> None:
        self.done("aura", "init", self.file)

    def run(self) -> tuple[int, dict[str, Any]]:
        ended = self("aura", "run", self.file, "--at", _AT, "--json")
        return ended.code, json.loads(ended.out)


@pytest.fixture
def billing(kernel: Kernel, tmp_path: Path) -> Billing:
    return Billing(tmp_path, kernel)


def _businesses(report: dict[str, Any]) -> list[dict[str, Any]]:
    [month] = report["months"]
    assert [one["business"] for one in month["businesses"]] == list(_BUSINESSES)
    return month["businesses"]


def _statuses(report: dict[str, Any]) -> set[str]:
    return {one["status"] for one in _businesses(report)}


def _said(report: dict[str, Any]) -> list[str]:
    """What is said of each business."""
    return [
        " ".join(f"{problem['message']} {problem['hint']}" for problem in one["problems"])
        for one in _businesses(report)
    ]


def _comparable(house: Meterhouse) -> dict[str, Any]:
    """What invoices say, by its place; not their ids, nor those of the records behind them."""
    found = {}
    for head in house.json("invoice", "list", "--all"):
        [shown] = house.json("invoice", "show", head["number"])
        for source in shown["sources"]:
            # Of a catalogue elsewhere, it is the major version that is known.
            source["version"] = source["version"].split(".")[0]
        found |= dict(_leaves(shown, head["customer"]))
    return found


def _leaves(told: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield each value and its place, but for what is an installation's own."""
    if isinstance(told, dict):
        for name, one in told.items():
            if name not in _OWN:
                yield from _leaves(one, f"{place}.{name}")
    elif isinstance(told, list):
        for number, one in enumerate(told):
            yield from _leaves(one, f"{place}.{number}")
    else:
        yield place, told


def test_invoices_are_those_of_the_installation_that_has_the_catalogue(
    kernel: Kernel, billing: Billing, tmp_path: Path
):
    shutil.copytree(kernel.operators.data, tmp_path / "own")
    own = Meterhouse(tmp_path / "own")
    own.done("aura", "run", _EXAMPLE / "aura.yaml", "--at", _AT)
    with kernel.served():
        billing.init()
        code, report = billing.run()
        assert (code, report["complete"], _statuses(report)) == (0, True, {"issued"})
        again, second = billing.run()
    assert (again, _statuses(second)) == (0, {"issued"})
    wanted, found = _comparable(own), _comparable(billing)
    assert {place: found.get(place) for place in wanted if found.get(place) != wanted[place]} == {}
    assert found.keys() == wanted.keys()
    for code in _BUSINESSES:
        assert f"{code}_DIM_APP_" in wanted[f"{code}.metadata.dimensions"]
        assert wanted[f"{code}.lines.0.net"] and wanted[f"{code}.sources.61.sha256"]
    # It has no dataset of its own: neither a file nor a schema.
    assert billing.json("dataset", "list") == []
    seen = [path for path in billing.data.rglob("*") if path.is_file()]
    secret = kernel.secret.encode()
    assert [path for path in seen if secret in path.read_bytes()] == []


@pytest.mark.parametrize(
    "scope",
    [
        "data:D_Aura_Channel:read",
        *(
            pytest.param(scope, marks=pytest.mark.nightly)
            for scope in ("data:Aura_Audit:read", _TOKENS, "data:read")
        ),
    ],
)
def test_a_scope_that_is_missing_is_named_for_every_business(
    kernel: Kernel, billing: Billing, scope: str
):
    with kernel.served():
        billing.init()
        kernel.may(*(one for one in kernel.scopes if one != scope))
        code, report = billing.run()
        assert (code, report["complete"], _statuses(report)) == (1, False, {"failed"})
        assert all(scope in said for said in _said(report))
        assert billing.json("invoice", "list", "--all") == []
        kernel.may(*kernel.scopes)
        code, report = billing.run()
    assert (code, _statuses(report)) == (0, {"issued"})


def test_where_kernel_is_away_that_is_reported_and_the_next_run_completes(
    kernel: Kernel, billing: Billing
):
    with kernel.served():
        billing.init()
    code, report = billing.run()
    assert (code, report["complete"], _statuses(report)) == (1, False, {"failed"})
    assert all(str(kernel.port) in said and "whether Kernel runs" in said for said in _said(report))
    assert [one["rows"] for one in _businesses(report)] == [None] * 3
    with kernel.served():
        code, report = billing.run()
        assert (code, _statuses(report)) == (0, {"issued"})
    # Away again, invoices stand: they are reported as what they are.
    code, report = billing.run()
    assert (code, _statuses(report)) == (0, {"issued"})


def test_streams_that_read_another_catalogue_bill_nobody(kernel: Kernel, billing: Billing):
    billing.done("aura", "init", _EXAMPLE / "aura.yaml")
    with kernel.served():
        code, report = billing.run()
    assert (code, _statuses(report)) == (1, {"failed"})
    asks = f"reads the catalogue of this installation, and the operation asks {kernel.url}"
    assert all(asks in said for said in _said(report))


def test_a_secret_that_will_not_do_is_told(kernel: Kernel, billing: Billing):
    text = billing.file.read_text("utf-8")
    billing.file.write_text(text.replace("secret: Kernel", "secret: Other"), "utf-8")
    assert "kernel.secret" in billing.refused("aura", "init", billing.file)
    bearer = ("secret", "create", "--name", "Other", "--type", "bearer", "--file", "-")
    billing.done(*bearer, given=json.dumps({"token": "x"}))
    said = billing.refused("aura", "init", billing.file)
    assert 'names "Other", of type bearer' in said and "oauth2 or basic" in said
    billing.file.write_text(text.replace("http://", "ftp://").replace("secret", "key"), "utf-8")
    said = billing.refused("aura", "run", billing.file)
    assert "kernel.url: is " in said and "kernel.secret: " in said and "kernel.key: " in said
