"""Cleaning logs and deriving Aura_Audit, against an oracle that is slow and obvious."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from meterhouse.datasets.atria_log import read_atria_log
from meterhouse.datasets.audit import (
    AuditRules,
    Names,
    NotBilled,
    audit_of_gateway,
    audit_of_groot,
    audit_rows,
)
from meterhouse.datasets.cleaning import Reason, Rejected
from meterhouse.datasets.gateway_log import read_gateway_log
from meterhouse.datasets.groot_log import GrootRow, read_groot_log

CHANNELS = {"novum": "id-novum", "tv": "id-tv"}
COUNTRIES = {"ES": "ESP", "ESP": "ESP", "es": "ESP", "PT": "PRT", "PRT": "PRT"}
GROOT = {
    "MSG_DT": "2026-10-03T09:15:02.114Z",
    "MSG_ID": "m1",
    "CORR_ID": "c1",
    "ACTION_CD": "receive",
    "COUNTRY_CD": "ESP",
    "CHANNEL_CD": "novum",
}
GATEWAY = {
    "MESSAGE_TM": "2026-10-03T09:15:02.114Z",
    "MESSAGE_ID": "m1",
    "CORR_ID": "c1",
    "COUNTRY_3_ALPHA_CD": "ESP",
    "AURA_NLP_IND": False,
    "AURA_PRESET_NAME": "rag",
    "AURA_COMPONENT_ID": "aura-gateway-api",
    "AURA_APP_ID": "app",
}


def groot_of(**changed):
    return next(read_groot_log([json.dumps(GROOT | changed)], country="ESP"))


def gateway_of(**changed):
    return next(read_gateway_log([json.dumps(GATEWAY | changed)], country="ESP"))


def reason_of(row):
    return (row.reason, row.field)


def test_white_space_goes_and_empty_is_none():
    row = groot_of(CHANNEL_CD="  ", CORR_ID=" c1 ")
    assert (row.channel, row.correlation_id) == (None, "c1")


def test_instants_become_utc_with_a_z():
    audit = audit_of_gateway(
        gateway_of(MESSAGE_TM="2026-10-01T01:30:00.5+02:00"), Names(), rules=AuditRules()
    )
    assert (audit["AURA_TM"], audit["DAY_DT"]) == ("2026-09-30T23:30:00.500Z", "2026-09-30")


def test_two_letters_become_three():
    assert gateway_of(COUNTRY_3_ALPHA_CD="es").country == "ESP"


def test_another_country_is_rejected_with_both():
    row = gateway_of(COUNTRY_3_ALPHA_CD="PT")
    assert reason_of(row) == (Reason.COUNTRY_OTHER, "COUNTRY_3_ALPHA_CD")
    assert (row.value, row.message) == ("PT", "COUNTRY_3_ALPHA_CD is PRT, but the log is of ESP")


def test_each_thing_that_is_wrong_has_its_reason():
    rows = {
        Reason.MISSING: gateway_of(CORR_ID=" "),
        Reason.NOT_TEXT: gateway_of(CORR_ID=["c"]),
        Reason.TIME_INVALID: gateway_of(MESSAGE_TM="03/10/2026"),
        Reason.COUNTRY_INVALID: gateway_of(COUNTRY_3_ALPHA_CD="XX"),
        Reason.BOOLEAN_INVALID: gateway_of(AURA_NLP_IND="maybe"),
    }
    assert {row.reason: reason for reason, row in rows.items()} == {one: one for one in rows}


def test_tokens_that_are_no_whole_number_are_rejected():
    line = GATEWAY | {"PROMPTS_TOKENS_NUM": 12.5, "COMPLETION_TOKENS_NUM": 1}
    row = next(read_atria_log([json.dumps(line)], country="ESP"))
    assert isinstance(row, Rejected)
    assert reason_of(row) == (Reason.COUNT_INVALID, "PROMPTS_TOKENS_NUM")


def test_tokens_that_are_missing_are_not_taken_for_none():
    line = GATEWAY | {"PROMPTS_TOKENS_NUM": None, "COMPLETION_TOKENS_NUM": 1}
    row = next(read_atria_log([json.dumps(line)], country="ESP"))
    assert isinstance(row, Rejected)
    assert reason_of(row) == (Reason.MISSING, "PROMPTS_TOKENS_NUM")


def test_no_text_of_a_user_is_in_what_is_said_of_a_rejected_row():
    row = groot_of(MESSAGE="my secret", PHONE_ID="600", MSG_DT="never")
    assert "my secret" not in json.dumps(row.to_api())
    assert "600" not in json.dumps(row.to_api())


def test_bytes_that_are_no_utf_8_in_an_id_reject_the_row_and_in_a_text_do_not():
    header = "MSG_DT,MSG_ID,CORR_ID,ACTION_CD,COUNTRY_CD,MESSAGE\n"
    broken = "2026-10-03T09:15:02Z,m,{id},receive,ES,{text}\n"
    lines = [header, broken.format(id="c\udcff", text="x"), broken.format(id="c", text="\udcff")]
    first, second = read_groot_log(lines, country="ESP")
    assert reason_of(first) == (Reason.NOT_TEXT, "CORR_ID")
    assert isinstance(second, GrootRow)


def test_the_action_that_counts_is_a_setting_and_an_event_never_counts():
    rows = [groot_of(ACTION_CD=action) for action in ("receive", "send", "event", "wave")]
    by_rule = {
        action: [
            not isinstance(audit_of_groot(row, Names(), rules=AuditRules(action)), NotBilled)
            for row in rows
        ]
        for action in ("receive", "send", "event")
    }
    assert by_rule == {
        "receive": [True, False, False, False],
        "send": [False, True, False, False],
        "event": [False, False, False, False],
    }


def test_the_id_of_an_interaction_is_the_correlation_id_or_by_setting_the_message():
    groot, gateway = groot_of(), gateway_of()
    ids = [
        (
            audit_of_groot(groot, Names(), rules=rules)["INTERACTION_ID"],
            audit_of_gateway(gateway, Names(), rules=rules)["INTERACTION_ID"],
        )
        for rules in (AuditRules(), AuditRules(by_message=True))
    ]
    assert ids == [("c1", "c1"), ("m1", "m1")]


def test_a_component_that_is_named_by_its_uuid_gets_its_name():
    names = Names(components={"uuid-1": "aura-gateway-api"})
    row = audit_of_gateway(gateway_of(AURA_COMPONENT_ID="uuid-1"), names, rules=AuditRules())
    assert row["AURA_COMPONENT_ID"] == "aura-gateway-api"


# ------------------------------------------------------------- made-up logs, and the oracle

MOMENTS = st.builds(
    lambda seconds, way: (
        datetime(2026, 10, 1, tzinfo=UTC) + timedelta(seconds=seconds, milliseconds=7)
    ).strftime(way),
    st.integers(0, 5),
    st.sampled_from(["%Y-%m-%dT%H:%M:%S.007Z", " %Y-%m-%dT%H:%M:%S.007+00:00", "%d/%m/%Y"]),
)
IDS = st.sampled_from(["a", " a", "b", "", "c "])
GROOTS = st.fixed_dictionaries(
    {
        "MSG_DT": MOMENTS,
        "MSG_ID": st.sampled_from(["m1", "m2", None]),
        "CORR_ID": IDS,
        "ACTION_CD": st.sampled_from(["receive", "send", "event", "RECEIVE", None]),
        "CHANNEL_CD": st.sampled_from(["novum", "TV ", "other", None]),
        "COUNTRY_CD": st.sampled_from(["ES", "ESP", "es", "PT", "XX", None]),
        "VERSION_ID": st.sampled_from(["9.4.0", ""]),
    }
)
GATEWAYS = st.fixed_dictionaries(
    {
        "MESSAGE_TM": MOMENTS,
        "MESSAGE_ID": st.sampled_from(["m1", "m2"]),
        "CORR_ID": IDS,
        "COUNTRY_3_ALPHA_CD": st.sampled_from(["ES", "ESP", "PT"]),
        "AURA_NLP_IND": st.sampled_from([True, False, "true", "0", "x"]),
        "AURA_PRESET_NAME": st.sampled_from(["rag", "", None]),
        "AURA_COMPONENT_ID": st.sampled_from(["gw", "rag-server", None]),
        "AURA_APP_ID": st.sampled_from(["app", " ", None]),
    }
)


def plain(value):
    """What a cell means: nothing, or a text without white space around it."""
    return None if value is None or str(value).strip() == "" else str(value).strip()


def oracle_time(text):
    try:
        return datetime.fromisoformat(plain(text).replace("Z", "+00:00"))
    except ValueError:
        return None


def oracle(groots, gateways):
    """Return the rows of Aura_Audit by key, and how many rows became none, by a coarse reason."""
    out, lost = [], Counter()
    for row in groots:
        time, country = oracle_time(row["MSG_DT"]), COUNTRIES.get(plain(row["COUNTRY_CD"]) or "")
        needed = [plain(row[name]) for name in ("MSG_ID", "CORR_ID", "ACTION_CD")]
        if time is None or country != "ESP" or None in needed:
            lost["rejected"] += 1
        elif plain(row["ACTION_CD"]).lower() != "receive":
            lost["action"] += 1
        else:
            channel = CHANNELS.get((plain(row["CHANNEL_CD"]) or "").lower())
            key = (plain(row["CORR_ID"]), "aura-groot")
            out.append((key, time, (channel, None, "ESP", "message", None)))
    for row in gateways:
        time, country = oracle_time(row["MESSAGE_TM"]), COUNTRIES[row["COUNTRY_3_ALPHA_CD"]]
        needed = [plain(row[name]) for name in ("CORR_ID", "AURA_COMPONENT_ID")]
        nlp = {"true": True, "0": False, "false": False}.get(str(row["AURA_NLP_IND"]).lower())
        if time is None or country != "ESP" or None in needed or nlp is None:
            lost["rejected"] += 1
        else:
            key = (plain(row["CORR_ID"]), plain(row["AURA_COMPONENT_ID"]))
            preset = None if nlp else plain(row["AURA_PRESET_NAME"])
            service = "nlpaas" if nlp else "ai"
            out.append((key, time, (None, plain(row["AURA_APP_ID"]), "ESP", service, preset)))
    kept = {}
    for key in {key for key, _, _ in out}:
        rows = [(time, rest) for other, time, rest in out if other == key]
        first = min(time for time, _ in rows)
        winner = next(number for number, (time, _) in enumerate(rows) if time == first)
        kept[key] = rows[winner]
        others = [rest for number, (_, rest) in enumerate(rows) if number != winner]
        lost["identical"] += sum(rest == rows[winner][1] for rest in others)
        lost["conflicting"] += sum(rest != rows[winner][1] for rest in others)
    return kept, +lost


def derived(groots, gateways):
    gathered, lost = audit_rows(), Counter()
    names, rules = Names(CHANNELS), AuditRules()
    for row in read_groot_log([json.dumps(one) for one in groots], country="ESP"):
        made = row if isinstance(row, Rejected) else audit_of_groot(row, names, rules=rules)
        if isinstance(made, dict):
            gathered.add(made)
        else:
            lost["rejected" if isinstance(made, Rejected) else "action"] += 1
    for row in read_gateway_log([json.dumps(one) for one in gateways], country="ESP"):
        if isinstance(row, Rejected):
            lost["rejected"] += 1
        else:
            gathered.add(audit_of_gateway(row, names, rules=rules))
    kept = gathered.kept()
    lost += Counter(identical=kept.identical, conflicting=kept.conflicting)
    return kept, lost


@given(st.lists(GROOTS, max_size=12), st.lists(GATEWAYS, max_size=12))
def test_c17_aura_audit_is_what_the_oracle_says(groots, gateways):
    kept, lost = derived(groots, gateways)
    wanted, wanted_lost = oracle(groots, gateways)
    rows = {
        (row["INTERACTION_ID"], row["AURA_COMPONENT_ID"]): (
            datetime.fromisoformat(row["AURA_TM"].replace("Z", "+00:00")),
            (
                row["AURA_CHANNEL_ID"],
                row["AURA_APP_ID"],
                row["COUNTRY_3_ALPHA_CD"],
                row["AURA_SERVICE_NAME_CD"],
                row["AURA_PRESET_NAME"],
            ),
        )
        for row in kept.rows
    }
    assert rows == wanted
    assert lost == wanted_lost
    assert len(kept.rows) + lost.total() == len(groots) + len(gateways)


@given(st.lists(GATEWAYS, max_size=12))
def test_rows_are_in_the_order_of_their_instants_and_keys(gateways):
    kept, _ = derived([], gateways)
    places = [
        (row["AURA_TM"], row["INTERACTION_ID"], row["AURA_COMPONENT_ID"]) for row in kept.rows
    ]
    assert places == sorted(places)


@given(st.lists(GROOTS, max_size=10), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_instant_and_no_count(groots, chance):
    mixed = list(groots)
    chance.shuffle(mixed)

    def summary(rows):
        kept, lost = derived(rows, [])
        instants = {(row["INTERACTION_ID"], row["AURA_TM"]) for row in kept.rows}
        return instants, lost["rejected"], lost["action"], len(kept.rows)

    assert summary(mixed) == summary(groots)
