from dataclasses import replace
from datetime import date
from decimal import Decimal

from meterhouse.core.charge import ChargePart, Source
from meterhouse.core.invoice import Window
from meterhouse.documents.header import header_fields
from meterhouse.documents.shown_line import field_text, named_fields, parts_text, shown_lines
from meterhouse.documents.summary import by_day
from tests.documents.samples import D, a_charge, a_line, an_invoice, worked_invoice


def test_a_book_without_components_shows_sku_and_name():
    shown = shown_lines(an_invoice([a_line(a_charge("1", "1", sku="api", name="API calls"))]))[0]
    assert (shown.component, shown.service, shown.user) == ("api", "API calls", "")


def test_an_app_is_shown_with_its_id_where_that_is_another():
    lines = [
        a_line(a_charge("1", "1", app="Mi Movistar", app_id="a-17")),
        a_line(a_charge("1", "1", app="a-17", app_id="a-17")),
        a_line(a_charge("1", "1", app_id="a-18")),
    ]
    shown = [one.user for one in shown_lines(an_invoice(lines))]
    assert shown == ["Mi Movistar (a-17)", "a-17", "a-18"]


def test_people_are_told_names_and_nothing_twice():
    fields = {"channel": "c-1", "channel_name": "whatsapp", "brand": "b-1", "brand_name": "Blue"}
    [alone, beside] = shown_lines(
        an_invoice(
            [a_line(a_charge("1", "1", **fields)), a_line(a_charge("1", "1", app="x", **fields))]
        )
    )
    assert alone.told() == "brand Blue"
    assert beside.told() == "brand Blue, channel whatsapp"
    assert beside.told("brand_name") == "channel whatsapp"
    assert "channel c-1" in beside.of()


def test_names_are_shown_of_a_line_that_is_told_apart_by_ids():
    ids = {"app": '"mv-1"', "channel": '"c"'}
    called = [ids | {"app_name": name, "channel_name": "null"} for name in ('"Old"', '"New"')]
    sources = tuple(Source(f"r{n}", Decimal(1), fields) for n, fields in enumerate(called))
    line = a_line(replace(a_charge("1", "1"), fields=ids, sources=sources))
    [shown] = shown_lines(an_invoice([line]))
    assert (shown.user, shown.app_id, shown.channel) == ("New / Old (mv-1)", "mv-1", "c")
    assert named_fields(line) == ids | {"app_name": '"New / Old"'}


def test_fields_are_shown_as_people_write_them():
    fields = {"a": "null", "b": '"say \\"hi\\""', "c": "5", "d": '"broken\\"', "e": '"'}
    shown = [field_text(fields, name) for name in "abcdef"]
    assert shown == ["", 'say "hi"', "5", '"broken\\"', '"', ""]


def test_a_calculation_of_very_many_parts_ends():
    parts = [ChargePart(f"tier {at}", D(1), D(1), D(0), D(1)) for at in range(50)]
    shown = parts_text(a_line(a_charge("50", "1", parts=parts)), 2)
    assert shown.startswith("tier 0: 1 at 1 = 1.00; ") and shown.endswith("; and 10 more")


def test_the_smallest_series_of_a_chart_are_one_together():
    windows = tuple(
        Window(date(2026, 10, 1), {"component": f'"c{at}"'}, D(10 - at)) for at in range(5)
    )
    names, days = by_day(worked_invoice(windows=windows), 3)
    assert names == ["c0", "c1", "others"]
    assert days == {date(2026, 10, 1): [D(10), D(9), D(8 + 7 + 6)]}


def test_the_head_names_the_invoice_that_is_corrected():
    made = replace(worked_invoice(), corrects=("2026-31", date(2026, 10, 2)), reference="")
    assert header_fields(made)[-1] == ("Corrects invoice", "2026-31 of 2026-10-02")


def test_parties_show_their_region():
    from meterhouse.core.party import Address, Party
    from meterhouse.documents.header import party_lines

    party = Party("Ltd", Address("US", "1 Main St", "Austin", "73301", "TX"))
    assert party_lines(party) == ["Ltd", "1 Main St", "73301 Austin", "TX, US"]
