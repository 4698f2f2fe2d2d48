"""The same clock, seed and records give the same outcomes, however they are cut."""

import pytest

from meterhouse.sandbox import JavaScriptSandbox
from tests.sandbox.conftest import AT

SCRIPT = (
    "await push({r: Math.random(), at: Date.now(), n: (state.node.n = (state.node.n ?? 0) + 1)})"
)


def outcomes(*, seed=7, at=AT, nodes=("n",), cuts=(50, 50), script=SCRIPT):
    with JavaScriptSandbox().open(at_us=at, seed=seed) as session:
        made = {node: [] for node in nodes}
        for node in nodes:
            session.define(node, name=node, transform=script)
        for cut in cuts:
            for node in nodes:
                made[node] += session.transform(node, [{"i": i} for i in range(cut)])
    return made


def test_same_seed_and_clock_repeat_exactly():
    assert outcomes() == outcomes()


def test_seed_changes_the_random_numbers():
    assert outcomes(seed=7) != outcomes(seed=8)
    assert outcomes(seed=-1) != outcomes(seed=2**200)


def test_nodes_have_random_numbers_of_their_own():
    both = outcomes(nodes=("n", "m"))
    assert both["n"] != both["m"]
    # The other node neither sees nor disturbs them.
    assert both["n"] == outcomes()["n"]


def test_cutting_a_batch_changes_nothing():
    assert outcomes(cuts=(100,)) == outcomes(cuts=(1, 2, 47, 50)) == outcomes()
    assert outcomes(cuts=(1500,)) == outcomes(cuts=(700, 800))


def test_random_numbers_are_pinned():
    # A new generator would change the runs that people have recorded.
    [first, second] = outcomes(script="push({r: Math.random()})", cuts=(2,))["n"]
    assert [str(first.pushed[0]["r"]), str(second.pushed[0]["r"])] == [
        "0.591572381884108",
        "0.8708477266466473",
    ]


def test_random_numbers_are_spread_over_zero_to_one(pushed):
    script = """
        let low = 1, high = 0, sum = 0;
        for (let i = 0; i < 100000; i++) {
            const r = Math.random();
            low = Math.min(low, r); high = Math.max(high, r); sum += r;
        }
        push({low: low >= 0 && low < 0.001, high: high < 1 && high > 0.999, sum});
    """
    [item] = pushed(script)
    assert item["low"] and item["high"]
    assert 49_500 < item["sum"] < 50_500


@pytest.mark.parametrize(
    "expression",
    [
        "Date.now()",
        "new Date().getTime()",
        "+new Date",
        "new Date(Date.now()).valueOf()",
        "Date.parse(Date()) + 123",
        "new (class extends Date {})().getTime()",
        "Reflect.construct(Date, []).getTime()",
        "new (new Date(0).constructor)().getTime()",
        "Object.getPrototypeOf(new Date(0)).constructor.now()",
        "require('moment')().valueOf()",
        "require('moment').now()",
        "Date.parse(new Intl.DateTimeFormat('en', {dateStyle: 'short', timeStyle: 'medium'})"
        ".format() + ' UTC') + 123",
        "Date.parse(new Intl.DateTimeFormat('en', {dateStyle: 'short', timeStyle: 'medium'})"
        ".formatToParts().map(p => p.value).join('') + ' UTC') + 123",
    ],
)
def test_every_clock_is_the_run_clock(pushed, expression):
    assert pushed(f"push({{at: {expression}}})") == ({"at": AT // 1000},)


def test_dates_work_as_ever(pushed):
    script = """
        push({
            parts: new Date(2024, 1, 29, 12).toISOString(), utc: Date.UTC(2024, 0, 1),
            text: new Date("2024-06-01T00:00:00+02:00").toISOString(),
            zone: new Date().getTimezoneOffset(),
            is: new Date() instanceof Date, name: Date.name, length: Date.length,
            local: new Date(0).toString(), keys: Object.keys(Date).length,
            intl: new Intl.DateTimeFormat("en-US", {timeZone: "Asia/Tokyo"}).format(new Date(0)),
        });
    """
    assert pushed(script) == (
        {
            "parts": "2024-02-29T12:00:00.000Z",
            "utc": 1704067200000,
            "text": "2024-05-31T22:00:00.000Z",
            "zone": 0,
            "is": True,
            "name": "Date",
            "length": 7,
            "local": "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)",
            "keys": 0,
            "intl": "1/1/1970",
        },
    )
