"""Hints in the words of the API.

Use cases know one user, and the remedies that they name are commands. At this border a command
becomes the operation that does the same, and an option the parameter. Where there is none, the hint
is left out: it would be of no use to a program.
"""

from __future__ import annotations

import re

_COMMAND = re.compile(r"`(?:meterhouse )?([a-z]+(?:-[a-z]+)?(?: [a-z]+(?:-[a-z]+)*)+)([^`]*)`")
_OPTION = re.compile(r"(?<![\w-])--[a-z]")
_OPERATIONS = {
    "access list": "GET /v1/applications",
    "correction fix": "POST /v1/corrections/{id}/fix",
    "correction list": "GET /v1/corrections",
    "correction requeue": "POST /v1/corrections:requeue",
    "credit list": "GET /v1/credits",
    "customer list": "GET /v1/customers",
    "dataset files": "GET /v1/datasets/{name}/files",
    "dataset list": "GET /v1/datasets",
    "dataset publish": "POST /v1/datasets/{name}/versions",
    "group delete": "DELETE /v1/groups/{id}",
    "group list": "GET /v1/groups",
    "invoice add-line": "POST /v1/invoices/{id}/lines",
    "invoice correct": "POST /v1/invoices/{id}/correct",
    "invoice issue": "POST /v1/invoices/{id}/issue",
    "invoice list": "GET /v1/invoices",
    "invoice remove-line": "DELETE /v1/invoices/{id}/lines/{line}",
    "invoice show": "GET /v1/invoices/{id}",
    "invoice void": "POST /v1/invoices/{id}/void",
    "issuer list": "GET /v1/issuers",
    "meter list": "GET /usage-metering/v1/meters",
    "meter-type list": "GET /usage-metering/v1/meter-types",
    "meter-type update": "PATCH /usage-metering/v1/meter-types/{id}",
    "run list": "GET /v1/runs",
    "run show": "GET /v1/runs/{id}",
    "run stop": "POST /v1/runs/{id}/stop",
    "schedule list": "GET /v1/schedules",
    "schedule remove": "DELETE /v1/streams/{id}/schedule",
    "secret create": "POST /v1/secrets",
    "secret list": "GET /v1/secrets",
    "stream list": "GET /v1/streams",
    "stream version list": "GET /v1/streams/{id}/versions",
}
_PARAMETERS = {
    "(`--allow-node-removal`)": "(`allowNodeRemoval=true`)",
    "(`--group`)": "(`PUT /v1/groups/{id}/schedule`)",
    "(`--name`)": "(`name`)",
    "--models takes": "models takes",
    "--from 2026-01-01": "from=2026-01-01",
    "say --before-end (beforeEnd: true)": "say beforeEnd: true",
    "say --empty (empty: true)": "say empty: true",
    "with --at": "as `at`",
    "with --secret NAME": "with `secret=NAME`",
    "; if its machine is gone, `stream run --take-over` ends it": "",
}


def api_hint(hint: str) -> str:
    """Return a hint as a client of the API can follow it; empty where it cannot.

    >>> api_hint("`meterhouse run list` shows all runs"), api_hint("use --take-over")
    ('`GET /v1/runs` shows all runs', '')
    >>> api_hint("Give a later instant with --at")
    'Give a later instant as `at`'
    """
    for words, ours in _PARAMETERS.items():
        hint = hint.replace(words, ours)
    known = True

    def operation(found: re.Match[str]) -> str:
        nonlocal known
        ours = _OPERATIONS.get(found[1])
        known = known and ours is not None
        return f"`{ours}`"

    said = _COMMAND.sub(operation, hint)
    return said if known and not _OPTION.search(said) else ""
