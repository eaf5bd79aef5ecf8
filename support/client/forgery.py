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

from support.access import Access, Pass
from support.targets.sections import Persona

_HOUR_S = 3600

Forge = Callable[[Access, Persona], Pass | None]


def _none(access: Access, persona: Persona) -> Pass | None:
    return access.present(persona, None)


def _gibberish(access: Access, persona: Persona) -> Pass | None:
    return access.present(persona, f"gibberish-{secrets.token_urlsafe(24)}")


def _expired(access: Access, persona: Persona) -> Pass | None:
    now = int(time.time())
    return access.mint(persona, iat=now - 2 * _HOUR_S, exp=now - _HOUR_S) if access.can_mint else None


def _not_yet(access: Access, persona: Persona) -> Pass | None:
    now = int(time.time())
    return access.mint(persona, nbf=now + _HOUR_S, exp=now + 2 * _HOUR_S) if access.can_mint else None


def _elsewhere(access: Access, persona: Persona) -> Pass | None:
    has_audience = access.can_mint and access.target.auth.audience
    return access.mint(persona, aud="another-service") if has_audience else None


def _signed_by_somebody(access: Access, persona: Persona) -> Pass | None:
    return access.mint(persona, key=secrets.token_urlsafe(48)) if access.can_mint else None


def _unsigned(access: Access, persona: Persona) -> Pass | None:
    return access.mint(persona, algorithm="none") if access.can_mint else None


def _confused(access: Access, persona: Persona) -> Pass | None:
    """A header that names the other family of keys: whoever takes the family from there verifies with the wrong key.

    The signature is an HMAC with the empty key, which is what is left where no public key is configured
    (RFC 8725 section 2.1).
    """
    if not access.can_mint:
        return None
    honest = access.mint(persona).token or ""
    signed = f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{honest.split('.')[1]}"
    signature = hmac.new(b"", signed.encode(), hashlib.sha256).digest()
    return access.present(persona, f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}")


def _in_the_address(access: Access, persona: Persona) -> Pass | None:
    auth = access.target.auth
    if not access.can_mint or auth.send == "query":
        return None
    honest = access.mint(persona)
    return Pass(persona.name, "query", honest.token, query={auth.query_name: honest.token or ""})


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


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")
