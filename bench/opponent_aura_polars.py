"""Polars by hand: read the audit files, keep the earliest row of each key, group.

Use: python -m bench.opponent_aura_polars DIRECTORY

The files are decoded by as many threads as there are cores: Polars decodes one with one thread.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

KEY = ("DAY_DT", "INTERACTION_ID", "AURA_COMPONENT_ID")
GROUP = (
    "COUNTRY_3_ALPHA_CD",
    "AURA_SERVICE_NAME_CD",
    "AURA_COMPONENT_ID",
    "AURA_APP_ID",
    "AURA_CHANNEL_ID",
    "AURA_PRESET_NAME",
)
COMPARED = (
    "AURA_TM",
    "AURA_CHANNEL_ID",
    "AURA_APP_ID",
    "COUNTRY_3_ALPHA_CD",
    "AURA_SERVICE_NAME_CD",
    "AURA_PRESET_NAME",
)


def main() -> None:
    """Read, group, and print what was counted."""
    files = sorted(Path(sys.argv[1]).glob("Aura_Audit/6/DAY_DT=*/*.avro"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        whole = pl.concat(pool.map(pl.read_avro, files))
    rows = whole.with_row_index("at")
    del whole
    again = rows.filter(pl.struct(KEY).is_duplicated())
    first = again.sort("AURA_TM", "at").unique(KEY, keep="first", maintain_order=True)
    others = again.join(first.select("at"), on="at", how="anti")
    told = others.join(first, on=list(KEY), suffix="_first")
    same = pl.all_horizontal(pl.col(n).eq_missing(pl.col(f"{n}_first")) for n in COMPARED)
    identical = int(told.select(same.sum()).item()) if told.height else 0
    unique = rows.join(others.select("at"), on="at", how="anti")
    groups = unique.group_by(GROUP).agg(pl.len())
    by_day = unique.group_by("DAY_DT", *GROUP[:4]).agg(pl.len())
    interactions = unique.select(pl.struct("DAY_DT", "INTERACTION_ID").n_unique()).item()
    assert groups["len"].sum() == by_day["len"].sum()
    found = {
        "rows": rows.height,
        "queries": unique.height,
        "interactions": int(interactions),
        "identical": identical,
        "conflicting": others.height - identical,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
