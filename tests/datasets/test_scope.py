"""Scopes of Kernel: what is one, what a list of them grants, and what is odd about a list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.problem import DefinitionError
from meterhouse.datasets.schema import BUILT_IN
from meterhouse.datasets.scope import (
    Action,
    missing_scopes,
    not_covered,
    parse_scope,
    read_scopes,
    scope_problems,
    versioned,
    without_versions,
)
from meterhouse.datasets.scope_lists import (
    BILLING_SCOPES,
    BOT_SCOPES,
    LISTED_DATASETS,
    default_clients,
    lint_scopes,
    needed_scopes,
)

GENERIC = ["admin:datasets:read", "data:read", "data:write"]
OWN = [
    *("Aura_Audit", "Aura_Gateway_Message", "D_Aura_App", "D_Aura_Channel", "D_Aura_Component"),
    *("D_Aura_Preset", "D_Aura_Recognizer", "D_Aura_Skill"),
]
SHARED = ["D_Gbl_Brand", "D_Gbl_Contact_Channel", "D_Gbl_Country"]


def kinds(scopes: list[str], needed: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    found = lint_scopes(scopes, datasets=LISTED_DATASETS, needed=needed)
    return [(finding.kind, finding.scope) for finding in found]


@pytest.mark.parametrize(
    "text",
    [
        *("admin:datasets:read", "data:read", "data:write", "data:Aura_Audit:read"),
        *("data:Aura_Audit:write", "data:Aura_Audit:6:read", "data:read:write"),
    ],
)
def test_a_scope_is_written_as_it_was_read(text: str):
    assert str(parse_scope(text)) == text


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("data:Aura_Audit:6.0.0:read", "data:Aura_Audit:6:read"),
        ("Data:Aura_Audit:Read", "did you mean data:Aura_Audit:read?"),
        ("Aura_Audit:read", "did you mean data:Aura_Audit:read?"),
        (" data:read", "did you mean data:read?"),
        ("data:Aura_Audit", "write data:read"),
        ("data:Aura Audit:read", "write data:read"),
        ("data:Aura_Audit:0:read", "write data:read"),
        ("admin:datasets:write", "write data:read"),
        ("", "write data:read"),
    ],
)
def test_what_is_no_scope_has_a_remedy(text: str, remedy: str):
    [problem] = scope_problems(["data:read", text])
    assert problem.place == "scopes[1]"
    assert remedy in problem.hint


def test_all_that_is_no_scope_is_told_at_once():
    with pytest.raises(DefinitionError) as caught:
        read_scopes(["data:read", "x", "y"])
    assert [problem.place for problem in caught.value.problems] == ["scopes[1]", "scopes[2]"]


@pytest.mark.parametrize(
    ("scopes", "action", "missing"),
    [
        (["data:read", "data:A:read"], Action.READ, ()),
        (["data:A:read"], Action.READ, ("data:read",)),
        (["data:read"], Action.READ, ("data:A:read",)),
        ([], Action.WRITE, ("data:write", "data:A:write")),
        (["data:write", "data:A:read"], Action.WRITE, ("data:A:write",)),
        (["data:read", "data:A:6:read"], Action.READ, ()),
        (["data:read", "data:A:5:read"], Action.READ, ("data:A:read",)),
        (["data:read", "data:B:read"], Action.READ, ("data:A:read",)),
        (["data:read", "data:A:read"], Action.ADMIN, ("admin:datasets:read",)),
        (["admin:datasets:read"], Action.ADMIN, ()),
    ],
)
def test_an_operation_needs_the_generic_scope_and_that_of_the_dataset(scopes, action, missing):
    assert missing_scopes(scopes, action, dataset="A", major=6) == missing


def test_c24_a_versioned_scope_grants_its_major_only():
    scopes = ["data:read", "data:Aura_Audit:6:read"]
    assert missing_scopes(scopes, Action.READ, dataset="Aura_Audit", major=6) == ()
    for major in (5, 7, None):
        lacking = missing_scopes(scopes, Action.READ, dataset="Aura_Audit", major=major)
        assert lacking == ("data:Aura_Audit:read",)


def test_c24_a_versioned_scope_is_reported_with_its_replacement_and_rewritten():
    scopes = ["data:read", "data:Aura_Audit:6:read", "data:Aura_Audit:read"]
    assert versioned(scopes) == (("data:Aura_Audit:6:read", "data:Aura_Audit:read"),)
    assert without_versions(scopes) == ("data:read", "data:Aura_Audit:read")
    [finding] = lint_scopes(scopes, datasets=LISTED_DATASETS)
    assert (finding.kind, finding.scope) == ("versioned", "data:Aura_Audit:6:read")
    assert "data:Aura_Audit:read" in finding.hint


NAMES = st.sampled_from(["A", "B"])
MAJORS = st.one_of(st.none(), st.integers(1, 3))
ACTIONS = st.sampled_from(["read", "write"])
SCOPES = st.lists(
    st.one_of(
        st.sampled_from(GENERIC),
        st.builds(
            lambda name, major, action: f"data:{name}{f':{major}' if major else ''}:{action}",
            *(NAMES, MAJORS, ACTIONS),
        ),
    )
)


@given(SCOPES, NAMES, st.integers(1, 3), st.sampled_from([Action.READ, Action.WRITE]))
def test_dropping_versions_never_takes_anything_away(scopes, name, major, action):
    after = missing_scopes(without_versions(scopes), action, dataset=name, major=major)
    assert set(after) <= set(missing_scopes(scopes, action, dataset=name, major=major))


@given(SCOPES, SCOPES, NAMES, st.integers(1, 3), st.sampled_from([Action.READ, Action.WRITE]))
def test_who_asks_for_what_is_covered_gains_nothing(held, asked, name, major, action):
    covered = [scope for scope in asked if not not_covered([scope], held)]
    if not missing_scopes(covered, action, dataset=name, major=major):
        assert missing_scopes(held, action, dataset=name, major=major) == ()


def test_c22_the_bot_has_22_scopes():
    data = [f"data:{name}:{action}" for name in OWN for action in ("read", "write")]
    shared = [f"data:{name}:read" for name in SHARED]
    assert sorted(BOT_SCOPES) == sorted(GENERIC + data + shared)
    assert len(BOT_SCOPES) == 22
    assert kinds(list(BOT_SCOPES), BOT_SCOPES) == []


def test_c23_the_client_that_bills_has_14_scopes_and_writes_no_dataset():
    assert sorted(BILLING_SCOPES) == sorted(GENERIC + [f"data:{n}:read" for n in OWN + SHARED])
    assert len(BILLING_SCOPES) == 14
    assert kinds(list(BILLING_SCOPES), BILLING_SCOPES) == []
    for name in LISTED_DATASETS:
        lacking = missing_scopes(BILLING_SCOPES, Action.WRITE, dataset=name, major=6)
        assert lacking == (f"data:{name}:write",)


def test_c22_c23_each_missing_scope_is_named():
    for needed in (BOT_SCOPES, BILLING_SCOPES):
        for scope in needed:
            found = kinds([one for one in needed if one != scope], needed)
            assert ("missing", scope) in found


def test_the_lists_name_datasets_that_there_are():
    assert set(LISTED_DATASETS) <= set(BUILT_IN)


def test_c21_an_environment_has_two_clients():
    assert default_clients("es-pro") == {
        "aura-bot-es-pro": BOT_SCOPES,
        "aura-billing-es-pro": BILLING_SCOPES,
    }
    assert needed_scopes("aura-billing-es-pro") == BILLING_SCOPES
    assert needed_scopes("reports") == ()


@pytest.mark.parametrize("environment", ["", "ES", "-es", "es-", "a b", "x" * 41])
def test_an_environment_has_a_name_of_its_kind(environment: str):
    with pytest.raises(DefinitionError, match="environment"):
        default_clients(environment)


def test_the_linter_names_what_grants_nothing_and_what_there_is_not():
    found = kinds(["data:Aura_Audit:read", "data:D_Aura_Ap:write", "data:write"])
    assert found == [
        ("generic_missing", "data:read"),
        ("dataset_unknown", "data:D_Aura_Ap:write"),
    ]
    [finding] = lint_scopes(["data:read", "data:D_Aura_Ap:read"], datasets=LISTED_DATASETS)
    assert finding.hint == "did you mean D_Aura_App?"


def test_the_linter_names_what_goes_beyond_the_list():
    scopes = [*BILLING_SCOPES, "data:Aura_Audit:write"]
    assert kinds(scopes, BILLING_SCOPES) == [("beyond", "data:Aura_Audit:write")]


def test_a_versioned_scope_is_not_missing_too():
    scopes = [s for s in BILLING_SCOPES if s != "data:Aura_Audit:read"]
    found = kinds([*scopes, "data:Aura_Audit:6:read"], BILLING_SCOPES)
    assert found == [("versioned", "data:Aura_Audit:6:read")]


def test_a_client_that_counts_tokens_needs_all_that_its_name_needs_of_them():
    plain, more = default_clients("es-pro"), default_clients("es-pro", tokens=True)
    name = "data:Aura_Atria_Message"
    assert {id: list(more[id][len(scopes) :]) for id, scopes in plain.items()} == {
        "aura-bot-es-pro": [f"{name}:read", f"{name}:write"],
        "aura-billing-es-pro": [f"{name}:read"],
    }
    for id, scopes in (*plain.items(), *more.items()):
        assert kinds(list(scopes), needed_scopes(id, held=scopes)) == []
    bot = [*plain["aura-bot-es-pro"], f"{name}:write"]
    [finding] = lint_scopes(
        bot, datasets=LISTED_DATASETS, needed=needed_scopes("aura-bot-es-pro", held=bot)
    )
    assert (finding.kind, finding.scope) == ("missing", f"{name}:read")
