"""Keys of records: 16 bytes of a UUID in small letters, a digest of any other text."""

import re
from hashlib import blake2b
from uuid import UUID

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.json_text import canonical_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.placeholder import Template
from meterhouse.streams.record_keys import KEY_SCHEMA, RecordKeys

_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_IDS = st.uuids().map(str)
#: Texts that are nearly UUIDs.
_NEARLY = st.one_of(
    _IDS.map(str.upper),
    _IDS.map(lambda id: id.replace("-", "")),
    _IDS.map(lambda id: f"{id[1:9]}{id[0]}{id[9:]}"),
    _IDS.map(lambda id: f"{id[:-1]}g"),
    _IDS.map(lambda id: f"{id[:-1]}é"),
    _IDS.map(lambda id: f"{id[:-2]}é"),
    _IDS.map(lambda id: f"{id[:-1]}-"),
    st.text(st.sampled_from("-0aé\x00"), max_size=40),
)


def _key(text: str | None) -> tuple[str, int, int]:
    """The key by its definition; a key that is no UUID has a family of its own."""
    if text is not None and _UUID.fullmatch(text):
        kind, sixteen = "uuid", UUID(text).bytes
    else:
        kind, sixteen = "digest", blake2b(canonical_text(text).encode(), digest_size=16).digest()
    high, low = (int.from_bytes(half, "little", signed=True) for half in (sixteen[:8], sixteen[8:]))
    return kind, high, low


def _keys(texts: list[str | None]) -> list[tuple[int, int, int]]:
    frame = pl.DataFrame({"id": texts}, schema={"id": pl.String})
    made = RecordKeys(Template.parse("${payload.id}")).of(UsageBatch.from_arrow(frame.to_arrow()))
    assert dict(made.schema) == KEY_SCHEMA
    return made.rows()


def _agree(texts: list[str | None]) -> None:
    made, expected = _keys(texts), [_key(text) for text in texts]
    assert [key[1:] for key in made] == [key[1:] for key in expected]
    families = {(key[0], told[0]) for key, told in zip(made, expected, strict=True)}
    assert len(families) == len({family for family, _ in families})
    assert len(families) == len({kind for _, kind in families})


@given(st.lists(st.one_of(_IDS, _NEARLY, st.none()), max_size=8))
def test_keys_are_as_they_are_defined(texts: list[str | None]):
    _agree(texts)


@given(st.lists(_IDS, min_size=1, max_size=8), _NEARLY, st.integers(0, 8))
def test_one_text_that_is_no_uuid_changes_no_other_key(ids: list[str], odd: str, place: int):
    _agree([*ids[:place], odd, *ids[place:]])


def test_texts_may_have_dashes_in_wrong_places_and_the_right_number_in_all():
    right = "01234567-89ab-cdef-0123-456789abcdef"
    shifted = "0123456-789ab-cdef-0123-456789abcdef"
    _agree([right, shifted])
    _agree(["-" * 36, "0" * 36, right])
    _agree(["0" * 32 + "----", right, "----" + "0" * 32])
