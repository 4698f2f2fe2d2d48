"""Which files streams may use: not the data directory, and on a server what is allowed."""

import os
from pathlib import Path

import pytest

from meterhouse.connectors import AllowedFolders, FileDelivery, UsageFiles, parse_folders
from meterhouse.connectors.spool import SpoolFolder
from meterhouse.core.problem import DefinitionError
from meterhouse.streams.ports import FileRefused


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("open/in/a.csv", "open/data/secrets.key", "outside/b.csv", "home/c.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n1\n")
    return tmp_path


@pytest.fixture
def confined(place: Path) -> AllowedFolders:
    """A server's: one folder is open, and the data directory lies in it."""
    return AllowedFolders((place / "open/data",), (place / "open",), home=place / "home")


@pytest.fixture
def own(place: Path) -> AllowedFolders:
    """A command line's."""
    return AllowedFolders((place / "open/data",), home=place / "home")


def listed(folders: AllowedFolders, pattern: object, home: Path | None = None) -> list[str]:
    files = UsageFiles(home=home, folders=folders).list(str(pattern))
    return [Path(file.path).name for file in files]


def test_a_server_reads_what_lies_in_an_allowed_folder(place: Path, confined: AllowedFolders):
    assert listed(confined, place / "open/in/*.csv") == ["a.csv"]
    assert listed(confined, place / "open/in/a.csv") == ["a.csv"]
    assert listed(confined, place / "open/no/such.csv") == []


def test_a_wildcard_does_not_find_the_data_directory(
    place: Path, confined: AllowedFolders, own: AllowedFolders
):
    for folders in (confined, own):
        assert listed(folders, place / "open/**/*") == ["a.csv"]


def test_a_key_file_is_closed_as_the_data_directory_is(place: Path):
    folders = AllowedFolders((place / "outside/b.csv",))
    (place / "outside/d.csv").touch()

    assert listed(folders, place / "outside/*.csv") == ["d.csv"]
    with pytest.raises(FileRefused, match="holds a key"):
        listed(folders, place / "outside/b.csv")


@pytest.mark.parametrize(
    "pattern",
    [
        "outside/b.csv",
        "outside/*.csv",
        "*/b.csv",
        "outside",
        "open/../outside/b.csv",
        "open/*/../../outside/b.csv",
        "openly/*",
        "open/data/secrets.key",
        "open/data/*",
        "open/in/../data/secrets.key",
    ],
)
def test_a_server_refuses_what_lies_elsewhere(place: Path, confined: AllowedFolders, pattern: str):
    with pytest.raises(FileRefused):
        listed(confined, f"{place}/{pattern}")


def test_the_refusal_names_the_variable_and_what_is_allowed(place: Path, confined: AllowedFolders):
    with pytest.raises(FileRefused) as refused:
        listed(confined, place / "outside/*.csv")

    assert "METERHOUSE_FILES_ALLOW" in str(refused.value)
    assert f"now: {place / 'open'}" in str(refused.value)


def test_home_is_judged_as_any_folder(place: Path, confined: AllowedFolders, own: AllowedFolders):
    with pytest.raises(FileRefused):
        listed(confined, "~/c.csv", place / "home")
    assert listed(own, "~/c.csv", place / "home") == ["c.csv"]


@pytest.mark.parametrize("target", ["outside/b.csv", "open/data/secrets.key"])
@pytest.mark.parametrize("pattern", ["in/link.csv", "in/*.csv", "in/**"])
def test_links_are_judged_by_where_they_lead(
    place: Path, confined: AllowedFolders, target: str, pattern: str
):
    (place / "open/in/link.csv").symlink_to(place / target)

    with pytest.raises(FileRefused):
        listed(confined, place / "open" / pattern)


def test_a_linked_folder_is_judged_by_where_it_leads(place: Path, confined: AllowedFolders):
    (place / "open/far").symlink_to(place / "outside")

    for pattern in ("open/far/b.csv", "open/far/*", "open/f*/*"):
        with pytest.raises(FileRefused, match="lies in no allowed folder"):
            listed(confined, place / pattern)


def test_an_allowed_folder_may_be_a_link_itself(place: Path):
    (place / "link").symlink_to(place / "outside")
    folders = AllowedFolders(open=(place / "link",))

    assert listed(folders, place / "link/*") == ["b.csv"]
    assert listed(folders, place / "outside/b.csv") == ["b.csv"]


def test_a_file_that_became_a_link_is_not_read(place: Path, confined: AllowedFolders):
    path = place / "open/in/a.csv"
    files = UsageFiles(folders=confined)
    [file] = files.list(str(path))
    path.unlink()
    path.symlink_to(place / "open/data/secrets.key")

    with pytest.raises(FileRefused):
        list(files.read(file, source=0, format="csv", fields={}, records_max=10))


def test_a_command_line_refuses_the_data_directory_by_any_name(place: Path, own: AllowedFolders):
    os.link(place / "outside/b.csv", place / "outside/also.csv")
    (place / "elsewhere").symlink_to(place / "open/data")

    assert listed(own, place / "outside/*.csv") == ["also.csv", "b.csv"]
    for pattern in ("open/data/secrets.key", "elsewhere/secrets.key", "elsewhere/*"):
        with pytest.raises(FileRefused, match="data directory"):
            listed(own, place / pattern)


def test_a_path_that_is_none_is_refused(place: Path, confined: AllowedFolders):
    for path in (f"{place}/open/\0", f"{place}/open/\ud800"):
        with pytest.raises(FileRefused, match="is no path"):
            listed(confined, path)


@pytest.mark.parametrize(
    "destination",
    ["outside/new.ndjson", "open/../new.ndjson", "open/far/new.ndjson", "open/data/new.ndjson"],
)
def test_a_server_delivers_nowhere_else(place: Path, confined: AllowedFolders, destination: str):
    (place / "open/far").symlink_to(place / "outside")
    data = place / "open/data"
    spool = SpoolFolder(data).open("run", "node")
    spool.write([{"a": 1}])
    name = spool.finish(format="ndjson")
    delivery = FileDelivery(data, home=place / "home", folders=confined)

    with pytest.raises(FileRefused):
        delivery.deliver(name, f"{place}/{destination}")
    with pytest.raises(FileRefused):
        delivery.deliver(name, "~/new.ndjson")
    assert not [*(place / "outside").glob("new*"), *(place / "home").glob("new*")]
    assert delivery.deliver(name, f"{place}/open/out/new.ndjson").is_file()


def test_folders_are_listed_with_commas(place: Path):
    found = parse_folders(f" {place}/open , ~/home,", what="V", home=place)

    assert found == [place / "open", place / "home"]


def test_every_entry_that_is_no_folder_is_named(place: Path):
    with pytest.raises(DefinitionError) as refused:
        parse_folders(f"{place}/open/in/a.csv,{place}/nowhere,{place}/open", what="V")

    assert str(refused.value).startswith("V has 2 problems:")
