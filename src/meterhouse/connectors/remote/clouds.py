"""How the library of object storage is told which place is meant, and who asks.

It would take from the environment whatever it is not told: addresses, keys, the rights of the
machine that this runs on. Those are the operator's, and nothing to a stream that somebody wrote. So
it is told everything: credentials come from a function of ours, and addresses are always given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from obstore.store import AzureStore, GCSStore, S3Store

from meterhouse.core.secret import Credentials
from meterhouse.streams.storage import Location, Storage

_CLIENT: dict[str, Any] = {
    "connect_timeout": timedelta(seconds=10),
    "read_timeout": timedelta(seconds=60),
    "timeout": timedelta(hours=6),
}
_RETRY: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_GOOGLE = "https://storage.googleapis.com"


def cloud_store(
    where: Location, storage: Storage, secret: Credentials | None, *, client: Mapping[str, Any]
) -> Any:
    """Return the library's store. Raises ``ValueError`` for what is missing or odd."""
    make = {"s3": _s3, "az": _azure, "gs": _gcs}[where.scheme]
    options = {"client_options": {**_CLIENT, **client}, "retry_config": _RETRY}
    return make(where, storage, secret, options)


def container_url(where: Location, storage: Storage, secret: Credentials | None) -> tuple[str, str]:
    """Return the URL of a container of Azure, and the signature that opens it."""
    endpoint = storage.endpoint or _azure_endpoint(storage, secret)
    return f"{endpoint.rstrip('/')}/{where.container}", _sas(secret)


def _s3(where: Location, storage: Storage, secret: Credentials | None, options: Any) -> Any:
    region = storage.region or (None if secret is None else secret.get("region")) or "us-east-1"
    if not _REGION.fullmatch(region):
        raise ValueError("the region of the secret is none: write it as eu-west-1")
    hosted = storage.endpoint is None and "." not in where.container
    endpoint = storage.endpoint or _s3_endpoint(where.container if hosted else None, region)
    config: dict[str, Any] = {
        "region": region,
        "endpoint": endpoint,
        "aws_endpoint_url_s3": endpoint,
        "virtual_hosted_style_request": hosted,
        "s3_express": False,
        "conditional_put": "etag",
        "copy_if_not_exists": "multipart",
        "skip_signature": secret is None,
    }
    asks = None if secret is None else _returning(_aws_keys(secret))
    return S3Store(where.container, config=config, credential_provider=asks, **options)


def _s3_endpoint(bucket: str | None, region: str) -> str:
    suffix = ".cn" if region.startswith("cn-") else ""
    host = f"s3.{region}.amazonaws.com{suffix}"
    return f"https://{host}" if bucket is None else f"https://{bucket}.{host}"


def _aws_keys(secret: Credentials) -> dict[str, Any]:
    return {
        "access_key_id": secret["accessKeyId"],
        "secret_access_key": secret["secretAccessKey"],
        "token": secret.get("sessionToken"),
        "expires_at": None,
    }


def _azure(where: Location, storage: Storage, secret: Credentials | None, options: Any) -> Any:
    endpoint = storage.endpoint or _azure_endpoint(storage, secret)
    config: dict[str, Any] = {
        "account_name": _azure_account(storage, secret),
        "endpoint": endpoint,
        "use_emulator": False,
        "use_fabric_endpoint": False,
        "skip_signature": secret is None,
    }
    token = {"sas_token": _sas(secret), "expires_at": None}
    asks = None if secret is None else _returning(token)
    return AzureStore(where.container, config=config, credential_provider=asks, **options)


def _azure_account(storage: Storage, secret: Credentials | None) -> str:
    account = storage.account or (None if secret is None else secret.get("account"))
    if not account or not _ACCOUNT.fullmatch(account):
        raise ValueError("the account is missing: name it in account, or in the secret")
    return account


def _azure_endpoint(storage: Storage, secret: Credentials | None) -> str:
    return f"https://{_azure_account(storage, secret)}.blob.core.windows.net"


def _sas(secret: Credentials | None) -> str:
    return "" if secret is None else secret["sasToken"].removeprefix("?")


def _gcs(where: Location, storage: Storage, secret: Credentials | None, options: Any) -> Any:
    config: dict[str, Any] = {
        "base_url": storage.endpoint or _GOOGLE,
        "skip_signature": secret is None,
    }
    asks = None
    if secret is not None and secret["token"].lstrip().startswith("{"):
        config["service_account_key"] = _service_account(secret["token"])
    elif secret is not None:
        asks = _returning({"token": secret["token"], "expires_at": None})
    return GCSStore(where.container, config=config, credential_provider=asks, **options)


def _service_account(text: str) -> str:
    """Return a key file of Google's without what would lead its requests elsewhere."""
    try:
        key = json.loads(text)
    except ValueError:
        raise ValueError("the secret begins with { and is no JSON: give the key file") from None
    return json.dumps({k: v for k, v in key.items() if k not in ("gcs_base_url", "disable_oauth")})


def _returning(credentials: dict[str, Any]) -> Callable[[], Any]:
    return lambda: credentials
