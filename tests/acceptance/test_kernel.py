"""Kernel served by a process, asked by an independent OAuth client and by another installation.

The bot adds files, the client that bills reads them in a stream of its own installation, and no
secret is seen again anywhere, with every library at its most talkative.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from meterhouse.bootstrap import open_installation
from meterhouse.core.instant import SECOND
from meterhouse.datasets.schema import BUILT_IN
from tests.acceptance import small
from tests.acceptance.small import document, meter, node
from tests.audit_files import AUDIT, audit_file, audit_rows, file_name
from tests.cli.command import ROOT, Meterhouse

TALKATIVE = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
from meterhouse.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
BOT, BILLING = "aura-bot-test", "aura-billing-test"
FILES = f"/kernel/datasets/{AUDIT}/6/files"
PARTITIONS = f"/kernel/datasets/{AUDIT}/6/partitions"
WORDS = [sys.executable, "-c", TALKATIVE]


class Session(OAuth2Session):
    """A client whose addresses are paths of the server."""

    base = ""

    def request(self, method: str, url: str, **how: Any) -> requests.Response:
        return super().request(method, self.base + url if url.startswith("/") else url, **how)

    def renew(self) -> None:
        """Ask for a token anew."""
        self.fetch_token(f"{self.base}/kernel/token", grant_type="client_credentials")


@dataclass
class Kernel:
    """A server, its installation, and its two clients' secrets."""

    url: str
    operators: Meterhouse
    secrets: dict[str, str]
    folder: Path

    @contextmanager
    def let_in(self, client_id: str, scope: str | None = None) -> Iterator[Session]:
        """Ask for a token as somebody else's library does, and give what sends it along."""
        who = (client_id, self.secrets[client_id])
        more = {} if scope is None else {"scope": scope}
        method = "client_secret_basic"
        with closing(Session(*who, token_endpoint_auth_method=method, **more)) as client:
            client.base = self.url
            client.fetch_token(f"{self.url}/kernel/token", grant_type="client_credentials")
            yield client

    def add(self, client: Session, path: Path) -> requests.Response:
        headers = {"content-type": "application/avro", "x-file-name": path.name}
        return client.post(FILES, data=path.read_bytes(), headers=headers)

    def file(self, *, ob: str = "ES", hour: str = "20261003T10", count: int = 3) -> Path:
        day = f"{hour[:4]}-{hour[4:6]}-{hour[6:8]}"
        rows = audit_rows(count, day=day, ob=ob)
        return audit_file(self.folder / file_name(ob, hour=hour), rows)


def environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    more = {"PYTHONPATH": path, "METERHOUSE_HTTP_ALLOW": "127.0.0.1", "HOME": str(folder)}
    return {**os.environ, **more}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    operators = Meterhouse(tmp_path / "kernel")
    operators.done("dataset", "publish", "--all-builtin")
    made = operators.json("kernel-client", "create-defaults", "test")
    secrets = {client["clientId"]: client["clientSecret"] for client in made}
    words = ["serve", "--port", "0", "--data", str(operators.data), "--json"]
    with (tmp_path / "kernel.log").open("wb") as errors:
        process = subprocess.Popen(
            WORDS + words, stdout=subprocess.PIPE, stderr=errors, env=environment(tmp_path)
        )
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        yield Kernel(url, operators, secrets, tmp_path)
    finally:
        process.kill()
        process.communicate()


def test_c20_datasets_are_published_and_seen_to_be_there(kernel: Kernel):
    with kernel.let_in(BILLING) as billing:
        listed = billing.get("/kernel/datasets").json()["datasets"]
        assert {item["name"] for item in listed} == set(BUILT_IN)
        version = billing.get(f"/kernel/datasets/{AUDIT}").json()["versions"][0]
    assert version["schema"] == BUILT_IN[AUDIT].document


def test_c21_c23_the_bot_writes_what_the_client_that_bills_only_reads(kernel: Kernel):
    path = kernel.file()
    with kernel.let_in(BILLING) as billing, kernel.let_in(BOT) as bot:
        assert bot.token["expires_in"] == 3599
        assert len(bot.token["scope"].split()) == 22
        assert len(billing.token["scope"].split()) == 14
        assert billing.token["purpose"] == "aura-kpi-data-read-purpose"
        refused = kernel.add(billing, path)
        assert refused.status_code == 403
        assert "data:Aura_Audit:write" in refused.json()["detail"]
        assert kernel.add(bot, path).status_code == 201
        [partition] = billing.get(PARTITIONS).json()["partitions"]
        [file] = partition["files"]
        content = billing.get(f"{FILES}/{file['id']}").content
    assert content == path.read_bytes()


def test_c23_a_scope_that_is_not_granted_is_named_by_the_token_endpoint(kernel: Kernel):
    asked = "data:write data:Aura_Audit:write"
    named = pytest.raises(OAuthError, match="data:Aura_Audit:write")
    with named as caught, kernel.let_in(BILLING, asked):
        pass
    assert caught.value.error == "invalid_scope"


def test_c24_a_legacy_scope_is_accepted_reported_and_rewritten(kernel: Kernel):
    legacy = ["data:read", "data:Aura_Audit:6:read"]
    options = [word for scope in legacy for word in ("--scope", scope)]
    [made] = kernel.operators.json("kernel-client", "create", "brazil", *options)
    kernel.secrets["brazil"] = made["clientSecret"]
    with kernel.let_in("brazil", "data:read data:Aura_Audit:6:read") as client:
        assert client.get(PARTITIONS).status_code == 200
        other = client.get(f"/kernel/datasets/{AUDIT}/7/partitions")
        assert other.status_code == 403
    checked = kernel.operators("kernel-client", "check-scopes", "brazil", "--json")
    [finding] = checked.objects[0]["findings"]
    assert (checked.code, finding["kind"]) == (1, "versioned")
    assert "data:Aura_Audit:read" in finding["hint"]
    assert "a scope names a version" in (kernel.folder / "kernel.log").read_text()
    [changed] = kernel.operators.json("kernel-client", "update", "brazil", "--rewrite")
    assert changed["scopes"] == ["data:read", "data:Aura_Audit:read"]
    assert kernel.operators("kernel-client", "check-scopes", "brazil").code == 0


def expire(kernel: Kernel) -> None:
    """Let the time of all tokens pass: their ends are put an hour back."""
    with open_installation(kernel.operators.data) as house:
        database = house.ledger._database
        with database.write():
            statement = "UPDATE kernel_token SET expires_at = expires_at - ?"
            database.execute(statement, (3600 * SECOND,))


def test_c25_an_expired_token_is_refused_and_a_new_one_lets_in(kernel: Kernel):
    with kernel.let_in(BILLING) as billing:
        assert billing.get(PARTITIONS).status_code == 200
        expire(kernel)
        refused = billing.get(PARTITIONS)
        assert (refused.status_code, refused.json()["code"]) == (401, "token_expired")
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
        billing.renew()
        assert billing.get(PARTITIONS).status_code == 200


def test_c25_a_rotated_secret_ends_the_old_one(kernel: Kernel):
    [made] = kernel.operators.json("kernel-client", "rotate", BILLING)
    with pytest.raises(OAuthError) as caught, kernel.let_in(BILLING):
        pass
    assert caught.value.error == "invalid_client"
    kernel.secrets[BILLING] = made["clientSecret"]
    with kernel.let_in(BILLING) as billing:
        assert billing.get(PARTITIONS).status_code == 200


def test_a_correlator_comes_back(kernel: Kernel):
    with kernel.let_in(BOT) as bot:
        answer = bot.get("/kernel/datasets", headers={"x-correlator": "c0ffee-1"})
        assert answer.headers["x-correlator"] == "c0ffee-1"
    assert requests.get(f"{kernel.url}/kernel/nothing", timeout=60).headers["x-correlator"]


class Billing:
    """Another installation, which meters what Kernel has."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.meterhouse = Meterhouse(kernel.folder / "billing")
        given = {"clientId": BILLING, "clientSecret": kernel.secrets[BILLING]}
        words = ("secret", "create", "--name", "Kernel", "--type", "oauth2", "--file", "-")
        [kept] = self.meterhouse.json(*words, given=json.dumps(given))
        entry = {"secretId": kept["id"], "secretType": "oauth2"}
        place = {"url": f"{kernel.url}/kernel", "secretsWalletEntry": entry}
        reader = node(
            "Reader", "readers/dataset", dataset=AUDIT, major=6, obField="userId", kernel=place
        )
        rule = {"customName": "All", "ignoreCondition": True, "matchCategory": "U"}
        self.key = small.set_up(
            self.meterhouse,
            document(reader, small.script("payload.value = 1; await push(payload)"), meter(rule)),
            users=("ES", "DE"),
        )

    def run(self) -> "subprocess.CompletedProcess[bytes]":
        words = ["stream", "run", small.STREAM, "--at", small.JANUARY, "--json"]
        return subprocess.run(
            [*WORDS, "--data", str(self.meterhouse.data), *words],
            capture_output=True,
            env=environment(self.kernel.folder),
            check=False,
        )

    def values(self) -> dict[str, Any]:
        return small.values(self.meterhouse, self.key)


def test_another_installation_meters_each_file_once_and_no_secret_is_seen_again(kernel: Kernel):
    said: list[bytes] = []
    with kernel.let_in(BOT) as bot:
        for ob, hour, count in (("ES", "20261003T10", 5), ("DE", "20261004T01", 4)):
            assert kernel.add(bot, kernel.file(ob=ob, hour=hour, count=count)).status_code == 201
        billing = Billing(kernel)
        for _ in range(2):
            ended = billing.run()
            assert ended.returncode == 0, ended.stderr[-2000:]
            said += [ended.stdout, ended.stderr]
            assert billing.values() == {"ES": 5, "DE": 4}
        expire(kernel)
        bot.renew()
        assert kernel.add(bot, kernel.file(hour="20261005T01", count=2)).status_code == 201
        token = bot.token["access_token"]
    assert billing.run().returncode == 0
    assert billing.values() == {"ES": 7, "DE": 4}
    assert b"DEBUG" in said[1]
    places = [path for path in kernel.folder.rglob("*") if path.is_file()]
    seen = {str(path): path.read_bytes() for path in places} | dict(enumerate(said))
    for secret in (*kernel.secrets.values(), token):
        assert [place for place, content in seen.items() if secret.encode() in content] == []


def test_a_run_that_may_not_read_says_which_scope_is_missing(kernel: Kernel):
    billing = Billing(kernel)
    scopes = ("admin:datasets:read", "data:read", "data:D_Aura_App:read")
    options = [word for scope in scopes for word in ("--scope", scope)]
    kernel.operators.done("kernel-client", "update", BILLING, *options)
    ended = billing.run()
    assert ended.returncode == 1
    assert b"data:Aura_Audit:read" in ended.stderr
    assert kernel.secrets[BILLING].encode() not in ended.stderr
