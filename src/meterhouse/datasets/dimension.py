"""Dimensions: snapshots of what aura-configuration-api knows, one row an object.

Decides which module of the configuration becomes which dataset, and which properties become which
fields. An object that has no id or name becomes no row and a ``Problem``; so does one whose key
was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from meterhouse.core.country import countries
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import Problem
from meterhouse.core.reading import shown
from meterhouse.datasets.cleaning import time_text
from meterhouse.datasets.naming import DimensionFile

DatasetRow = dict[str, JsonValue]
#: Modules of the configuration API and the datasets that they become.
MODULES = {
    "channels": "D_Aura_Channel",
    "applications": "D_Aura_App",
    "presets": "D_Aura_Preset",
    "components": "D_Aura_Component",
    "skills": "D_Aura_Skill",
    "recognizers": "D_Aura_Recognizer",
}
PRESET_TYPES = frozenset({"generative", "rag", "semantic_search", "agent", "other"})
_ITEMS = "items"


class _Unfit(Exception):
    """An object cannot be a row."""

    def __init__(self, property: str, message: str) -> None:
        super().__init__(message)
        self.property = property


@dataclass(frozen=True, slots=True)
class Dimension:
    """The rows of a snapshot by key, and which objects are none of them."""

    dataset: str
    rows: tuple[DatasetRow, ...]
    problems: tuple[Problem, ...]


def dimension_of(
    module: str, answer: JsonValue, *, country: str, extracted_at: Instant
) -> Dimension:
    """Return the dimension that a module of the configuration becomes.

    ``answer`` is a list of objects, or an object whose ``items`` or whose member of the module's
    name is one. ``country`` has three letters.

    >>> made = dimension_of("skills", [{"id": "s1", "name": "Bill"}, {"name": "x"}],
    ...                     country="ESP", extracted_at=0)
    >>> made.rows[0]["AURA_SKILL_ID"], str(made.problems[0])
    ('s1', 'skills[1].id: is missing (give the object one)')
    """
    read = _READERS[module]
    rows: dict[str, DatasetRow] = {}
    problems: list[Problem] = []
    end = {"COUNTRY_3_ALPHA_CD": country, "EXTRACTION_TM": time_text(extracted_at)}
    for index, found in enumerate(_objects(module, answer, problems)):
        place = f"{module}[{index}]"
        try:
            row = read(_as_object(found))
        except _Unfit as error:
            where = f"{place}.{error.property}" if error.property else place
            problems.append(Problem(where, str(error), "give the object one"))
            continue
        key = str(next(iter(row.values())))
        if key in rows:
            hint = "the first one counts"
            problems.append(Problem(place, f"{shown(key)} is there twice", hint))
            continue
        rows[key] = row | end
    return Dimension(MODULES[module], tuple(rows[key] for key in sorted(rows)), tuple(problems))


def channel_ids(channels: Dimension) -> dict[str, str]:
    """Return ids of channels by name, as Groot Message has it; an id stands for itself."""
    ids = {str(row["AURA_CHANNEL_ID"]) for row in channels.rows}
    own = {one.lower(): one for one in ids}
    names = {
        str(row["AURA_CHANNEL_NAME"]).lower(): str(row["AURA_CHANNEL_ID"]) for row in channels.rows
    }
    return own | names


def component_names(components: Dimension) -> dict[str, str]:
    """Return names of components by UUID."""
    return {
        str(row["AURA_COMPONENT_UUID"]): str(row["AURA_COMPONENT_ID"])
        for row in components.rows
        if row["AURA_COMPONENT_UUID"] is not None
    }


def country_rows() -> list[DatasetRow]:
    """Return the rows of D_Gbl_Country: all countries of ISO 3166-1."""
    names = ("COUNTRY_3_ALPHA_CD", "COUNTRY_2_ALPHA_CD", "COUNTRY_NAME")
    rows = ((three, two, name) for two, three, name in countries())
    return [dict(zip(names, row, strict=True)) for row in sorted(rows)]


def snapshot_at(
    files: Iterable[DimensionFile], end: Instant, *, ob: str | None = None
) -> DimensionFile | None:
    """Return the snapshot that was taken last at or before the end of a period, if any.

    With an ``ob``, of its own snapshots and of those of all.

    >>> taken = [DimensionFile("ES", "D_Aura_App", hour) for hour in (10, 30, 20)]
    >>> snapshot_at(taken, 20).hour, snapshot_at(taken, 9)
    (20, None)
    """
    fit = [file for file in files if file.hour <= end and (ob is None or file.ob in (ob, None))]
    return max(fit, key=lambda file: (file.hour, file.name), default=None)


def _objects(module: str, answer: JsonValue, problems: list[Problem]) -> list[JsonValue]:
    found = answer
    if isinstance(answer, Mapping):
        found = answer.get(module, answer.get(_ITEMS))
    if isinstance(found, list):
        return found
    message = f"is {shown(answer)}"[:200] if not isinstance(answer, Mapping) else "has no list"
    hint = f"answer with a list of objects, or an object whose {_ITEMS} is one"
    problems.append(Problem(module, message, hint))
    return []


def _as_object(value: JsonValue) -> Mapping[str, JsonValue]:
    if not isinstance(value, Mapping):
        raise _Unfit("", "is no object")
    return value


def _text(value: Mapping[str, JsonValue], *path: str) -> str | None:
    """Return a text, or the plain text of a number, at a path of properties."""
    found: JsonValue = value
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    if found is None or isinstance(found, (Mapping, list, bool)):
        return None
    return str(found).strip() or None


def _needed(value: Mapping[str, JsonValue], name: str) -> str:
    text = _text(value, name)
    if text is None:
        raise _Unfit(name, "is missing")
    return text


def _channel(value: Mapping[str, JsonValue]) -> DatasetRow:
    return {
        "AURA_CHANNEL_ID": _needed(value, "id"),
        "AURA_CHANNEL_NAME": _needed(value, "name"),
        "AURA_CHANNEL_PREFIX_CD": _text(value, "prefix"),
        "GBL_BRAND_ID": _text(value, "brand"),
        "GBL_CONTACT_CHANNEL_ID": _text(value, "contact"),
    }


def _app(value: Mapping[str, JsonValue]) -> DatasetRow:
    models = value.get("models")
    presets = models.get("presets") if isinstance(models, Mapping) else None
    names = presets if isinstance(presets, list) else []
    return {
        "AURA_APP_ID": _needed(value, "id"),
        "AURA_APP_NAME": _needed(value, "name"),
        "AURA_APP_DISABLED_IND": value.get("disabled") is True,
        "GBL_BRAND_ID": _text(value, "brand"),
        "AURA_CHANNEL_ID": _text(value, "nlp", "channelId"),
        "AURA_PRESET_NAMES": [name for name in names if isinstance(name, str)],
    }


def _preset(value: Mapping[str, JsonValue]) -> DatasetRow:
    kind = (_text(value, "type") or "").lower().replace("-", "_")
    return {
        "AURA_PRESET_NAME": _needed(value, "name"),
        "AURA_PRESET_ID": _text(value, "id"),
        "AURA_PRESET_DESC": _text(value, "description"),
        "MODEL_ID": _text(value, "model") or _text(value, "model", "id") or _text(value, "modelId"),
        "PRESET_TYPE_CD": None if not kind else kind if kind in PRESET_TYPES else "other",
    }


def _component(value: Mapping[str, JsonValue]) -> DatasetRow:
    return {
        "AURA_COMPONENT_ID": _needed(value, "name"),
        "AURA_COMPONENT_UUID": _text(value, "id"),
        "AURA_COMPONENT_DESC": _text(value, "description"),
    }


def _skill(value: Mapping[str, JsonValue]) -> DatasetRow:
    return {"AURA_SKILL_ID": _needed(value, "id"), "AURA_SKILL_NAME": _needed(value, "name")}


def _recognizer(value: Mapping[str, JsonValue]) -> DatasetRow:
    return {
        "AURA_RECOGNIZER_ID": _needed(value, "id"),
        "AURA_RECOGNIZER_NAME": _needed(value, "name"),
    }


_READERS: Mapping[str, Callable[[Mapping[str, JsonValue]], DatasetRow]] = {
    "channels": _channel,
    "applications": _app,
    "presets": _preset,
    "components": _component,
    "skills": _skill,
    "recognizers": _recognizer,
}
