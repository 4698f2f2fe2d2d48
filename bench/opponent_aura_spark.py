"""PySpark on two cores: read the rows as Parquet, keep the earliest of each key, group.

Use: python bench/opponent_aura_spark.py DIRECTORY
"""

from __future__ import annotations

import json
import sys

from pyspark.sql import (  # pyrefly: ignore[missing-import]
    SparkSession,
    Window,
    functions,  # pyrefly: ignore[missing-import]
)

KEY = ["DAY_DT", "INTERACTION_ID", "AURA_COMPONENT_ID"]
GROUP = [
    "COUNTRY_3_ALPHA_CD",
    "AURA_SERVICE_NAME_CD",
    "AURA_COMPONENT_ID",
    "AURA_APP_ID",
    "AURA_CHANNEL_ID",
    "AURA_PRESET_NAME",
]
COMPARED = ["AURA_TM", *(n for n in GROUP if n != "AURA_COMPONENT_ID")]


def main() -> None:
    """Read, group, and print what was counted."""
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "3g")
        .config("spark.sql.shuffle.partitions", "8")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    # What is not asked for would be kept and spilled with the rest.
    rows = session.read.parquet(sys.argv[1]).select(*dict.fromkeys([*KEY, *COMPARED, *GROUP]))
    window = Window.partitionBy(*KEY).orderBy("AURA_TM")
    whole = functions.struct(*COMPARED)
    ranked = rows.withColumn("rank", functions.row_number().over(window))
    ranked = ranked.withColumn("same", functions.first(whole).over(window) == whole)
    ranked = ranked.cache()
    unique = ranked.filter("rank = 1")
    groups = unique.groupBy(*GROUP).count().agg(functions.sum("count")).first()[0]
    by_day = unique.groupBy("DAY_DT", *GROUP[:4]).count().agg(functions.sum("count")).first()[0]
    assert groups == by_day
    interactions = unique.select("DAY_DT", "INTERACTION_ID").distinct().count()
    others = ranked.filter("rank > 1").groupBy("same").count().collect()
    counts = {row["same"]: row["count"] for row in others}
    found = {
        "rows": groups + sum(counts.values()),
        "queries": groups,
        "interactions": interactions,
        "identical": counts.get(True, 0),
        "conflicting": counts.get(False, 0),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
