"""Completing ids: people type the first characters of one, or what the id belongs to."""

from __future__ import annotations

from meterhouse.app.ports import IdKind, Ids, Ledger
from meterhouse.core.problem import NotFoundError

#: Shorter ones are names or mistakes.
PREFIX_CHARS_MIN = 6


class AmbiguousId(NotFoundError):
    """Several ids begin with what was given."""

    code = "ambiguous_id"


def completed(ids: Ids, given: str, *, kind: IdKind) -> str:
    """Return the one id that begins as given; what is no beginning of an id is returned as it is.

    Raises ``AmbiguousId`` where several begin so, unless one of them is all of what was given.
    """
    if len(given) < PREFIX_CHARS_MIN:
        return given
    found = ids.ids_beginning(given, kind=kind)
    if len(found) > 1 and given not in found:
        noun = kind.replace("_", " ")
        hint = "give more of its characters"
        raise AmbiguousId(f"Several {noun} ids begin with {given!r}", hint=hint)
    return given if given in found or not found else found[0]


def meter_type_reference(ledger: Ledger, given: str) -> str:
    """Return what finds a meter type; a name or external reference goes before a beginning."""
    known = ledger.meter_type(given) is not None
    return given if known else completed(ledger, given, kind="meter_type")


def meter_key_of(ledger: Ledger, given: str) -> str:
    """Return a meter key by its beginning, or by a stream that has one meter node."""
    key = completed(ledger, given, kind="meter_key")
    known = key != given or ledger.stream_of_meter_key(key) is not None
    if known or ledger.meters_with_key(key):
        return key
    stream = ledger.stream(given)
    if stream is None:
        return key
    if len(stream.meter_keys) != 1:
        count = len(stream.meter_keys)
        message = f"The stream {given!r} has {count or 'no'} meter nodes"
        hint = "give one of its meter keys: see `meterhouse stream list`"
        raise AmbiguousId(message, hint=hint)
    return next(iter(stream.meter_keys.values()))
