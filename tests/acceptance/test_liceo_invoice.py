"""The worked invoice: from Avro files in a blob container to a workbook in another one.

The files are written by fastavro, the containers are those of a real blob server, and what was
archived is read back by plain HTTP: none of it by code of the product.
"""

import hashlib
import io
import json
import shutil
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.acceptance.aura_files import (
    AUDIT,
    GATEWAY,
    SpainsOperation,
    audit_name,
    query,
    schema_of,
    snapshots,
    write,
)
from tests.documents.test_workbook import recalculated
from tests.liceo.test_checklist import table
from tests.servers.azure import ACCOUNT, Azure, azure_server, program

pytestmark = [
    pytest.mark.skipif(
        program() is None,
        reason="there is no blob server: `make test` installs Azurite where there is npm",
    ),
    pytest.mark.filterwarnings("ignore:Unable to read chart"),
]
DAYS = [f"2026-10-{day:02}" for day in range(1, 32)]
INVOICES, DATASETS = "aura-billing", "aura-datasets"
CHANNELS = {"45494a5b-835a-4fff-a813-b3d2be529dbe": "mi-movistar"}
APPS = {
    "8832550f-f03c-4e18-bdbe-7c6fc7adf5ff": "app-nlp",
    "1f0b7a52-9a53-4a5e-8d3a-6a9b8a3ce001": "app-rag",
    "1f0b7a52-9a53-4a5e-8d3a-6a9b8a3ce002": "app-gen",
}
_CHANNEL, (_NLP, _RAG, _GEN) = next(iter(CHANNELS)), APPS
_AT_GATEWAY = {"AURA_COMPONENT_ID": GATEWAY}
_AI = _AT_GATEWAY | {"AURA_SERVICE_NAME_CD": "ai"}
#: Queries, what their rows say, what they cost each, and the amount of their line.
WORKED: list[tuple[int, dict[str, Any], str, str]] = [
    (184_230, {"AURA_CHANNEL_ID": _CHANNEL}, "0.0021", "386.88"),
    (
        52_311,
        _AT_GATEWAY | {"AURA_SERVICE_NAME_CD": "nlpaas", "AURA_APP_ID": _NLP},
        "0.0035",
        "183.09",
    ),
    (9_874, _AI | {"AURA_APP_ID": _RAG, "AURA_PRESET_NAME": "rag"}, "0.0275", "271.54"),
    (30_125, _AI | {"AURA_APP_ID": _GEN, "AURA_PRESET_NAME": "generative"}, "0.0112", "337.40"),
]
QUERIES = 276_540
#: Of them so many go on at the gateway with what somebody wrote to the assistant.
TOGETHER = 9_874
STEM = "invoices/ES/2026/10/LICEO_ESP_202610_LICEO-2026-000001_v01"


class Container:
    """A container, by the protocol of the server and a shared access signature."""

    def __init__(self, azure: Azure, name: str) -> None:
        self._url, self._sas = f"{azure.url}/{name}", azure.sas

    def names(self) -> list[str]:
        """The names of all blobs."""
        root = ElementTree.fromstring(self._get("", "restype=container&comp=list&"))
        return [str(blob.findtext("Name")) for blob in root.iter("Blob")]

    def read(self, name: str) -> bytes:
        return self._get("/" + urllib.parse.quote(name), "")

    def _get(self, path: str, asked: str) -> bytes:
        request = urllib.request.Request(f"{self._url}{path}?{asked}{self._sas}")
        request.add_header("x-ms-version", "2019-12-12")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    with azure_server(tmp_path_factory.mktemp("azure"), containers=(INVOICES, DATASETS)) as server:
        yield server


@pytest.fixture(scope="module")
def house(azure: Azure, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpainsOperation]:
    """A house whose datasets and archive lie in containers, with Spain's October billed."""
    folder = tmp_path_factory.mktemp("liceo")
    house = SpainsOperation(folder / "data")
    secret = folder / "secret.json"
    secret.write_text(json.dumps({"sasToken": azure.sas}))
    kind = ("--name", "Azure", "--type", "azureSas", "--file", secret)
    [made] = house.json("secret", "create", *kind)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("METERHOUSE_HTTP_ALLOW", "127.0.0.1")
        for variable, place in (
            ("METERHOUSE_ARCHIVE", f"az://{INVOICES}"),
            ("METERHOUSE_DATASETS", f"az://{DATASETS}/catalogue"),
        ):
            environment.setenv(variable, place)
            environment.setenv(f"{variable}_SECRET", made["id"])
            environment.setenv(f"{variable}_ENDPOINT", azure.url)
            environment.setenv(f"{variable}_ACCOUNT", ACCOUNT)
        house.begin(folder)
        for path in snapshots(folder, channels=CHANNELS, apps=APPS):
            house.done("dataset", "add", path)
        for path in audited(folder):
            house.done("dataset", "add", path)
        report = house.operate()
        assert report["complete"], report
        yield house


def audited(folder: Path) -> list[Path]:
    """Write the rows: two uploads for every three days, each with some of every kind."""
    uploads: dict[str, list[dict[str, Any]]] = {}
    for kind, (count, fields, _, _) in enumerate(WORKED):
        # Who reads documents has asked the assistant: it is one interaction at two components.
        whose = 0 if kind == 2 else kind
        for number in range(count):
            day = number % len(DAYS)
            tm = f"{DAYS[day]}T{number // 31 % 24:02}:{number % 60:02}:{number // 7 % 60:02}.000Z"
            hour = f"{DAYS[day // 3 * 3]}T{number % 2 + 21}".replace("-", "")
            row = query(f"{whose:08x}-{number:012x}", tm, **fields)
            uploads.setdefault(hour, []).append(row)
    schema = schema_of(AUDIT)
    return [write(folder / audit_name(hour), schema, rows) for hour, rows in uploads.items()]


@pytest.fixture(scope="module")
def archived(azure: Azure, house: SpainsOperation) -> Container:
    return Container(azure, INVOICES)


def test_c32_the_invoice_lies_in_a_blob_container_with_its_history(archived: Container):
    names = archived.names()
    assert {f"{STEM}.{suffix}" for suffix in ("xlsx", "json", "csv", "manifest.json")} <= set(names)
    manifest = json.loads(archived.read(f"{STEM}.manifest.json"))
    assert {one["name"] for one in manifest["files"]} >= {f"{STEM}.xlsx", f"{STEM}.json"}
    for one in manifest["files"]:
        content = archived.read(one["name"])
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (one["sha256"], one["size"])
    copies = [archived.read(name) for name in names if name.startswith("history/")]
    entries = [json.loads(line) for copy in copies for line in copy.splitlines()]
    assert [one["action"] for one in entries][:2] == ["issued", "archived"]


def test_c01_the_worked_invoice_comes_from_avro_files_to_the_cent(archived: Container):
    twin = json.loads(archived.read(f"{STEM}.json"))
    lines = [line for line in twin["lines"] if line["charge"]["unit"] == "query"]
    shown = [
        (int(line["charge"]["quantity"]), line["charge"]["listPrice"], line["net"])
        for line in lines
    ]
    assert sorted(shown) == sorted((count, price, net) for count, _, price, net in WORKED)
    for line in lines:
        charge = line["charge"]
        exact = Decimal(charge["quantity"]) * Decimal(charge["listPrice"])
        assert Decimal(charge["exact"]) == exact
    totals = twin["totals"]
    assert (totals["net"], totals["tax"], totals["total"]) == ("1178.91", "247.57", "1426.48")
    assert twin["requests"] == str(QUERIES - TOGETHER)
    assert (twin["unpriced"], twin["exceptions"]) == ([], [])


def said(book: bytes) -> dict[str, list[tuple[Any, ...]]]:
    opened = openpyxl.load_workbook(io.BytesIO(book), data_only=True)
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in opened}


def amount(rows: list[tuple[Any, ...]], label: str) -> float:
    """The number at the right of a label, behind whatever is said of it."""
    [row] = [row for row in rows if label in row]
    return next(value for value in row if isinstance(value, int | float))


LABELS = {
    "Net": 1178.91,
    "VAT 21 % (S)": 247.57,
    "Total": 1426.48,
    "Amount payable": 1426.48,
    "Sum of component queries": QUERIES,
    "Total requests": QUERIES - TOGETHER,
}


def test_c04_the_workbook_of_the_container_says_the_same(archived: Container):
    sheets = said(archived.read(f"{STEM}.xlsx"))
    front = sheets["Invoice"]
    assert {label: amount(front, label) for label in LABELS} == LABELS
    rows = [row for row in table(sheets["Components"]) if row["Unit"] == "query"]
    assert {(row["Component"], row["Service"], row["Queries"]) for row in rows} == {
        ("aura-groot", "message", 184_230),
        (GATEWAY, "nlpaas", 52_311),
        (GATEWAY, "ai", 9_874),
        (GATEWAY, "ai", 30_125),
    }
    assert {row["Service/app"].partition(" (")[0] for row in rows} == {
        *CHANNELS.values(),
        *APPS.values(),
    }


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_c04_libreoffice_computes_the_same_of_the_container_s_workbook(
    archived: Container, tmp_path: Path
):
    theirs = recalculated(tmp_path, {"worked": archived.read(f"{STEM}.xlsx")})["worked"]
    front = said(theirs)["Invoice"]
    shown = {label: amount(front, label) for label in LABELS}
    assert shown == pytest.approx(LABELS, abs=1e-9)


def test_the_files_that_were_billed_lie_in_the_other_container(
    azure: Azure, archived: Container, house: SpainsOperation
):
    theirs = Container(azure, DATASETS)
    listed = house.json("dataset", "files", AUDIT, "--all")
    days = {one["day"] for one in listed}
    assert (len(days), sum(one["rows"] for one in listed)) == (31, QUERIES)
    one = listed[0]
    content = theirs.read(f"catalogue/{one['path']}")
    assert hashlib.sha256(content).hexdigest() == one["sha256"]
    names = {name for name in theirs.names() if f"/{AUDIT}/" in name}
    assert len(names) == len(listed)
