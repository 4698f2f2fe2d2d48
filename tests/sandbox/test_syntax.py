"""check_syntax tells the place of a fault and never runs anything."""

import pytest

from meterhouse.sandbox import SyntaxFault, check_syntax


@pytest.mark.parametrize(
    "source",
    [
        "",
        "await push(payload);",
        "// a comment without an end of line",
        "if (payload.a) return; push(payload)",
        "for await (const x of []) push(x)",
        "'use strict'; const moment = require('moment');",
        "const f = async function* () { yield 1 }; `template ${1}`",
        "\ufeff push(payload)",
    ],
)
def test_script_without_fault(shared_session, source):
    assert shared_session.check_syntax(source) == []


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [
        ("let total = = 1;", 1, 13, "Unexpected token '='"),
        ("\n\n  foo bar", 3, 7, "Unexpected identifier 'bar'"),
        ("let a;\nlet a;", 2, 5, "Identifier 'a' has already been declared"),
        ("const payload = 1", 1, 7, "Identifier 'payload' has already been declared"),
        ("x = 'abc", 1, 5, "Invalid or unexpected token"),
        ("a\r\nb c", 2, 3, "Unexpected identifier 'c'"),
        ("import x from 'y'", 1, 1, "Cannot use import statement outside a module"),
        ("'use strict'; with (a) {}", 1, 15, "Strict mode code may not include a with statement"),
        ("/(/.test('')", 1, 1, "Invalid regular expression: /(/: Unterminated group"),
        ("\tfoo(;", 1, 6, "Unexpected token ';'"),
        ("await 1; yield 2", 1, 16, "Unexpected number"),
        ("return new.target.x y", 1, 21, "Unexpected identifier 'y'"),
    ],
)
def test_fault_has_its_place(shared_session, source, line, column, message):
    assert shared_session.check_syntax(source) == [SyntaxFault(line, column, message)]


@pytest.mark.parametrize(
    "source",
    [
        "if (x) {",
        "}",
        "return 1; }",
        "}); while (true); (async function () {",
        "}); globalThis.ran = true; (async () => {",
        "`never closed",
        "/* never closed",
        "*/ }) /*",
        "}\n})()\n({",
    ],
)
def test_brackets_that_do_not_pair_are_a_fault_and_run_nothing(shared_session, run, source):
    [fault] = shared_session.check_syntax(source)
    assert 1 <= fault.line <= source.count("\n") + 1
    assert run("push({ran: typeof globalThis.ran})")[0].pushed == ({"ran": "undefined"},)


def test_source_that_is_not_unicode_is_a_fault(shared_session):
    assert shared_session.check_syntax("'\ud800'") == [
        SyntaxFault(1, 1, "the script holds text that is not Unicode")
    ]


def test_check_needs_no_session():
    assert check_syntax("push(payload)") == []
    assert check_syntax("push(") != []
