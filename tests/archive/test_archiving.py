from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from meterhouse.app.billing.archive_ports import (
    ArchiveConflict,
    ArchiveFault,
    LinkExpired,
    LinkInvalid,
)
from meterhouse.app.billing.archiving import (
    Document,
    archive,
    content_of,
    download,
    file_of,
    files_of,
    link,
    open_link,
    put_back,
    verify_files,
)
from meterhouse.app.billing.invoice_history import entries, verify_history
from meterhouse.connectors.archive_store import FolderArchive
from meterhouse.core.instant import DAY, SECOND
from meterhouse.core.problem import DefinitionError, NotFoundError
from meterhouse.security import LinkTokens
from meterhouse.store import SqliteLedger
from tests.archive.filing import AT, JSON, STEM, WHERE, XLSX


def file(ledger: SqliteLedger, store: FolderArchive, *documents, where=WHERE, at: int = AT):
    return archive(ledger, store, where, documents or (XLSX, JSON), at=at, actor="ann")


def actions(ledger: SqliteLedger) -> list[tuple[str, str]]:
    return [(entry.event.action, entry.event.actor) for entry in entries(ledger)]


def test_files_lie_under_their_names_with_a_manifest(
    ledger: SqliteLedger, store: FolderArchive
) -> None:
    files = file(ledger, store)
    assert [one.name for one in files] == [f"{STEM}.xlsx", f"{STEM}.json"]
    assert store.get(f"{STEM}.xlsx") == XLSX.content
    manifest = json.loads(store.get(f"{STEM}.manifest.json") or b"")
    assert manifest["invoice"] == WHERE.id
    assert manifest["invoiceSha256"] == "ab" * 32
    assert manifest["files"][0] == {
        "name": f"{STEM}.xlsx",
        "format": "xlsx",
        "mediaType": XLSX.media_type,
        "size": len(XLSX.content),
        "sha256": hashlib.sha256(XLSX.content).hexdigest(),
    }
    assert actions(ledger) == [("archived", "ann")]
    assert verify_history(ledger, store).segments == 1


def test_doing_it_again_changes_nothing(ledger: SqliteLedger, store: FolderArchive) -> None:
    file(ledger, store)
    file(ledger, store, at=AT + DAY)
    assert actions(ledger) == [("archived", "ann")]


def test_what_was_put_before_a_process_died_is_gone_on_with(
    ledger: SqliteLedger, store: FolderArchive
) -> None:
    store.put(f"{STEM}.xlsx", XLSX.content)
    assert len(file(ledger, store)) == 2
    assert verify_files(ledger, store, WHERE.number) == []


def test_an_issued_file_is_never_overwritten(ledger: SqliteLedger, store: FolderArchive) -> None:
    file(ledger, store)
    with pytest.raises(ArchiveConflict):
        file(ledger, store, replace(XLSX, content=b"another"), JSON)
    with pytest.raises(ArchiveConflict):
        file(ledger, store, XLSX)  # another manifest
    assert store.get(f"{STEM}.xlsx") == XLSX.content
    assert actions(ledger) == [("archived", "ann")]


def test_a_new_version_is_beside_the_old_one(ledger: SqliteLedger, store: FolderArchive) -> None:
    file(ledger, store)
    newer = replace(XLSX, content=b"two")
    file(ledger, store, newer, where=replace(WHERE, version=2))
    assert [one.name for one in files_of(ledger, WHERE.number)] == [f"{STEM[:-2]}02.xlsx"]
    assert store.get(f"{STEM}.xlsx") == XLSX.content


def test_files_are_found_by_number_and_id(ledger: SqliteLedger, store: FolderArchive) -> None:
    file(ledger, store)
    assert files_of(ledger, WHERE.id) == files_of(ledger, WHERE.number)
    with pytest.raises(NotFoundError, match="No invoice 'X' is in the archive"):
        files_of(ledger, "X")
    with pytest.raises(NotFoundError, match=r"no file of the format 'pdf'.*xlsx, json"):
        file_of(ledger, WHERE.id, format="pdf")


def test_what_is_gone_comes_back_as_it_was_or_not_at_all(
    ledger: SqliteLedger, store: FolderArchive, tmp_path: Path
) -> None:
    [one, _] = file(ledger, store)
    path, words = tmp_path / "archive" / one.name, {"formats": ("xlsx",)}
    path.unlink()
    other = replace(XLSX, content=b"of a newer version")
    with pytest.raises(
        ArchiveFault, match=f"another file: its SHA-256 is .*, and was {one.sha256}"
    ):
        put_back(ledger, store, WHERE, render=lambda _: other, **words)
    assert not path.exists()
    assert put_back(ledger, store, WHERE, render=lambda _: XLSX, **words) == (one.name,)
    assert verify_files(ledger, store, WHERE.id) == []
    assert put_back(ledger, store, WHERE, render=lambda _: other, **words) == ()


def test_a_manifest_of_an_older_version_comes_back_as_it_was(
    ledger: SqliteLedger, store: FolderArchive, tmp_path: Path
) -> None:
    # Older versions called the format of a file as its suffix is.
    focus = Document("focus.csv", "text/csv", b"BilledCost\n1.00\n", format="focus.csv")
    file(ledger, store, XLSX, focus)
    manifest, table = (f"{STEM}.{suffix}" for suffix in ("manifest.json", "focus.csv"))
    content = store.get(manifest) or b""
    assert json.loads(content)["files"][1]["format"] == "focus.csv"
    for name in (manifest, table):
        (tmp_path / "archive" / name).unlink()
    now = replace(focus, format="focus")
    words = {"formats": ("xlsx", "focus"), "render": {"xlsx": XLSX, "focus": now}.__getitem__}
    assert put_back(ledger, store, WHERE, **words) == (table, manifest)
    assert (store.get(manifest), store.get(table)) == (content, focus.content)
    assert put_back(ledger, store, WHERE, **words) == ()


def test_a_download_is_written_down(ledger: SqliteLedger, store: FolderArchive) -> None:
    file(ledger, store)
    found, content = download(ledger, store, WHERE.number, format="xlsx", at=AT + 1, actor="bob")
    assert content == XLSX.content
    last = list(entries(ledger, invoice=WHERE.id))[-1].event
    assert (last.action, last.actor, last.detail["file"]) == ("downloaded", "bob", found.name)


def test_a_file_that_was_changed_is_not_given(
    ledger: SqliteLedger, store: FolderArchive, tmp_path: Path
) -> None:
    [one, _] = file(ledger, store)
    (tmp_path / "archive" / one.name).write_bytes(b"forged")
    with pytest.raises(ArchiveFault, match="is not what was put there"):
        content_of(store, one)
    (tmp_path / "archive" / one.name).unlink()
    [fault] = verify_files(ledger, store, WHERE.id)
    assert fault.startswith(f"{one.name} is not there (`invoice render {WHERE.id} --format xlsx`")
    with pytest.raises(ArchiveFault):
        download(ledger, store, WHERE.id, format="xlsx", at=AT, actor="bob")
    assert ("downloaded", "bob") not in actions(ledger)


def made(ledger: SqliteLedger, signer: LinkTokens, *, days: int = 7, at: int = AT) -> str:
    return link(
        ledger, signer, WHERE.number, format="xlsx", id="l-1", at=at, actor="ann", days=days
    )[1]


def test_a_link_opens_one_file_until_it_expires(
    ledger: SqliteLedger, store: FolderArchive, signer: LinkTokens
) -> None:
    file(ledger, store)
    token = made(ledger, signer)
    found, content = open_link(
        ledger, store, signer, token, at=AT + 7 * DAY - SECOND, address="192.0.2.1"
    )
    assert (found.format, content) == ("xlsx", XLSX.content)
    last = list(entries(ledger))[-1].event
    assert (last.action, last.actor) == ("downloaded", "link l-1")
    assert (last.detail["link"], last.detail["address"]) == ("l-1", "192.0.2.1")
    count = len(list(entries(ledger)))
    with pytest.raises(LinkExpired):
        open_link(ledger, store, signer, token, at=AT + 7 * DAY)
    assert len(list(entries(ledger))) == count
    assert verify_history(ledger, store).faults == ()


def test_a_link_is_known_by_another_signer_with_the_same_key(
    ledger: SqliteLedger, store: FolderArchive, signer: LinkTokens
) -> None:
    file(ledger, store)
    token = made(ledger, signer)
    again = LinkTokens(signer.key)
    assert open_link(ledger, store, again, token, at=AT)[1] == XLSX.content


def test_every_changed_character_makes_it_none_of_ours(
    ledger: SqliteLedger, store: FolderArchive, signer: LinkTokens
) -> None:
    file(ledger, store)
    token = made(ledger, signer)
    for place, char in enumerate(token):
        other = "A" if char != "A" else "B"
        assert signer.link(token[:place] + other + token[place + 1 :]) is None, place
    for wrong in ("", ".", token[:-1], token + "=", token + "A", f"{token}.", "é" * 9, "A" * 9_999):
        with pytest.raises(LinkInvalid, match="There is no such download"):
            open_link(ledger, store, signer, wrong, at=AT)


def test_a_link_of_another_ledger_is_none_of_ours(
    ledger: SqliteLedger, store: FolderArchive, signer: LinkTokens
) -> None:
    file(ledger, store)
    token = made(ledger, signer)
    foreign = LinkTokens(lambda: bytes(32))
    assert foreign.link(token) is None


def test_a_link_to_what_is_not_in_the_history_opens_nothing(
    ledger: SqliteLedger, store: FolderArchive, signer: LinkTokens
) -> None:
    file(ledger, store)
    found = signer.link(made(ledger, signer))
    assert found is not None
    for forged in (
        replace(found, name="history/0000000001-0000000001.jsonl"),
        replace(found, invoice="another"),
        replace(found, sha256="0" * 64),
    ):
        with pytest.raises(LinkInvalid):
            open_link(ledger, store, signer, signer.token(forged), at=AT)


@pytest.mark.parametrize("days", [0, -1, 91])
def test_a_link_opens_1_to_90_days(
    ledger: SqliteLedger, store: FolderArchive, signer: LinkTokens, days: int
) -> None:
    file(ledger, store)
    with pytest.raises(DefinitionError, match="use 1 to 90"):
        made(ledger, signer, days=days)
    assert ("linked", "ann") not in actions(ledger)
