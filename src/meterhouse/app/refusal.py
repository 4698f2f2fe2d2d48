"""Why access is refused: a closed list, and the one exception that says it."""

from __future__ import annotations

from enum import Enum

from meterhouse.core.problem import MeterhouseError


class AccessFault(Enum):
    """What is wrong with a token, with a client's credentials, or with what they ask for."""

    MISSING = "token_missing"
    MALFORMED = "token_malformed"
    WRONG_ALGORITHM = "token_wrong_algorithm"
    WRONG_TYPE = "token_wrong_type"
    UNKNOWN_KEY = "token_unknown_key"
    BAD_SIGNATURE = "token_bad_signature"
    WRONG_ISSUER = "token_wrong_issuer"
    WRONG_AUDIENCE = "token_wrong_audience"
    EXPIRED = "token_expired"
    NOT_YET_VALID = "token_not_yet_valid"
    CLIENT_GONE = "client_gone"
    SCOPE_MISSING = "scope_missing"
    CLIENT_INVALID = "client_invalid"
    SCOPE_NOT_GRANTED = "scope_not_granted"
    AUDIENCE_UNKNOWN = "audience_unknown"


_MESSAGES = {
    AccessFault.MISSING: "A token is needed",
    AccessFault.MALFORMED: "The token is not one of ours: it cannot be read",
    AccessFault.WRONG_ALGORITHM: "The token is signed by another algorithm than ES256",
    AccessFault.WRONG_TYPE: "The token is not an access token (at+jwt)",
    AccessFault.UNKNOWN_KEY: "The token is signed by a key that is not, or no more, ours",
    AccessFault.BAD_SIGNATURE: "The signature of the token is wrong",
    AccessFault.WRONG_ISSUER: "The token was issued by somebody else",
    AccessFault.WRONG_AUDIENCE: "The token was issued for another service",
    AccessFault.EXPIRED: "The token has expired",
    AccessFault.NOT_YET_VALID: "The token is not valid yet",
    AccessFault.CLIENT_GONE: "The application of the token was deleted",
    AccessFault.SCOPE_MISSING: "The token does not allow this",
    AccessFault.CLIENT_INVALID: "The client id or the client secret is wrong",
    AccessFault.SCOPE_NOT_GRANTED: "The application was not given every scope that it asks for",
    AccessFault.AUDIENCE_UNKNOWN: "The audience is not this service",
}
_ASK_AGAIN = "Ask the token endpoint for a new one"
_HINTS = {
    AccessFault.MISSING: "Send the header `Authorization: Bearer TOKEN`",
    AccessFault.UNKNOWN_KEY: _ASK_AGAIN,
    AccessFault.EXPIRED: _ASK_AGAIN,
    AccessFault.NOT_YET_VALID: "Set the clocks of the servers right",
}
#: Who it is, is known; what they may do is the question.
_OF_A_KNOWN_CLIENT = frozenset({AccessFault.SCOPE_MISSING})


class AccessRefused(MeterhouseError):
    """Access is refused; ``fault`` says why. No message shows a token or a secret."""

    def __init__(self, fault: AccessFault, *, hint: str = "") -> None:
        hint = hint or _HINTS.get(fault, "")
        super().__init__(_MESSAGES[fault], hint=hint, code=fault.value)
        self.fault = fault

    @property
    def authenticated(self) -> bool:
        """Whether the client is known and lacks a scope (403), or is not known at all (401)."""
        return self.fault in _OF_A_KNOWN_CLIENT
