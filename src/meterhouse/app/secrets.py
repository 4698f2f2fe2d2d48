"""Secrets: creating, finding, changing and deleting them, and their values for a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meterhouse.app.access_ports import SECRET, SealedValues, Sealer, Secrets
from meterhouse.app.listing import found
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue, json_text, parse_json
from meterhouse.core.problem import NotFoundError
from meterhouse.core.revision import check_revision
from meterhouse.core.secret import Credentials, Secret, read_secret


def create_secret(
    secrets: Secrets,
    sealer: Sealer,
    body: JsonValue,
    *,
    new_id: Callable[[], str],
    at: Instant,
) -> Secret:
    """Check a secret with its credentials and store it, sealed."""
    secret, credentials = read_secret(body, id=new_id(), at=at)
    secrets.add_secret(secret, lambda added: _sealed(added, credentials, sealer))
    return secret


def find_secret(secrets: Secrets, reference: str) -> Secret:
    """Return a secret by id or name."""
    return found(secrets.secret(reference), or_raise=lambda: _none_such(reference))


def shown_secret(secrets: Secrets, reference: str) -> dict[str, Any]:
    """Return the API's object of a secret, with the names of the streams that use it."""
    secret = find_secret(secrets, reference)
    return secret.to_api() | {"streams": list(secrets.streams_of_secret(secret.id))}


def update_secret(
    secrets: Secrets,
    sealer: Sealer,
    reference: str,
    *,
    patch: JsonValue,
    at: Instant,
    revision: str | None = None,
) -> Secret:
    """Apply a merge patch; credentials make a new version, and are given whole.

    Where ``revision`` is given, ``StaleRevision`` if the secret has another one by now.
    """

    def change(present: Secret) -> tuple[Secret, bytes | None]:
        check_revision(present.revision, expected=revision, what=f"Secret {present.name!r}")
        changed, credentials = present.merged(patch, at=at)
        return changed, None if credentials is None else _sealed(changed, credentials, sealer)

    return secrets.update_secret(find_secret(secrets, reference).id, change)


def delete_secret(secrets: Secrets, reference: str, *, revision: str | None = None) -> Secret:
    """Delete a secret that no stream uses; returns what it was."""
    secret = find_secret(secrets, reference)

    def check(present: Secret) -> None:
        check_revision(present.revision, expected=revision, what=f"Secret {present.name!r}")

    secrets.delete_secret(secret.id, check)
    return secret


def credentials_of(secrets: Secrets, sealer: Sealer, secret_id: str) -> Credentials:
    """Return the values of a secret, for a node of a run and for nothing else."""
    secret, sealed = found(secrets.sealed_secret(secret_id), or_raise=lambda: _none_such(secret_id))
    return Credentials(secret.type, parse_json(sealer.open(sealed)))


def reseal_all(values: SealedValues, sealer: Sealer) -> int:
    """Seal everything anew by the wallet's first key, all or nothing; returns how many."""
    return values.reseal_values(sealer.reseal)


def secret_to_api(secret: Secret, *, streams: int) -> dict[str, Any]:
    """Return the API's object of a secret in a list, with its number of streams."""
    return secret.to_api() | {"numberOfStreams": streams}


def _sealed(secret: Secret, credentials: Credentials, sealer: Sealer) -> bytes:
    plain = json_text(credentials.values).encode()
    return sealer.seal(plain, purpose=SECRET, id=secret.id, version=secret.version)


def _none_such(reference: str) -> NotFoundError:
    hint = "`meterhouse secret list` shows those that exist"
    return NotFoundError(f"There is no secret {reference!r}", hint=hint)
