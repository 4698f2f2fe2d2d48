"""Envelopes open with their key, in their place, unchanged, and in no other way."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.security import Envelope, SealError, WalletKeyError
from tests.security.house import a_key, an_envelope, sealed_by

CANARY = b"c4nary-value"
places = st.fixed_dictionaries(
    {"purpose": st.text(max_size=20), "id": st.text(max_size=40), "version": st.integers(0, 2**40)}
)
ONE = an_envelope(a_key(1))


@given(st.binary(max_size=2_000), places)
def test_what_is_sealed_opens_and_is_not_to_be_seen(plain: bytes, place):
    sealed = sealed_by(ONE, plain, **place)
    assert ONE.open(sealed) == plain
    assert len(plain) < 8 or plain not in sealed.content


@given(st.binary(max_size=200), places, places)
def test_it_opens_in_its_own_place_only(plain: bytes, place, other):
    sealed = sealed_by(ONE, plain, **place)
    moved = replace(sealed, **other)
    if other == place:
        assert ONE.open(moved) == plain
    else:
        with pytest.raises(SealError):
            ONE.open(moved)
        with pytest.raises(SealError):
            ONE.reseal(moved)


@given(st.binary(max_size=50), st.data())
def test_no_byte_of_it_can_be_changed(plain: bytes, data):
    sealed = sealed_by(ONE, plain)
    content = bytearray(sealed.content)
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises((SealError, WalletKeyError)):
        ONE.open(replace(sealed, content=bytes(content)))


@given(st.binary(max_size=300))
def test_bytes_of_any_other_origin_are_refused(content: bytes):
    with pytest.raises((SealError, WalletKeyError)):
        ONE.open(replace(sealed_by(ONE, b""), content=content))


def test_two_secrets_swapped_in_the_ledger_do_not_open(envelope: Envelope):
    one, two = sealed_by(envelope, b"1", id="one"), sealed_by(envelope, b"2", id="two")
    with pytest.raises(SealError, match="The sealed secret one was changed, or moved"):
        envelope.open(replace(one, content=two.content))


def test_an_old_version_put_back_does_not_open(envelope: Envelope):
    old, new = sealed_by(envelope, b"old", version=1), sealed_by(envelope, b"new", version=2)
    with pytest.raises(SealError):
        envelope.open(replace(new, content=old.content))


def test_the_content_of_one_and_the_data_key_of_another_do_not_open(envelope: Envelope):
    one, two = sealed_by(envelope, b"one"), sealed_by(envelope, b"two")
    cut = len(one.content) - len(b"one") - 12 - 16
    mixed = replace(one, content=one.content[:cut] + two.content[cut:])
    with pytest.raises(SealError):
        envelope.open(mixed)


def test_equal_values_are_sealed_differently(envelope: Envelope):
    assert sealed_by(envelope, b"same").content != sealed_by(envelope, b"same").content


def test_a_wrong_key_says_where_the_right_one_is_asked_for():
    sealed = sealed_by(an_envelope(a_key(1)), CANARY)
    with pytest.raises(WalletKeyError) as caught:
        an_envelope(a_key(2), source="METERHOUSE_SECRETS_KEY").open(sealed)
    assert "and METERHOUSE_SECRETS_KEY has " in str(caught.value)
    assert "Add that key there" in str(caught.value)
    assert CANARY.decode() not in str(caught.value)
    assert a_key(1) not in str(caught.value) and a_key(2) not in str(caught.value)


def test_the_first_key_seals_and_every_key_opens():
    both = an_envelope(a_key(2), a_key(1))
    old = sealed_by(an_envelope(a_key(1)), b"old")
    assert both.open(old) == b"old"
    new = sealed_by(both, b"new")
    assert an_envelope(a_key(2)).open(new) == b"new"
    with pytest.raises(WalletKeyError):
        an_envelope(a_key(1)).open(new)


def test_resealing_changes_the_data_key_alone():
    old = sealed_by(an_envelope(a_key(1)), CANARY)
    content = an_envelope(a_key(2), a_key(1)).reseal(old)
    assert an_envelope(a_key(2)).open(replace(old, content=content)) == CANARY
    tail = 12 + len(CANARY) + 16
    assert content[-tail:] == old.content[-tail:]
    assert content[:-tail] != old.content[:-tail]


def test_keys_that_were_changed_by_another_process_are_read_again():
    present = [an_envelope(a_key(1)).load()]
    running = Envelope(lambda: present[0], lambda n: bytes(n))
    assert running.open(sealed_by(running, b"a")) == b"a"
    present[0] = an_envelope(a_key(2)).load()
    assert running.open(sealed_by(an_envelope(a_key(2)), b"b")) == b"b"
    assert an_envelope(a_key(2)).open(sealed_by(running, b"c")) == b"c"


def test_no_repr_shows_a_key_or_a_value(envelope: Envelope):
    sealed = sealed_by(envelope, CANARY)
    envelope.open(sealed)
    shown = repr(envelope) + repr(envelope.load()) + repr(sealed)
    assert repr(bytes([1]) * 4)[2:-1] not in shown
    assert "content" not in shown
