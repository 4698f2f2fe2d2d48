"""What files of datasets are called, and where they lie: both ways.

Two places know names. *Common storage* has what was uploaded, below ``avro``, or ``processed`` once
it was imported; the *catalogue* has what was imported, entities by day. A name that is none raises
``DefinitionError``, which says what one looks like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from meterhouse.core.country import is_country
from meterhouse.core.instant import Instant, from_datetime, to_datetime
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import shown
from meterhouse.datasets.version import Version

#: The dimensions by what names of files call them.
DIMENSIONS: dict[str, str] = {
    "APP": "D_Aura_App",
    "CHANNEL": "D_Aura_Channel",
    "COMPONENT": "D_Aura_Component",
    "PRESETS": "D_Aura_Preset",
    "RECOGNIZER": "D_Aura_Recognizer",
    "SKILL": "D_Aura_Skill",
    "BRAND": "D_Gbl_Brand",
    "CONTACT_CHANNEL": "D_Gbl_Contact_Channel",
    "COUNTRY": "D_Gbl_Country",
}
_TOKENS = {dataset: token for token, dataset in DIMENSIONS.items()}
#: Other words for a dimension that are read, and never written.
_ALSO = {"PRESET": "PRESETS"}
#: Instead of the code of an OB: files of dimensions that all of them share.
GLOBAL = "GBL"
_GLOBAL_DATASETS = "D_Gbl_"
DATASET = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}", re.ASCII)
_HOUR = r"(\d{4})(\d{2})(\d{2})T(\d{2})0000Z"
_DIMENSION = re.compile(rf"([A-Za-z]+)_DIM_([A-Z_]+)_{_HOUR}\.avro", re.ASCII)
_ENTITY = re.compile(rf"([A-Za-z]+)_([A-Za-z][A-Za-z0-9_]*)_{_HOUR}\.avro", re.ASCII)
_DAY_FOLDER = re.compile(r"DAY_DT=(\d{4}-\d{2}-\d{2})", re.ASCII)
_EXPECTED = (
    "write <OB>_<dataset>_YYYYMMDDTHH0000Z.avro, such as ES_Aura_Audit_20261003T100000Z.avro, or "
    "<OB>_DIM_<dimension>_YYYYMMDDTHH0000Z.avro, such as ES_DIM_CHANNEL_20261003T100000Z.avro"
)
AVRO, PROCESSED = "avro", "processed"


@dataclass(frozen=True, slots=True)
class EntityFile:
    """A file of facts of one OB, written in an hour (UTC, the instant of its beginning)."""

    ob: str
    dataset: str
    hour: Instant

    @property
    def name(self) -> str:
        """What the file is called.

        >>> EntityFile("ES", "Aura_Audit", 1_791_021_600_000_000).name
        'ES_Aura_Audit_20261003T100000Z.avro'
        """
        return f"{self.ob}_{self.dataset}_{_hour_text(self.hour)}.avro"

    def common_path(self, version: Version, *, root: str = AVRO) -> str:
        """Return where common storage has it."""
        return f"{root}/entity/{self.dataset}/{version}/{self.name}"

    def catalogue_path(self, major: int, *, day: date) -> str:
        """Return where the catalogue has what it holds of a day."""
        return f"{self.dataset}/{major}/DAY_DT={day.isoformat()}/{self.name}"


@dataclass(frozen=True, slots=True)
class DimensionFile:
    """A snapshot of a dimension, taken in an hour. ``ob`` is ``None`` where it is of all OBs."""

    ob: str | None
    dataset: str
    hour: Instant

    @property
    def name(self) -> str:
        """What the file is called."""
        token = _TOKENS[self.dataset]
        return f"{self.ob or GLOBAL}_DIM_{token}_{_hour_text(self.hour)}.avro"

    def common_path(self, version: Version, *, root: str = AVRO) -> str:
        """Return where common storage has it."""
        return f"{root}/dimensional/{self.dataset}/{version}/{self.name}"

    def catalogue_path(self, major: int) -> str:
        """Return where the catalogue has it."""
        return f"{self.dataset}/{major}/{self.name}"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file of common storage. ``root`` says whether it was imported already."""

    root: str
    file: EntityFile | DimensionFile
    version: Version


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """A file of the catalogue; those of dimensions have no day."""

    file: EntityFile | DimensionFile
    major: int
    day: date | None


def parse_file_name(name: str) -> EntityFile | DimensionFile:
    """Read the name of a file. The OB is upper-cased, as uploaders do.

    >>> parse_file_name("es_DIM_PRESET_20261003T100000Z.avro").name
    'ES_DIM_PRESETS_20261003T100000Z.avro'
    """
    problems: list[Problem] = []
    found: EntityFile | DimensionFile | None = None
    if matched := _DIMENSION.fullmatch(name):
        found = _dimension_file(matched, problems)
    elif matched := _ENTITY.fullmatch(name):
        found = EntityFile(_ob(matched[1], problems), matched[2], _hour(matched, problems))
        _check_entity(found, problems)
    else:
        problems.append(Problem("", "is no name of a file of a dataset", _EXPECTED))
    if problems or found is None:
        raise DefinitionError(problems, what=f"The name {shown(name)}")
    return found


def parse_common_path(path: str) -> UploadedFile:
    """Read the path of a file of common storage.

    >>> folder = "avro/entity/Aura_Audit/6.0.0"
    >>> parsed = parse_common_path(f"{folder}/ES_Aura_Audit_20261003T100000Z.avro")
    >>> parsed.file.dataset, str(parsed.version)
    ('Aura_Audit', '6.0.0')
    """
    expected = "write avro/entity/<dataset>/<version>/<name> or avro/dimensional/..."
    parts = path.split("/")
    if len(parts) != 5 or parts[0] not in (AVRO, PROCESSED):
        raise _no_path(path, expected)
    root, kind, dataset, text, name = parts
    file, version = parse_file_name(name), Version.read(text)
    if version is None:
        raise _no_path(path, f"{shown(text)} is no version such as 6.0.0")
    _check_place(path, file, dataset)
    if kind != ("entity" if isinstance(file, EntityFile) else "dimensional"):
        raise _no_path(path, expected)
    return UploadedFile(root, file, version)


def parse_catalogue_path(path: str) -> CatalogueFile:
    """Read the path of a file of the catalogue.

    >>> path = "Aura_Audit/6/DAY_DT=2026-10-03/ES_Aura_Audit_20261003T100000Z.avro"
    >>> parse_catalogue_path(path).day
    datetime.date(2026, 10, 3)
    """
    expected = "write <dataset>/<major>/DAY_DT=YYYY-MM-DD/<name>, or <dataset>/<major>/<name>"
    parts = path.split("/")
    if len(parts) not in (3, 4) or not parts[1].isdecimal():
        raise _no_path(path, expected)
    file = parse_file_name(parts[-1])
    _check_place(path, file, parts[0])
    if isinstance(file, DimensionFile):
        if len(parts) != 3:
            raise _no_path(path, expected)
        return CatalogueFile(file, int(parts[1]), None)
    folder = _DAY_FOLDER.fullmatch(parts[2]) if len(parts) == 4 else None
    try:
        day = date.fromisoformat(folder[1]) if folder else None
    except ValueError:
        day = None
    if day is None:
        raise _no_path(path, expected)
    return CatalogueFile(file, int(parts[1]), day)


def is_global(dataset: str) -> bool:
    """Whether a dimension is shared by all OBs."""
    return dataset.startswith(_GLOBAL_DATASETS)


def dimension_token(dataset: str) -> str | None:
    """Return what names of files call a dimension; ``None`` for what is none.

    >>> dimension_token("D_Aura_Preset"), dimension_token("Aura_Audit")
    ('PRESETS', None)
    """
    return _TOKENS.get(dataset)


def _dimension_file(matched: re.Match[str], problems: list[Problem]) -> DimensionFile | None:
    token = _ALSO.get(matched[2], matched[2])
    hour = _hour(matched, problems)
    dataset = DIMENSIONS.get(token)
    if dataset is None:
        hint = f"dimensions are {', '.join(DIMENSIONS)}"
        problems.append(Problem("dimension", f"is {shown(matched[2])}", hint))
        _ob(matched[1], problems)
        return None
    if matched[1].upper() == GLOBAL and is_global(dataset):
        return DimensionFile(None, dataset, hour)
    return DimensionFile(_ob(matched[1], problems), dataset, hour)


def _check_entity(file: EntityFile, problems: list[Problem]) -> None:
    token = _TOKENS.get(file.dataset)
    if token is not None:
        hint = f"it is a dimension: write {file.ob}_DIM_{token}_{_hour_text(file.hour)}.avro"
        problems.append(Problem("dataset", f"is {shown(file.dataset)}", hint))
    elif not DATASET.fullmatch(file.dataset):
        hint = "a letter, then letters, digits and _, at most 100"
        problems.append(Problem("dataset", f"is {shown(file.dataset)}", hint))


def _ob(text: str, problems: list[Problem]) -> str:
    code = text.upper()
    if not is_country(code):
        hint = "write the country of ISO 3166-1 alpha-2, such as ES"
        problems.append(Problem("OB", f"is {shown(text)}", hint))
    return code


def _hour(matched: re.Match[str], problems: list[Problem]) -> Instant:
    year, month, day, hour = (int(text) for text in matched.groups()[2:])
    try:
        return from_datetime(datetime(year, month, day, hour, tzinfo=UTC))
    except ValueError:
        text = f"{year:04}{month:02}{day:02}T{hour:02}0000Z"
        problems.append(Problem("hour", f"is {text}", "write an hour that there is, in UTC"))
        return 0


def _hour_text(hour: Instant) -> str:
    at = to_datetime(hour)
    return f"{at.year:04}{at.month:02}{at.day:02}T{at.hour:02}0000Z"


def _check_place(path: str, file: EntityFile | DimensionFile, dataset: str) -> None:
    if file.dataset != dataset:
        raise _no_path(path, f"{file.name} is of {file.dataset}, not of {dataset}")


def _no_path(path: str, expected: str) -> DefinitionError:
    problem = Problem("", "is no path of a file of a dataset", expected)
    return DefinitionError([problem], what=f"The path {shown(path)}")
