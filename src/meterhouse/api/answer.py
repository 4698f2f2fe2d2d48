"""Answers: JSON with exact numbers. No encoder of a framework touches a quantity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from meterhouse.core.json_text import json_text

JSON = "application/json"


def answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a value as JSON, numbers plain."""
    return text_answer(json_text(value), status=status, headers=headers)


def text_answer(
    text: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return JSON that is written already."""
    given = None if headers is None else dict(headers)
    return Response(text.encode(), status_code=status, headers=given, media_type=JSON)


def no_content() -> Response:
    """Return an answer without a body."""
    return Response(status_code=204)
