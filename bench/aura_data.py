"""Made-up Aura_Audit rows as Avro files, and the snapshots that name their ids.

Use: python -m bench.aura_data --out bench/data/aura --records 10000000

Two files for each day of September 2026 and each operating business, in the layout of the
catalogue. Every hundredth row comes again in the second file of its day; every tenth of those
differs. Records are encoded by Polars as texts: all lengths are below 64, so that every byte of a
record is ASCII. The same numbers give the same files.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pyarrow as pa

#: Operating businesses: code, alpha-3, and the share of the rows.
BUSINESSES = {
    "BR": ("BRA", 0.35),
    "DE": ("DEU", 0.2),
    "ES": ("ESP", 0.3),
    "GB": ("GBR", 0.1),
    "UY": ("URY", 0.05),
}
FIRST = date(2026, 9, 1)
DAYS = 30
_DUPLICATES = 0.01
_CONFLICTS = 0.1
_BLOCK_RECORDS = 400
_HOURS = (0, 12)
_APPS, _CHANNELS, _BRANDS, _CONTACTS = 40, 12, 4, 3
_PRESETS = ("atria-rag-gpt-4", "atria-gpt-4o", "atria-summary", "atria-search", "atria-agent")
_COMPONENTS = ("aura-groot", "aura-gateway-api", "atria-rag-server", "atria-model-gateway")
_SERVICES = ("message", "nlpaas", "ai", "other")


def _text(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "string", **more}


def _optional(name: str) -> dict[str, Any]:
    return {"name": name, "type": ["null", "string"], "default": None}


SCHEMA = {
    "type": "record",
    "name": "Aura_Audit",
    "namespace": "com.telefonica.aura",
    "x-fp-version": "6.0.0",
    "fields": [
        _text("INTERACTION_ID", **{"x-fp-unique-constraint": 1}),
        {"name": "AURA_TM", "type": {"type": "string", "logicalType": "datetime"}},
        _optional("AURA_CHANNEL_ID"),
        _optional("AURA_APP_ID"),
        _text("COUNTRY_3_ALPHA_CD"),
        {
            "name": "AURA_SERVICE_NAME_CD",
            "type": {
                "type": "enum",
                "name": "Aura_Service_Name",
                "symbols": list(_SERVICES),
                "default": "other",
            },
        },
        _optional("AURA_PRESET_NAME"),
        _text("AURA_COMPONENT_ID", **{"x-fp-unique-constraint": 1}),
        _optional("AURA_VERSION_ID"),
        {
            "name": "DAY_DT",
            "type": {"type": "string", "logicalType": "iso-date"},
            "x-fp-partition-key": True,
        },
    ],
}


def uuids(random: Random, count: int) -> pl.Series:
    """Return made-up ids as texts."""
    data = pa.py_buffer(random.randbytes(16 * count))
    raw = pa.Array.from_buffers(pa.binary(16), count, [None, data]).cast(pa.binary())
    digits = pl.Series("id", pl.from_arrow(raw)).bin.encode("hex")
    parts = [pl.lit(digits).str.slice(at, size) for at, size in _UUID_PARTS]
    return pl.select(pl.concat_str(parts, separator="-").alias("id")).to_series()


_UUID_PARTS = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))


def names(kind: str, count: int) -> list[str]:
    """Return the ids of a dimension: the same for everybody who asks."""
    return uuids(Random(kind), count).to_list()


def rows(business: str, day: date, count: int) -> pl.DataFrame:
    """Return the rows of one file, without those that are sent twice."""
    random = Random(f"{business}/{day}")
    ids = uuids(random, count)
    numbers = pa.py_buffer(random.randbytes(8 * count))
    pick = pl.Series("p", pl.from_arrow(pa.Array.from_buffers(pa.uint64(), count, [None, numbers])))
    apps = pl.Series(names("app", _APPS))
    channels = pl.Series(names("channel", _CHANNELS))
    service = pl.col("p") % 10
    spoken = service < 4
    frame = pl.DataFrame({"id": ids, "p": pick})
    # One interaction in eight has a second row, of the server behind the gateway.
    second = (service > 6) & (pl.col("p") // 10 % 8 == 0)
    frame = frame.with_columns(
        INTERACTION_ID=pl.when(second)
        .then(pl.col("id").shift(1, fill_value=ids[0]))
        .otherwise("id"),
    )
    moment = pl.datetime(day.year, day.month, day.day, time_unit="ms") + pl.duration(
        milliseconds=pl.col("p") // 100 % 86_400_000, time_unit="ms"
    )
    return frame.select(
        "INTERACTION_ID",
        moment.dt.to_string("%Y-%m-%dT%H:%M:%S%.3fZ").alias("AURA_TM"),
        pl.when(spoken & (pl.col("p") // 1_000 % 200 > 0))
        .then(pl.lit(channels).gather(pl.col("p") // 7_000 % _CHANNELS))
        .alias("AURA_CHANNEL_ID"),
        pl.when(~spoken & (pl.col("p") // 1_000 % 200 > 0))
        .then(pl.lit(apps).gather(pl.col("p") // 9_000 % _APPS))
        .alias("AURA_APP_ID"),
        pl.lit(BUSINESSES[business][0]).alias("COUNTRY_3_ALPHA_CD"),
        pl.when(spoken)
        .then(pl.lit("message"))
        .when(service < 6)
        .then(pl.lit("nlpaas"))
        .otherwise(pl.lit("ai"))
        .alias("AURA_SERVICE_NAME_CD"),
        pl.when(service >= 6)
        .then(pl.lit(pl.Series(_PRESETS)).gather(pl.col("p") // 11_000 % len(_PRESETS)))
        .alias("AURA_PRESET_NAME"),
        pl.when(spoken)
        .then(pl.lit("aura-groot"))
        .when(second)
        .then(pl.lit("atria-rag-server"))
        .otherwise(pl.lit("aura-gateway-api"))
        .alias("AURA_COMPONENT_ID"),
        pl.lit("9.4.0").alias("AURA_VERSION_ID"),
        pl.lit(day.isoformat()).alias("DAY_DT"),
    ).unique(["INTERACTION_ID", "AURA_COMPONENT_ID"], keep="first", maintain_order=True)


def sent_twice(frame: pl.DataFrame, random: Random) -> pl.DataFrame:
    """Return rows that come again; every tenth of them with another preset and a later instant."""
    every = round(1 / _DUPLICATES)
    chosen = frame.gather_every(every, offset=random.randrange(min(every, frame.height or 1)))
    conflicting = pl.int_range(pl.len()) % round(1 / _CONFLICTS) == 0
    return chosen.with_columns(
        AURA_PRESET_NAME=pl.when(conflicting).then(pl.lit("other")).otherwise("AURA_PRESET_NAME")
    )


def encoded(frame: pl.DataFrame) -> pl.Series:
    """Return each row in Avro's binary encoding."""

    def sized(name: str) -> pl.Expr:
        column = pl.col(name)
        return pl.concat_str(
            column.str.len_bytes().replace_strict(_LENGTHS, return_dtype=pl.String), column
        )

    parts = []
    for field in SCHEMA["fields"]:
        name, kind = field["name"], field["type"]
        if isinstance(kind, list):
            absent = pl.lit("\x00")
            parts.append(
                pl.when(pl.col(name).is_null()).then(absent).otherwise("\x02" + sized(name))
            )
        elif isinstance(kind, dict) and kind["type"] == "enum":
            marks = {symbol: chr(2 * place) for place, symbol in enumerate(kind["symbols"])}
            parts.append(pl.col(name).replace_strict(marks, return_dtype=pl.String))
        else:
            parts.append(sized(name))
    return frame.select(pl.concat_str(parts).alias("record")).to_series()


_LENGTHS = {length: chr(2 * length) for length in range(64)}


def _long(number: int) -> bytes:
    value, out = number << 1, bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def write(path: Path, frame: pl.DataFrame) -> None:
    """Write rows as an Avro container of small packed blocks."""
    schema = json.dumps(SCHEMA).encode()
    sync = Random(path.name).randbytes(16)
    meta = {b"avro.schema": schema, b"avro.codec": b"deflate"}
    header = b"".join(_long(len(part)) + part for pair in meta.items() for part in pair)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(b"Obj\x01" + _long(len(meta)) + header + b"\x00" + sync)
        for part in encoded(frame).to_frame().iter_slices(_BLOCK_RECORDS):
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            block = part["record"].str.join("")[0].encode()
            data = packer.compress(block) + packer.flush()
            file.write(_long(part.height) + _long(len(data)) + data + sync)


def snapshots() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the snapshots of dimensions: their dataset, and the rows that every business has."""
    apps, channels = names("app", _APPS), names("channel", _CHANNELS)
    brands = [f"04{n:02}" for n in range(_BRANDS)]
    contacts = [str(n) for n in range(_CONTACTS)]
    yield (
        "D_Aura_App",
        [
            {"AURA_APP_ID": id, "AURA_APP_NAME": f"app-{n}", "GBL_BRAND_ID": brands[n % _BRANDS]}
            for n, id in enumerate(apps[:-1])  # one is not known
        ],
    )
    yield (
        "D_Aura_Channel",
        [
            {
                "AURA_CHANNEL_ID": id,
                "AURA_CHANNEL_NAME": f"channel-{n}",
                "GBL_BRAND_ID": brands[n % _BRANDS],
                "GBL_CONTACT_CHANNEL_ID": contacts[n % _CONTACTS],
            }
            for n, id in enumerate(channels)
        ],
    )
    yield "D_Aura_Component", [{"AURA_COMPONENT_ID": id} for id in _COMPONENTS]
    presets = [{"AURA_PRESET_NAME": id, "MODEL_ID": f"model-{id}"} for id in _PRESETS]
    yield "D_Aura_Preset", presets
    yield (
        "D_Gbl_Brand",
        [{"GBL_BRAND_ID": id, "GBL_BRAND_NAME": f"brand {id}"} for id in brands],
    )
    yield (
        "D_Gbl_Contact_Channel",
        [
            {"GBL_CONTACT_CHANNEL_ID": id, "GBL_CONTACT_CHANNEL_NAME": f"contact {id}"}
            for id in contacts
        ],
    )
    yield (
        "D_Gbl_Country",
        [
            {"COUNTRY_3_ALPHA_CD": alpha, "COUNTRY_2_ALPHA_CD": code, "COUNTRY_NAME": code}
            for code, (alpha, _) in BUSINESSES.items()
        ],
    )


def files(out: Path, records: int) -> Iterator[Path]:
    """Write what is missing of the files of so many rows; yields all of them."""
    for offset in range(DAYS):
        day = FIRST + timedelta(days=offset)
        for business, (_, share) in BUSINESSES.items():
            folder = out / "Aura_Audit" / "6" / f"DAY_DT={day}"
            paths = [
                folder / f"{business}_Aura_Audit_{day:%Y%m%d}T{h:02}0000Z.avro" for h in _HOURS
            ]
            if not paths[-1].exists():
                frame = rows(business, day, round(records * share / DAYS / (1 + _DUPLICATES)))
                half = frame.height // 2
                twice = sent_twice(frame, Random(paths[0].name))
                write(paths[0], frame.head(half))
                write(paths[1], pl.concat([frame.slice(half), twice]))
            yield from paths


def main() -> None:
    """Write the files and tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--records", type=int, default=10_000_000)
    asked = parser.parse_args()
    size = sum(path.stat().st_size for path in files(asked.out, asked.records))
    print(f"{size / 1e6:,.0f} MB in {asked.out}")


if __name__ == "__main__":
    main()
