"""The server at work: health, metrics, the log, tokens, many threads at once."""

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import httpx
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.api.world import ADMIN, METERS, SCOPES, TOKEN, TYPES, House

CREDENTIALS = {"client_id": "admin", "client_secret": "s3cret"}
GRANT = {"grant_type": "client_credentials"}


def test_metrics_are_read_by_the_parser_of_their_format(house: House):
    house.create_type()
    house.create_meter()
    house.http.get("/nowhere/at/all")
    answer = house.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["meterhouse_meters",] == 1
    assert samples["meterhouse_outbox_pending",] == 0
    assert samples["meterhouse_outbox_oldest_seconds",] == 0
    assert samples["meterhouse_dead_letters",] == 0
    assert samples["meterhouse_http_requests_total", *sorted(("POST", METERS, "201"))] == 1
    assert samples["meterhouse_http_requests_total", *sorted(("GET", "(none)", "404"))] == 1


def test_a_request_is_one_line_of_the_log_without_its_values(house: House):
    house.http.get(METERS, params={"userId": "private"}, headers={"X-Request-Id": "mine-1"})
    line = house.request_line("mine-1")
    assert line | {"time": 0, "ms": 0} == {
        "time": 0,
        "level": "info",
        "message": "request",
        "method": "GET",
        "route": METERS,
        "status": 200,
        "ms": 0,
        "requestId": "mine-1",
        "client": "admin",
    }
    assert not any("private" in text or ADMIN in text for text in house.log)


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "é"])
def test_a_request_id_of_another_form_is_replaced(house: House, given: str):
    answer = house.http.get("/healthz", headers={"X-Request-Id": given.encode()})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 36


@pytest.mark.parametrize("form", ["json", "form", "basic"])
def test_a_token_is_given_for_credentials(house: House, form: str):
    if form == "json":
        answer = requests.post(house.url + TOKEN, json=GRANT | CREDENTIALS, timeout=60)
    elif form == "form":
        answer = requests.post(house.url + TOKEN, data=GRANT | CREDENTIALS, timeout=60)
    else:
        auth = ("admin", "s3cret")
        answer = requests.post(house.url + TOKEN, data=GRANT, auth=auth, timeout=60)
    assert answer.status_code == 200
    token = answer.json()
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
    assert set(token["scope"].split()) == SCOPES
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
        ({"client_id": ""}, 400, "invalid_request"),
        ({"audience": "https://elsewhere.example"}, 400, "invalid_target"),
    ],
)
def test_a_token_that_is_not_given_says_why(
    house: House, changes: dict[str, str], status: int, error: str
):
    house.authority.audience = "https://here.example"
    for how in ("json", "data"):
        answer = house.http.post(TOKEN, **{how: GRANT | CREDENTIALS | changes})
        assert answer.status_code == status, answer.text
        assert answer.json()["error"] == error
        assert answer.json()["error_description"]
        assert "wrong" not in answer.headers.get("www-authenticate", "")
        assert answer.headers["content-type"] == "application/problem+json"
        if status == 401:
            assert answer.headers["www-authenticate"] == 'Basic realm="meterhouse"'


@pytest.mark.parametrize(
    "content", ["[1]", '"x"', '{"grant_type": 7}', "grant_type=a&grant_type=b"]
)
def test_a_token_request_that_cannot_be_read(house: House, content: str):
    kind = "application/x-www-form-urlencoded" if "=" in content else "application/json"
    answer = house.http.post(TOKEN, content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "header", ["!!!", b64encode(b"nocolon").decode(), b64encode(b"\xff:").decode()]
)
def test_a_basic_header_that_cannot_be_read(house: House, header: str):
    headers = {"Authorization": f"Basic {header}"}
    answer = house.http.post(TOKEN, data=GRANT, headers=headers)
    assert answer.json()["error"] == "invalid_request"


def test_programs_find_out_where_tokens_come_from(house: House):
    server = house.http.get("/.well-known/oauth-authorization-server").json()
    assert server["token_endpoint"] == house.url + TOKEN
    assert server["jwks_uri"] == f"{house.url}/.well-known/jwks.json"
    assert set(server["scopes_supported"]) == SCOPES
    resource = house.http.get("/.well-known/oauth-protected-resource").json()
    assert (resource["resource"], resource["authorization_servers"]) == (house.url, [house.url])
    challenge = httpx.get(house.url + METERS).headers["www-authenticate"]
    assert f'resource_metadata="{house.url}/.well-known/oauth-protected-resource"' in challenge


def test_sixteen_threads_create_and_read_at_once(house: House):
    house.create_type()

    def work(number: int) -> list[int]:
        codes = []
        for turn in range(10):
            user = f"user {number}.{turn}"
            body = {"userId": user, "meterKey": "k", "meterTypeId": "Units"}
            codes.append(house.http.post(METERS, json=body).status_code)
            page = house.http.get(METERS, params={"userId": user}).json()
            codes.append(len(page["meters"]))
        return codes

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(work, range(16)))
    assert answers == [[201, 1] * 10] * 16
    assert house.http.get(TYPES).json()["meterTypes"][0]["numberOfMeters"] == 160


def test_reads_do_not_wait_for_a_long_commit(house: House):
    house.create_type()
    holding, done = Event(), Event()

    def hold() -> None:
        with house.context.ledger() as ledger, ledger._database.write():
            holding.set()
            done.wait(60)

    thread = Thread(target=hold)
    thread.start()
    assert holding.wait(60)
    try:
        assert house.http.get(TYPES).json()["meterTypes"][0]["name"] == "Units"
    finally:
        done.set()
        thread.join()


def test_a_ledger_that_is_busy_too_long_is_answered_with_503(house: House):
    pool = house.context.ledger.__self__
    pool.close()
    pool._closed, pool._busy_seconds = False, 0.05
    house.http.get("/healthz")
    with pool.ledger() as ledger, ledger._database.write():
        answer = house.http.post(TYPES, json={"name": "x", "aggregation": "sum"} | _schedule())
    assert (answer.status_code, answer.json()["code"]) == (503, "ledger_busy")
    assert answer.headers["retry-after"] == "1"


def _schedule() -> dict[str, dict[str, str]]:
    return {"resetSchedule": dict.fromkeys(("minute", "hour", "day", "month", "weekday"), "*")}
