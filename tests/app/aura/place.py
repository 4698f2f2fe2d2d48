"""A place to upload and import in: real folders, real Avro, a real ledger."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import fastavro

from meterhouse.app.aura.importing import ImportMeans, import_files
from meterhouse.app.aura.ports import UploadMeans
from meterhouse.app.aura.uploading import ObUpload, upload
from meterhouse.app.datasets.publishing import publish
from meterhouse.connectors.aura_configuration import ConfigurationFolder
from meterhouse.connectors.avro.containers import AvroContainers
from meterhouse.connectors.dataset_storage import FolderStorage
from meterhouse.connectors.log_folder import LogFiles
from meterhouse.connectors.sample_files import write_sample_ob
from meterhouse.core.instant import Instant, parse_instant
from meterhouse.datasets.audit import AuditRules
from meterhouse.datasets.sample_month import SampleMonth
from meterhouse.datasets.schema import BUILT_IN
from meterhouse.store import open_ledger

#: After each file of a test was written, by any clock.
DAYS = 36_500
AT = parse_instant("2026-11-01T10:20:00Z") or 0
HOUR = 3_600_000_000
MONTH = SampleMonth(2026, 10, 400, seed=3)


class Place:
    """Logs, common storage and a catalogue below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs, self.common, self.catalogue = (
            folder / name for name in ("logs", "common", "catalogue")
        )
        self.scratch = folder / "scratch"
        self.scratch.mkdir(parents=True)

    def fill(self, *obs: str, month: SampleMonth = MONTH) -> None:
        """Write the logs of a made-up month."""
        for ob in obs:
            write_sample_ob(self.logs, ob, month)

    def means(self, storage: Any = None, *, rules: AuditRules | None = None) -> UploadMeans:
        """Return what uploading needs, with another common storage if one is given."""
        return UploadMeans(
            logs=LogFiles(self.logs),
            configuration=ConfigurationFolder(str(self.logs / "{OB}" / "configuration")),
            storage=storage or FolderStorage(self.common),
            containers=AvroContainers(),
            scratch=self.scratch,
            rules=rules or AuditRules(),
        )

    def upload(self, *, at: Instant = AT, storage: Any = None, days: int = DAYS) -> list[ObUpload]:
        """Upload what is new of all OBs."""
        return upload(self.means(storage), at=at, days=days)

    @contextmanager
    def importing(self, storage: Any = None) -> Iterator[ImportMeans]:
        """Lend what importing needs; the built-in datasets are published."""
        with closing(open_ledger(self.folder / "data")) as ledger:
            for schema in BUILT_IN.values():
                publish(ledger, schema, at=AT)
            yield ImportMeans(
                ledger=ledger,
                common=storage or FolderStorage(self.common),
                catalogue=FolderStorage(self.catalogue),
                containers=AvroContainers(),
                scratch=self.scratch,
                correlator="correlator-1",
            )

    def imported(self, *, at: Instant = AT) -> Any:
        """Import all that is there; returns the report."""
        with self.importing() as means:
            return import_files(means, at=at)

    def files(self, folder: Path | None = None) -> dict[str, bytes]:
        """Return all files below a folder, of common storage if none is named."""
        top = folder or self.common
        return {
            path.relative_to(top).as_posix(): path.read_bytes()
            for path in sorted(top.rglob("*"))
            if path.is_file()
        }

    def rows(self, dataset: str, ob: str = "*") -> list[dict[str, Any]]:
        """Return the rows of a dataset in common storage, by fastavro alone."""
        return [
            row
            for root in ("avro", "processed")
            for path in sorted(self.common.glob(f"{root}/*/{dataset}/6.0.0/{ob}_*.avro"))
            for row in avro_rows(path)
        ]

    def contents(self) -> dict[str, Any]:
        """Return everything that is in common storage but accounts, which tell the instant."""
        return {name: body for name, body in self.files().items() if "account" not in name}


def avro_rows(path: Path) -> list[Any]:
    """Read a container by fastavro alone."""
    with path.open("rb") as handle:
        return list(fastavro.reader(handle))


# ------------------------------------------------------------ logs, read as plainly as can be

COLUMNS = {
    "groot": (
        "USER_ID MSG_DT MSG_ID ACTION_CD AURA_ID PHONE_ID CHANNEL_CD DOMAIN_CD CATEGORY_CD "
        "COUNTRY_CD CORR_ID"
    ).split(),
    "gateway": (
        "MESSAGE_ID MESSAGE_TM AURA_APP_ID COUNTRY_3_ALPHA_CD CORR_ID AURA_NLP_IND "
        "AURA_PRESET_NAME AURA_COMPONENT_HOST_ID AURA_COMPONENT_ID"
    ).split(),
    "atria": (
        "MESSAGE_ID MESSAGE_TM AURA_APP_ID COUNTRY_3_ALPHA_CD CORR_ID AURA_PRESET_NAME "
        "SESSION_ID STAGE_NAME STAGE_EXECUTION_NUM STAGE_SEQUENCE_NUM COMPLETION_TOKENS_NUM "
        "PROMPTS_TOKENS_NUM"
    ).split(),
}


def log_records(logs: Path, ob: str, kind: str) -> Iterator[dict[str, str]]:
    """Yield the records of all logs of a kind as plain texts, without white space around them."""
    for path in sorted((logs / ob / kind).rglob("*.*")):
        text = path.read_text("utf-8")
        if path.suffix == ".jsonl":
            found = [json.loads(line) for line in text.splitlines()]
        else:
            cells = list(csv.reader(io.StringIO(text)))
            columns = cells.pop(0) if "CORR_ID" in cells[0] else COLUMNS[kind]
            found = [dict(zip(columns, row, strict=False)) for row in cells]
        for record in found:
            yield {
                name: "" if value is None else str(value).strip() for name, value in record.items()
            }


def wanted_counts(logs: Path, ob: str, country: set[str]) -> dict[str, Counter[Any]]:
    """Count the requests of an OB straight from its logs, by a reading of its own."""
    folder = logs / ob / "configuration"
    ids = {one["name"]: one["id"] for one in json.loads((folder / "channels.json").read_text())}
    requests: dict[tuple[str, str], tuple[str, str, Any, Any]] = {}
    for row in log_records(logs, ob, "groot"):
        broken = "/" in row["MSG_DT"] or not row["CORR_ID"] or row["COUNTRY_CD"] not in country
        if not broken and row["ACTION_CD"] == "receive":
            key = (row["CORR_ID"], "aura-groot")
            one = (row["MSG_DT"], "message", None, ids.get(row["CHANNEL_CD"]))
            requests[key] = earlier(requests.get(key), one)
    for row in log_records(logs, ob, "gateway"):
        other = row["COUNTRY_3_ALPHA_CD"] not in country
        if not ("/" in row["MESSAGE_TM"] or not row["CORR_ID"] or other):
            service = "nlpaas" if row["AURA_NLP_IND"].lower() == "true" else "ai"
            key = (row["CORR_ID"], row["AURA_COMPONENT_ID"])
            one = (row["MESSAGE_TM"], service, row["AURA_APP_ID"] or None, None)
            requests[key] = earlier(requests.get(key), one)
    return counted((key[1], *one[1:]) for key, one in requests.items())


def earlier(held: Any, one: Any) -> Any:
    """Return the earlier of two requests; the instants of one request differ by a second."""
    from datetime import datetime

    def moment(request: Any) -> datetime:
        return datetime.fromisoformat(request[0].replace("Z", "+00:00"))

    return one if held is None or moment(one) < moment(held) else held


def counted(requests: Iterator[tuple[Any, ...]]) -> dict[str, Counter[Any]]:
    """Count requests by component, service, app and channel."""
    found = list(requests)
    names = ("component", "service", "app", "channel")
    return {name: Counter(one[number] for one in found) for number, name in enumerate(names)}
