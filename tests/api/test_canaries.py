"""Secrets go through everything, and nothing that anybody can read afterwards has one."""

import base64
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import httpx

from meterhouse.core.secret import SecretType
from tests.api.world import TOKEN
from tests.connectors.http.server import Asked, Reply, Server

ROOT = Path(__file__).resolve().parent.parent.parent
#: The command, with every logger of every library at its most talkative.
TALKATIVE = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
from meterhouse.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def canary(name: str) -> str:
    """A value that is written differently in every encoding."""
    return f"c4nary+{name}/=?&ü {name}"


FIELDS: dict[SecretType, tuple[str, ...]] = {
    SecretType.OAUTH2: ("clientId", "clientSecret", "username", "password"),
    SecretType.BASIC: ("username", "password"),
    SecretType.BEARER: ("token",),
    SecretType.AZURE_SAS: ("sasToken", "account"),
    SecretType.AWS: ("accessKeyId", "secretAccessKey", "sessionToken", "region"),
    SecretType.SSH_KEY: ("privateKey", "username", "passphrase"),
    SecretType.WEBHOOK_SIGNING: ("key", "previousKey"),
}


def credentials(type_: SecretType) -> dict[str, str]:
    """Canaries for a type; what goes into a header is ASCII without spaces."""
    values = {name: canary(f"{type_.value}-{name}") for name in FIELDS[type_]}
    if type_ is SecretType.BEARER:
        values["token"] = "c4nary-bearer-token-0123456789"
    if type_ is SecretType.WEBHOOK_SIGNING:
        keys = {name: f"c4nary webhook signing {name:>20}" for name in FIELDS[type_]}
        values = {n: "whsec_" + base64.b64encode(key.encode()).decode() for n, key in keys.items()}
    return values


def written(secret: str) -> set[bytes]:
    """All the ways in which a secret may be written."""
    raw = secret.encode()
    forms = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    forms |= {quote(secret, safe="").encode(), quote_plus(secret).encode()}
    forms |= {json.dumps(secret)[1:-1].encode(), repr(secret)[1:-1].encode()}
    # Inside a longer text, Base64 writes it in one of three ways; the characters at both ends
    # depend on what is around it.
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        inner = encoded[4 if shift else 0 : -4]
        forms |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return forms


@dataclass
class Served:
    """A server in a process of its own, and everything that it has ever said."""

    http: httpx.Client
    data: Path
    seen: dict[str, bytes] = field(default_factory=dict)

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        answer = self.http.request(method, path, **how)
        self.keep(f"{len(self.seen)} {method} {path.partition('?')[0]}", answer)
        return answer

    def keep(self, name: str, answer: httpx.Response) -> None:
        heads = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        self.seen[name] = heads.encode() + answer.content


def test_no_secret_is_ever_seen_again(tmp_path: Path):
    secrets: dict[str, str] = {}
    with Server({"/token": _token, "/x": _refused}).serving() as outside:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
            "METERHOUSE_HTTP_ALLOW": outside.host,
            "HOME": str(tmp_path),
        }
        data = tmp_path / "data"
        words = ("serve", "--port", "0", "--data", str(data), "--json")
        with (tmp_path / "stderr").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-c", TALKATIVE, *words],
                stdout=subprocess.PIPE,
                stderr=err,
                env=environment,
                cwd=tmp_path,
            )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = json.loads(line)["url"]
            first = _first_client(tmp_path / "stderr")
            secrets["first client"] = first["clientSecret"]
            with httpx.Client(base_url=url, timeout=60) as http:
                served = Served(http, data)
                _everything(served, first, secrets, outside)
        finally:
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=60)
    served.seen["stdout"] = line + rest
    served.seen["stderr"] = _without_introduction((tmp_path / "stderr").read_bytes())
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file() and path.name != "stderr":
            served.seen[f"file {path.relative_to(tmp_path)}"] = path.read_bytes()
    assert {"file data/ledger.sqlite", "stderr", "stdout"} <= set(served.seen)
    assert len(outside.asked) >= 4, "the streams used their secrets"
    assert _found(served.seen, secrets) == []


def test_the_search_finds_what_there_is_to_be_found():
    secret = canary("x")
    assert all(
        _found({"place": b"before " + form + b" after"}, {"x": secret}) for form in written(secret)
    )
    encoded = base64.b64encode(b"user:" + secret.encode() + b"!")
    assert _found({"place": encoded}, {"x": secret}) == [("x", "place")]


def _found(seen: dict[str, bytes], secrets: dict[str, str]) -> list[tuple[str, str]]:
    return [
        (name, place)
        for name, secret in secrets.items()
        for place, content in seen.items()
        if any(form in content for form in written(secret))
    ]


def _first_client(stderr: Path) -> dict[str, str]:
    [line] = [line for line in stderr.read_text().splitlines() if "clientSecret" in line]
    return json.loads(line)


def _without_introduction(text: bytes) -> bytes:
    """The secret of the first client is shown once, to whoever starts the server."""
    lines = text.splitlines()
    [introduction] = [line for line in lines if b'"clientSecret"' in line]
    lines.remove(introduction)
    assert any(b"DEBUG" in line for line in lines), "libraries say what they do"
    return b"\n".join(lines)


# ------------------------------------------------------------ the world outside


def _token(_: Asked) -> Reply:
    body = json.dumps({"access_token": ACCESS, "token_type": "Bearer", "expires_in": 3600})
    return Reply(200, body.encode(), {"content-type": "application/json"})


ACCESS = "c4nary-access-token-0123456789"


def _refused(_: Asked) -> Reply:
    return Reply(500, b'{"error": "broken"}', {"content-type": "application/json"})


# ------------------------------------------------------------ everything


def _everything(
    served: Served, first: dict[str, str], secrets: dict[str, str], outside: Server
) -> None:
    _get_in(served, first, secrets)
    ids = _fill_the_wallet(served, secrets)
    _run_streams(served, ids, secrets, outside)
    _use_the_wrong_places(served, first, secrets)
    _read_everything(served)


def _get_in(served: Served, first: dict[str, str], secrets: dict[str, str]) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": first["clientId"],
        "client_secret": first["clientSecret"],
    }
    token = served.http.post(TOKEN, data=form).json()["access_token"]
    secrets["token"], secrets["signature"] = token, token.rpartition(".")[2]
    served.http.headers["Authorization"] = f"Bearer {token}"
    key = {"Idempotency-Key": "application"}
    body = {"name": "CRM", "scopes": ["read:meters"]}
    made = served.http.post("/v1/applications", json=body, headers=key).json()
    secrets["client secret"] = made["clientSecret"]
    served.ask("POST", "/v1/applications", json=body, headers=key)
    rotated = served.http.post("/v1/applications/CRM/rotate", headers={"Idempotency-Key": "r"})
    secrets["rotated client secret"] = rotated.json()["clientSecret"]
    served.ask("POST", "/v1/applications/CRM/rotate", headers={"Idempotency-Key": "r"})


def _fill_the_wallet(served: Served, secrets: dict[str, str]) -> dict[SecretType, str]:
    ids: dict[SecretType, str] = {}
    for type_ in SecretType:
        values = credentials(type_)
        secrets |= {f"{type_.value} {name}": value for name, value in values.items()}
        body = {"name": type_.value, "type": type_.value, "credentials": values}
        key = {"Idempotency-Key": type_.value}
        made = served.ask("POST", "/v1/secrets", json=body, headers=key)
        assert made.status_code == 201, made.text
        served.ask("POST", "/v1/secrets", json=body, headers=key)
        ids[type_] = made.json()["id"]
        etag = {"If-Match": made.headers["etag"]}
        path = f"/v1/secrets/{type_.value}"
        assert served.ask("PATCH", path, json=body, headers=etag).status_code == 200
    return ids


def _run_streams(
    served: Served, ids: dict[SecretType, str], secrets: dict[str, str], outside: Server
) -> None:
    secrets["access token"] = ACCESS
    token_url = {"oAuth2Authentication": {"accessTokenURL": f"{outside.url}/token"}}
    ways = (
        (SecretType.BASIC, "basic"),
        (SecretType.BEARER, "bearer"),
        (SecretType.OAUTH2, "oAuth2"),
    )
    for type_, way in ways:
        for mode in ("emit", "stop"):
            params = {
                "uri": f"{outside.url}/x",
                "authType": way,
                "errorMode": mode,
                "secretsWalletEntry": {"secretId": ids[type_], "secretType": type_.value},
                **(token_url if type_ is SecretType.OAUTH2 else {}),
            }
            name = f"{way} {mode}"
            assert served.ask("POST", "/v1/streams", json=_stream(name, params)).status_code == 201
            run = served.ask("POST", f"/v1/streams/{name}/runs")
            assert run.status_code == 202, run.text
            _wait(served, run.headers["location"])
            served.ask("GET", f"{run.headers['location']}/log")
            served.ask("POST", f"/v1/streams/{name}/preview")
            served.ask("GET", f"/v1/streams/{name}/export")
    for number, password in enumerate((canary("inline"), {"value": canary("inline")})):
        secrets["password in a document"] = canary("inline")
        inline = {"authType": "basic", "basicAuthentication": {"username": "u"}}
        inline["basicAuthentication"]["password"] = password
        params = {"uri": f"{outside.url}/x", **inline}
        document = _stream(f"inline {number}", params)
        refused = served.ask("POST", "/v1/streams", json=document)
        assert refused.status_code == 422
        assert "secret=NAME" in refused.text
        served.ask("POST", "/v1/streams:validate", json=document)
        taken = served.ask("POST", "/v1/streams?secret=basic", json=document)
        assert taken.status_code == 201, taken.text
        assert served.ask("GET", f"/v1/streams/inline {number}/export").status_code == 200


def _wait(served: Served, path: str) -> None:
    while served.http.get(path).json()["status"] == "running":
        pass
    served.ask("GET", path)


def _stream(name: str, params: dict[str, Any]) -> dict[str, Any]:
    nodes = [
        {"id": "r", "name": "Count", "type": "readers/counter", "params": {"max": 2}},
        {"id": "h", "name": "Ask", "type": "transforms/http", "schemaVersion": 15},
        {"id": "w", "name": "Log", "type": "writers/log", "params": {}},
    ]
    nodes[1]["params"] = params
    return {
        "name": name,
        "nodes": nodes,
        "edges": [{"from": "r", "to": "h"}, {"from": "h", "to": "w"}],
    }


def _use_the_wrong_places(served: Served, first: dict[str, str], secrets: dict[str, str]) -> None:
    wrong = canary("wrong-place")
    secrets["wrong place"] = wrong
    for body in (
        wrong,
        [wrong],
        {"name": wrong, "type": wrong, "description": [wrong], "credentials": wrong},
        {"name": "x", "type": "basic", "credentials": {"password": {"value": wrong}}},
        {"name": "x", "type": "basic", "secret": wrong},
    ):
        assert served.ask("POST", "/v1/secrets", json=body).status_code == 422
    grant = {"grant_type": "client_credentials", "client_id": first["clientId"]}
    for more in (
        {"client_secret": wrong},
        {"client_secret": first["clientSecret"], "scope": wrong},
        {"client_secret": first["clientSecret"], "audience": wrong},
        {"client_secret": first["clientSecret"], "resource": wrong},
        {"client_secret": first["clientSecret"], "grant_type": wrong},
        {"client_secret": [first["clientSecret"]]},
        {"client_secret": {"a": wrong}, "client_id": [wrong]},
    ):
        assert served.ask("POST", TOKEN, json=grant | more).status_code in (400, 401)
    token = served.http.headers["Authorization"].removeprefix("Bearer ")
    for query in ({"access_token": token}, {"client_secret": wrong}, {"limit": wrong}):
        served.ask("GET", "/v1/secrets", params=query)
        served.ask("GET", "/v1/nothing", params=query)
    for header in (f"Bearer {token[:-4]}AAAA", f"Bearer {token}x", f"Basic {token}", token):
        assert (
            served.ask("GET", "/v1/secrets", headers={"Authorization": header}).status_code == 401
        )
    served.ask("GET", "/v1/secrets", headers={"X-Request-Id": token, "Cookie": f"t={token}"})
    served.ask("POST", "/v1/secrets", content=f'{{"name": "x", "credentials": "{wrong}"'.encode())
    json_type = {"Content-Type": "application/json"}
    broken = f'{{"name": "x", "credentials": "{wrong}"'.encode()
    assert served.ask("POST", "/v1/secrets", content=broken, headers=json_type).status_code == 400


def _read_everything(served: Served) -> None:
    paths = served.ask("GET", "/openapi.json").json()["paths"]
    lists = [path for path, item in paths.items() if "get" in item and "{" not in path]
    assert {"/v1/secrets", "/v1/applications", "/v1/activities", "/metrics"} <= set(lists)
    for path in lists:
        parameters = paths[path]["get"].get("parameters", ())
        # What is read of one meter only: of one that there is not.
        needed = {one["name"]: "nothing" for one in parameters if one["required"]}
        answer = served.ask("GET", path, params=needed)
        if path.startswith("/kernel/"):  # it has clients and tokens of its own
            assert answer.status_code == 401, path
            continue
        assert answer.status_code in ((404,) if needed else (200, 503)), path
    for noun in ("secrets", "applications", "streams"):
        for item in served.http.get(f"/v1/{noun}").json()[noun]:
            served.ask("GET", f"/v1/{noun}/{item['id']}")
