"""Versions of streams, imports with a tag, and lists of streams, over HTTP."""

from typing import Any

import pytest

from meterhouse import bootstrap
from meterhouse.app.secrets import create_secret
from tests.api.test_streams import METERING, PATH
from tests.api.world import STREAM, House

ONE_NODE = {"nodes": STREAM["nodes"][:1], "edges": []}


def _tag(house: House, tag: str, **more: Any) -> dict[str, Any]:
    answer = house.http.post(f"{PATH}/Small/versions", json={"tag": tag, **more})
    assert answer.status_code == 201, answer.text
    return answer.json() | {"path": answer.headers["location"]}


def test_a_version_is_tagged_read_exported_and_listed(house: House):
    house.import_stream()
    first = _tag(house, "v1", description="first")
    path = first.pop("path")
    assert (first["tag"], first["description"], first["createdBy"]) == ("v1", "first", "admin")
    assert house.http.get(path).json() == first | {"restoringRemoves": []}
    assert house.http.get(f"{PATH}/Small/versions/v1/export").json() == STREAM
    second = _tag(house, "v2")
    page = house.http.get(f"{PATH}/Small/versions?limit=1").json()
    assert [version["id"] for version in page["versions"]] == [second["id"]]
    rest = house.http.get(f"{PATH}/Small/versions?limit=1&cursor={page['next_cursor']}").json()
    assert rest == {"versions": [first], "next_cursor": None}


@pytest.mark.parametrize("tag", ["latest", "", "-a", "a b", "x" * 21, None, 7])
def test_a_tag_that_will_not_do_is_refused(house: House, tag: object):
    house.import_stream()
    answer = house.http.post(f"{PATH}/Small/versions", json={"tag": tag})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/tag")


def test_a_tag_is_used_once_and_a_repeated_request_is_no_second_use(house: House):
    house.import_stream()
    body, headers = {"tag": "v1"}, {"Idempotency-Key": "k1"}
    answers = [
        house.http.post(f"{PATH}/Small/versions", json=body, headers=headers) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert house.http.post(f"{PATH}/Small/versions", json=body).status_code == 409


def test_restoring_says_what_disappears_and_needs_the_tag_that_was_read(house: House):
    house.import_stream(**ONE_NODE)
    _tag(house, "small")
    path = f"{PATH}/Small"
    etag = house.http.get(path).headers["etag"]
    assert house.http.put(path, json=STREAM, headers={"If-Match": etag}).status_code == 200
    lost = [{"id": "l", "name": "Log", "type": "writers/log"}]
    assert house.http.get(f"{path}/versions/small").json()["restoringRemoves"] == lost
    restore = f"{path}/versions/small/restore"
    assert house.http.post(restore).status_code == 428
    assert house.http.post(restore, headers={"If-Match": etag}).status_code == 412
    now = house.http.get(path).headers["etag"]
    answer = house.http.post(restore, headers={"If-Match": now})
    assert (answer.status_code, answer.json()["lostNodes"]) == (200, ['"Log" (writers/log)'])
    assert answer.headers["etag"] == etag
    assert house.http.get(f"{path}/export").json() == STREAM | ONE_NODE


def test_restoring_is_refused_where_state_would_be_orphaned(house: House):
    house.create_type()
    nodes = METERING["nodes"][:1]
    house.import_stream(name="Metering", nodes=nodes, edges=[])
    path = f"{PATH}/Metering"
    house.http.post(f"{path}/versions", json={"tag": "bare"})
    changed = house.http.put(path, json=METERING, headers={"If-Match": "*"})
    house.create_meter("ann", meterKey=changed.json()["meterKeys"]["Meter"])
    restore, headers = f"{path}/versions/bare/restore", {"If-Match": "*"}
    refused = house.http.post(restore, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "node_removal")
    assert '"Meter" (transforms/meter) has 1 meter' in refused.json()["detail"]
    assert house.http.get(f"{path}/export").json() == METERING
    allowed = house.http.post(f"{restore}?allowNodeRemoval=true", headers=headers)
    assert allowed.status_code == 200
    assert len(allowed.json()["lostNodes"]) == 2


@pytest.mark.parametrize("path", ["none", "v1/export", "v1/restore"])
def test_a_version_that_there_is_not(house: House, path: str):
    house.import_stream()
    method = "POST" if path.endswith("restore") else "GET"
    answer = house.http.request(method, f"{PATH}/Small/versions/{path}", headers={"If-Match": "*"})
    assert answer.status_code == 404


def test_an_import_is_kept_under_a_tag(house: House):
    path = f"{PATH}?tag=v1&description=from+outside"
    assert house.http.post(path, json=STREAM).status_code == 201
    [version] = house.http.get(f"{PATH}/Small/versions").json()["versions"]
    assert (version["tag"], version["description"]) == ("v1", "from outside")
    taken = house.http.post(f"{path}&conflict=replace", json=STREAM | {"note": 1})
    assert taken.status_code == 409
    assert house.http.get(f"{PATH}/Small/export").json() == STREAM, "nothing was replaced"
    again = house.http.post(f"{PATH}?tag=v2&conflict=replace", json=STREAM | {"note": 1})
    assert again.status_code == 200
    tags = [v["tag"] for v in house.http.get(f"{PATH}/Small/versions").json()["versions"]]
    # What it was is kept under v1 already.
    assert tags == ["v2", "v1"]
    run = house.ended(house.http.post(f"{PATH}/Small/runs").headers["location"])
    assert run["streamVersion"] == "v2"


def test_an_import_with_a_bad_tag_imports_nothing(house: House):
    for query in ("tag=latest", "description=of+nothing"):
        assert house.http.post(f"{PATH}?{query}", json=STREAM).status_code == 422
    assert house.http.get(PATH).json()["streams"] == []


def test_streams_are_filtered_by_name_meter_key_and_secret(house: House):
    secret = {"name": "other", "type": "oauth2", "credentials": _OAUTH}
    with bootstrap.open_installation(house.directory) as other:
        made = create_secret(other.ledger, other.sealer(), secret, new_id=lambda: "secret-1", at=0)
    node = {
        "id": "h",
        "type": "transforms/http",
        "schemaVersion": 15,
        "params": {
            "method": "GET",
            "uri": "http://127.0.0.1:9/",
            "authentication": {
                "type": "oauth2",
                "secretsWalletEntry": {"secretId": made.id, "secretType": "oauth2"},
            },
        },
    }
    house.import_stream(nodes=[STREAM["nodes"][0], node], edges=[{"from": "r", "to": "h"}])
    key = house.http.post(PATH, json=METERING).json()["meterKeys"]["Meter"]

    def names(**query: str) -> list[str]:
        answer = house.http.get(PATH, params=query)
        assert answer.status_code == 200, answer.text
        return [stream["name"] for stream in answer.json()["streams"]]

    assert names() == ["Small", "Metering"]
    assert names(name="METER") == ["Metering"]
    assert names(meterKey=key) == ["Metering"]
    assert names(secret="other") == names(secret="secret-1") == ["Small"]
    assert names(secret="other", name="Metering") == []
    assert house.http.get(PATH, params={"secret": "none"}).status_code == 404
    reader = house.token("reader", "read:streams")
    assert house.http.get(PATH, params={"secret": "other"}, headers=reader).status_code == 403
    page = house.http.get(PATH, params={"name": "m", "limit": "1"})
    assert "name=m&" in page.headers["link"]


_OAUTH = {"clientId": "me", "clientSecret": "s"}
