"""Opaque tokens: random, and kept as hashes."""

import base64

from meterhouse.security import OpaqueTokens
from tests.security.house import chance


def test_a_token_has_256_random_bits():
    tokens = OpaqueTokens(chance)
    made = {tokens.new_token() for _ in range(100)}
    assert len(made) == 100
    for token in made:
        assert token[:4] == "mht_"
        assert len(base64.urlsafe_b64decode(token[4:] + "=")) == 32


def test_chance_is_an_argument():
    assert OpaqueTokens(bytes).new_token() == "mht_" + "A" * 43


def test_each_token_has_a_hash_of_its_own_whatever_is_sent_for_one():
    tokens = OpaqueTokens(chance)
    texts = ["", "x", "é", "\ud800", tokens.new_token()]
    hashes = [tokens.hash(text) for text in texts]
    assert len(set(hashes)) == len(texts)
    assert all(len(found) == 32 for found in hashes)
    assert hashes == [tokens.hash(text) for text in texts]
