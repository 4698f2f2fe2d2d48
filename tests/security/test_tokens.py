"""Tokens: ours are good for an hour, and nothing else passes for one."""

import base64
import hashlib
import hmac
import json
from contextlib import nullcontext
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from meterhouse.app.access_ports import SIGNING_KEY
from meterhouse.app.refusal import AccessFault, AccessRefused
from meterhouse.core.instant import DAY, SECOND
from meterhouse.core.scope import SCOPES
from meterhouse.security import Authority, Envelope
from meterhouse.security.tokens import TOKEN_CHARS_MAX
from meterhouse.store import SqliteLedger
from tests.security.house import AT, URLS, a_key, an_envelope, new_id

HOUR = 3600 * SECOND


def issue(authority: Authority, *, at: int = AT, audience: str | None = None) -> str:
    scopes = frozenset({"read:meters"})
    return authority.issue(client_id="client", scopes=scopes, audience=audience, id="jti", at=at)


def refused(authority: Authority, token: str, *, at: int = AT) -> AccessFault:
    with pytest.raises(AccessRefused) as caught:
        authority.verify(token, at=at)
    assert not caught.value.authenticated
    assert not token or token not in str(caught.value)
    return caught.value.fault


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return _read(header), _read(claims)


def _read(text: str) -> dict[str, Any]:
    return json.loads(decoded(text))


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def our_key(ledger: SqliteLedger, envelope: Envelope) -> ECKey:
    return ECKey.import_key(envelope.open(ledger.signing_keys()[-1].sealed))


def signed(key: ECKey, header: dict[str, Any], claims: object) -> str:
    """Sign whatever it is; the header may say what it likes."""
    signing = f"{part(header)}.{part(claims)}"
    signature = JWSRegistry.algorithms["ES256"].sign(signing.encode(), key)
    return f"{signing}.{part(signature)}"


# ------------------------------------------------------------ what is good


def test_a_token_is_what_rfc_9068_says(authority: Authority, ledger: SqliteLedger):
    header, claims = parts(issue(authority))
    [key] = ledger.signing_keys()
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": key.kid}
    assert claims == {
        "iss": URLS[0],
        "sub": "client",
        "aud": URLS[0],
        "client_id": "client",
        "scope": "read:meters",
        "iat": AT // SECOND,
        "exp": AT // SECOND + 3600,
        "jti": "jti",
    }


def test_a_token_tells_who_and_what_until_its_last_microsecond(authority: Authority):
    token = issue(authority)
    claims = authority.verify(token, at=AT + HOUR - 1)
    assert (claims.client_id, claims.scopes, claims.id) == ("client", {"read:meters"}, "jti")
    assert claims.expires_at == AT + HOUR
    assert refused(authority, token, at=AT + HOUR) is AccessFault.EXPIRED


@pytest.mark.parametrize(
    "audience", [None, *URLS, "https://meter.example/", "http://127.0.0.1:8080"]
)
def test_a_token_is_good_for_each_of_our_urls(authority: Authority, audience: str | None):
    assert authority.verify(issue(authority, audience=audience), at=AT).client_id == "client"


def test_a_token_with_every_scope_is_not_too_long(authority: Authority):
    token = authority.issue(
        client_id=new_id(), scopes=frozenset(SCOPES), audience=None, id=new_id(), at=AT
    )
    assert len(token) * 4 < TOKEN_CHARS_MAX
    assert authority.verify(token, at=AT).scopes == set(SCOPES)


def test_anybody_can_verify_with_our_public_keys(authority: Authority):
    signing, _, signature = issue(authority).rpartition(".")
    [key] = authority.public_keys(at=AT)["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")
    x, y = (int.from_bytes(decoded(key[name])) for name in "xy")
    r, s = (int.from_bytes(half) for half in (decoded(signature)[:32], decoded(signature)[32:]))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    public.verify(encode_dss_signature(r, s), signing.encode(), ec.ECDSA(hashes.SHA256()))


# ------------------------------------------------------------ what is not


@pytest.mark.parametrize(
    "token",
    ["x", "a.b", "a.b.c", "..", "a.b.c.d.e", "é.b.c", "x" * (TOKEN_CHARS_MAX + 1), "\x00.\x00.\x00"]
    + [f"{part(header)}.e30.AA" for header in ([], ["alg"], "alg", 5, None, {"alg": 5}, {})]
    + [f"{part(b'{' * 3000)}.e30.AA", f"{part(b'[' * 4000)}.e30.AA"],
)
def test_what_is_no_token_is_malformed(authority: Authority, token: str):
    assert refused(authority, token) is AccessFault.MALFORMED


def test_no_token_is_missing(authority: Authority):
    assert refused(authority, "") is AccessFault.MISSING


@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_altered_token_is_refused(authority: Authority, position: int):
    pieces = issue(authority).split(".")
    flipped = "B" if pieces[position][8] == "A" else "A"
    pieces[position] = pieces[position][:8] + flipped + pieces[position][9:]
    fault = refused(authority, ".".join(pieces))
    assert fault in {AccessFault.BAD_SIGNATURE, AccessFault.MALFORMED}


def test_claims_of_ones_own_under_our_signature_are_refused(authority: Authority):
    header, _, signature = issue(authority).split(".")
    _, claims = parts(issue(authority))
    forged = f"{header}.{part(claims | {'scope': 'delete:meters'})}.{signature}"
    assert refused(authority, forged) is AccessFault.BAD_SIGNATURE


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("signature", ["", "AA"])
def test_unsigned_tokens_are_refused(authority: Authority, alg: str, signature: str):
    header, claims = parts(issue(authority))
    token = f"{part(header | {'alg': alg})}.{part(claims)}.{signature}"
    assert refused(authority, token) in {AccessFault.WRONG_ALGORITHM, AccessFault.MALFORMED}


def test_hs256_with_the_public_key_is_refused(authority: Authority):
    header, claims = parts(issue(authority))
    [public] = authority.public_keys(at=AT)["keys"]
    pem = ECKey.import_key({name: public[name] for name in ("kty", "crv", "x", "y")}).as_pem()
    for key in (pem, json.dumps(public).encode()):
        signing = f"{part(header | {'alg': 'HS256'})}.{part(claims)}"
        mac = hmac.new(key, signing.encode(), hashlib.sha256).digest()
        assert refused(authority, f"{signing}.{part(mac)}") is AccessFault.WRONG_ALGORITHM


@pytest.mark.parametrize("alg", ["ES384", "RS256", "PS256", "HS512", "EdDSA", "es256", "ES256K"])
def test_every_other_algorithm_is_refused(authority: Authority, alg: str):
    header, claims = parts(issue(authority))
    token = f"{part(header | {'alg': alg})}.{part(claims)}.AA"
    assert refused(authority, token) is AccessFault.WRONG_ALGORITHM


@pytest.mark.parametrize(
    "kid",
    [
        *["../../etc/passwd", "/dev/null", "' OR 1=1 --", "%2e%2e", "", "x" * 65, "\ud800"],
        *[5, None, "00000000-0000-0000-0000-000000000000"],
    ],
)
def test_a_key_that_is_not_ours_is_refused(
    authority: Authority, ledger: SqliteLedger, envelope: Envelope, kid: object
):
    header, claims = parts(issue(authority))
    token = signed(our_key(ledger, envelope), header | {"kid": kid}, claims)
    assert refused(authority, token) is AccessFault.UNKNOWN_KEY


def test_a_key_of_ones_own_under_our_id_is_refused(authority: Authority):
    header, claims = parts(issue(authority))
    own = ECKey.import_key(ec.generate_private_key(ec.SECP256R1()))
    assert refused(authority, signed(own, header, claims)) is AccessFault.BAD_SIGNATURE


@pytest.mark.parametrize("extra", ["jwk", "jku", "x5u", "x5c", "crit", "b64", "cty", "zip"])
def test_a_header_that_brings_anything_is_refused(
    authority: Authority, ledger: SqliteLedger, envelope: Envelope, extra: str
):
    header, claims = parts(issue(authority))
    own = ECKey.import_key(ec.generate_private_key(ec.SECP256R1()))
    brought = {"jwk": own.as_dict(private=False), "crit": [], "b64": False, "x5c": []}
    more = {extra: brought.get(extra, "https://evil.example/keys")}
    for key in (own, our_key(ledger, envelope)):
        assert refused(authority, signed(key, header | more, claims)) is AccessFault.MALFORMED


@pytest.mark.parametrize("typ", ["JWT", "at+JWT", "application/at+jwt", None, 5])
def test_another_type_of_token_is_refused(
    authority: Authority, ledger: SqliteLedger, envelope: Envelope, typ: object
):
    header, claims = parts(issue(authority))
    key = our_key(ledger, envelope)
    assert refused(authority, signed(key, header | {"typ": typ}, claims)) is AccessFault.WRONG_TYPE


NOW = AT // SECOND
CLAIMS = [
    ({"iss": "https://evil.example"}, AccessFault.WRONG_ISSUER),
    ({"iss": None}, AccessFault.WRONG_ISSUER),
    ({"iss": ["https://meter.example"]}, AccessFault.WRONG_ISSUER),
    ({"aud": "https://other.example"}, AccessFault.WRONG_AUDIENCE),
    ({"aud": "https://meter.example.evil.example"}, AccessFault.WRONG_AUDIENCE),
    ({"aud": "https://meter.example//"}, AccessFault.WRONG_AUDIENCE),
    ({"aud": []}, AccessFault.WRONG_AUDIENCE),
    ({"aud": None}, AccessFault.WRONG_AUDIENCE),
    ({"aud": {"https://meter.example": 1}}, AccessFault.WRONG_AUDIENCE),
    ({"exp": NOW}, AccessFault.EXPIRED),
    ({"exp": NOW - 1}, AccessFault.EXPIRED),
    ({"exp": None}, AccessFault.MALFORMED),
    ({"exp": str(NOW + 60)}, AccessFault.MALFORMED),
    ({"exp": True}, AccessFault.MALFORMED),
    ({"exp": NOW + 0.5}, AccessFault.MALFORMED),
    ({"iat": NOW + 1}, AccessFault.NOT_YET_VALID),
    ({"nbf": NOW + 1}, AccessFault.NOT_YET_VALID),
    ({"iat": None}, AccessFault.MALFORMED),
    ({"nbf": None}, AccessFault.MALFORMED),
    ({"client_id": None}, AccessFault.MALFORMED),
    ({"client_id": "another"}, AccessFault.MALFORMED),
    ({"sub": "another"}, AccessFault.MALFORMED),
    ({"scope": ["delete:meters"]}, AccessFault.MALFORMED),
    ({"jti": 7}, AccessFault.MALFORMED),
]


@pytest.mark.parametrize(("change", "fault"), CLAIMS, ids=str)
def test_each_claim_is_checked_even_under_our_own_signature(
    authority: Authority, ledger: SqliteLedger, envelope: Envelope, change, fault: AccessFault
):
    header, claims = parts(issue(authority))
    token = signed(our_key(ledger, envelope), header, claims | change)
    assert refused(authority, token) is fault


@pytest.mark.parametrize("payload", [[], "x", 5, None, b"{", b"\xff", b"[" * 3000], ids=repr)
def test_a_payload_that_is_no_object_is_malformed(
    authority: Authority, ledger: SqliteLedger, envelope: Envelope, payload: object
):
    header, _ = parts(issue(authority))
    token = signed(our_key(ledger, envelope), header, payload)
    assert refused(authority, token) is AccessFault.MALFORMED


def test_our_own_signature_over_good_claims_is_good(
    authority: Authority, ledger: SqliteLedger, envelope: Envelope
):
    header, claims = parts(issue(authority))
    several = claims | {"aud": ["https://other.example", "https://meter.example/"], "nbf": NOW}
    token = signed(our_key(ledger, envelope), header, several)
    assert authority.verify(token, at=AT).client_id == "client"


# ------------------------------------------------------------ keys


def test_the_key_is_changed_after_thirty_days_at_the_next_token(
    authority: Authority, ledger: SqliteLedger
):
    issue(authority)
    [first] = ledger.signing_keys()
    issue(authority, at=AT + 30 * DAY - 1)
    assert ledger.signing_keys() == [first]
    issue(authority, at=AT + 30 * DAY)
    old, new = ledger.signing_keys()
    assert (old.kid, old.retired_at, new.retired_at) == (first.kid, AT + 30 * DAY, None)


def test_a_retired_key_verifies_until_its_last_token_has_ended(authority: Authority):
    change = AT + 30 * DAY
    issue(authority)
    token = issue(authority, at=change - 1)
    issue(authority, at=change)
    assert len(authority.public_keys(at=change)["keys"]) == 2
    assert authority.verify(token, at=change + HOUR - SECOND - 1).client_id == "client"
    assert refused(authority, token, at=change + HOUR) is AccessFault.UNKNOWN_KEY
    assert len(authority.public_keys(at=change + HOUR)["keys"]) == 1


def test_a_retired_key_is_forgotten_with_its_private_half(
    authority: Authority, ledger: SqliteLedger
):
    issue(authority)
    [first] = ledger.signing_keys()
    change = AT + 30 * DAY
    issue(authority, at=change)
    issue(authority, at=change + HOUR - 1)
    assert len(ledger.signing_keys()) == 2
    issue(authority, at=change + HOUR)
    assert first.kid not in [key.kid for key in ledger.signing_keys()]
    assert ledger.sealed_value(SIGNING_KEY, first.kid) is None


def test_a_key_that_is_deleted_ends_its_tokens_at_once(authority: Authority, ledger: SqliteLedger):
    token = issue(authority)
    authority.verify(token, at=AT)
    ledger._database.execute("DELETE FROM signing_key")
    assert refused(authority, token) is AccessFault.UNKNOWN_KEY


def test_two_servers_have_one_key(ledger: SqliteLedger, envelope: Envelope):
    servers = [
        Authority(lambda: nullcontext(ledger), envelope, public_urls=URLS, new_id=new_id)
        for _ in range(2)
    ]
    tokens = [issue(server) for server in servers]
    assert len(ledger.signing_keys()) == 1
    for server, token in zip(servers, reversed(tokens), strict=True):
        assert server.verify(token, at=AT).client_id == "client"


def test_a_new_wallet_key_keeps_tokens_good(
    authority: Authority, ledger: SqliteLedger, envelope: Envelope
):
    token = issue(authority)
    ledger.reseal_values(an_envelope(a_key(2), a_key(1)).reseal)
    later = Authority(
        lambda: nullcontext(ledger), an_envelope(a_key(2)), public_urls=URLS, new_id=new_id
    )
    assert later.verify(token, at=AT).client_id == "client"
