"""The wallet's keys: how they are written, and the file in the data directory that has them.

Whoever loses the keys loses the secrets: so nothing here ever replaces a key that something may be
sealed with.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from meterhouse.core.problem import MeterhouseError

KEY_BYTES = 32
FILE_NAME = "secrets.key"
ID_BYTES = 8
_ID_LABEL = b"meterhouse wallet key id\x00"
_HOW_TO_MAKE = "make one by `openssl rand -base64 32`"


class WalletKeyError(MeterhouseError):
    """The wallet's key is missing, is none, or is not the one that sealed."""

    code = "wallet_key"


@dataclass(frozen=True, slots=True)
class WalletKeys:
    """Keys by their ids; the first seals, all open. ``source`` is where messages send people."""

    by_id: dict[bytes, bytes] = field(repr=False)
    source: str

    @property
    def first(self) -> tuple[bytes, bytes]:
        """The id of the key that seals, and the key."""
        return next(iter(self.by_id.items()))


def given_keys(text: str, *, source: str) -> WalletKeys:
    """Read keys: base64 of 32 bytes each, separated by whitespace. ``source`` names their place."""
    keys = [
        _key(word, number=number, source=source)
        for number, word in enumerate(text.split(), start=1)
    ]
    if not keys:
        raise WalletKeyError(f"{source} holds no key", hint=_HOW_TO_MAKE)
    return WalletKeys({key_id(key): key for key in keys}, source)


def _key(word: str, *, number: int, source: str) -> bytes:
    try:
        key = base64.b64decode(word.encode(), altchars=_altchars(word), validate=True)
    except (binascii.Error, ValueError):
        raise WalletKeyError(f"{source}: key {number} is not base64", hint=_HOW_TO_MAKE) from None
    if len(key) != KEY_BYTES:
        message = f"{source}: key {number} has {len(key)} bytes, not {KEY_BYTES}"
        raise WalletKeyError(message, hint=_HOW_TO_MAKE)
    return key


def _altchars(word: str) -> bytes | None:
    """Both alphabets of base64 are in use; one word has one of them."""
    return b"-_" if "-" in word or "_" in word else None


def key_id(key: bytes) -> bytes:
    """Name a key without telling anything of it."""
    return sha256(_ID_LABEL + key).digest()[:ID_BYTES]


def key_text(key: bytes) -> str:
    """Write a key."""
    return base64.b64encode(key).decode()


def key_file(path: Path, *, source: str) -> WalletKeys:
    """Read the keys of a file that somebody else looks after."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise WalletKeyError(f"{source} is not text", hint=_HOW_TO_MAKE) from None
    except OSError as error:
        hint = "check its path and its permissions"
        raise WalletKeyError(f"{source}: {error.strerror}", hint=hint) from error
    return given_keys(text, source=source)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The file of our own in the data directory: made on first use, for its owner only."""

    path: Path
    chance: Callable[[int], bytes]

    def make_once(self, *, in_use: Callable[[], bool]) -> None:
        """Make the file where there is none, however many processes do so at once: one key.

        ``in_use`` says whether anything is sealed already: then a missing file is a loss to tell,
        not a first use.
        """
        # Whoever seals has made the file before. So a file that is still not there when
        # something is sealed has been lost; one that is there now was made meanwhile.
        if not self.path.exists() and in_use() and not self.path.exists():
            message = f"{self._source} is missing, and the ledger has secrets sealed by it"
            hint = "Put it back, or set METERHOUSE_SECRETS_KEY or METERHOUSE_SECRETS_KEY_FILE"
            raise WalletKeyError(message, hint=hint)
        if not self.path.exists():
            self._make()

    def keys(self) -> WalletKeys:
        """Return the keys as they are now."""
        keys = key_file(self.path, source=self._source)
        self._check_mode()
        return keys

    @contextmanager
    def changed(self) -> Iterator[None]:
        """Put a new key in front, which seals from now on, and forget the others at the end.

        What is sealed must be sealed anew in between. Where that fails, all keys stay.
        """
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # Two at once would forget each other's keys.
            self._replace([self.chance(KEY_BYTES), *self.keys().by_id.values()])
            yield
            self._replace([self.keys().first[1]])
        finally:
            os.close(folder)

    @property
    def _source(self) -> str:
        return f"The key file {self.path}"

    def _make(self) -> None:
        beside = self._written([self.chance(KEY_BYTES)])
        try:
            os.link(beside, self.path)  # Never over another: the first one wins.
        except FileExistsError:
            pass
        except OSError as error:
            raise self._failure(error) from error
        finally:
            beside.unlink()
        _sync_folder(self.path.parent)

    def _replace(self, keys: list[bytes]) -> None:
        beside = self._written(keys)
        beside.replace(self.path)
        _sync_folder(self.path.parent)

    def _written(self, keys: list[bytes]) -> Path:
        """Write keys, durably, to a file beside ours that nobody else reads."""
        beside = self.path.with_name(f"{self.path.name}.{self.chance(8).hex()}")
        content = "".join(key_text(key) + "\n" for key in keys).encode()
        try:
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise self._failure(error) from error
        return beside

    def _failure(self, error: OSError) -> WalletKeyError:
        hint = "Give this user the right to write there, or set METERHOUSE_SECRETS_KEY"
        return WalletKeyError(f"{self._source} cannot be made: {error.strerror}", hint=hint)

    def _check_mode(self) -> None:
        mode = self.path.stat().st_mode & 0o777
        if mode & 0o077:
            message = f"{self._source} may be read by others (its mode is {mode:04o})"
            raise WalletKeyError(message, hint=f"`chmod 600 {self.path}`")


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
