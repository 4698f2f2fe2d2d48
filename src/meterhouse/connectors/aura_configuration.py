"""The configuration of OBs: from a folder of JSON files, or from aura-configuration-api by HTTP.

In both, ``{ob}`` in the place stands for the code of the OB in small letters, ``{OB}`` for that in
capitals. A folder has ``channels.json`` and so on; the API answers ``GET <url>/channels/``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from meterhouse.app.aura.ports import ConfigurationFault
from meterhouse.core.json_text import JsonValue, parse_json
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.http_address import shown_url
from meterhouse.streams.nodes.http_auth import chosen_credentials
from meterhouse.streams.ports import BearerAuth, HttpCaller, HttpFailed, HttpRequest

_OK = 200
_PREFIX = "APIKEY"


class ConfigurationFolder:
    """JSON files of a folder, one a module. See ``app.aura.ports.ConfigurationSource``.

    ``pattern`` is a path, in which the OB may stand.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def module(self, ob: str, name: str) -> JsonValue:
        """Return the objects of a module of an OB."""
        path = Path(_place(self._pattern, ob)) / f"{name}.json"
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8"
            hint = f"save there what the configuration API answers for {name}, or [] for none"
            raise ConfigurationFault(f"{path} cannot be read: {reason}", hint=hint) from error
        return _parsed(text, what=str(path))


class ConfigurationApi:
    """aura-configuration-api. ``secret_id`` names a bearer secret, whose token is the key."""

    def __init__(
        self,
        url: str,
        *,
        http: HttpCaller,
        secret_id: str | None,
        credentials: Callable[[str], Credentials],
    ) -> None:
        self._url, self._http = url, http
        self._secret_id, self._credentials = secret_id, credentials

    def module(self, ob: str, name: str) -> JsonValue:
        """Return the objects of a module of an OB."""
        url = f"{_place(self._url, ob).rstrip('/')}/{name}/"
        what = f"The configuration API ({shown_url(url)})"
        auth = None
        if self._secret_id is not None:
            found = chosen_credentials(self._credentials, self._secret_id, SecretType.BEARER)
            auth = BearerAuth(found["token"], _PREFIX)
        try:
            answer = self._http.send(HttpRequest("GET", url, auth=auth))
        except HttpFailed as error:
            raise ConfigurationFault(f"{what}: {error.args[0]}", hint=error.hint) from error
        if answer.status != _OK:
            hint = "see that the address is right, and that the secret has its key"
            raise ConfigurationFault(f"{what} answered {answer.status}", hint=hint)
        try:
            text = answer.body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConfigurationFault(f"{what} answered no UTF-8") from error
        return _parsed(text, what=what)


def _place(pattern: str, ob: str) -> str:
    return pattern.replace("{ob}", ob.lower()).replace("{OB}", ob)


def _parsed(text: str, *, what: str) -> JsonValue:
    try:
        return parse_json(text)
    except (ValueError, RecursionError) as error:
        message = f"{what} has no JSON: {error}"
        raise ConfigurationFault(message, hint="see what is there") from error
