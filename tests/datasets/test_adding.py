"""Adding files: checked whole, split by day, refused with their place, and safe to do twice."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import fastavro
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.app.datasets.files import find_file, partitions
from meterhouse.app.datasets.ports import DatasetRefused, DatasetStorageConflict
from meterhouse.app.datasets.publishing import newest, publish
from meterhouse.app.datasets.row_checks import RowChecks
from meterhouse.core.instant import DAY, from_datetime, instant_text, parse_instant, to_datetime
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError
from meterhouse.datasets.schema import BUILT_IN, read_schema
from meterhouse.streams.ports import InputError
from tests.datasets.catalogue import (
    AT,
    AUDIT,
    CONTAINERS,
    NAME,
    Catalogue,
    a_row,
    document_of,
)

PLACE = f"Aura_Audit/6/DAY_DT=2026-10-03/{NAME}"
LATE = {"AURA_TM": "2026-10-02T23:59:59.999Z", "DAY_DT": "2026-10-02"}


def refusal(catalogue: Catalogue, content: Path, **how: Any) -> str:
    with pytest.raises(DatasetRefused) as raised:
        catalogue.add(content, **how)
    assert catalogue.names() == []
    assert list(catalogue.ledger.dataset_files(AUDIT).items) == []
    assert content.exists()
    return str(raised.value)


def a_country(three: str, two: str) -> dict[str, str]:
    return {"COUNTRY_3_ALPHA_CD": three, "COUNTRY_2_ALPHA_CD": two, "COUNTRY_NAME": three.title()}


# ------------------------------------------------------------------ what is taken


def test_a_file_of_one_day_is_kept_byte_for_byte(catalogue: Catalogue):
    content = catalogue.written([a_row(1), a_row(2)])
    [file] = catalogue.add(content)
    assert catalogue.names() == [PLACE] == [file.path]
    assert b"".join(catalogue.storage.read(PLACE)) == content.read_bytes()
    assert (file.rows, file.size, file.ob) == (2, content.stat().st_size, "ES")
    assert (file.day, str(file.version), file.added_at) == (date(2026, 10, 3), "6.0.0", AT)
    assert find_file(catalogue.ledger, file.id) == file


def test_a_file_of_two_days_becomes_one_of_each_with_every_row_once(catalogue: Catalogue):
    rows = [a_row(n, **(LATE if n % 3 else {})) for n in range(1, 50)]
    files = catalogue.add(catalogue.written(rows))
    assert [(file.day, file.name) for file in files] == [
        (date(2026, 10, 2), NAME),
        (date(2026, 10, 3), NAME),
    ]
    assert sum(file.rows for file in files) == 49
    for file in files:
        with catalogue.storage.local(file.path) as path:
            kept = list(CONTAINERS.rows(path))
            assert CONTAINERS.schema(path) == document_of()
        wanted = [row for row in rows if row["DAY_DT"] == str(file.day)]
        assert [row["INTERACTION_ID"] for row in kept] == [r["INTERACTION_ID"] for r in wanted]
        assert len(kept) == file.rows


def test_adding_a_file_again_changes_nothing(catalogue: Catalogue):
    content = catalogue.written([a_row(1), a_row(2, **LATE)])
    first = catalogue.add(content)
    assert catalogue.add(content, at=AT + 1) == first
    assert len(catalogue.names()) == 2


def test_another_content_under_the_same_name_is_refused(catalogue: Catalogue):
    [file] = catalogue.add(catalogue.written([a_row(1)]))
    with pytest.raises(DatasetStorageConflict, match="is there already, with another content"):
        catalogue.add(catalogue.written([a_row(2)]))
    assert find_file(catalogue.ledger, file.id) == file


def test_what_was_put_and_not_written_down_is_taken_up(catalogue: Catalogue):
    """As a process leaves it that is killed in between."""
    content = catalogue.written([a_row(1)])
    catalogue.storage.put(PLACE, content)
    [file] = catalogue.add(content)
    assert [found.id for found in catalogue.ledger.dataset_files(AUDIT).items] == [file.id]


def test_days_have_their_files_in_the_order_of_names(catalogue: Catalogue):
    for hour in ("12", "10", "11"):
        name = f"ES_Aura_Audit_20261003T{hour}0000Z.avro"
        catalogue.add(catalogue.written([a_row(1), a_row(2, **LATE)]), name=name)
    german = catalogue.written([a_row(1, COUNTRY_3_ALPHA_CD="DEU")])
    catalogue.add(german, name="DE_Aura_Audit_20261003T090000Z.avro")
    found = partitions(catalogue.ledger, AUDIT, major=6, ob="ES")
    hours = [f"ES_Aura_Audit_20261003T{hour}0000Z.avro" for hour in (10, 11, 12)]
    assert [(part.day.day, [file.name for file in part.files]) for part in found] == [
        (2, hours),
        (3, hours),
    ]
    third = partitions(catalogue.ledger, AUDIT, major=6, since=date(2026, 10, 3))
    assert [len(part.files) for part in third] == [4]
    assert partitions(catalogue.ledger, AUDIT, major=5) == []
    second = partitions(catalogue.ledger, AUDIT, major=6, until=date(2026, 10, 2))
    assert [part.day.day for part in second] == [2]


def test_a_list_of_files_goes_on_where_a_page_ends(catalogue: Catalogue):
    for hour in range(5):
        rows = [a_row(1), a_row(2, **LATE)]
        catalogue.add(catalogue.written(rows), name=f"ES_Aura_Audit_20261003T0{hour}0000Z.avro")
    whole = list(catalogue.ledger.dataset_files(AUDIT).items)
    assert len(whole) == 10
    walked, after = [], None
    while True:
        page = catalogue.ledger.dataset_files(AUDIT, limit=3, after=after)
        walked += page.items
        if (after := page.next_cursor) is None:
            break
    assert walked == whole


def test_rows_with_another_zone_are_of_their_day_in_utc(catalogue: Catalogue):
    row = a_row(1, AURA_TM="2026-10-03T01:30:00+02:00", DAY_DT="2026-10-02")
    [file] = catalogue.add(catalogue.written([row]))
    assert file.day == date(2026, 10, 2)


# ------------------------------------------------------------------ what is refused


def test_every_wrong_row_is_told_with_its_place(catalogue: Catalogue):
    rows = [a_row(n) for n in range(1, 9)]
    rows[1]["INTERACTION_ID"] = ""
    rows[2]["DAY_DT"] = "2026-02-30"
    rows[3]["AURA_TM"] = "yesterday"
    rows[4]["AURA_TM"] = "2026-10-03T00:00:00+02:00"
    rows[5]["COUNTRY_3_ALPHA_CD"] = "DEU"
    rows[6]["AURA_TM"] = "2026-10-04T00:00:00Z"
    said = refusal(catalogue, catalogue.written(rows))
    for line in (
        "row 2, INTERACTION_ID: is empty",
        'row 3, DAY_DT: is "2026-02-30"',
        'row 4, AURA_TM: is "yesterday", which is no instant',
        'row 5, DAY_DT: is "2026-10-03" (the day of "2026-10-03T00:00:00+02:00" in UTC is',
        'row 6, COUNTRY_3_ALPHA_CD: is "DEU" (the file is of ES, whose country is ESP)',
        'row 7, DAY_DT: is "2026-10-03" (the day of "2026-10-04T00:00:00Z" in UTC is 2026-10-04)',
    ):
        assert line in said, said
    assert "has 6 problems" in said


def test_places_count_through_all_blocks(catalogue: Catalogue):
    rows = [a_row(n) for n in range(40_000)]
    rows[-1]["INTERACTION_ID"] = ""
    assert "row 40000, INTERACTION_ID" in refusal(catalogue, catalogue.written(rows))


def test_a_file_whose_ob_disagrees_with_its_rows_is_refused(catalogue: Catalogue):
    said = refusal(
        catalogue,
        catalogue.written([a_row(1)]),
        name="DE_Aura_Audit_20261003T100000Z.avro",
    )
    assert 'row 1, COUNTRY_3_ALPHA_CD: is "ESP" (the file is of DE, whose country is DEU)' in said


def test_the_newest_snapshot_of_countries_says_which_country_an_ob_is(catalogue: Catalogue):
    countries = "D_Gbl_Country"
    for hour, three in (("09", "ESX"), ("10", "ESY")):
        content = catalogue.written([a_country(three, "ES")], dataset=countries)
        name = f"GBL_DIM_COUNTRY_20261003T{hour}0000Z.avro"
        [file] = catalogue.add(content, dataset=countries, name=name)
        assert (file.ob, file.day) == (None, None)
    [file] = catalogue.add(catalogue.written([a_row(1, COUNTRY_3_ALPHA_CD="ESY")]))
    assert file.ob == "ES"
    with pytest.raises(DatasetRefused, match="whose country is ESY"):
        catalogue.add(catalogue.written([a_row(1)]), name=NAME.replace("T10", "T11"))
    # An OB that it does not have is looked up in ISO 3166.
    german = catalogue.written([a_row(1, COUNTRY_3_ALPHA_CD="DEU")])
    assert catalogue.add(german, name=NAME.replace("ES_", "DE_"))[0].ob == "DE"


def test_a_client_of_one_ob_adds_no_file_of_another(catalogue: Catalogue):
    said = refusal(catalogue, catalogue.written([a_row(1)]), ob="DE")
    assert "OB: is ES (only files of DE are taken)" in said


def test_a_file_of_another_dataset_is_refused(catalogue: Catalogue):
    said = refusal(catalogue, catalogue.written([a_row(1)]), dataset="Aura_Gateway_Message")
    assert "dataset: is Aura_Audit, not Aura_Gateway_Message" in said
    wrong = catalogue.written(
        [{"COUNTRY_3_ALPHA_CD": "ESP", "COUNTRY_2_ALPHA_CD": "ES", "COUNTRY_NAME": "Spain"}],
        dataset="D_Gbl_Country",
    )
    assert 'is "D_Gbl_Country", not "Aura_Audit"' in refusal(
        catalogue, wrong_major(catalogue, wrong)
    )


def wrong_major(catalogue: Catalogue, content: Path) -> Path:
    """Return the same content, numbered as the audit is."""
    schema = document_of("D_Gbl_Country", "6.0.0")
    return catalogue.written(list(CONTAINERS.rows(content)), schema=schema)


def test_a_dataset_that_was_never_published_has_no_files(catalogue: Catalogue):
    with pytest.raises(NotFoundError, match="There is no dataset 'Other'"):
        catalogue.add(
            catalogue.written([a_row(1)]),
            dataset="Other",
            name="ES_Other_20261003T100000Z.avro",
        )


def test_a_file_of_facts_without_rows_is_refused(catalogue: Catalogue):
    assert "has no rows" in refusal(catalogue, catalogue.written([]))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"Obj\x01"])
def test_what_is_no_container_is_refused(catalogue: Catalogue, tmp_path: Path, content: bytes):
    path = tmp_path / "content.avro"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        catalogue.add(path)
    assert catalogue.names() == []


def test_a_container_that_is_cut_off_is_refused(catalogue: Catalogue):
    content = catalogue.written([a_row(n) for n in range(10_000)])
    content.write_bytes(content.read_bytes()[:-100])
    with pytest.raises(InputError, match="middle of a block"):
        catalogue.add(content)
    assert catalogue.names() == []


# ------------------------------------------------------------------ versions


def test_an_unknown_major_version_is_refused(catalogue: Catalogue):
    said = refusal(catalogue, catalogue.written([a_row(1)], schema=document_of(version="7.0.0")))
    assert "x-fp-version: is 7.0.0 (known major versions are 6" in said


def test_a_minor_version_that_may_follow_is_taken_before_it_is_published(catalogue: Catalogue):
    schema = document_of(version="6.1.0")
    schema["fields"].append({"name": "NEW", "type": ["null", "string"], "default": None})
    [file] = catalogue.add(catalogue.written([a_row(1, NEW="x")], schema=schema))
    assert str(file.version) == "6.1.0"


def test_a_minor_version_that_may_not_follow_is_refused(catalogue: Catalogue):
    schema = document_of(version="6.1.0")
    schema["fields"].append({"name": "NEW", "type": "string"})
    said = refusal(catalogue, catalogue.written([a_row(1, NEW="x")], schema=schema))
    assert "NEW: is added without a default" in said


def test_an_older_minor_version_goes_on_being_taken(catalogue: Catalogue):
    schema = document_of(version="6.1.0")
    schema["fields"].append({"name": "NEW", "type": ["null", "string"], "default": None})
    publish(catalogue.ledger, read_schema(schema), at=AT)
    [file] = catalogue.add(catalogue.written([a_row(1)]))
    assert str(file.version) == "6.0.0"


def test_a_version_that_is_published_otherwise_is_refused(catalogue: Catalogue):
    schema = document_of()
    schema["fields"].append({"name": "NEW", "type": ["null", "string"], "default": None})
    said = refusal(catalogue, catalogue.written([a_row(1, NEW="x")], schema=schema))
    assert "is 6.0.0, which is published with another schema" in said


def test_a_file_by_the_library_itself_is_taken(catalogue: Catalogue, tmp_path: Path):
    """It folds namespaces into names, and writes its own header."""
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(document_of()), [a_row(1)], codec="bzip2")
    path = tmp_path / "theirs.avro"
    path.write_bytes(out.getvalue())
    [file] = catalogue.add(path)
    assert b"".join(catalogue.storage.read(file.path)) == out.getvalue()


def test_publishing(catalogue: Catalogue):
    audit = BUILT_IN[AUDIT]
    assert not publish(catalogue.ledger, audit, at=AT + 5).new
    assert newest(catalogue.ledger, AUDIT).published_at == AT
    changed = document_of()
    changed["doc"] = "another"
    with pytest.raises(ConflictError, match=r"6\.0\.0 of Aura_Audit is published with another"):
        publish(catalogue.ledger, read_schema(changed), at=AT)
    publish(catalogue.ledger, read_schema(document_of(version="6.0.5")), at=AT)
    with pytest.raises(DefinitionError, match=r"number it higher than 6\.0\.5"):
        publish(catalogue.ledger, read_schema(document_of(version="6.0.1")), at=AT)


def test_a_version_that_breaks_readers_is_not_published(catalogue: Catalogue):
    changed = document_of(version="6.1.0")
    del changed["fields"][2]
    with pytest.raises(DefinitionError, match="AURA_CHANNEL_ID: is removed"):
        publish(catalogue.ledger, read_schema(changed), at=AT)
    assert publish(catalogue.ledger, read_schema(changed | {"x-fp-version": "7.0.0"}), at=AT).new
    assert newest(catalogue.ledger, AUDIT).major == 7
    assert newest(catalogue.ledger, AUDIT, major=6).version == BUILT_IN[AUDIT].version
    with pytest.raises(NotFoundError, match="has no major version 8"):
        newest(catalogue.ledger, AUDIT, major=8)


# ------------------------------------------------------------------ dimensions


def an_app(number: int, **more: Any) -> dict[str, Any]:
    row = {"AURA_APP_ID": f"app-{number}", "AURA_APP_NAME": f"App {number}"}
    return row | {"COUNTRY_3_ALPHA_CD": "ESP", "EXTRACTION_TM": "2026-10-03T09:00:00Z"} | more


def test_rows_of_a_dimension_are_those_of_the_newest_snapshot_in_time(catalogue: Catalogue):
    app = "D_Aura_App"
    asked = catalogue.asked()
    assert asked.snapshot(app, ob="ES", until=AT) is None
    for day in (1, 2, 3):
        content = catalogue.written([an_app(day)], dataset=app)
        catalogue.add(content, dataset=app, name=f"ES_DIM_APP_2026100{day}T000000Z.avro")
    asked = catalogue.asked()
    until = parse_instant("2026-10-02T12:00:00Z")
    assert until is not None
    file = asked.snapshot(app, ob="ES", until=until)
    assert file is not None and file.name == "ES_DIM_APP_20261002T000000Z.avro"
    rows = asked.snapshot_rows(file)
    assert [(row["AURA_APP_ID"], row["AURA_PRESET_NAMES"]) for row in rows] == [("app-2", [])]
    oldest = asked.snapshot(app, ob="ES", until=until - 3 * DAY)
    assert oldest is not None and oldest.name == "ES_DIM_APP_20261001T000000Z.avro"
    assert asked.snapshot(app, ob="DE", until=until) is None


# ------------------------------------------------------------------ instants, against the oracle


def by_hand(text: str) -> str | None:
    instant = parse_instant(text)
    return None if instant is None else to_datetime(instant).date().isoformat()


instants = st.datetimes().map(lambda moment: instant_text(from_datetime(moment)))
odd = st.one_of(
    instants,
    instants.map(lambda text: text.replace("Z", "+02:00")),
    instants.map(lambda text: text.replace("Z", "")),
    instants.map(lambda text: text[:10]),
    instants.map(lambda text: text.replace(":", ";")),
    instants.map(lambda text: text.replace("-0", "-9", 1)),
    st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", fullmatch=True),
)


@given(st.lists(st.tuples(odd, st.dates().map(str)), min_size=1, max_size=8), st.booleans())
def test_days_are_judged_as_instants_are_read(rows: list[tuple[str, str]], right: bool):
    days = [by_hand(text) or day for text, day in rows] if right else [day for _, day in rows]
    checks = RowChecks(BUILT_IN[AUDIT], None, None)
    fixed = pl.Series(["x"] * len(rows))
    checks.see(
        pl.DataFrame(
            {
                "INTERACTION_ID": fixed,
                "AURA_COMPONENT_ID": fixed,
                "DAY_DT": days,
                "AURA_TM": [text for text, _ in rows],
                "COUNTRY_3_ALPHA_CD": fixed,
            }
        )
    )
    wrong = {number for number, (text, _) in enumerate(rows) if by_hand(text) != days[number]}
    told = {int(fault.place.split(",")[0].split()[1]) - 1 for fault in checks.problems}
    assert told == wrong
