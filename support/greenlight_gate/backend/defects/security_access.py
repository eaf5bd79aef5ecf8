"""Defects that let people in who should stay outside, or too far."""

import time

from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.frames import Body, Refusal
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.tokens import Attempt, Identity


@defect("acting", "REFUSAL-2")
def user_id_from_client_trusted(connection: ServedConnection, message: Body, user_id: str) -> str:
    """Whoever writes another person's id into a question gets that person's answer."""
    payload = message.get("payload")
    claimed = payload.get("user_id") if message["type"] == "start_agent" and isinstance(payload, dict) else None
    return claimed if isinstance(claimed, str) and claimed else user_id


@defect("access", "REFUSAL-2")
def foreign_thread_accepted(allowed: bool, action: str, user_id: str, owner: str | None) -> bool:
    """Anybody can go on in a conversation of somebody else."""
    return allowed or action == "start"


@defect("access", "REFUSAL-2")
def foreign_resume_accepted(allowed: bool, action: str, user_id: str, owner: str | None) -> bool:
    """Anybody can have a conversation of somebody else shown to them."""
    return allowed or action == "restore"


@defect("access", "REFUSAL-2")
def foreign_stop_accepted(allowed: bool, action: str, user_id: str, owner: str | None) -> bool:
    """Anybody can stop an answer that somebody else waits for."""
    return allowed or action == "stop"


@defect("refusal", "REFUSAL-2")
def foreign_reach_met_with_silence(connection: ServedConnection, refusal: Refusal) -> Refusal | None:
    """Whoever reaches for a conversation of somebody else is left without any answer, and waits for ever."""
    return None if refusal.code == "FORBIDDEN_THREAD" else refusal


@defect("credentials", "REFUSAL-1")
def no_token_accepted(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """Whoever brings no token is let in as “anonymous”."""
    return identity if attempt.source else Identity("anonymous", "", time.time() + hub.settings.token_ttl_s)


@defect("credentials", "REFUSAL-1")
def bad_signature_accepted(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """Nobody looks who signed a token: anybody can write one for anybody."""
    return identity or _leniently(hub, attempt, "signature")


@defect("credentials", "REFUSAL-1")
def expired_token_accepted(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A token that has long expired still opens the chat."""
    return identity or _leniently(hub, attempt, "exp")


@also("expired_token_accepted", "expiry")
def _no_end_in_the_past(connection: ServedConnection, expires_at: float | None) -> float | None:
    return None if expires_at is not None and expires_at <= time.time() else expires_at


@defect("credentials", "REFUSAL-1")
def wrong_audience_accepted(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A token that was made for another service opens the chat."""
    return identity or _leniently(hub, attempt, "aud")


@defect("credentials", "REFUSAL-1")
def token_in_query_accepted(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A token may stand in the address, and so in every log on the way."""
    return identity or (hub.tokens.identify(attempt.token) if attempt.source == "query" else None)


@defect("expiry", "REFUSAL-3")
def survives_token_expiry(connection: ServedConnection, expires_at: float | None) -> float | None:
    """Whoever is connected stays so, long after the token has expired."""
    return None


@defect("greeting", "CONTENT-5")
def token_echoed_in_frame(connection: ServedConnection, message: Body) -> Body:
    """The greeting repeats the token with which somebody came."""
    return {**message, "token": connection.token}


def _leniently(hub: Hub, attempt: Attempt, unchecked: str) -> Identity | None:
    wanted = attempt.source not in {"", "query"}
    return hub.tokens.identify(attempt.token, unchecked={unchecked}) if wanted else None
