"""Wiring of the Aura side: logs, configuration and common storage of this installation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from meterhouse import bootstrap
from meterhouse.bootstrap_places import COMMON_STORAGE_FOLDER, dataset_storage_of
from meterhouse.config import (
    COMMON_STORAGE_VARIABLE,
    data_directory,
    storage_place,
    variable_names,
)
from meterhouse.core.instant import DAY
from meterhouse.core.problem import MeterhouseError

if TYPE_CHECKING:
    from meterhouse.app.aura.dimension_tables import SnapshotUsed, TableMeans
    from meterhouse.app.aura.importing import ImportMeans
    from meterhouse.app.aura.kernel_access import OpenedKernel
    from meterhouse.app.aura.operating import OperationMeans
    from meterhouse.app.aura.operation import Month, Operation
    from meterhouse.app.aura.operation_report import OperationReport
    from meterhouse.app.aura.ports import ConfigurationSource, UploadMeans
    from meterhouse.app.aura.rejecting import RejectedFile
    from meterhouse.app.datasets.ports import Datasets, DatasetStorage, StoredFile
    from meterhouse.app.diagnosis import Finding
    from meterhouse.bootstrap import Installation
    from meterhouse.core.instant import Instant
    from meterhouse.core.secret import Credentials
    from meterhouse.datasets.audit import AuditRules
    from meterhouse.datasets.sample_month import SampleMonth

#: Where the configuration of an OB is, below its logs, unless another place is named.
CONFIGURATION_FOLDER = "configuration"
#: The document of the billing operation, whose texts the doctor looks at.
_OPERATION_FILE = "aura.yaml"
_HTTP = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class ConfigurationPlace:
    """Where the configuration of OBs is: a folder or a URL, and a secret that has the key."""

    place: str
    secret_id: str | None = None


@dataclass(frozen=True, slots=True)
class LogsPlace:
    """Where logs are, and how many bytes one may have when it is unpacked."""

    folder: Path
    unpacked_max: int


@contextmanager
def upload_means(
    house: Installation,
    logs: LogsPlace,
    *,
    configuration: ConfigurationPlace,
    rules: AuditRules,
    ahead: int | None = None,
) -> Iterator[UploadMeans]:
    """Lend what uploading needs; files are made in a folder that goes afterwards.

    ``ahead``: so far after its upload a row may be dated; a day if nobody says.
    """
    from meterhouse.app.aura.ports import UploadMeans
    from meterhouse.connectors.log_folder import LogFiles

    with _scratch(house.directory) as scratch:
        yield UploadMeans(
            logs=LogFiles(logs.folder, unpacked_max=logs.unpacked_max),
            configuration=_configuration(house, configuration),
            storage=house.common_storage(),
            containers=house.containers(),
            scratch=scratch,
            rules=rules,
            ahead=DAY if ahead is None else ahead,
        )


def configuration_place(logs: Path, given: str | None, *, secret: str | None) -> ConfigurationPlace:
    """Return where the configuration is: as given, else beside the logs of each OB."""
    return ConfigurationPlace(given or str(logs / "{OB}" / CONFIGURATION_FOLDER), secret)


def _configuration(house: Installation, about: ConfigurationPlace) -> ConfigurationSource:
    from meterhouse.connectors.aura_configuration import ConfigurationApi, ConfigurationFolder

    if not about.place.startswith(_HTTP):
        return ConfigurationFolder(about.place)
    return ConfigurationApi(
        about.place,
        http=bootstrap.http_client(),
        secret_id=about.secret_id,
        credentials=house.credentials,
    )


@contextmanager
def import_means(house: Installation) -> Iterator[ImportMeans]:
    """Lend what importing needs."""
    from meterhouse.app.aura.importing import ImportMeans

    with _scratch(house.directory) as scratch:
        yield ImportMeans(
            ledger=house.ledger,
            common=house.common_storage(),
            catalogue=house.datasets(),
            containers=house.containers(),
            scratch=scratch,
            correlator=house.new_id(),
        )


def _scratch(directory: Path) -> AbstractContextManager[Path]:
    """Give a folder of the data directory, where there is room for files, for a while."""
    from meterhouse.connectors.scratch import Scratch

    return Scratch(directory).folder()


def write_sample(folder: Path, ob: str, month: SampleMonth) -> dict[str, int]:
    """Write the logs and the configuration of a made-up OB; returns lines by kind of log."""
    from meterhouse.connectors.sample_files import write_sample_ob

    return write_sample_ob(folder, ob, month)


def write_sample_dimensions(folder: Path, month: SampleMonth) -> list[Path]:
    """Write the dimensions that all OBs of the made-up month share, as files for the catalogue."""
    from meterhouse.connectors.sample_files import write_global_dimensions

    return write_global_dimensions(folder, month)


def diagnose(given: Path | None = None) -> list[Finding]:
    """Examine everything that the program stands on, the Aura side where it is in use."""
    found = bootstrap.diagnose(given)
    try:
        return [*found, *_aura_findings(data_directory(given), given)]
    except MeterhouseError as error:
        from meterhouse.app.diagnosis import Finding, Grade

        return [*found, Finding("aura common storage", Grade.FAIL, str(error.args[0]), error.hint)]


def _aura_findings(directory: Path, given: Path | None) -> Iterator[Finding]:
    from meterhouse.app.aura.diagnosis import look_back_finding, storage_findings
    from meterhouse.app.diagnosis import Grade

    own = directory / COMMON_STORAGE_FOLDER
    place = storage_place(COMMON_STORAGE_VARIABLE)
    look_back = look_back_finding(variable_names(), _documents(directory))
    used = place is not None or _is_folder(own)
    if used or look_back.grade is not Grade.OK:
        yield look_back
    if not used:
        return
    shown, at = place or str(own), time.time_ns() // 1000
    with _common_storage(directory, given) as storage, ExitStack() as stack:
        ledgers: list[Datasets] = []

        def is_catalogued(name: str) -> bool:
            # Most files are in common storage: the ledger is opened for what is not.
            if not ledgers:
                ledgers.append(stack.enter_context(bootstrap.open_installation(given)).ledger)
            return bool(ledgers[0].dataset_files_called(name))

        yield from storage_findings(storage, place=shown, at=at, catalogued=is_catalogued)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False  # It cannot be at all: the finding about the data directory says why.


@contextmanager
def _common_storage(directory: Path, given: Path | None) -> Iterator[DatasetStorage]:
    """Lend common storage; only where its secrets are asked for is the ledger opened."""
    place = storage_place(COMMON_STORAGE_VARIABLE)
    if place is None or "://" not in place:
        yield dataset_storage_of(directory, credentials=_no_wallet, common=True)
        return
    with bootstrap.open_installation(given) as house:
        yield house.common_storage()


def _no_wallet(secret_id: str) -> Credentials:
    raise AssertionError("folders need no secret")


def _documents(directory: Path) -> Mapping[str, str]:
    """Return the texts of the configuration of this installation, by path."""
    path = directory / _OPERATION_FILE
    try:
        return {str(path): path.read_text(encoding="utf-8", errors="replace")}
    except (OSError, ValueError):
        return {}


def operation_kernel(house: Installation, operation: Operation) -> OpenedKernel | None:
    """Return where the catalogue of an operation is, and who asks; ``None``: it is our own."""
    from meterhouse.app.aura.kernel_access import opened_kernel

    return None if operation.kernel is None else opened_kernel(house.ledger, operation.kernel)


@contextmanager
def table_means(house: Installation, operation: Operation) -> Iterator[TableMeans]:
    """Lend what making look-up tables of dimensions needs."""
    from meterhouse.app.aura.catalogue import OperationCatalogue
    from meterhouse.app.aura.dimension_tables import TableMeans

    opener = house.means().services.datasets
    assert opener is not None, "an installation has catalogues"
    kernel = operation_kernel(house, operation)
    if kernel is None:
        opened = opener.open(None, None)
    else:
        opened = opener.open(kernel.place, house.credentials(kernel.secret.id))
    catalogue = OperationCatalogue(opened, house.containers())
    try:
        yield TableMeans(
            ledger=house.ledger,
            catalogue=catalogue,
            tables=house.tables(),
            new_id=house.new_id,
            by=house.user(),
        )
    finally:
        catalogue.close()


@contextmanager
def operation_means(
    house: Installation, operation: Operation, *, at: Instant
) -> Iterator[OperationMeans]:
    """Lend what the billing operation needs."""
    from meterhouse.app.aura.countries import check_countries
    from meterhouse.app.aura.dimension_tables import make_tables
    from meterhouse.app.aura.kernel_access import check_readers
    from meterhouse.app.aura.operating import OperationMeans
    from meterhouse.app.aura.rejecting import rejected_files
    from meterhouse.app.aura.upload_accounts import uploads_told
    from meterhouse.datasets.naming import AVRO

    def waiting() -> list[StoredFile]:
        return list(house.common_storage().list(AVRO))

    with table_means(house, operation) as tables:

        def prepare(months: Sequence[Month]) -> list[SnapshotUsed]:
            check_readers(house.ledger, operation)
            check_countries(operation.businesses, tables.catalogue, at=at)
            return make_tables(operation.businesses, months, means=tables, at=at)

        yield OperationMeans(
            running=house.means(),
            files=house.file_means(),
            formats=house.invoice_formats(operation.formats),
            catalogue=tables.catalogue,
            waiting=waiting,
            rejected=lambda: rejected_files(house.common_storage()),
            uploads=lambda: uploads_told(
                house.common_storage(),
                at=at,
                catalogued=lambda name: bool(house.ledger.dataset_files_called(name)),
            ),
            prepare=prepare,
            new_id=house.new_id,
            new_seed=house.new_seed,
            software=house.software(),
        )


def reject(house: Installation, file: str, *, reason: str) -> RejectedFile:
    """Reject a file of common storage, as the user of this process."""
    from meterhouse.app.aura.rejecting import reject_file
    from meterhouse.app.aura.upload_accounts import lost_files

    storage, at = house.common_storage(), house.clock()
    lost = lost_files(
        storage,
        at=at,
        catalogued=lambda name: bool(house.ledger.dataset_files_called(name)),
    )

    with _scratch(house.directory) as scratch:
        return reject_file(
            *(storage, file),
            reason=reason,
            by=house.user(),
            at=at,
            scratch=scratch,
            lost=[one.path for one in lost],
        )


def keep_operation_report(house: Installation, report: OperationReport) -> str:
    """Put a report into common storage; returns its name there."""
    from meterhouse.app.aura.operation_report import put_operation_report

    with _scratch(house.directory) as scratch:
        return put_operation_report(house.common_storage(), report, scratch=scratch)
