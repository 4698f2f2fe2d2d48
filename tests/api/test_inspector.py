"""The inspector and the overview over HTTP."""

from typing import Any

from tests.api.test_streams import METERING, PATH
from tests.api.world import House

OVERVIEW = "/v1/usage-metering/overview"


def _meters(house: House) -> str:
    """Two types, three meters of one key in no order of users, and one of another key."""
    house.create_type()
    house.create_type(name="Calls", category="C")
    house.create_type(name="Unused", category="C")
    key = house.http.post(PATH, json=METERING).json()["meterKeys"]["Meter"]
    house.create_meter("bob", meterKey=key)
    house.create_meter("ann", meterKey=key)
    house.create_meter("anton", meterKey=key, meterTypeId="Calls")
    house.create_meter("eve", meterKey="other")
    return key


def _users(house: House, key: str, **query: Any) -> list[str]:
    answer = house.http.get(f"/v1/inspector/{key}", params=query)
    assert answer.status_code == 200, answer.text
    return [meter["userId"] for meter in answer.json()["meters"]]


def test_it_counts_filters_and_sorts_the_meters_of_a_key(house: House):
    key = _meters(house)
    page = house.http.get(f"/v1/inspector/{key}", params={"userId": "ann"}).json()
    assert page["widgets"] == {"meterTypes": 2, "categories": 2, "meters": 3}
    assert [meter["userId"] for meter in page["meters"]] == ["ann"]
    assert _users(house, key) == _users(house, key, sort="created") == ["bob", "ann", "anton"]
    assert _users(house, key, sort="user") == ["ann", "anton", "bob"]
    assert _users(house, key, userPrefix="an") == ["ann", "anton"]
    assert _users(house, key, meterType="Calls") == ["anton"]
    assert _users(house, key, meterType="Calls", userId="ann") == []
    first = house.http.get(f"/v1/inspector/{key}", params={"sort": "user", "limit": 2})
    following = house.http.get(first.headers["link"].split(">")[0].strip("<")).json()
    assert [meter["userId"] for meter in following["meters"]] == ["bob"]
    assert house.http.get(f"/v1/inspector/{key}?sort=value").status_code == 422
    assert house.http.get(f"/v1/inspector/{key}?meterType=none").status_code == 404


def test_a_meter_is_viewed_as_what_it_would_send_now(house: House):
    key = _meters(house)
    [meter] = house.http.get(f"/v1/inspector/{key}?userId=ann").json()["meters"]
    viewed = house.http.get(f"/v1/inspector/{key}/{meter['id']}")
    assert viewed.json() == meter
    assert list(viewed.json())[:4] == ["id", "meterTypeId", "meterTypeName", "userId"]
    assert house.http.get(f"/v1/inspector/other/{meter['id']}").status_code == 404
    assert house.http.get(f"/v1/inspector/{key}/none").status_code == 404


def test_the_overview_shows_meter_types_and_who_uses_them(house: House):
    key = _meters(house)
    overview = house.http.get(OVERVIEW).json()
    assert overview["widgets"] == {"meterTypes": 3, "categories": 2, "meters": 4}
    stream = house.http.get(f"{PATH}/Metering").json()
    use = {"streamId": stream["id"], "stream": "Metering", "meterKey": key}
    found = {t["name"]: (t["numberOfMeters"], t["streams"]) for t in overview["meterTypes"]}
    assert found == {
        "Units": (3, [use | {"meters": 2}]),
        "Calls": (1, [use | {"meters": 1}]),
        "Unused": (0, []),
    }
    first = house.http.get(OVERVIEW, params={"limit": 2}).json()
    rest = house.http.get(OVERVIEW, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [t["name"] for t in first["meterTypes"] + rest["meterTypes"]] == [*found]
    [only] = house.http.get(OVERVIEW, params={"name": "Calls"}).json()["meterTypes"]
    assert only["name"] == "Calls"
