"""What the doctor says of the Aura side: uploads, imports, billing, places, what was left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from meterhouse.app.aura.importing import REPORT, REPORTS
from meterhouse.app.aura.operation_report import BILLING_REPORT, FAULTS
from meterhouse.app.aura.upload_diagnosis import UPLOADS, lost_findings, rejected_findings
from meterhouse.app.aura.upload_plans import read_object, too_old
from meterhouse.app.aura.uploading import LOOK_BACK_DAYS
from meterhouse.app.datasets.ports import DatasetStorage
from meterhouse.app.diagnosis import Finding, Grade
from meterhouse.core.instant import MINUTE, Instant, instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError, MeterhouseError
from meterhouse.datasets.naming import AVRO, PROCESSED, parse_common_path

_HOUR = 60 * MINUTE
#: Uploads are hourly: later than this, one is missing.
_LATE_MAX = 2 * _HOUR
#: Imports are daily: a report that is older means that one is missing.
_REPORT_AGE_MAX = 26 * _HOUR
_IMPORTS, _BILLING, _STORAGE, _LOOK_BACK = (
    "aura imports",
    "aura billing",
    "aura common storage",
    "aura look-back",
)
#: What a release leaves in a path: 9.3.0, v9.3, release-9, r12.
_RELEASE = re.compile(
    r"(?:^|[-_.])(?:v|r)?\d+\.\d+(?:\.\d+)*(?:$|[-_])|^(?:release|rel|version|v|r)[-_.]?\d+",
    re.IGNORECASE,
)
#: The report of the operation at an instant; of several at one instant, by number.
_BILLED = re.compile(rf"{REPORTS}/{BILLING_REPORT}-([^/]+Z)(?:-(\d+))?\.json", re.ASCII)
_REMOVED = "fourth_platform_conversations_days_to_find"
_REMOVED_SHOWN = "fourth_platform.conversations.days_to_find"


def newest_files(storage: DatasetStorage) -> dict[str, Instant]:
    """Return the hour of the newest file of each dataset in common storage, imported or not."""
    newest: dict[str, Instant] = {}
    for root in (AVRO, PROCESSED):
        for stored in storage.list(root):
            try:
                file = parse_common_path(stored.name).file
            except DefinitionError:
                continue
            newest[file.dataset] = max(file.hour, newest.get(file.dataset, file.hour))
    return newest


def upload_findings(newest: Mapping[str, Instant], *, at: Instant) -> list[Finding]:
    """Judge the newest file of each dataset by its hour.

    >>> [finding.message for finding in upload_findings({"Aura_Audit": 0}, at=3 * _HOUR)]
    ['Aura_Audit: 3 hours ago, of 1970-01-01T00:00:00.000Z']
    """
    remedy = 'see that "meterhouse aura upload" runs each hour'
    if not newest:
        return [Finding(UPLOADS, Grade.WARN, "there is no file yet", remedy)]
    findings = []
    for dataset, hour in sorted(newest.items()):
        age = max(at - hour, 0)
        message = f"{dataset}: {_hours(age)} ago, of {instant_text(hour)}"
        late = age > _LATE_MAX
        findings.append(
            Finding(UPLOADS, Grade.WARN, message, remedy)
            if late
            else Finding(UPLOADS, Grade.OK, message)
        )
    return findings


def too_old_findings(storage: DatasetStorage) -> list[Finding]:
    """Tell of logs that no upload looks for any more: their rows are in no dataset."""
    remedy = 'upload them by "meterhouse aura upload --days N", or move them away'
    return [
        Finding(
            UPLOADS,
            Grade.WARN,
            f"{ob}: too old to be uploaded: {len(names)}, such as {names[0]}",
            remedy,
        )
        for ob, names in sorted(too_old(storage).items())
        if names
    ]


def import_finding(storage: DatasetStorage, *, at: Instant) -> Finding:
    """Judge the newest report of an import: its age, and the errors in it.

    Reports of the billing operation lie beside them, and say nothing of imports.
    """
    prefix = f"{REPORTS}/{REPORT}-"
    reports = [file for file in storage.list(REPORTS) if file.name.startswith(prefix)]
    if not reports:
        remedy = 'see that "meterhouse aura import" runs each day'
        return Finding(_IMPORTS, Grade.WARN, "there is no report yet", remedy)
    newest = max(reports, key=lambda file: file.name)
    try:
        errors = int(read_object(storage, newest.name)["num_errors"])
    except (KeyError, TypeError, ValueError, MeterhouseError):
        remedy = "import once more: that leaves another report"
        return Finding(_IMPORTS, Grade.FAIL, f"{newest.name} is no report", remedy)
    if errors:
        what = "1 file has an error" if errors == 1 else f"{errors} files have errors"
        remedy = f"its errors say why: {newest.name} in common storage"
        return Finding(_IMPORTS, Grade.FAIL, f"{newest.name}: {what}", remedy)
    age = max(at - newest.modified_at, 0)
    message = f"{newest.name}: no errors, {_hours(age)} ago"
    if age > _REPORT_AGE_MAX:
        remedy = 'see that "meterhouse aura import" runs each day'
        return Finding(_IMPORTS, Grade.WARN, message, remedy)
    return Finding(_IMPORTS, Grade.OK, message)


def billing_findings(storage: DatasetStorage) -> list[Finding]:
    """Judge the newest report of the operation: who has not what is due; none where none ran."""
    found = [matched for file in storage.list(REPORTS) if (matched := _BILLED.fullmatch(file.name))]
    if not found:
        return []
    newest = max(found, key=lambda one: (one[1], int(one[2] or 1)))[0]
    remedy = f'see {newest} in common storage, mend what it says, and "meterhouse aura run" again'
    try:
        report = read_object(storage, newest)
        complete, short = report["complete"] is True, _short(report)
    except (KeyError, TypeError, AttributeError, MeterhouseError):
        return [Finding(_BILLING, Grade.FAIL, f"{newest} is no report", remedy)]
    if complete:
        return [Finding(_BILLING, Grade.OK, f"{newest}: complete")]
    message = f"{newest}: not complete: {', '.join(short) or 'it does not say of what'}"
    return [Finding(_BILLING, Grade.FAIL, message, remedy)]


def _short(report: Mapping[str, JsonValue]) -> list[str]:
    """Return what keeps an operation from being complete: businesses by month, streams, files."""
    faults = {status.value for status in FAULTS}
    businesses = [
        f"{one['business']} {one['status']} in {month['period']}"
        for month in report["months"]
        for one in month["businesses"]
        if one["status"] in faults
    ]
    streams = [f"stream {one['stream']}" for one in report["streams"] if one["error"] is not None]
    undone = [f"file {one}" for one in report.get("undone", [])]
    return [*businesses, *streams, *undone]


def place_finding(place: str) -> Finding:
    """Judge where common storage is: two releases have to find the same files there.

    >>> place_finding("/srv/aura-9.3.0/common").grade, place_finding("az://aura/common").grade
    (<Grade.FAIL: 'fail'>, <Grade.OK: 'ok'>)
    """
    _, mark, rest = place.partition("://")
    parts = (rest if mark else place).split("/")
    release = next((part for part in parts if _RELEASE.search(part)), None)
    if release is None:
        return Finding(_STORAGE, Grade.OK, f"{place} has no release in its path")
    message = f'{place} has a release in its path: "{release}"'
    remedy = "move it to a path without one, and name that: else a new release starts with nothing"
    return Finding(_STORAGE, Grade.FAIL, message, remedy)


def look_back_finding(
    environment: Iterable[str], documents: Mapping[str, str] | None = None
) -> Finding:
    """Judge whether the variable that was removed is still set; ``documents`` are texts by name.

    >>> look_back_finding(["PATH"]).message
    'logs of the last 30 days are looked for'
    >>> look_back_finding(["FOURTH_PLATFORM_CONVERSATIONS_DAYS_TO_FIND"]).grade
    <Grade.WARN: 'warn'>
    """
    places = [f"the environment ({name})" for name in environment if _is_removed(name)]
    places += [name for name, text in (documents or {}).items() if _names_removed(text)]
    if places:
        message = f"{_REMOVED_SHOWN} is still in {', '.join(places)}"
        remedy = f"remove it: {LOOK_BACK_DAYS} days are the default, and nothing reads it"
        return Finding(_LOOK_BACK, Grade.WARN, message, remedy)
    message = f"logs of the last {LOOK_BACK_DAYS} days are looked for"
    return Finding(_LOOK_BACK, Grade.OK, message)


def _is_removed(name: str) -> bool:
    return re.sub(r"[._-]+", "_", name.lower()) == _REMOVED


def _names_removed(text: str) -> bool:
    """Whether a document has it, written as one name or as YAML nests it."""
    lines = (line.split("#", maxsplit=1)[0] for line in text.splitlines())
    return any(re.search(r"\bdays[._-]?to[._-]?find\b", line, re.IGNORECASE) for line in lines)


def storage_findings(
    storage: DatasetStorage, *, place: str, at: Instant, catalogued: Callable[[str], bool]
) -> list[Finding]:
    """Return all findings about common storage, or that it cannot be read.

    ``catalogued`` says whether a file of that name was imported.
    """
    where = place_finding(place)
    try:
        uploads = [
            *upload_findings(newest_files(storage), at=at),
            *too_old_findings(storage),
            *lost_findings(storage, at=at, catalogued=catalogued),
            *rejected_findings(storage, at=at),
        ]
        imports = import_finding(storage, at=at)
        return [where, *uploads, imports, *billing_findings(storage)]
    except MeterhouseError as error:
        remedy = error.hint or "see that it is there, and that this user may read it"
        message = f"{place} cannot be read: {error.args[0]}"
        return [where, Finding(_STORAGE, Grade.FAIL, message, remedy)]


def _hours(age: int) -> str:
    hours = age // _HOUR
    return "1 hour" if hours == 1 else f"{hours} hours"
