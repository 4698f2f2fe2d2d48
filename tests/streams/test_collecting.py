"""What all readers of inputs with positions do in a run."""

from typing import Any

import pytest

from meterhouse.core.problem import MeterhouseError
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.nodes.collecting import CollectorParams
from meterhouse.streams.nodes.node import NodeRun, NodeSite
from meterhouse.streams.nodes.wallet_entry import WalletEntry
from meterhouse.streams.ports import InputError
from meterhouse.streams.record import InputPosition, NodeCount, RunResult
from meterhouse.streams.sources import Sources
from meterhouse.streams.suspension import SuspenseBook, SuspensePolicy
from meterhouse.streams.world import RunFacts, RunLog, Services, World
from tests.streams.documents import AT
from tests.streams.twins import Files, Queues, Snapshot, Spools

A, B, C = ({"value": n} for n in range(3))


class Reader:
    """A reader node at its site, over queues."""

    def __init__(
        self, queues: Queues, positions: dict[str, Any] | None = None, **more: Any
    ) -> None:
        snapshot = Snapshot(read_positions={"in": positions or {}})
        services = Services(
            Files({}),
            Spools(),
            collectors=queues,
            credentials=more.pop("wallet", None),
            progress=lambda progress: self.progress.append(progress.records),
        )
        facts = RunFacts("run", AT, 1, records_max=more.pop("preview", None))
        book = SuspenseBook(unlimited=facts.records_max is not None)
        log = RunLog(lambda *_: None)
        self.world = World(facts, snapshot, services, Sources(), book, log)
        self.count = NodeCount("in", "In", "readers/queue")
        self.progress: list[int] = []
        params = CollectorParams("queue", {"name": "q"}, SuspensePolicy(), **more)
        self.run: NodeRun = params.open(NodeSite(self.count, self.world))

    def read(self) -> list[tuple[str, int, Any]]:
        """Source, offset and record of all that is read."""
        found = []
        for batch in self.run.chunks():
            for origin, record in zip(batch.origins(), batch.rows(), strict=True):
                place = self.world.sources.place(origin)
                found.append((place.source, place.offset, record))
        return found

    def result(self) -> RunResult:
        result = RunResult()
        self.run.commit(result)
        return result


def test_records_are_read_from_the_positions_on_and_new_positions_committed():
    reader = Reader(Queues({"a": [[A], [B]], "b": [[C]]}), {"a": 1})
    assert reader.read() == [("queue:a", 1, B), ("queue:b", 0, C)]
    assert reader.result().positions == [InputPosition("in", "a", 2), InputPosition("in", "b", 1)]
    assert reader.progress == [1, 2]


def test_one_message_may_hold_several_records_with_one_place():
    assert Reader(Queues({"a": [[A, B], [C]]})).read() == [
        ("queue:a", 0, A),
        ("queue:a", 0, B),
        ("queue:a", 1, C),
    ]


def test_what_is_no_record_is_set_aside_with_its_place():
    reader = Reader(Queues({"a": [[A], "rubbish"]}))
    assert reader.read() == [("queue:a", 0, A)]
    [bad] = reader.world.suspense.suspended()
    assert (bad.source, bad.offset, bad.raw, bad.detail) == (
        "queue:a",
        1,
        "rubbish",
        "is no JSON object",
    )
    assert (reader.count.records_in, reader.count.suspended) == (1, 1)


def test_the_other_side_is_told_when_that_is_asked_for_and_not_before():
    queues = Queues({"a": [[A]]})
    queues.settled = {"a": "settled"}
    reader = Reader(queues)
    reader.read()
    result = reader.result()
    assert (queues.told, queues.closed) == ([], 0)
    [tell] = result.after_commit
    assert tell() == [InputPosition("in", "a", "settled")]
    for release in result.releases:
        release()
    assert (queues.told, queues.closed) == ([{"a": 1}], 1)


def test_a_run_takes_so_many_messages_and_the_next_goes_on():
    reader = Reader(Queues({"a": [[A], [B], [C]]}), records_max=2)
    assert [record for _, _, record in reader.read()] == [A, B]
    assert reader.result().positions == [InputPosition("in", "a", 2)]


def test_a_preview_reads_a_few_records_keeps_no_position_and_tells_nobody():
    queues = Queues({"a": [[A, B, C], [A]]})
    reader = Reader(queues, preview=2)
    assert [record for _, _, record in reader.read()] == [A, B]
    result = reader.result()
    assert (result.positions, result.after_commit, result.releases) == ([], [], [])
    assert (queues.wanted[0].preview, queues.wanted[0].records_max) == (True, 2)
    assert (queues.told, queues.closed) == ([], 1)


def test_what_is_not_read_is_not_opened():
    queues = Queues({"a": [[A]]})
    reader = Reader(queues)
    assert (reader.result(), queues.opened) == (RunResult(), [])
    reader.run.discard()
    assert queues.closed == 0


def test_where_the_run_fails_the_connection_is_closed_and_nobody_told():
    queues = Queues({"a": [[A]]})
    queues.broken = True
    reader = Reader(queues)
    with pytest.raises(InputError, match="the connection is lost"):
        reader.read()
    reader.run.discard()
    assert (queues.told, queues.closed) == ([], 1)


# ---------------------------------------------------------------- the secret

BASIC = Credentials(SecretType.BASIC, {"username": "ann", "password": "p"})


def test_the_collector_gets_the_secret_that_the_node_names():
    queues = Queues({})
    entry = WalletEntry("s1", (SecretType.BASIC,))
    Reader(queues, secret=entry, wallet=lambda id: {"s1": BASIC}[id]).read()
    assert queues.opened == [("queue", {"name": "q"}, BASIC)]


@pytest.mark.parametrize(
    ("wallet", "text"),
    [
        (None, 'The secret "s1" is not opened here'),
        (lambda _: Credentials(SecretType.BEARER, {"token": "t"}), "choose one of type basic"),
    ],
)
def test_a_secret_that_will_not_do_is_an_obstacle(wallet, text: str):
    params = CollectorParams(
        "queue", {}, SuspensePolicy(), secret=WalletEntry("s1", (SecretType.BASIC,))
    )
    [problem] = params.obstacles(Services(Files({}), Spools(), credentials=wallet))
    assert text in str(problem)
    with pytest.raises(MeterhouseError):
        Reader(Queues({}), secret=params.secret, wallet=wallet).read()
