"""Records that are guided and wait to be folded together."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from meterhouse.core.quantity import EXACT
from meterhouse.engine.column import QUANTITY, concat_columns
from meterhouse.engine.columns.carry import BatchValues


class Window:
    """Batches behind one another. ``first`` is the position of its first record in the run."""

    def __init__(self) -> None:
        self.first = 0
        #: how many records it has
        self.length = 0
        #: about how much memory its carried texts take
        self.bytes = 0
        #: no sum of its quantities is larger than this
        self.volume_max = Decimal(0)
        self._assigned: list[pl.DataFrame] = []
        self._values: list[BatchValues] = []

    def add(
        self,
        assigned: pl.DataFrame,
        values: BatchValues,
        *,
        first: int,
        length: int,
        volume_max: Decimal,
    ) -> None:
        """Take one more batch; ``assigned`` counts its records (``q``) from 0 on."""
        if not self.length:
            self.first = first
        self._assigned.append(assigned.with_columns((pl.col("q") + self.length).cast(pl.UInt32)))
        self._values.append(values)
        self.length += length
        self.volume_max = EXACT.add(self.volume_max, volume_max)
        self.bytes += sum(int(c.values.estimated_size()) for c in values.carried.values())

    def whole(self) -> tuple[pl.DataFrame, BatchValues]:
        """Return all of them as one batch."""
        frames = self._assigned
        if len({frame["v"].dtype for frame in frames}) > 1:
            frames = [frame.with_columns(pl.col("v", "s").cast(QUANTITY)) for frame in frames]
        columns = {
            name: concat_columns([values.carried[name] for values in self._values])
            for name in self._values[0].carried
        }
        return pl.concat(frames), BatchValues(self._numbers(), columns)

    def _numbers(self) -> dict[str, pl.Series]:
        names = self._values[0].numbers
        return {name: pl.concat([v.numbers[name] for v in self._values]) for name in names}
