"""Meter types and meters on the paths of the field: exact numbers, and the shapes it knows."""

from decimal import Decimal

from meterhouse.core.json_text import parse_json
from tests.api.test_streams import METERING
from tests.api.world import METERS, TYPES, House

JSON = {"Content-Type": "application/json"}


def test_numbers_are_taken_and_given_as_written(house: House):
    house.create_type()
    text = (
        '{"userId":"ann","meterKey":"k","meterTypeId":"Units",'
        '"capacity":12345678901234567890.123456789012345678,'
        '"customFields":{"price":0.1,"big":1E+2,"n":10000000000000000000001}}'
    )
    answer = house.http.post(METERS, content=text, headers=JSON)
    meter = parse_json(answer.content)
    assert meter["capacity"] == Decimal("12345678901234567890.123456789012345678")
    assert '"price":0.1,"big":100,"n":10000000000000000000001' in answer.text


def test_a_meter_is_answered_whole_and_read_again(house: House):
    type_ = house.create_type(externalRef="SKU", unit="calls")
    created = house.create_meter(meterTypeId=None, externalRef="SKU")
    assert created["meterTypeId"] == type_["id"]
    assert (created["value"], created["unit"], created["meterTypeName"]) == (0, "calls", "Units")
    assert house.http.get(f"{METERS}/{created['id']}").json() == created
    listed = house.http.get(METERS, params={"meterKey": "k", "userId": "ann"}).json()
    assert listed == {"meters": [created], "nextToken": None}


def test_meters_are_filtered(house: House):
    one = house.create_type()
    two = house.create_type(name="Others")
    house.create_meter("ann")
    house.create_meter("bob", meterTypeId="Others", meterKey="other")

    def users(**filters: str) -> list[str]:
        meters = house.http.get(METERS, params=filters).json()["meters"]
        return [meter["userId"] for meter in meters]

    assert users() == ["ann", "bob"]
    assert users(meterTypeId=one["id"]) == ["ann"]
    assert users(meterTypeId=two["id"], meterKey="k") == []
    assert users(meterKey="other") == users(userId="bob") == ["bob"]
    assert users(meterKey="") == users(meterTypeId="") == users(userId="") == []


def test_a_meter_is_changed_and_deleted(house: House):
    house.create_type()
    path = f"{METERS}/{house.create_meter()['id']}"
    changed = house.http.patch(path, json={"deleteOnReset": True, "customFields": {"a": 1}})
    assert (changed.json()["deleteOnReset"], changed.json()["customFields"]) == (True, {"a": 1})
    merge = {"Content-Type": "application/merge-patch+json"}
    changed = house.http.patch(path, content='{"customFields":{"a":null}}', headers=merge)
    assert changed.json()["customFields"] == {}
    assert house.http.delete(path).status_code == 204
    assert house.http.get(path).status_code == house.http.delete(path).status_code == 404


def test_meter_types_are_listed_by_name_and_changed(house: House):
    type_ = house.create_type()
    house.create_type(name="Others")
    assert house.http.get(TYPES, params={"name": "Units"}).json() == {"meterTypes": [type_]}
    assert house.http.get(TYPES, params={"name": "unit"}).json() == {"meterTypes": []}
    house.create_meter()
    changed = house.http.patch(f"{TYPES}/{type_['id']}", json={"unit": "calls", "capacity": 7})
    assert changed.json() | {"updatedAt": ""} == type_ | {
        "unit": "calls",
        "capacity": 7,
        "numberOfMeters": 1,
        "updatedAt": "",
    }
    assert house.http.get(f"{TYPES}/Units").json() == changed.json()
    assert house.http.delete(f"{TYPES}/Others").status_code == 204
    assert [t["name"] for t in house.http.get(TYPES).json()["meterTypes"]] == ["Units"]


def test_a_meter_key_that_no_stream_has_is_noted(house: House):
    house.create_type()
    key = house.http.post("/v1/streams", json=METERING).json()["meterKeys"]["Meter"]
    body = {"userId": "ann", "meterKey": key, "meterTypeId": "Units"}
    assert "meterhouse-note" not in house.http.post(METERS, json=body).headers
    headers = {"Idempotency-Key": "1"}
    for _ in range(2):
        odd = house.http.post(METERS, json=body | {"meterKey": "k\u00e9y\u20ac"}, headers=headers)
        assert odd.status_code == 201
        assert odd.headers["meterhouse-note"] == (
            "No stream has the meter key 'k\\xe9y\\u20ac': nothing is counted until one has"
        )
