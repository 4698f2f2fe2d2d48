"""``meterhouse aura``: from the logs of Aura's components to the catalogue of datasets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli import aura_operation, aura_reconcile, aura_restore
from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import new_group
from meterhouse.cli.output import note, write_json, write_text
from meterhouse.core.counted import counted
from meterhouse.core.instant import MINUTE, Instant, parse_instant
from meterhouse.core.problem import MeterhouseError

if TYPE_CHECKING:
    from meterhouse.app.aura.importing import Imported
    from meterhouse.app.aura.uploading import ObUpload
    from meterhouse.bootstrap import Installation
    from meterhouse.datasets.sample_month import SampleMonth

app = new_group("Aura: logs of components become datasets, and datasets become invoices.")
aura_operation.register(app)
aura_reconcile.register(app)
aura_restore.register(app)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go.")]
ObsOption = Annotated[
    list[str], typer.Option("--ob", metavar="OB", help="An operating business (ES); repeat it.")
]
SomeObsOption = Annotated[
    list[str] | None,
    typer.Option("--ob", metavar="OB", help="Only this one (ES); may be repeated."),
]
MonthOption = Annotated[str, typer.Option("--month", metavar="M", help="The month: 2026-10.")]
RequestsOption = Annotated[
    int, typer.Option("--requests", metavar="N", min=1, help="How many requests each OB has.")
]
SeedOption = Annotated[
    int, typer.Option("--seed", metavar="N", help="The same number gives the same files.")
]
LogsOption = Annotated[
    Path,
    typer.Option("--logs", metavar="DIR", help="The logs: <OB>/groot, gateway and atria in it."),
]
ConfigurationOption = Annotated[
    str | None,
    typer.Option(
        "--configuration",
        metavar="PLACE",
        help="A folder of JSON files, or the URL of aura-configuration-api; {OB} and {ob} stand "
        "for the OB. DIR/{OB}/configuration if none.",
    ),
]
SecretOption = Annotated[
    str | None,
    typer.Option(
        "--configuration-secret", metavar="ID", help="A bearer secret that has the API's key."
    ),
]
DaysOption = Annotated[
    int,
    typer.Option("--days", metavar="N", min=1, help="Look for logs changed in so many days."),
]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="INSTANT", help="As if it were then; now if none.")
]
UploadAtOption = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="INSTANT",
        help="As if it were then; now if none. Files are named by that hour. --days counts back "
        "from it: logs changed later than it are taken, those changed before those days are not.",
    ),
]
LogLimitOption = Annotated[
    int,
    typer.Option(
        "--log-limit", metavar="MIB", min=1, help="Refuse a log that has more MiB, unpacked."
    ),
]
AheadOption = Annotated[
    int,
    typer.Option(
        "--ahead",
        metavar="HOURS",
        min=0,
        help="Reject rows that are dated more hours after --at: clocks may run ahead.",
    ),
]
ActionOption = Annotated[
    str,
    typer.Option("--action", metavar="A", help="The action of Groot Message that is a request."),
]
ByMessageOption = Annotated[
    bool,
    typer.Option("--by-message", help="Take ids of messages as interactions, not CORR_ID."),
]
ReportsOption = Annotated[
    str, typer.Option("--reports", metavar="MODE", help="Leave a report: all, error or none.")
]
RefusedFile = Annotated[
    str, typer.Argument(metavar="FILE", help="A file of common storage: its path, or its name.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="R", help="Why; the invoice has it.")
]
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


@command(
    app,
    "meterhouse aura generate logs --ob ES --ob BR --month 2026-10",
    "meterhouse aura generate logs --ob ES --month 2026-10 --requests 1000000 --seed 7",
)
def generate(
    call: Call,
    folder: Folder,
    *,
    ob: ObsOption,
    month: MonthOption,
    requests: RequestsOption = 20_000,
    seed: SeedOption = 1,
) -> None:
    """Make up a month of logs of some OBs, to try things with: flaws of real logs included."""
    from meterhouse import bootstrap_aura
    from meterhouse.app.aura.snapshots import country_of_ob

    wanted = _sample_month(month, requests, seed)
    for code in ob:
        country_of_ob(code)
    for code in ob:
        lines = bootstrap_aura.write_sample(folder, code, wanted)
        told = ", ".join(f"{kind} {count:,}" for kind, count in lines.items())
        call.tell({"ob": code, "lines": lines}, f"{code}: lines of {told}")
    for path in bootstrap_aura.write_sample_dimensions(folder / "shared", wanted):
        call.tell({"file": str(path)}, f"for all: {path}")


def _sample_month(text: str, requests: int, seed: int) -> SampleMonth:
    from meterhouse.datasets.sample_month import SampleMonth

    found = _MONTH.fullmatch(text)
    if found is None or int(found[1]) < 1:
        raise WrongUsage(f"--month: {text!r} is no month", hint="such as 2026-10")
    return SampleMonth(int(found[1]), int(found[2]), requests, seed)


@command(
    app,
    "meterhouse aura upload --logs /var/log/aura",
    "meterhouse aura upload --logs logs --ob ES --configuration "
    "https://svc-{ob}.example.com/aura-services/v2/configuration --configuration-secret aura-api",
)
def upload(
    call: Call,
    *,
    logs: LogsOption,
    ob: SomeObsOption = None,
    configuration: ConfigurationOption = None,
    configuration_secret: SecretOption = None,
    days: DaysOption = 30,
    at: UploadAtOption = None,
    action: ActionOption = "receive",
    by_message: ByMessageOption = False,
    log_limit: LogLimitOption = 1024,
    ahead: AheadOption = 24,
) -> None:
    """Turn new logs and the configuration into files of datasets in common storage.

    To be run each hour. Logs are known by their content: none is uploaded twice. 1 if an OB
    or a log failed, or a log is too old to be taken; the others are uploaded. What could not be
    read at the moment is tried again by the next upload. Folders that are no logs by their names
    are told; 1 if there are no others.
    """
    from meterhouse import bootstrap_aura
    from meterhouse.app.aura.uploading import upload as upload_all
    from meterhouse.datasets.audit import AuditRules

    place = bootstrap_aura.configuration_place(logs, configuration, secret=configuration_secret)
    rules = AuditRules(action.lower(), by_message)
    found = bootstrap_aura.LogsPlace(logs, log_limit << 20)
    with (
        call.opened() as house,
        bootstrap_aura.upload_means(
            *(house, found), configuration=place, rules=rules, ahead=ahead * 60 * MINUTE
        ) as means,
    ):
        moment = _moment(at, house)
        reports = upload_all(means, at=moment, obs=ob or (), days=days)
        ignored = means.logs.ignored(ob or ())
        usable = any(means.logs.kinds(one.ob) for one in reports)
    for one in ignored:
        note(f"{one.name} is ignored: {one.why}")
    for report in reports:
        if call.as_json:
            write_json(report.to_api())
        else:
            _tell_upload(report)
    failed = [one.ob for one in reports if not one.is_complete]
    if failed:
        raise MeterhouseError(f"not all is uploaded of {', '.join(failed)}", hint="see above")
    if not usable:
        hint = "it has <OB>/groot, <OB>/gateway or <OB>/atria for each OB, such as ES/gateway"
        raise MeterhouseError(f"There is no folder of logs in {logs}", hint=hint)


def _tell_upload(report: ObUpload) -> None:
    write_text(f"{report.ob}: {counted(len(report.snapshots), 'snapshot')} of dimensions")
    for one in report.uploads:
        write_text(f"{report.ob}: {one.plan.name}, {counted(len(one.plan.logs), 'log')}")
        for dataset, account in one.account["datasets"].items():
            if account["rows"]:
                write_text(f"  {dataset}: {_account(account)}")
        for name, count in one.account["unknownChannels"].items():
            note(f"{report.ob}: no channel is called {name} ({counted(count, 'row')})")
        for dataset, account in one.account["datasets"].items():
            if number := account["leftOut"].get("conflicting", 0):
                note(f"{report.ob}: {dataset}: rows that contradict one that is kept: {number:,}")
    if not report.uploads and report.error is None:
        write_text(f"{report.ob}: no new logs")
    _tell_trouble(report)


def _tell_trouble(report: ObUpload) -> None:
    for problem in report.problems:
        note(f"{report.ob}: configuration: {problem}")
    if report.too_old:
        older = counted(len(report.too_old), "log")
        hint = "allow more --days, or move them away"
        note(f"{report.ob}: {older} changed too long ago, such as {report.too_old[0]}; {hint}")
    for one in report.unreadable:
        note(f"{report.ob}: {one['error']}")
    if report.error is not None:
        note(f"{report.ob}: {report.error}")


def _account(account: dict[str, Any]) -> str:
    """Say where the rows of a dataset went."""
    parts = [f"{counted(account['rows'], 'row')} in", f"{account['written']:,} written"]
    for what in ("rejected", "leftOut"):
        name = "rejected" if what == "rejected" else "left out"
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in account[what].items())
        if reasons:
            parts.append(f"{sum(account[what].values()):,} {name} ({reasons})")
    return ", ".join(parts)


@command(app, "meterhouse aura import", "meterhouse aura import --reports error --json")
def import_(call: Call, *, reports: ReportsOption = "all", at: AtOption = None) -> None:
    """Add the files of common storage to the catalogue, and move them to its processed folder.

    To be run each day. 1 if a file was refused: it stays, and the report says why. 1 too if a file
    is gone that an upload has written: `aura restore` makes it again.
    """
    from meterhouse import bootstrap_aura
    from meterhouse.app.aura.importing import ReportMode, import_files, put_report

    modes = [mode.value for mode in ReportMode]
    if reports not in modes:
        raise WrongUsage(f"--reports: {reports!r} is none of {', '.join(modes)}")
    with call.opened() as house, bootstrap_aura.import_means(house) as means:
        moment = _moment(at, house)
        imported = import_files(means, at=moment)
        name = put_report(means, imported, mode=ReportMode(reports), at=moment)
    if call.as_json:
        write_json(imported.to_api())
    else:
        _tell_import(imported, name)
    if imported.errors:
        what = counted(imported.errors, "file")
        hint = "mend what is named, or do without it: `meterhouse aura reject FILE --reason ...`"
        raise MeterhouseError(f"{what} could not be imported", hint=hint)


def _tell_import(imported: Imported, report: str | None) -> None:
    for one in imported.datasets.values():
        counts = one.counts
        parts = [f"{counts.uploaded} imported", f"{counts.skipped} skipped"]
        rows = sum(file.rows for file in imported.added if file.dataset == one.dataset)
        parts.append(counted(rows, "row"))
        write_text(f"{one.dataset or one.kind} {one.version}: {', '.join(parts)}")
        for error in one.errors:
            note(f"{error['file']}: {'; '.join([error['error'], *error.get('problems', ())])}")
    if not imported.datasets:
        write_text("nothing to import")
    if report is not None:
        write_text(f"report: {report}")


@command(
    app,
    "meterhouse aura reject ES_Aura_Audit_20261003T100000Z.avro "
    '--reason "Of another country; ES sends it anew"',
)
def reject(call: Call, file: RefusedFile, *, reason: ReasonOption) -> None:
    """Do without a file that the import refuses, or that is gone; the invoice of its month says so.

    It goes to rejected/files of common storage, with a note of who said so, when and why. No
    invoice has its rows.
    """
    from meterhouse import bootstrap_aura

    with call.opened() as house:
        rejected = bootstrap_aura.reject(house, file, reason=reason)
    call.tell(
        rejected.to_api() | {"path": rejected.path},
        f"{rejected.file} is rejected, and lies in {rejected.path}",
    )


def _moment(text: str | None, house: Installation) -> Instant:
    if text is None:
        return house.clock()
    moment = parse_instant(text)
    if moment is None:
        raise WrongUsage(f"--at: {text!r} is no instant", hint="such as 2026-11-01T02:00:00Z")
    return moment
