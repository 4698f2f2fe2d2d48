"""What receivers do to us: nothing is lost, order is kept, and repeats can be told."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from meterhouse.core.instant import SECOND
from tests.forwarding.house import Forwarding, by_meter, usage, webhook
from tests.forwarding.receiver import Behaviour, Fault, Got, Receiver, Say

Make = Callable[[dict[str, Any]], Forwarding]
_HOUR = 3_600


def _sometimes(said: Say | Fault, *, every: int) -> Behaviour:
    """Be bad to each record at first, where its number is a multiple."""
    seen: Counter[str] = Counter()

    def behave(got: Got) -> Say | Fault:
        seen[got.key] += 1
        bad = got.record["n"] % every == 0 and seen[got.key] <= 2
        return said if bad else Say()

    return behave


def _exact(receiver: Receiver, records: list[dict[str, Any]]) -> None:
    """A receiver that forgets repeats has every record once, each meter's in order."""
    assert by_meter(receiver.records()) == by_meter(records)


def test_records_arrive_once_and_in_the_order_of_their_meter(
    receiver: Receiver, forwarding_to: Make
):
    house = forwarding_to(webhook(receiver.url))
    records = usage(500)
    house.run(records)
    tally = house.deliver()
    _exact(receiver, records)
    assert (tally.sent, tally.dead, house.waiting, receiver.repeats()) == (500, 0, [], 0)
    assert receiver.connections <= 8


@pytest.mark.parametrize(
    "fault",
    [
        Say(500),
        Say(503),
        Say(408),
        Say(429, headers={"retry-after": "30"}),
        Fault.RESET,
        Fault.LOST,
    ],
    ids=str,
)
def test_a_receiver_that_fails_now_and_then_ends_exact(
    receiver: Receiver, forwarding_to: Make, fault: Say | Fault
):
    house = forwarding_to(webhook(receiver.url))
    records = usage(60)
    house.run(records)
    receiver.behave = _sometimes(fault, every=7)
    house.deliver_all()
    _exact(receiver, records)
    assert (house.waiting, house.house.ledger.dead_letters().items) == ([], [])
    assert (receiver.repeats() > 0) == (fault is Fault.LOST)


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.DRIP])
def test_an_answer_that_does_not_end_is_given_up_and_asked_for_again(
    receiver: Receiver, forwarding_to: Make, fault: Fault
):
    house = forwarding_to(webhook(receiver.url, timeoutSeconds=1))
    records = usage(8, meters=4)
    house.run(records)
    receiver.behave = lambda got: fault if got.record["n"] == 0 else Say()
    tally = house.deliver()
    assert (tally.sent, "No answer within 1 s" in str(tally.held)) == (6, True)
    receiver.behave = lambda _: Say()
    house.deliver_all()
    _exact(receiver, records)


def test_a_receiver_that_is_away_for_a_day_misses_nothing(forwarding_to: Make):
    receiver = Receiver()
    with receiver.serving():
        pass
    house = forwarding_to(webhook(receiver.url))
    records = usage(40)
    house.run(records)
    back_at = house.clock.now + 24 * _HOUR * SECOND
    rounds = 0
    while house.clock.now < back_at:
        assert house.deliver().sent == 0
        house.clock.now = house.house.ledger.next_forward_at() or 0
        rounds += 1
    assert rounds > 24
    assert house.house.ledger.dead_letters().items == []
    with Receiver(port=receiver.port).serving() as back:
        house.deliver_all()
        _exact(back, records)
        assert back.repeats() == 0


def test_one_slow_meter_does_not_hold_up_the_others(receiver: Receiver, forwarding_to: Make):
    house = forwarding_to(webhook(receiver.url, lanes=64))
    records = usage(100, meters=5)
    house.run(records)
    receiver.behave = lambda got: Say(503) if got.record["meterId"] == "m3" else Say()
    assert house.deliver().sent == 80
    assert set(by_meter(receiver.records())) == {"m0", "m1", "m2", "m4"}
    [waiting] = house.waiting
    assert (waiting.done, waiting.entry.records, waiting.attempts) == (80, 100, 1)
    assert "answered 503" in (waiting.error or "")
    receiver.behave = lambda _: Say()
    house.deliver_all()
    _exact(receiver, records)


def test_what_a_later_run_leaves_does_not_overtake_an_earlier_one(
    receiver: Receiver, forwarding_to: Make
):
    house = forwarding_to(webhook(receiver.url, lanes=64))
    receiver.behave = lambda got: Say(503) if got.record["meterId"] == "m1" else Say()
    house.run(usage(10, meters=2), name="1")
    house.deliver()
    later = [{"meterId": f"m{n % 2}", "n": n + 10} for n in range(10)]
    house.run(later, name="2")
    house.deliver()
    assert by_meter(receiver.records()) == {"m0": [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]}
    receiver.behave = lambda _: Say()
    house.deliver_all()
    assert by_meter(receiver.records())["m1"] == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]


def test_a_refused_record_is_a_dead_letter_and_its_lane_goes_on(
    receiver: Receiver, forwarding_to: Make
):
    house = forwarding_to(webhook(receiver.url))
    house.run(usage(20, meters=1))
    receiver.behave = lambda got: Say(422, b"n is odd") if got.record["n"] == 7 else Say()
    tally = house.deliver()
    assert (tally.sent, tally.dead, house.waiting) == (19, 1, [])
    [letter] = house.house.ledger.dead_letters().items
    assert (letter.place, letter.record, letter.attempts) == (7, '{"meterId":"m0","n":7}', 1)
    assert letter.reason == f'POST {receiver.url} answered 422: "n is odd"'
    assert letter.key in {got.key for got in receiver.got}


def test_the_receiver_says_how_long_to_wait(receiver: Receiver, forwarding_to: Make):
    house = forwarding_to(webhook(receiver.url))
    house.run(usage(1))
    receiver.behave = lambda _: Say(429, headers={"retry-after": "90"})
    house.deliver()
    assert house.house.ledger.next_forward_at() == house.clock.now + 90 * SECOND
    house.clock.move(89)
    assert house.deliver().held == {}
    assert len(receiver.got) == 1
    receiver.behave = lambda _: Say(503, headers={"retry-after": "999999"})
    house.clock.move(1)
    house.deliver()
    assert house.house.ledger.next_forward_at() == house.clock.now + _HOUR * SECOND


def test_pauses_double_up_to_an_hour(receiver: Receiver, forwarding_to: Make):
    house = forwarding_to(webhook(receiver.url))
    house.run(usage(1))
    receiver.behave = lambda _: Say(503)
    pauses = []
    for _ in range(14):
        house.deliver(chance=lambda _: 0)
        due = house.house.ledger.next_forward_at() or 0
        pauses.append((due - house.clock.now) // SECOND)
        house.clock.now = due
    assert pauses == [*(2**n for n in range(12)), _HOUR, _HOUR]


def test_a_record_that_fails_too_often_is_given_up(receiver: Receiver, forwarding_to: Make):
    house = forwarding_to(webhook(receiver.url, maxAttempts=3))
    house.run(usage(4, meters=1))
    receiver.behave = lambda got: Say(500) if got.record["n"] == 1 else Say()
    house.deliver_all()
    [letter] = house.house.ledger.dead_letters().items
    assert (letter.place, letter.attempts) == (1, 3)
    assert letter.reason.startswith("given up after 3 attempts: ")
    assert by_meter(receiver.records()) == {"m0": [0, 2, 3]}


def test_a_receiver_that_stays_away_is_given_up_after_the_hours_that_were_set(
    receiver: Receiver, forwarding_to: Make
):
    house = forwarding_to(webhook(receiver.url, giveUpAfterHours=2))
    house.run(usage(1))
    receiver.behave = lambda _: Say(503)
    began = house.clock.now
    house.deliver_all()
    [letter] = house.house.ledger.dead_letters().items
    assert letter.reason.startswith("given up after 2 hours: ")
    assert letter.at >= began + 2 * _HOUR * SECOND


def test_an_output_that_is_dropped_while_it_waits_is_not_sent(
    receiver: Receiver, forwarding_to: Make
):
    house = forwarding_to(webhook(receiver.url))
    house.run(usage(3))
    receiver.behave = lambda _: Say(503)
    house.deliver()
    house.house.ledger.drop(house.waiting[0].id)
    receiver.behave = lambda _: Say()
    house.clock.move(_HOUR)
    assert house.deliver().sent == 0
    assert (receiver.accepted, house.house.ledger.next_forward_at()) == ([], None)
