"""A house with streams and notification groups, on a clock that the test moves."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meterhouse import bootstrap
from meterhouse.app.forward_ports import Tally
from meterhouse.app.forwarding import forward_due
from meterhouse.app.notifications import create_notification_group
from meterhouse.app.ports import PendingDelivery
from meterhouse.app.running import EndedRun, run_stream
from meterhouse.app.secrets import create_secret
from meterhouse.bootstrap import Installation
from tests.acceptance.small import document, node, reader
from tests.cli.command import Meterhouse
from tests.forwarding.house import Clock

STREAM = "Small"
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#: What no message may have.
CANARY = "ann.canary@customer.example"
GOOD = json.dumps({"userId": CANARY, "value": 1}) + "\n"
BAD = f'{{"userId": "{CANARY}", \n'


@dataclass
class Told:
    """Streams that run when a test says so, and messages that are delivered when it says so."""

    house: Installation
    usage: Path
    clock: Clock

    @property
    def command(self) -> Meterhouse:
        return Meterhouse(self.house.directory)

    def group(self, name: str = "Ops", **changes: Any) -> str:
        """Make a group; it is told of everything, unless changed."""
        events = ["no_file_found", "stream_failed", "stream_complete", "suspense_arrived"]
        body = {"name": name, "events": events, **changes}
        return create_notification_group(
            self.house.ledger, body, mails=True, new_id=self.house.new_id, at=self.clock()
        ).id

    def hook(self, url: str, **changes: Any) -> str:
        """Make a group with a webhook."""
        return self.group(webhooks=[{"uri": url, "secret": "Hooks"}], **changes)

    def file(self, name: str, *lines: str) -> None:
        (self.usage / f"{name}.ndjson").write_text("".join(lines))

    def run(self, stream: str = STREAM) -> EndedRun:
        """Run a stream; nothing is delivered yet."""
        means = replace(self.house.means(), forwarding=None, clock=self.clock)
        id = self.house.new_id()
        return run_stream(self.house.ledger, stream, means=means, run_id=id, seed=1, at=None)

    def deliver(self) -> Tally:
        return forward_due(self.house.ledger, self.house.forwarding(clock=self.clock))

    @property
    def waiting(self) -> list[PendingDelivery]:
        return list(self.house.ledger.pending())


@contextmanager
def telling(folder: Path) -> Iterator[Told]:
    """Make two streams that read what comes, and a secret that signs."""
    usage = folder / "usage"
    usage.mkdir()
    meterhouse = Meterhouse(folder / "data")
    limit = {"suspenseManagement": {"enabled": True, "eventThreshold": 2}}
    nodes = (reader(usage / "*.ndjson", **limit), node("Log", "writers/log"))
    for name in (STREAM, "Other"):
        stream = document(*nodes) | {"name": name}
        meterhouse.import_stream("-", given=json.dumps(stream))
    with bootstrap.open_installation(meterhouse.data) as house:
        secret = {"name": "Hooks", "type": "webhookSigning", "credentials": {"key": KEY}}
        create_secret(house.ledger, house.sealer(), secret, new_id=house.new_id, at=house.clock())
        yield Told(house, usage, Clock(house.clock()))
