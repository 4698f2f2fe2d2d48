"""The original's set-up of Botbot, step by step, against a real server and by real HTTP clients."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64decode
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from tests.cli.command import EXAMPLES, ROOT, Meterhouse

MAIN = "Botbot AI assist"
TYPES, METERS = "/usage-metering/v1/meter-types", "/usage-metering/v1/meters"
FIELD = ("create:meter_types", "read:meter_types", "create:meters", "read:meters", "delete:meters")
SEED = 42


def document(name: str) -> dict[str, Any]:
    return json.loads((EXAMPLES / "botbot" / f"{name}.json").read_text("utf-8"))


class Client:
    """A program with credentials; it finds the token endpoint by itself."""

    def __init__(self, url: str, id: str, secret: str, *, method: str = "client_secret_post"):
        found = requests.get(f"{url}/.well-known/oauth-authorization-server", timeout=60).json()
        assert method in found["token_endpoint_auth_methods_supported"]
        self.url = url
        self.session = OAuth2Session(id, secret, token_endpoint_auth_method=method)
        self.token = self.session.fetch_token(
            found["token_endpoint"], grant_type="client_credentials", audience=f"{url}/"
        )

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=120, **options)

    def get(self, path: str, **query: Any) -> Any:
        answer = self("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, **query: Any) -> requests.Response:
        answer = self("POST", path, json=body, params=query)
        assert answer.ok, answer.text
        return answer

    def ended(self, begun: requests.Response) -> dict[str, Any]:
        """Wait for the end of a run."""
        while (run := self.get(begun.headers["location"]))["status"] == "running":
            time.sleep(0.05)
        return run

    def warnings(self, begun: requests.Response) -> list[str]:
        """What the log of a run warns of; it must be complete."""
        run = self.ended(begun)
        assert (run["status"], run["error"]) == ("complete", None)
        lines = self.get(f"{begun.headers['location']}/log")["lines"]
        return [line["text"] for line in lines if line["level"] == "warning"]

    def run(self, stream: str, **clock: Any) -> dict[str, dict[str, Any]]:
        """Run a stream to its end; its nodes by name."""
        begun = self.post(f"/v1/streams/{stream}/runs", clock)
        assert begun.status_code == 202
        assert self.warnings(begun) == []
        run = self.ended(begun)
        return {node["name"]: node for node in run["nodes"]}


class Installation:
    """A data directory, and the server on it."""

    def __init__(self, folder: Path) -> None:
        self.house = Meterhouse(folder / "data")
        self.credentials = ("", "")
        self.told = False
        #: Any that is free at first, and then the same: streams name it.
        self.port = "0"

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Run the server until it is told to end; its address."""
        with self.house.start("serve", "--port", self.port) as server:
            try:
                assert server.stdout is not None
                shown = [server.stdout.readline()]
                while not shown[-1].startswith("listening on "):
                    assert server.poll() is None, server.stderr and server.stderr.read()
                    shown.append(server.stdout.readline())
                told = [line.split()[-1] for line in shown if line.startswith("Client ")]
                self.credentials = (told[0], told[1]) if told else self.credentials
                self.told = bool(told)
                url = shown[-1].split()[2]
                self.port = url.rpartition(":")[2]
                yield url
                server.send_signal(signal.SIGTERM)
                _, err = server.communicate(timeout=60)
                assert (server.returncode, err.splitlines()[-1]) == (0, "stopped")
                assert self.credentials[1] not in err
            finally:
                server.kill()

    def admin(self, url: str) -> Client:
        return Client(url, *self.credentials)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def wallet(house: Meterhouse, *scopes: str) -> str:
    """Give the helper streams access, and put it into the wallet; the secret's id."""
    words = [word for scope in scopes for word in ("--scope", scope)]
    [access] = house.json("access", "create", "--name", "Helper streams", *words)
    credentials = {"clientId": access["clientId"], "clientSecret": access["clientSecret"]}
    given = json.dumps(credentials)
    options = ("--name", "Helper streams", "--type", "oauth2", "--file", "-")
    [secret] = house.json("secret", "create", *options, given=given)
    return secret["id"]


def verified(url: str, token: str) -> dict[str, Any]:
    """Check a token with nothing but the public keys, as a service of somebody else would."""
    head, body, signature = (urlsafe_b64decode(part + "==") for part in token.split("."))
    server = requests.get(f"{url}/.well-known/oauth-authorization-server", timeout=60).json()
    keys = requests.get(server["jwks_uri"], timeout=60).json()["keys"]
    [key] = [key for key in keys if key["kid"] == json.loads(head)["kid"]]
    x, y = (int.from_bytes(urlsafe_b64decode(key[name] + "==")) for name in ("x", "y"))
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    signed = token.rpartition(".")[0].encode()
    public.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    return json.loads(body)


def sessions(client: Client, folder: Path, *, at: str) -> dict[tuple[str, str], Decimal]:
    """Sum the calls of the sessions by user and level, without any meter."""
    body = document("stream")
    [meter] = [node for node in body["nodes"] if node["name"] == "Meter"]
    ends = {node["id"] for node in body["nodes"] if node["type"].startswith("writers/")}
    meter |= {"type": "writers/file", "schemaVersion": 1}
    meter["params"] = {"path": str(folder / "{run}.ndjson")}
    body["nodes"] = [node for node in body["nodes"] if node["id"] not in ends]
    body["edges"] = [edge for edge in body["edges"] if edge["to"] not in ends]
    client.post("/v1/streams", body | {"name": "Sessions"})
    client.run("Sessions", at=at, seed=SEED)
    [file] = folder.glob("*.ndjson")
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for record in map(json.loads, file.read_text("utf-8").splitlines()):
        sums[record["userId"], record["apiCallsType"]] += record["value"]
    return dict(sums)


def test_the_whole_set_up(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("METERHOUSE_FILES_ALLOW", str(tmp_path))
    with installation.serving() as url:
        admin = installation.admin(url)
        assert installation.told, "the first start shows the first client"
        key = set_up(installation, admin)
        at = max(meter["periodStart"] for meter in admin.get(METERS)["meters"])
        expected = sessions(admin, tmp_path, at=at)

        nodes = admin.run(MAIN, at=at, seed=SEED)
        assert (nodes["Meter"]["metered"], nodes["Validate"]["suspended"]) == (71, 20)
        meters = inspected(admin, key)
        assert {who: value for who, value in meters.items() if value} == expected
        assert admin.get("/v1/corrections:summary")["summary"][0]["count"] == 20

    with installation.serving() as url:
        admin = installation.admin(url)
        assert not installation.told, "it is shown once"
        assert inspected(admin, key) == meters, "it is all still there"

        end = admin.get(METERS)["meters"][0]["periodEnd"]
        nodes = admin.run(MAIN, at=end, seed=SEED + 1, allowFutureClock=True)
        assert nodes["Meter"]["out"] == {"reset": 12, "threshold": 0}
        golden = admin.get("/v1/records", kind="golden")["records"]
        assert {(r["userId"], r["meterTypeName"][:2]): r["value"] for r in golden} == meters
        for record in golden:
            for breakdown in record["groupBreakdowns"]:
                assert sum(group["value"] for group in breakdown["groups"]) == record["value"]

        nodes = admin.run("3. Purge Meters")
        assert nodes["Delete Meter API"]["in"] == 12
        assert admin.get(METERS)["meters"] == []
        assert [t["numberOfMeters"] for t in admin.get(TYPES)["meterTypes"]] == [0] * 6
        assert len(admin.get("/v1/records", kind="golden")["records"]) == 12


def set_up(installation: Installation, admin: Client) -> str:
    """Do what the original's guide says up to the main stream; its meter key."""
    secret = wallet(installation.house, *FIELD)
    for name in ("provisioning-meter-types", "provisioning-meters", "purge-meters"):
        where = {"apiBase": admin.url, "secret": secret}
        imported = admin.post("/v1/streams", document(name), **where).json()
        exported = admin.get(f"/v1/streams/{imported['id']}/export")
        assert "digitalroute" not in json.dumps(exported)
    key = admin.post("/v1/streams", document("stream")).json()["meterKeys"]["Meter"]

    admin.run("1. Provisioning Meter Types")
    types = admin.get(TYPES)["meterTypes"]
    assert {(t["category"], t["unit"], t["aggregation"]["type"]) for t in types} == {
        ("L1_API_Requests", "API request", "sum"),
        ("L2_API_Requests", "API request", "sum"),
    }
    assert len(types) == 6

    paste(admin, key)
    admin.run("2. Provisioning Meters")
    assert [t["numberOfMeters"] for t in admin.get(TYPES)["meterTypes"]] == [2] * 6
    assert {meter["meterKey"] for meter in admin.get(METERS)["meters"]} == {key}
    return key


def paste(admin: Client, key: str) -> None:
    """Paste the meter key into the script "Prepare Meters"."""
    path = "/v1/streams/2. Provisioning Meters"
    read = admin("GET", path)
    body = read.json()["document"]
    [script] = [node for node in body["nodes"] if node["name"] == "Prepare Meters"]
    text = script["params"]["transform"]
    script["params"]["transform"] = text.replace('meterKey = ""', f'meterKey = "{key}"')
    assert script["params"]["transform"] != text
    changed = admin("PUT", path, json=body, headers={"If-Match": read.headers["etag"]})
    assert changed.status_code == 200, changed.text


def inspected(client: Client, key: str) -> dict[tuple[str, str], Decimal]:
    """The values that the inspector shows, by user and level."""
    meters = client.get(f"/v1/inspector/{key}")["meters"]
    assert len(meters) == 12
    return {(m["userId"], m["meterTypeName"][:2]): m["value"] for m in meters}


def test_a_key_that_was_not_pasted_is_told(installation: Installation):
    with installation.serving() as url:
        admin = installation.admin(url)
        secret = wallet(installation.house, *FIELD)
        admin.post("/v1/streams", document("provisioning-meter-types"), apiBase=url, secret=secret)
        admin.post("/v1/streams", document("provisioning-meters"), apiBase=url, secret=secret)
        admin.run("1. Provisioning Meter Types")
        nodes = admin.run("2. Provisioning Meters")
        assert nodes["Meter API"]["in"] == 0
        entries = admin.get("/v1/corrections")["corrections"]
        assert {entry["reason"] for entry in entries} == {"script_error"}
        assert all("Paste the meter key" in entry["detail"] for entry in entries)


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_a_client_of_another_make_gets_in_both_ways(installation: Installation, method: str):
    with installation.serving() as url:
        client = Client(url, *installation.credentials, method=method)
        assert client.get(METERS) == {"meters": [], "nextToken": None}
        claims = verified(url, client.token["access_token"])
        assert (claims["aud"], claims["iss"], claims["client_id"]) == (
            *(url, url),
            installation.credentials[0],
        )
        assert claims["exp"] - claims["iat"] == client.token["expires_in"] == 3600


def test_the_steps_of_the_readme_run_as_they_are_written(installation: Installation):
    readme = (EXAMPLES / "botbot" / "README.md").read_text("utf-8")
    [steps] = re.findall(r"^```bash\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    with installation.serving() as url:
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", steps.replace("127.0.0.1:8080", url[7:])],
            cwd=ROOT,
            env=os.environ
            | {
                "METERHOUSE_DATA": str(installation.house.data),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        exported = installation.house.done("stream", "export", "2. Provisioning Meters").out
        [key] = re.findall(r'meterKey = \\"([^\\]+)', exported)
        assert installation.house.json("inspect", key) == []
        types = installation.house.json("meter-type", "list")
        assert [(t["category"][:2], t["numberOfMeters"]) for t in types] == [("L1", 0)] * 3 + [
            ("L2", 0)
        ] * 3
        ran = {run["stream"]: run["nodes"] for run in installation.house.json("run", "list")}
        assert len(ran) == 4
        [meter] = [n for n in ran["Botbot AI assist"] if n["name"] == "Meter"]
        assert meter["suspended"] == 0 < meter["metered"]
        [deleted] = [n for n in ran["3. Purge Meters"] if n["name"] == "Delete Meter API"]
        assert deleted["in"] == 12


def test_a_helper_stream_does_no_harm_twice(installation: Installation):
    with installation.serving() as url:
        admin = installation.admin(url)
        set_up(installation, admin)
        for name in ("1. Provisioning Meter Types", "2. Provisioning Meters"):
            warnings = admin.warnings(admin.post(f"/v1/streams/{name}/runs", {}))
            assert len(warnings) in (6, 12)
            assert all("answered 409" in text for text in warnings)
        assert [t["numberOfMeters"] for t in admin.get(TYPES)["meterTypes"]] == [2] * 6


def test_what_the_secret_may_not_do_the_stream_may_not_do(installation: Installation):
    with installation.serving() as url:
        admin = installation.admin(url)
        secret = wallet(installation.house, "read:meter_types")
        name = "1. Provisioning Meter Types"
        admin.post("/v1/streams", document("provisioning-meter-types"), apiBase=url, secret=secret)
        warnings = admin.warnings(admin.post(f"/v1/streams/{name}/runs", {}))
        assert len(warnings) == 6
        assert all("answered 403" in text and "create:meter_types" in text for text in warnings)
        assert admin.get(TYPES)["meterTypes"] == []
