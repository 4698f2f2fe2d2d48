"""Seals, hashes and signs: see README.md."""

from meterhouse.security.client_secrets import ClientSecrets, Pepper
from meterhouse.security.envelope import Envelope, SealError
from meterhouse.security.link_tokens import LinkKey, LinkTokens
from meterhouse.security.opaque_tokens import OpaqueTokens
from meterhouse.security.tokens import Authority
from meterhouse.security.wallet_key import FILE_NAME as WALLET_FILE
from meterhouse.security.wallet_key import KeyFile, WalletKeyError, WalletKeys, given_keys, key_file

__all__ = [
    "Authority",
    "ClientSecrets",
    "Envelope",
    "KeyFile",
    "LinkKey",
    "LinkTokens",
    "OpaqueTokens",
    "Pepper",
    "SealError",
    "WALLET_FILE",
    "WalletKeyError",
    "WalletKeys",
    "given_keys",
    "key_file",
]
