"""Object storage: S3 and what speaks like it, Azure Blob Storage, Google Cloud Storage.

One library speaks to all of them. It gets every setting from here: none comes from the environment
or from the machine that this runs on, whose own rights are nobody's but the operator's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, S3Store

from meterhouse.connectors.http.guard import Guard
from meterhouse.connectors.remote.azure import AzureContainer
from meterhouse.connectors.remote.place import ContentChanged, PlaceFault, RemoteFile
from meterhouse.core.secret import Credentials
from meterhouse.streams.storage import Location, Storage

#: Larger files go up in parts, under another name first.
SINGLE_PUT_BYTES = 32 << 20
PART_BYTES = 16 << 20
_PARTS_AT_ONCE = 4
_READ_BYTES = 4 << 20
_LIST_AT_ONCE = 1_000
#: A glob that names more than this names them by mistake.
LISTED_MAX = 1_000_000

_CLIENT: dict[str, Any] = {
    "connect_timeout": timedelta(seconds=10),
    "read_timeout": timedelta(seconds=60),
    "timeout": timedelta(hours=6),
}
_RETRY: dict[str, Any] = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (FileNotFoundError, "look whether the bucket or container is there, and its name right"),
    (exceptions.PermissionDeniedError, "give the secret the right to read and write there"),
    (exceptions.UnauthenticatedError, "the secret does not open this place: choose another"),
)
#: What a message of the library may quote that is nobody's business: answers, signed queries.
_QUERY = re.compile(r"\?[^\s\"')]*")
_DETAIL_CHARS_MAX = 300


class ObjectPlace:
    """A bucket or container. See ``RemotePlace``."""

    def __init__(
        self,
        where: Location,
        storage: Storage,
        credentials: Credentials | None,
        *,
        guard: Guard,
        plain_http: bool,
    ) -> None:
        self._where = where
        self._container = _azure_container(where, storage, credentials, guard)
        client = _CLIENT | {"allow_http": plain_http}
        make = {"s3": _s3, "az": _azure, "gs": _gcs}[where.scheme]
        with self._faults(where.uri):
            self._store: Any = make(where, storage, credentials, client)

    def list(self, prefix: str) -> Iterator[RemoteFile]:
        """Yield what lies under a prefix."""
        count = 0
        with self._faults(self._where.at(prefix).uri):
            for chunk in obstore.list(self._store, prefix or None, chunk_size=_LIST_AT_ONCE):
                for meta in chunk:
                    count += 1
                    if count > LISTED_MAX:
                        message = f"{self._where.at(prefix).uri} has more than {LISTED_MAX:,} files"
                        raise PlaceFault(message, hint="read a smaller folder")
                    # A name that ends with a slash stands for a folder.
                    if not meta["path"].endswith("/"):
                        yield _file(meta)

    def find(self, key: str) -> RemoteFile | None:
        """Return one object."""
        with self._faults(self._where.at(key).uri):
            try:
                return _file(obstore.head(self._store, key))
            except FileNotFoundError:
                return None

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        """Yield the content of the version that was listed."""
        uri = self._where.at(file.key).uri
        with self._faults(uri):
            options: Any = {} if file.etag is None else {"if_match": f'"{file.etag}"'}
            try:
                answer = obstore.get(self._store, file.key, options=options)
            except (exceptions.PreconditionError, FileNotFoundError) as error:
                raise ContentChanged(f"{uri} changed since it was listed") from error
            if not _file(answer.meta).same(file):
                raise ContentChanged(f"{uri} changed since it was listed")
            for chunk in answer.stream(min_chunk_size=_READ_BYTES):
                yield bytes(chunk)

    def create(self, key: str, content: Path, *, token: str) -> bool:
        """Put an object unless there is one: one request, or parts under another name first."""
        with self._faults(self._where.at(key).uri):
            if content.stat().st_size <= SINGLE_PUT_BYTES:
                return self._put(key, content.read_bytes())
            if self.find(key) is not None:
                return False
            part = f"{key}.{token}.part"
            obstore.put(
                self._store,
                part,
                content,
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )
            try:
                return self._copy(part, key)
            finally:
                self.delete(part)

    def copy(self, file: RemoteFile, key: str, *, token: str) -> bool:
        """Copy an object unless there is one of that name."""
        with self._faults(self._where.at(key).uri):
            return self._copy(file.key, key)

    def delete(self, key: str) -> None:
        """Remove an object."""
        with self._faults(self._where.at(key).uri):
            if self._container is not None:
                self._container.delete(key)
                return
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                pass

    def _put(self, key: str, content: bytes) -> bool:
        try:
            obstore.put(self._store, key, content, mode="create", use_multipart=False)
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            return False
        return True

    def _copy(self, source: str, target: str) -> bool:
        try:
            obstore.copy(self._store, source, target, overwrite=False)
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            return False
        return True

    @contextmanager
    def _faults(self, uri: str) -> Iterator[None]:
        """Turn whatever the library raises into a ``PlaceFault`` without a secret in it."""
        try:
            yield
        except (exceptions.BaseError, OSError, ValueError) as error:
            hint = next((text for kind, text in _REMEDIES if isinstance(error, kind)), "")
            hint = hint or "look whether the place can be reached, and run again"
            raise PlaceFault(f"{uri}: {_detail(error)}", hint=hint) from None


def _file(meta: Any) -> RemoteFile:
    moment = meta["last_modified"]
    modified_ns = int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000
    # Some listings have it without its quotes.
    etag = (meta.get("e_tag") or "").removeprefix("W/").strip('"')
    return RemoteFile(meta["path"], meta["size"], modified_ns, etag or None)


def _detail(error: Exception) -> str:
    """Return the beginning of what the library says, without its debugging forms and queries."""
    text = str(error).split("\n\nDebug source:", maxsplit=1)[0]
    text = _QUERY.sub("", " ".join(text.split()))
    return text if len(text) <= _DETAIL_CHARS_MAX else text[:_DETAIL_CHARS_MAX] + "..."


def _s3(where: Location, storage: Storage, secret: Credentials | None, client: Any) -> Any:
    config: dict[str, Any] = {
        "region": storage.region or (secret and secret.get("region")) or "us-east-1",
        # As a path: names of buckets may have dots, and servers that speak like S3 expect it.
        "virtual_hosted_style_request": storage.endpoint is None and "." not in where.container,
        "conditional_put": "etag",
        "copy_if_not_exists": "multipart",
    }
    if storage.endpoint is not None:
        config["endpoint"] = storage.endpoint
    if secret is None:
        config["skip_signature"] = True
    else:
        config["access_key_id"] = secret["accessKeyId"]
        config["secret_access_key"] = secret["secretAccessKey"]
        if token := secret.get("sessionToken"):
            config["session_token"] = token
    return S3Store(where.container, config=config, client_options=client, retry_config=_retry())


def _azure_account(storage: Storage, secret: Credentials | None) -> str:
    account = storage.account or (secret and secret.get("account"))
    if not account:
        raise ValueError("the account is missing: name it in account, or in the secret")
    return account


def _azure_container(
    where: Location, storage: Storage, secret: Credentials | None, guard: Guard
) -> AzureContainer | None:
    if where.scheme != "az":
        return None
    account = storage.account or (secret and secret.get("account")) or ""
    endpoint = storage.endpoint or f"https://{account}.blob.core.windows.net"
    token = "" if secret is None else secret["sasToken"].removeprefix("?")
    return AzureContainer(f"{endpoint.rstrip('/')}/{where.container}", token, guard=guard)


def _azure(where: Location, storage: Storage, secret: Credentials | None, client: Any) -> Any:
    config: dict[str, Any] = {"account_name": _azure_account(storage, secret)}
    if storage.endpoint is not None:
        config["endpoint"] = storage.endpoint
    if secret is None:
        config["skip_signature"] = True
    else:
        config["sas_key"] = secret["sasToken"].removeprefix("?")
    return AzureStore(where.container, config=config, client_options=client, retry_config=_retry())


def _gcs(where: Location, storage: Storage, secret: Credentials | None, client: Any) -> Any:
    config: dict[str, Any] = {}
    if storage.endpoint is not None:
        config["base_url"] = storage.endpoint
    if secret is None:
        config["skip_signature"] = True
    elif secret["token"].lstrip().startswith("{"):
        config["service_account_key"] = _service_account(secret["token"])
    else:
        config["bearer_token"] = secret["token"]
    return GCSStore(where.container, config=config, client_options=client, retry_config=_retry())


def _service_account(text: str) -> str:
    """Return a key file of Google's without what would lead its requests elsewhere."""
    try:
        key = json.loads(text)
    except ValueError:
        raise ValueError("the secret begins with { and is no JSON: give the key file") from None
    return json.dumps({k: v for k, v in key.items() if k not in ("gcs_base_url", "disable_oauth")})


def _retry() -> Any:
    return dict(_RETRY)
