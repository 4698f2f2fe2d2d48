"""The catalogue of node types by request: the schemas from which a designer is drawn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from meterhouse.streams.nodes.catalogue import NODE_TYPES, described_type
from tests.api.world import House, running

PATH = "/v1/node-types"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with running(tmp_path / "data") as house:
        yield house


def test_every_type_of_ours_is_listed_with_its_parameters(house: House):
    listed = house.http.get(PATH).json()["nodeTypes"]
    assert [found["type"] for found in listed] == list(NODE_TYPES)
    assert all(found["params"]["examples"] and found["package"] is None for found in listed)


def test_a_type_is_read_by_its_name_with_a_dot(house: House):
    found = house.http.get(f"{PATH}/transforms.http")
    assert (found.status_code, found.json()["versions"]) == (200, [9, 11, 15])
    assert found.json()["params"] == described_type("transforms/http").params


@pytest.mark.parametrize("id", ["transforms.metre", "metre", "."])
def test_another_name_is_not_found(house: House, id: str):
    answer = house.http.get(f"{PATH}/{id}%20")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "transforms.meter" in answer.json()["hint"]
