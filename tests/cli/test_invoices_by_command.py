"""From golden records to issued invoices, by command."""

import json
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite3

from meterhouse.core.invoice import TRANSITIONS, InvoiceStatus
from tests.cli.billing import CUSTOMER, FIELDS, OCTOBER, WORKED, Business, book
from tests.cli.command import Meterhouse

#: Later than what these tests bill, whatever the clock says.
DECEMBER = ("--issue-date", "2026-12-03")


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


@pytest.fixture
def spain(business: Business) -> Business:
    """Spain's usage of October is metered, nothing is drafted."""
    business.set_up(["ES"])
    return business


def test_the_worked_invoice_is_right_to_the_cent(spain: Business):
    [draft] = spain.draft()
    [issued] = spain.issue()
    assert issued["number"] == "LICEO-2026-000001"
    assert (issued["issueDate"], issued["dueDate"]) == ("2026-11-03", "2026-12-03")
    lines = [
        (one["charge"]["quantity"], one["charge"]["exact"], one["net"]) for one in issued["lines"]
    ]
    assert lines == [
        ("184230", "386.883", "386.88"),
        ("52311", "183.0885", "183.09"),
        ("9874", "271.535", "271.54"),
        ("30125", "337.40", "337.40"),
    ]
    totals = issued["totals"]
    assert (totals["net"], totals["tax"], totals["total"]) == ("1178.91", "247.57", "1426.48")
    assert issued["lines"] == draft["lines"]
    shown = spain.run.done("invoice", "show", "LICEO-2026-000001").out
    assert "VAT 21 % (S) of 1178.91   247.57 EUR\nTotal                    1426.48 EUR\n" in shown
    assert spain.run.json("invoice", "show", "LICEO-2026-000001") == [issued]
    [head] = spain.listed()
    assert (head["status"], head["total"], head["number"]) == (
        *("issued", "1426.48", "LICEO-2026-000001"),
    )


def test_drafting_again_gives_the_same_bytes_and_a_preview_stores_nothing(spain: Business):
    words = ("--customer", "es", "--period", OCTOBER, "--json")
    preview = spain.run.done("invoice", "preview", *words).out
    assert spain.listed() == []
    first = spain.run.done("invoice", "draft", *words).out
    assert preview == first == spain.run.done("invoice", "draft", *words).out
    assert len(spain.listed()) == 1
    drafts = [one for one in spain.run.json("activity", "list") if one["action"] == "draft"]
    assert len(drafts) == 1


def test_a_period_is_billed_once(spain: Business):
    spain.draft()
    spain.run.json("invoice", "draft", "--all", "--from", "2026-10-15", "--to", "2026-11-02")
    whole, part = [head["id"] for head in spain.listed()]
    spain.issue(whole)
    told = spain.run.refused("invoice", "issue", part, *DECEMBER)
    assert "The period of this draft is billed already, by invoice LICEO-2026-000001" in told
    for words in (("--period", OCTOBER), ("--from", "2026-10-31", "--to", "2026-11-05")):
        told = spain.run("invoice", "draft", "--all", *words)
        assert told.code == 1
        assert "bills this period of 'es' already" in told.err
    assert [head["status"] for head in spain.listed()] == ["issued", "draft"]


def test_the_ledger_itself_refuses_to_bill_a_record_twice(spain: Business):
    spain.draft()
    spain.issue()
    ledger = sqlite3.connect(spain.run.data / "ledger.sqlite")
    [(record, invoice)] = ledger.execute("SELECT record_no, invoice_no FROM billed_record")
    with pytest.raises(sqlite3.IntegrityError):
        ledger.execute("INSERT INTO billed_record VALUES (?, ?)", (record, invoice))
    ledger.close()


def test_a_fault_nobody_expected_leaves_other_customers_their_drafts(
    meterhouse: Meterhouse, tmp_path: Path
):
    business = Business(meterhouse, tmp_path)
    business.set_up(["ES", "PT"])
    own = book(id="own")
    business.run.done("price-book", "create", "--file", business.file("own.json", own))
    business.customer(id="aa", users=["XX"], priceBook="own")
    ledger = sqlite3.connect(business.run.data / "ledger.sqlite")
    with ledger:
        ledger.execute("UPDATE price_book_version SET document = '{' WHERE book_id = 'own'")
    ledger.close()
    told = business.run("invoice", "draft", "--all", "--period", OCTOBER, "--json")
    assert told.code == 1
    assert [draft["customer"] for draft in told.objects] == ["es", "pt"]
    assert "no draft for customer aa: internal error: JSONDecodeError" in told.err
    assert "Traceback (most recent call last)" in told.err
    assert [draft["customer"] for draft in business.listed()] == ["es", "pt"]


def test_an_unreadable_record_ends_the_draft_and_nothing_is_billed_again(spain: Business):
    """An error while usage is read must not pass for no usage (test_swallowed_exception)."""
    spain.draft()
    before = spain.run.done("invoice", "show", spain.listed()[0]["id"], "--json").out
    ledger = sqlite3.connect(spain.run.data / "ledger.sqlite")
    [(text,)] = ledger.execute("SELECT text FROM metered_record WHERE text LIKE '%184230%'")
    for broken in (text[:-20], text.replace('"groupBreakdowns"', '"breakdowns"')):
        with ledger:
            ledger.execute("UPDATE metered_record SET text = ?", (broken,))
        told = spain.run("invoice", "draft", "--all", "--period", OCTOBER)
        assert (told.code, told.out) == (1, "")
        assert "of user 'ES' cannot be read" in told.err
        assert spain.run.done("invoice", "show", spain.listed()[0]["id"], "--json").out == before
    with ledger:
        ledger.execute("UPDATE metered_record SET text = ?", (text,))
    ledger.close()
    spain.draft()
    [issued] = spain.issue()
    assert issued["totals"]["total"] == "1426.48"
    assert spain.run("invoice", "draft", "--all", "--period", OCTOBER).code == 1
    assert [head["number"] for head in spain.listed()] == ["LICEO-2026-000001"]


def test_one_customer_without_a_book_keeps_nobody_else_from_a_draft(business: Business):
    business.set_up(["ES", "FR"])
    other = book(id="later", valid={"from": "2027-01-01", "to": None})
    business.run.done("price-book", "create", "--file", business.file("later.json", other))
    patch = json.dumps({"priceBook": "later"})
    business.run.done("customer", "update", "es", "--file", "-", given=patch)
    told = business.run("invoice", "draft", "--all", "--period", OCTOBER, "--json")
    assert told.code == 1
    assert [one["customer"] for one in told.objects] == ["fr"]
    assert "no draft for customer es: No version of price book 'later'" in told.err
    assert [head["customer"] for head in business.listed()] == ["fr"]


def test_days_are_told_as_the_price_book_has_them(business: Business):
    business.set_up(["ES"], timezone="America/Lima")
    business.run.done("customer", "update", "es", "--file", "-", given='{"priceBook": "liceo-es"}')
    [early] = [one for one in business.draft(period="2026-11") if one["customer"] == "es"]
    told = {one["code"]: one["text"] for one in early["exceptions"]}
    assert "ending 2026-10-31)" in told["earlier_unbilled"]
    refused = business.run.refused("invoice", "draft", "--all", "--period", "2025-12")
    assert "No version of price book 'liceo-es' is in force on 2025-12-01" in refused


def test_unpriced_usage_blocks_issuing_and_is_listed_with_a_remedy(business: Business):
    rows = [*WORKED, ("aura-bot", "message", "mi-movistar", None, 17)]
    business.set_up(["ES"], rows=rows)
    [draft] = business.draft()
    assert [one["quantity"] for one in draft["unpriced"]] == ["17"]
    told = business.run.refused("invoice", "issue", draft["id"], *DECEMBER)
    assert "unpriced[0]: 17 of" in told and '"aura-bot"' in told
    assert "is unpriced: no_price (add a price for it to a new version of the price book" in told
    assert business.listed()[0]["status"] == "draft"


def test_usage_of_users_whom_no_customer_has_is_counted_and_listed(business: Business):
    business.meter(["ES", "FR", "DE"], rows=WORKED)
    business.sell()
    business.customer()
    told = business.run.done("invoice", "draft", "--all", "--period", OCTOBER)
    assert "not billed: 2 records of 2 users whom no customer has" in told.err
    listed = business.run.json("invoice", "unbilled", "--period", OCTOBER)
    assert listed == [{"user": "DE", "records": 1}, {"user": "FR", "records": 1}]


def test_a_flat_fee_is_charged_though_nothing_was_used(business: Business):
    fee = {"sku": "base", "name": "Base fee", "model": "flat", "amount": "49.90"}
    business.sell(prices=[fee])
    business.customer()
    [draft] = business.draft()
    assert [(one["charge"]["name"], one["net"]) for one in draft["lines"]] == [
        ("Base fee", "49.90")
    ]
    [issued] = business.issue()
    assert issued["totals"]["total"] == "60.38"


def test_lines_by_hand_survive_drafting_again(spain: Business):
    [draft] = spain.draft()
    added = ("--amount", "-25", "--reason", "Goodwill", "--name", "Discount")
    [changed] = spain.run.json("invoice", "add-line", draft["id"], *added)
    assert changed["totals"]["net"] == "1153.91"
    [again] = spain.draft()
    assert again == changed
    line = again["lines"][-1]
    assert (line["net"], line["reason"], line["author"] != "") == ("-25.00", "Goodwill", True)
    told = spain.run.refused(
        "invoice", "add-line", draft["id"], "--amount", "1.005", "--reason", "r"
    )
    assert "amount: is 1.005 (EUR has 2 digits after the point)" in told
    told = spain.run.refused(
        "invoice", "add-line", draft["id"], "--amount", "1", "--reason", "r", "--tax", "AE"
    )
    assert "a charge has the tax 'AE'" in told
    shown = spain.run.done("invoice", "show", draft["id"]).out
    by_hand = shown.splitlines()[-1].split()[-1]
    spain.run.done("invoice", "remove-line", draft["id"], by_hand)
    assert spain.draft() == [draft]


def test_a_total_below_nothing_is_not_issued(spain: Business):
    [draft] = spain.draft()
    added = ("--amount", "-2000", "--reason", "Too much")
    [changed] = spain.run.json("invoice", "add-line", draft["id"], *added)
    assert [one["code"] for one in changed["exceptions"]] == ["negative_total"]
    told = spain.run.refused("invoice", "issue", draft["id"], *DECEMBER)
    assert "totals.total: is -993.52 EUR (add a line by hand that brings it to 0" in told


def test_a_credit_note_takes_an_invoice_back_and_its_usage_is_billed_anew(spain: Business):
    spain.draft()
    spain.issue()
    text = spain.run.done("invoice", "show", "LICEO-2026-000001", "--json").out
    [note, draft] = spain.run.json(
        "invoice", "correct", "LICEO-2026-000001", "--reason", "Wrong price"
    )
    assert (note["kind"], note["number"]) == ("credit_note", "CN-2026-000001")
    assert note["corrects"] == {"number": "LICEO-2026-000001", "issueDate": "2026-11-03"}
    assert (note["totals"]["total"], note["metadata"]["reason"]) == ("1426.48", "Wrong price")
    assert draft["status"] == "draft"
    assert draft["lines"] == json.loads(text)["lines"]
    spain.issue(draft["id"])
    heads = [(head["number"], head["status"]) for head in spain.listed()]
    assert heads == [
        ("LICEO-2026-000001", "corrected"),
        ("CN-2026-000001", "issued"),
        ("LICEO-2026-000002", "issued"),
    ]
    # An issued invoice never changes: the bytes are those of the day it was issued.
    assert spain.run.done("invoice", "show", "LICEO-2026-000001", "--json").out == text


def act_on(spain: Business, status: InvoiceStatus) -> str:
    """Bring Spain's invoice into a status and return its id."""
    [draft] = spain.draft()
    if status is InvoiceStatus.VOID:
        spain.run.done("invoice", "void", draft["id"])
    if status in (InvoiceStatus.ISSUED, InvoiceStatus.CORRECTED):
        spain.issue(draft["id"])
    if status is InvoiceStatus.CORRECTED:
        spain.run.done("invoice", "credit", draft["id"], "--reason", "A mistake")
    return draft["id"]


#: What brings an invoice into a status.
ACTS = {
    InvoiceStatus.ISSUED: ("issue",),
    InvoiceStatus.VOID: ("void",),
    InvoiceStatus.CORRECTED: ("credit", "--reason", "r"),
}


@pytest.mark.parametrize("status", InvoiceStatus)
def test_an_invoice_changes_its_status_only_as_it_may(spain: Business, status: InvoiceStatus):
    id = act_on(spain, status)
    before = spain.listed()
    for target in set(ACTS) - TRANSITIONS[status]:
        verb, *words = ACTS[target]
        told = spain.run.refused("invoice", verb, id, *words)
        assert status.value in told
    assert spain.listed() == before
    for target in TRANSITIONS[status]:
        verb, *words = ACTS[target]
        assert spain.run("invoice", verb, id, *words).code == 0
        break


def test_a_void_period_and_a_credited_one_can_be_drafted_again(spain: Business):
    [first] = spain.draft()
    spain.run.done("invoice", "void", first["id"])
    [second] = spain.draft()
    assert second["id"] != first["id"]
    spain.issue(second["id"])
    spain.run.done("invoice", "credit", second["id"], "--reason", "A mistake")
    [third] = spain.draft()
    assert third["totals"] == first["totals"]
    assert "CN-2026-000001 is a credit note" in spain.run.refused(
        "invoice", "credit", "CN-2026-000001", "--reason", "r"
    )


def test_credit_is_drawn_when_an_invoice_is_issued_and_given_back_when_it_is_taken_back(
    spain: Business,
):
    grant = (
        "credit",
        "grant",
        "--customer",
        "es",
        "--currency",
        "EUR",
        "--effective",
        "2026-10-01",
    )
    [paid] = spain.run.json(*grant, "--amount", "200", "--name", "Prepaid")
    spain.run.json(*grant, "--amount", "100", "--promotional")
    [draft] = spain.draft()
    totals = draft["totals"]
    assert (totals["creditsBeforeTax"], totals["net"], totals["total"], totals["payable"]) == (
        *("100.00", "1078.91", "1305.48", "1105.48"),
    )
    assert [one["remaining"] for one in spain.run.json("credit", "list")] == ["200", "100"]
    spain.issue(draft["id"])
    assert [one["remaining"] for one in spain.run.json("credit", "list")] == ["0", "0"]
    spain.run.done("invoice", "credit", draft["id"], "--reason", "A mistake")
    [shown] = spain.run.json("credit", "show", paid["id"])
    assert [entry["amount"] for entry in shown["entries"]] == ["-200", "200"]
    assert shown["remaining"] == "200"


def test_a_grant_that_was_drawn_meanwhile_is_not_drawn_twice(business: Business):
    business.set_up(["ES"])
    business.customer(id="es-two", users=["ES-2"])
    grant = (
        "credit",
        "grant",
        "--customer",
        "es",
        "--currency",
        "EUR",
        "--effective",
        "2026-01-01",
    )
    business.run.done(*grant, "--amount", "200")
    fee = {"sku": "base", "name": "Base fee", "model": "flat", "amount": "400"}
    newer = book(version="2", prices=[*book()["prices"], fee])
    business.run.done("price-book", "create", "--file", business.file("newer.json", newer))
    [october] = business.draft("--customer", "es")
    [november] = business.draft("--customer", "es", period="2026-11")
    assert (october["totals"]["prepaid"], november["totals"]["prepaid"]) == ("200.00", "200.00")
    business.issue(october["id"])
    told = business.run.refused("invoice", "issue", november["id"], *DECEMBER)
    assert "has 0 left, and the draft draws 200" in told
    [again] = business.draft("--customer", "es", period="2026-11")
    assert again["totals"]["prepaid"] == "0.00"
    business.run.json("invoice", "issue", again["id"], *DECEMBER)


def test_late_usage_of_a_billed_period_is_a_difference_on_the_next_invoice(business: Business):
    tiers = [{"up_to": 100, "price": "1"}, {"up_to": None, "price": "0.5"}]
    graduated = {"sku": "q", "match": {}, "model": "graduated", "tiers": tiers, "unit": "query"}
    business.meter(["ES"], rows=[("a", "s", "app", None, 80)])
    business.sell(prices=[graduated])
    business.customer()
    business.draft()
    [issued] = business.issue()
    assert issued["totals"]["net"] == "80.00"
    # Another stream is run late: its record of October comes when October is billed.
    business.meter(["ES"], rows=[("b", "s", "app", None, 40)], stream="Late", until=12)
    business.run.done("stream", "run", "Usage", "--at", "2026-12-01T00:00:00Z", "--quiet")
    [november] = business.draft(period="2026-11")
    [usage, late] = november["lines"]
    assert usage["net"] == "0.00"
    # 120 cost 100 * 1 + 20 * 0.5 = 110; 80 were billed before.
    assert (late["net"], late["corrects"]) == ("30.00", "LICEO-2026-000001")
    assert late["charge"]["kind"] == "adjustment"
    assert late["charge"]["period"] == issued["period"]
    business.run.done("invoice", "issue", november["id"], *DECEMBER)
    assert business.draft(period="2026-12") == []


def test_adjustments_of_a_billed_period_are_differences_and_the_last_one_counts(
    business: Business,
):
    tiers = [{"up_to": 100, "price": "1"}, {"up_to": None, "price": "0.5"}]
    graduated = {"sku": "q", "match": {}, "model": "graduated", "tiers": tiers, "unit": "query"}
    rows = [("a", "s", "app", None, 80)]
    by_event = {"periodAssignment": "event", "gracePeriod": "P0D"}
    business.meter(["ES"], rows=rows, at="2026-10-15T00:00:00Z", **by_event)
    business.sell(prices=[graduated])
    business.customer()
    business.draft()
    [issued] = business.issue()
    assert issued["totals"]["net"] == "80.00"
    for day, value in (("2026-11-05", 15), ("2026-11-06", 25)):
        late = {"userId": "ES", "value": value, "timestamp": "2026-10-31T00:00:00Z"}
        business.file(f"Usage {day}.ndjson", late | dict.fromkeys(FIELDS, "b"))
        business.run.done("stream", "run", "Usage", "--at", f"{day}T00:00:00Z", "--quiet")
    business.run.done("stream", "run", "Usage", "--at", "2026-12-01T00:00:00Z", "--quiet")
    restated = business.run.json("record", "list", "--kind", "adjustment")
    assert [record["value"] for record in restated] == [95, 120]
    [november] = business.draft(period="2026-11")
    [line] = [one for one in november["lines"] if one["corrects"]]
    # 120 cost 110; 80 were billed before. Neither adjustment is billed for itself.
    assert (line["net"], line["corrects"]) == ("30.00", "LICEO-2026-000001")
    assert november["metadata"]["lateRecords"] == "2"
    business.run.done("invoice", "issue", november["id"], *DECEMBER)
    assert business.draft(period="2026-12") == []


def test_a_line_is_explained_down_to_the_files_that_were_read(spain: Business):
    spain.draft()
    spain.issue()
    [explained] = spain.run.json("invoice", "explain", "LICEO-2026-000001", "--line", "3")
    assert explained["price"]["document"]["price"] == "0.0275"
    assert explained["price"]["version"] == "2026-10-01.1"
    assert (explained["exact"], explained["net"]) == ("271.535", "271.54")
    [record] = explained["records"]
    assert (record["user"], record["quantity"]) == ("ES", "9874")
    assert record["madeBy"]["at"] == "2026-11-01T00:00:00.000Z"
    inputs = [one["name"] for run in record["fedBy"] for one in run["inputs"]]
    assert inputs == [str(spain.folder / "Usage.ndjson")]
    text = spain.run.done("invoice", "explain", "LICEO-2026-000001", "--line", "3").out
    assert str(spain.folder / "Usage.ndjson") in text
    told = spain.run.refused("invoice", "explain", "LICEO-2026-000001", "--line", "9")
    assert "The invoice has no line '9'" in told


def test_past_usage_is_rated_by_another_book_and_nothing_is_stored(business: Business):
    business.set_up(["ES", "FR"])
    business.draft("--customer", "es")
    business.issue()
    before = business.listed()
    prices = book()["prices"]
    prices[0]["price"] = "0.0031"
    dearer = business.file("dearer.json", book(version="dearer", prices=prices))
    rated = business.run.json("invoice", "what-if", "--book", dearer, "--period", OCTOBER)
    assert [(one["customer"], one["now"], one["then"], one["difference"]) for one in rated] == [
        ("es", "1178.91", "1363.14", "184.23"),
        ("fr", "1178.91", "1363.14", "184.23"),
    ]
    same = business.run.json(
        *("invoice", "what-if", "--book", "liceo-es@2026-10-01.1", "--period", OCTOBER),
        *("--customer", "fr"),
    )
    assert [one["difference"] for one in same] == ["0.00"]
    shown = business.run.done("invoice", "what-if", "--book", dearer, "--period", OCTOBER).out
    assert shown.splitlines()[-1].split() == ["in", "all", "EUR", "2357.82", "2726.28", "368.46"]
    assert business.listed() == before
    assert len(business.run.json("price-book", "list")) == 1


def test_a_user_is_of_one_customer_only(spain: Business):
    other = spain.file("other.json", CUSTOMER | {"id": "pt", "users": ["PT", "ES"]})
    told = spain.run.refused("customer", "create", "--file", other)
    assert "users[1]: 'ES' is a user of customer 'es' (a user is of one customer only" in told
    spain.customer(id="pt", users=[])
    told = spain.run.refused(
        "customer", "update", "es", "--file", "-", given=json.dumps({"users": ["pt"]})
    )
    assert "users[0]: 'pt' is a user of customer 'pt'" in told


def test_what_was_billed_keeps_its_customer_and_issuer(spain: Business):
    told = spain.run.refused("issuer", "delete", "liceo")
    assert "Issuer 'liceo' is that of customer 'es'" in told
    spain.draft()
    assert "Customer 'es' has invoices: 1" in spain.run.refused("customer", "delete", "es")
    spain.customer(id="pt", users=[])
    spain.run.done("customer", "delete", "pt")


def test_a_price_change_within_the_period_is_told_of(spain: Business):
    [draft] = spain.draft()
    assert draft["exceptions"] == []
    newer = book(version="2026-10-16.1", valid={"from": "2026-10-16", "to": None})
    spain.run.done("price-book", "create", "--file", spain.file("newer.json", newer))
    november = book(version="2026-11-01.1", valid={"from": "2026-11-01", "to": None})
    spain.run.done("price-book", "create", "--file", spain.file("november.json", november))
    [draft] = spain.draft()
    [told] = draft["exceptions"]
    assert told["code"] == "price_change_in_period"
    assert "(2026-10-16.1 from 2026-10-16 on)" in told["text"]
    assert "of some usage (records: 1) nobody knows the day" in told["text"]
    assert [one["version"] for one in draft["books"]] == ["2026-10-01.1", "2026-10-16.1"]
    assert len(draft["lines"]) == 4
    assert draft["totals"]["total"] == "1426.48"


def test_a_line_of_many_records_tells_how_many_there_are(business: Business):
    users = [f"user {number}" for number in range(101)]
    business.meter(users, rows=[("a", "s", "app", None, 2)])
    business.sell(prices=[{"sku": "q", "match": {}, "model": "per_unit", "price": "1"}])
    business.customer(users=users)
    [draft] = business.draft()
    words = ("invoice", "explain", draft["id"], "--line", "1")
    [told] = business.run.json(*words)
    assert (told["recordCount"], len(told["records"])) == (101, 100)
    assert "... and 1 more records (--records all)" in business.run.done(*words).out
    [told] = business.run.json(*words, "--records", "all")
    assert (told["recordCount"], len(told["records"])) == (101, 101)


# ------------------------------------------------------------ files


def archived(business: Business) -> dict[str, bytes]:
    """Return the files of the archive, without copies of the history."""
    folder = business.run.data / "archive" / "invoices"
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_files_of_an_invoice_are_in_the_archive(spain: Business):
    spain.draft()
    spain.issue()
    stem = "es/2026/10/liceo_ES_202610_LICEO-2026-000001_v01"
    found = archived(spain)
    suffixes = ("csv", "focus.csv", "json", "manifest.json", "xlsx")
    assert sorted(found) == [f"{stem}.{suffix}" for suffix in suffixes]
    shown = spain.run.done("invoice", "show", "LICEO-2026-000001", "--json").out
    assert json.loads(found[f"{stem}.json"]) == json.loads(shown)
    history = [one["action"] for one in spain.run.json("invoice", "history")]
    assert history == ["issued", "archived"]


def test_what_cannot_be_archived_is_issued_once_and_archived_later(spain: Business):
    spain.draft()
    folder = spain.run.data / "archive"
    folder.write_text("in the way")
    told = spain.run("invoice", "issue", "--all", "--period", OCTOBER, *DECEMBER)
    assert told.code == 1
    assert told.out.startswith("issued LICEO-2026-000001 to es: 1426.48 EUR")
    assert "files of LICEO-2026-000001 are not made yet" in told.err
    assert "only drafts can be changed" in spain.run.refused(
        "invoice", "issue", spain.listed()[0]["id"], *DECEMBER
    )
    told = spain.run.refused("invoice", "render", "LICEO-2026-000001")
    assert "archive" in told
    folder.unlink()
    rendered = spain.run.json("invoice", "render", "LICEO-2026-000001")
    assert [file["format"] for file in rendered] == ["csv", "focus", "json", "xlsx"]
    assert [head["number"] for head in spain.listed()] == ["LICEO-2026-000001"]
    assert len(archived(spain)) == 5


def test_a_format_has_one_name(spain: Business, tmp_path: Path):
    spain.draft()
    spain.issue()
    formats = ("ubl", "cii")
    words = [word for format in formats for word in ("--format", format)]
    spain.run.done("invoice", "render", "LICEO-2026-000001", *words)
    listed = spain.run.json("invoice", "files", "LICEO-2026-000001")
    assert sorted(one["format"] for one in listed) == ["cii", "csv", "focus", "json", "ubl", "xlsx"]
    for format in ("focus", *formats):
        out = tmp_path / format
        spain.run.done(
            *("invoice", "download", "LICEO-2026-000001", "--format", format, "--out", out)
        )
        [file] = [one for one in listed if one["format"] == format]
        assert out.stat().st_size == file["size"]
        spain.run.done("invoice", "link", "LICEO-2026-000001", "--format", format)


def test_more_formats_are_another_version_of_the_files(spain: Business):
    spain.draft()
    spain.issue()
    first = archived(spain)
    rendered = spain.run.json("invoice", "render", "LICEO-2026-000001", "--format", "ubl")
    assert [file["format"] for file in rendered] == ["csv", "focus", "json", "ubl", "xlsx"]
    assert all("_v02." in file["name"] for file in rendered)
    assert first.items() <= archived(spain).items()
    assert spain.run.json("invoice", "render", "LICEO-2026-000001") == rendered
    assert "there is no document format 'docx'" in spain.run.refused(
        "invoice", "render", "LICEO-2026-000001", "--format", "docx"
    )
