"""Requests made up from the description: none may surprise us, and none may break the server."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.world import ADMIN, TOKEN, House, running

CONFIG = Path(__file__).with_name("schemathesis.toml")
#: Not asked: whether everything that the schema lets pass is accepted. Time zones, schedules, ids
#: that exist and percentages that need a capacity are beyond what a schema can say.
NOT_ASKED = "positive_data_acceptance"
#: NDJSON cannot be made up from a schema; test_bulk.py has its cases.
LEFT_OUT = "create_meters_in_bulk"


#: Cases of each operation that a run of all tests makes up, and how many there are at least.
CASES, CASES_MIN = 6, 5_000


def _examine(house: House, *, cases: int, seed: int, folder: Path) -> int:
    """Send made-up requests; how many they were."""
    house.create_type(capacity=100, thresholds=[{"name": "half", "capacityPercentage": 50}])
    house.create_meter("ann")
    house.import_stream()
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG),
        *("run", f"{house.url}/openapi.json", "-H", f"Authorization: Bearer {ADMIN}"),
        *("--checks", "all", "--exclude-checks", NOT_ASKED, "--max-examples", str(cases)),
        *("--exclude-operation-id", LEFT_OUT, "--seed", str(seed), "--warnings", "off"),
        # It throws texts away that no path can have, and would complain of too many of them.
        *("--suppress-health-check", "filter_too_much"),
        *("--continue-on-failure", "--no-color", "--generation-database", "none"),
        # One after the other: what is sent then depends on nothing but the seed.
        *("--workers", "1"),
    ]
    # It leaves caches where it is started.
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert not [line for line in house.log if "internal error" in line]
    assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-2_000:]
    generated = re.search(r"(\d+) generated", ended.stdout)
    assert generated is not None, ended.stdout[-2_000:]
    return int(generated[1])


def test_no_made_up_request_surprises_the_server(house: House, tmp_path: Path):
    cases = int(os.environ.get("METERHOUSE_API_CASES", CASES))
    seed = int(os.environ.get("METERHOUSE_API_SEED", "1"))
    generated = _examine(house, cases=cases, seed=seed, folder=tmp_path)
    assert generated >= CASES_MIN or cases < CASES


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1, 5))
def test_thousands_of_them_do_not_either(tmp_path: Path, seed: int):
    with running(tmp_path / "data") as house:
        assert _examine(house, cases=400, seed=seed, folder=tmp_path) >= 4 * CASES_MIN


def test_the_token_endpoint_is_among_them(house: House):
    assert TOKEN in house.http.get("/openapi.json").json()["paths"]
