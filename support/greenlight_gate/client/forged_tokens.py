"""Tokens that must be refused: forged, expired, issued for another service, or sent in the wrong place."""

import base64
import hashlib
import hmac
import json
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt

from greenlight_gate.targets.access import Access, Token
from greenlight_gate.targets.sections import Persona

_HOUR_S = 3600
# More than clocks may differ (budgets.clock_skew_s by default), and less than a backend's leeway might be.
_MINUTES_S = 360
_SHORTEST_OPAQUE = 16
# The names under which servers usually look for a token in the query (RFC 6750 section 2.3: access_token).
_QUERY_NAMES = ("access_token", "auth", "auth_token", "authorization", "bearer", "id_token", "jwt")
# It is shown once its owner has connected: a backend may remember what it has verified.
ANOTHER_NAME = "a token with another user's name"

Forge = Callable[[Access, Persona, str], Token | None]


def _none(access: Access, persona: Persona, honest: str) -> Token | None:
    return access.present(persona, None)


def _gibberish(access: Access, persona: Persona, honest: str) -> Token | None:
    return access.present(persona, f"gibberish-{secrets.token_urlsafe(24)}")


def _expired(access: Access, persona: Persona, honest: str) -> Token | None:
    return expired_token(access, persona)


def _not_yet(access: Access, persona: Persona, honest: str) -> Token | None:
    now = int(time.time())
    return access.mint(persona, nbf=now + _HOUR_S, exp=now + 2 * _HOUR_S) if access.can_mint else None


def _elsewhere(access: Access, persona: Persona, honest: str) -> Token | None:
    has_audience = access.can_mint and access.target.auth.audience
    return access.mint(persona, aud="another-service") if has_audience else None


def _signed_by_somebody(access: Access, persona: Persona, honest: str) -> Token | None:
    return _resigned(access, persona, honest, key=secrets.token_bytes(48))


def _unsigned(access: Access, persona: Persona, honest: str) -> Token | None:
    return _resigned(access, persona, honest, algorithm="none")


def _without_signature(access: Access, persona: Persona, honest: str) -> Token | None:
    return access.present(persona, f"{honest.rpartition('.')[0]}.") if _header(honest) else None


def _beginning_of_signature(access: Access, persona: Persona, honest: str) -> Token | None:
    """Accepted by a backend that compares only as much of the signature, or of an opaque token, as was sent."""
    if _is_opaque(honest):
        return access.present(persona, honest[: len(honest) // 2])
    body, _, signature = honest.rpartition(".")
    return access.present(persona, f"{body}.{signature[:8]}") if _header(honest) else None


def _unsigned_in_disguise(access: Access, persona: Persona, honest: str) -> Token | None:
    return _resigned(access, persona, honest, algorithm="nOnE")


def _unsigned_by_another_way(access: Access, persona: Persona, honest: str) -> Token | None:
    """Sent in the way that this target's users do not use, which may be checked less."""
    made = _unsigned(access, persona, honest)
    way = "subprotocol" if access.target.auth.send == "bearer" else "bearer"
    return access.present(persona, made.token, way=way) if made is not None else None


def _for_nobody(access: Access, persona: Persona, honest: str) -> Token | None:
    has_audience = access.can_mint and access.target.auth.audience
    return access.mint(persona, aud=None) if has_audience else None


def _just_expired(access: Access, persona: Persona, honest: str) -> Token | None:
    now = int(time.time())
    return access.mint(persona, iat=now - _HOUR_S, exp=now - _MINUTES_S) if access.can_mint else None


def _confused(access: Access, persona: Persona, honest: str) -> Token | None:
    """A header that names the other family of algorithms: a backend that trusts it verifies with the wrong key.

    The signature is an HMAC with the empty key, which is what is left where no such key is configured (RFC 8725
    section 2.1).
    """
    other = "RS256" if str(_header(honest).get("alg")).startswith("HS") else "HS256"
    return _resigned(access, persona, honest, algorithm=other)


def _with_another_name(access: Access, persona: Persona, honest: str) -> Token | None:
    """The honest header and signature around claims that name another of the target's users."""
    header, claims = _header(honest), _claims(honest)
    named = [name for name, value in claims.items() if value == persona.user]
    other = next((each.user for each in access.target.personas if each.user not in ("", persona.user)), "")
    if not (header and named and other):
        return None
    claims.update(dict.fromkeys(named, other))
    first, _, signature = honest.split(".")
    return access.present(persona, f"{first}.{_encoded(json.dumps(claims).encode())}.{signature}")


def _with_another_end(access: Access, persona: Persona, honest: str) -> Token | None:
    return _with_changed_signature(access, persona, honest, part=1.0)


def _with_another_middle(access: Access, persona: Persona, honest: str) -> Token | None:
    return _with_changed_signature(access, persona, honest, part=0.5)


def _with_changed_signature(access: Access, persona: Persona, honest: str, *, part: float) -> Token | None:
    """One byte of the signature, or of an opaque token, is another: accepted where only some of them are compared."""
    if _is_opaque(honest):
        return access.present(persona, _with_another_character(honest, part))
    if not _header(honest):
        return None
    body, _, signature = honest.rpartition(".")
    changed = bytearray(_decoded(signature))
    changed[min(int(len(changed) * part), len(changed) - 1)] ^= 0xFF
    return access.present(persona, f"{body}.{_encoded(bytes(changed))}")


def _is_opaque(honest: str) -> bool:
    """Whether a token is no JSON web token, and long enough for a part of it to be another one."""
    return len(honest) >= _SHORTEST_OPAQUE and not _header(honest)


def _with_another_character(honest: str, part: float) -> str:
    """A letter or digit at or before this part of a token is another one.

    The last one stays: of base64 it may hold bits that nobody reads.
    """
    places = [place for place, character in enumerate(honest) if character.isalnum()][:-1]
    place = places[min(int(len(places) * part), len(places) - 1)]
    return f"{honest[:place]}{'B' if honest[place] in 'aA' else 'A'}{honest[place + 1 :]}"


def _in_the_address_as(name: str) -> Forge:
    """An honest token in the query under a usual name, and nothing else: where tokens are sent otherwise."""

    def forge(access: Access, persona: Persona, honest: str) -> Token | None:
        sent_otherwise = honest and access.target.auth.send not in ("query", "profile")
        return replace(access.present(persona, honest, "query"), query={name: honest}) if sent_otherwise else None

    return forge


def _in_the_address(access: Access, persona: Persona, honest: str) -> Token | None:
    sent_otherwise = access.target.auth.send not in ("query", "profile")
    return access.present(persona, honest, "query") if sent_otherwise else None


def _resigned(access: Access, persona: Persona, honest: str, *, key: bytes = b"", algorithm: str = "") -> Token | None:
    """The same claims with another signature; None for a token that is no JSON web token (RFC 7515 section 3.1)."""
    header = _header(honest)
    if not header:
        return None
    signed = f"{_encoded(json.dumps({**header, 'alg': algorithm or header['alg']}).encode())}.{honest.split('.')[1]}"
    signature = b"" if algorithm.lower() == "none" else hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return access.present(persona, f"{signed}.{_encoded(signature)}")


def _claims(token: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}
    return claims


def _header(token: str) -> dict[str, Any]:
    """The header of a JSON web token; {} for another token, such as a signed cookie, which may look alike."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        return {}
    return header if "alg" in header else {}


# By their names in findings: "... with an expired token".
FORGERIES: dict[str, Forge] = {
    "no token": _none,
    "a random token": _gibberish,
    "a token signed with another key": _signed_by_somebody,
    "an unsigned token": _unsigned,
    "an unsigned token with the algorithm nOnE": _unsigned_in_disguise,
    "an unsigned token sent in another way": _unsigned_by_another_way,
    "a token whose signature was removed": _without_signature,
    "a token whose signature was cut short": _beginning_of_signature,
    "a token whose signature ends in another way": _with_another_end,
    "a token whose signature differs in its middle": _with_another_middle,
    ANOTHER_NAME: _with_another_name,
    "a token that names another kind of algorithm": _confused,
    "an expired token": _expired,
    "a token that expired 6 minutes ago": _just_expired,
    "a token that is not valid yet": _not_yet,
    "a token for another audience": _elsewhere,
    "a token without an audience": _for_nobody,
    "a token in the URL": _in_the_address,
    **{f"a token in the URL as {name}": _in_the_address_as(name) for name in _QUERY_NAMES},
}


def expired_token(access: Access, persona: Persona) -> Token | None:
    """A token that expired an hour ago, or one that the target gives as expired; None without either."""
    now = int(time.time())
    if access.can_mint:
        return access.mint(persona, iat=now - 2 * _HOUR_S, exp=now - _HOUR_S)
    given = access.expired_token(persona)
    return access.present(persona, given) if given is not None else None


def short_token(access: Access, persona: Persona, lifetime_s: float, ahead_s: float = 0.0) -> Token:
    """A valid token that expires after at least `lifetime_s`, at a whole second (RFC 7519 section 2: NumericDate).

    `ahead_s`: by how much the target's clock, which decides, is ahead of ours.
    """
    expires_s = math.ceil(time.time() + ahead_s + lifetime_s)
    return replace(access.mint(persona, exp=expires_s), expires_s=float(expires_s))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
