"""Passes that open no door: forged, expired, made for somewhere else, or shown where they do not belong."""

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

from support.access import Access, Pass
from support.targets.sections import Persona

_HOUR_S = 3600

Forge = Callable[[Access, Persona, str], Pass | None]


def _none(access: Access, persona: Persona, honest: str) -> Pass | None:
    return access.present(persona, None)


def _gibberish(access: Access, persona: Persona, honest: str) -> Pass | None:
    return access.present(persona, f"gibberish-{secrets.token_urlsafe(24)}")


def _expired(access: Access, persona: Persona, honest: str) -> Pass | None:
    now = int(time.time())
    return access.mint(persona, iat=now - 2 * _HOUR_S, exp=now - _HOUR_S) if access.can_mint else None


def _not_yet(access: Access, persona: Persona, honest: str) -> Pass | None:
    now = int(time.time())
    return access.mint(persona, nbf=now + _HOUR_S, exp=now + 2 * _HOUR_S) if access.can_mint else None


def _elsewhere(access: Access, persona: Persona, honest: str) -> Pass | None:
    has_audience = access.can_mint and access.target.auth.audience
    return access.mint(persona, aud="another-service") if has_audience else None


def _signed_by_somebody(access: Access, persona: Persona, honest: str) -> Pass | None:
    return _resigned(access, persona, honest, key=secrets.token_bytes(48))


def _unsigned(access: Access, persona: Persona, honest: str) -> Pass | None:
    return _resigned(access, persona, honest, algorithm="none")


def _confused(access: Access, persona: Persona, honest: str) -> Pass | None:
    """A header that names the other family of keys: whoever takes it from there verifies with the wrong key.

    The signature is an HMAC with the empty key, which is what is left where no such key is configured (RFC 8725
    section 2.1).
    """
    other = "RS256" if str(_header(honest).get("alg")).startswith("HS") else "HS256"
    return _resigned(access, persona, honest, algorithm=other)


def _in_the_address(access: Access, persona: Persona, honest: str) -> Pass | None:
    auth = access.target.auth
    return Pass(persona.name, "query", honest, query={auth.query_name: honest}) if auth.send != "query" else None


def _resigned(access: Access, persona: Persona, honest: str, *, key: bytes = b"", algorithm: str = "") -> Pass | None:
    """The same claims with another signature; None for a token that is no JSON web token (RFC 7515 section 3.1)."""
    header = _header(honest)
    if not header:
        return None
    signed = f"{_encoded(json.dumps({**header, 'alg': algorithm or header['alg']}).encode())}.{honest.split('.')[1]}"
    signature = b"" if algorithm == "none" else hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return access.present(persona, f"{signed}.{_encoded(signature)}")


def _header(token: str) -> dict[str, Any]:
    try:
        return jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        return {}


# What each is called in sentences such as "let in with an expired pass".
FORGERIES: dict[str, Forge] = {
    "no pass": _none,
    "a gibberish pass": _gibberish,
    "a pass signed by somebody else": _signed_by_somebody,
    "an unsigned pass": _unsigned,
    "a pass signed with the wrong kind of key": _confused,
    "an expired pass": _expired,
    "a pass that is not valid yet": _not_yet,
    "a pass for another service": _elsewhere,
    "a pass in the address": _in_the_address,
}


def short_pass(access: Access, persona: Persona, lifetime_s: float) -> Pass:
    """A valid pass that ends after at least so many seconds, at a whole one (RFC 7519 section 2: NumericDate)."""
    expires_s = math.ceil(time.time() + lifetime_s)
    return replace(access.mint(persona, exp=expires_s), expires_s=float(expires_s))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
