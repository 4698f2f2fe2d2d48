"""A made-up month as files: logs and configuration of OBs, and the dimensions that they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from meterhouse.connectors.avro.writer import write_avro
from meterhouse.core.instant import parse_instant
from meterhouse.core.json_text import Record, json_text
from meterhouse.datasets.dimension import country_rows
from meterhouse.datasets.naming import DimensionFile
from meterhouse.datasets.sample_configuration import BRANDS, CONTACT_CHANNELS, sample_ob
from meterhouse.datasets.sample_month import SampleMonth, foreign_file, sample_logs
from meterhouse.datasets.schema import BUILT_IN
from meterhouse.streams.ports import OutputError


def write_sample_ob(folder: Path, code: str, month: SampleMonth) -> dict[str, int]:
    """Write the logs and the configuration of an OB; returns how many lines each log has."""
    ob, lines = sample_ob(code), Counter[str]()
    for module, objects in ob.configuration.items():
        text = json_text(list(objects)) + "\n"
        _write(folder / code / "configuration" / f"{module}.json", text)
    for file in [*sample_logs(month, ob), foreign_file(month, ob)]:
        _write(folder / code / file.name, "".join(f"{line}\n" for line in file.lines))
        lines[file.name.split("/")[0]] += len(file.lines)
    return dict(lines)


def write_global_dimensions(folder: Path, month: SampleMonth) -> list[Path]:
    """Write the dimensions of all OBs, of the first hour of the month."""
    hour = parse_instant(month.days[0].isoformat())
    assert hour is not None, "days are instants"
    written = []
    for dataset, rows in _global_rows().items():
        path = folder / DimensionFile(None, dataset, hour).name
        _make_folder(folder)
        write_avro(path, schema=BUILT_IN[dataset].document, rows=rows)
        written.append(path)
    return written


def _global_rows() -> dict[str, Iterable[Record]]:
    brands = [
        {"GBL_BRAND_ID": id, "GBL_BRAND_NAME": name, "COUNTRY_3_ALPHA_CD": None}
        for id, name in BRANDS
    ]
    channels = [
        {"GBL_CONTACT_CHANNEL_ID": id, "GBL_CONTACT_CHANNEL_NAME": name}
        for id, name in CONTACT_CHANNELS
    ]
    return {
        "D_Gbl_Brand": brands,
        "D_Gbl_Contact_Channel": channels,
        "D_Gbl_Country": country_rows(),
    }


def _write(path: Path, text: str) -> None:
    _make_folder(path.parent)
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise _fault(path, error) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _fault(folder, error) from error


def _fault(path: Path, error: OSError) -> OutputError:
    hint = "name a folder that this user may write into"
    return OutputError(f"{path} cannot be written: {error.strerror}", hint=hint)
