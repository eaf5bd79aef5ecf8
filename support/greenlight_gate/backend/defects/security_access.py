"""Defects in authentication and in the access to threads and runs."""

import asyncio
import base64
import math
import time

from jwt.algorithms import HMACAlgorithm

from greenlight_gate.backend.bus import Subscriber
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.event_log import Journal
from greenlight_gate.backend.frames import Body, Outgoing, Refusal
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.runs import AgentRun
from greenlight_gate.backend.tokens import Attempt, Identity

_CHECKED = 16
_ANSWERS_KEPT = 1_000
# Timers fire up to a few milliseconds early.
_LATE_S = 0.01


@defect("acting", "REFUSAL-2")
def user_id_from_client_trusted(connection: ServedConnection, message: Body, user_id: str) -> str:
    """A question with another user's id receives that user's answer."""
    payload = message.get("payload")
    claimed = payload.get("user_id") if message["type"] == "start_agent" and isinstance(payload, dict) else None
    return claimed if isinstance(claimed, str) and claimed else user_id


@defect("access", "REFUSAL-2")
def foreign_thread_accepted(allowed: bool, action: str, user_id: str, owner: str | None) -> bool:
    """A user can continue another user's conversation."""
    return allowed or action == "start"


@defect("access", "REFUSAL-2")
def foreign_resume_accepted(allowed: bool, action: str, user_id: str, owner: str | None) -> bool:
    """A user can restore another user's conversation."""
    return allowed or action == "restore"


@defect("access", "REFUSAL-2")
def foreign_stop_accepted(allowed: bool, action: str, user_id: str, owner: str | None) -> bool:
    """A user can stop another user's run."""
    return allowed or action == "stop"


@defect("acting", "REFUSAL-2")
def thread_of_nobody_once_its_owner_left(connection: ServedConnection, message: Body, user_id: str) -> str:
    """Once its owner has disconnected, a conversation can be continued and restored by any user."""
    payload = message.get("payload")
    thread_id = (payload if isinstance(payload, dict) else message).get("thread_id")
    owner: str | None = connection.hub.notes.get("thread owners", {}).get(thread_id)
    is_left = owner is not None and all(each.user_id != owner for each in connection.hub.connections.values())
    return owner if is_left and owner is not None else user_id


@also("thread_of_nobody_once_its_owner_left", "draft")
def _note_owner(run: AgentRun, event: Outgoing) -> list[Outgoing]:
    if run.connection is not None:
        run.connection.hub.notes.setdefault("thread owners", {})[run.thread_id] = run.user_id
    return [event]


@defect("incoming", "REFUSAL-2", "ISOLATION-2")
def running_answer_shown_to_any_asker(connection: ServedConnection, message: Body) -> Body:
    """A user who asks in another user's conversation while it is answered receives the rest of that answer."""
    payload, hub = message.get("payload"), connection.hub
    if isinstance(payload, dict) and isinstance(hub, Hub):
        for run in hub.runs.under_way():
            if run.thread_id == payload.get("thread_id") and run.user_id != connection.user_id:
                hub.notes.setdefault("askers", {})[run.run_id] = connection
    return message


@also("running_answer_shown_to_any_asker", "route")
def _also_to_asker(hub: Hub, event: Outgoing, recipients: list[Subscriber]) -> list[Subscriber]:
    asker = hub.notes.get("askers", {}).get(event.root_run_id)
    is_open = asker is not None and asker.connection_id in hub.connections
    return list(dict.fromkeys([*recipients, asker])) if is_open else recipients


@defect("acting", "REFUSAL-2", "ISOLATION-2")
def running_answer_restored_by_any_user(connection: ServedConnection, message: Body, user_id: str) -> str:
    """A user can restore another user's conversation while it is answered."""
    if message["type"] != "session_restore" or not isinstance(connection.hub, Hub):
        return user_id
    runs = connection.hub.runs.under_way()
    return next((run.user_id for run in runs if run.thread_id == message["thread_id"]), user_id)


@defect("refusal", "REFUSAL-2")
def foreign_reach_met_with_silence(connection: ServedConnection, refusal: Refusal) -> Refusal | None:
    """A request for another user's conversation gets no response."""
    return None if refusal.code == "FORBIDDEN_THREAD" else refusal


@defect("answer", "ISOLATION-1")
def answers_cached_by_request_id(run: AgentRun, answer: str) -> str:
    """A question with the id of another user's request receives that user's answer."""
    # The key of the cache lacks the user.
    if run.parent is not None or run.request_id is None or run.connection is None:
        return answer
    cached: dict[str | int, str] = run.connection.hub.notes.setdefault("answers by request", {})
    if len(cached) >= _ANSWERS_KEPT:
        del cached[next(iter(cached))]
    return cached.setdefault(run.request_id, answer)


@defect("credentials", "REFUSAL-1")
def no_token_accepted(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A connection without a token is accepted as an anonymous user."""
    return identity if attempt.source else Identity("anonymous", "", time.time() + hub.settings.token_ttl_s)


@defect("credentials", "REFUSAL-1")
def bad_signature_accepted(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """The signature of tokens is not checked."""
    return identity or _leniently(hub, attempt, "signature")


@defect("credentials", "REFUSAL-1")
def expired_token_accepted(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """An expired token is accepted."""
    return identity or _leniently(hub, attempt, "exp")


@defect("credentials", "REFUSAL-1")
def no_token_accepted_on_resume(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """Where a client resumes by a Last-Event-ID, it is accepted without a token."""
    return no_token_accepted(hub, attempt, identity) if attempt.resumes else identity


@defect("credentials", "REFUSAL-1")
def signature_not_checked_on_resume(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """Where a client resumes by a Last-Event-ID, the signature of its token is not checked."""
    return bad_signature_accepted(hub, attempt, identity) if attempt.resumes else identity


@defect("credentials", "REFUSAL-1")
def expired_token_accepted_on_resume(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """Where a client resumes by a Last-Event-ID, an expired token is accepted."""
    return expired_token_accepted(hub, attempt, identity) if attempt.resumes else identity


@also("expired_token_accepted_on_resume", "expiry")
@also("expired_token_accepted", "expiry")
def _no_end_in_the_past(connection: ServedConnection, expires_at: float | None) -> float | None:
    return None if expires_at is not None and expires_at <= time.time() else expires_at


@defect("credentials", "REFUSAL-1")
def wrong_audience_accepted(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A token for another audience is accepted."""
    return identity or _leniently(hub, attempt, "aud")


@defect("credentials", "REFUSAL-1")
def token_in_query_accepted(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A token in the URL is accepted, and so appears in logs."""
    return identity or (hub.tokens.identify(attempt.token) if attempt.source == "query" else None)


@defect("credentials", "REFUSAL-1", default="access_token", unit="name")
def token_in_query_accepted_by_name(
    hub: Hub, attempt: Attempt, identity: Identity | None, *, value: str
) -> Identity | None:
    """A token in the URL is accepted under one of the usual names."""
    return identity or (hub.tokens.identify(attempt.token) if attempt.name == value else None)


@defect("credentials", "REFUSAL-1")
def signature_checked_in_part(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """Only the first 16 characters of a token's signature are checked."""
    body, _, signature = attempt.token.rpartition(".")
    key = hub.settings.jwt_secret.encode()
    due = base64.urlsafe_b64encode(HMACAlgorithm(HMACAlgorithm.SHA256).sign(body.encode(), key)).decode()
    matches = len(signature) >= _CHECKED and signature[:_CHECKED] == due[:_CHECKED]
    return identity or (_leniently(hub, attempt, "signature") if matches else None)


@defect("credentials", "REFUSAL-1")
def claims_of_a_known_signature_not_checked(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A token with another user's name is accepted once a token with the same signature was."""
    signature = attempt.token.rpartition(".")[2]
    known: set[str] = hub.notes.setdefault("verified signatures", set())
    if identity is not None:
        known.add(signature)
        return identity
    return _leniently(hub, attempt, "signature") if signature in known else None


@defect("expiry", "REFUSAL-3")
def survives_token_expiry(connection: ServedConnection, expires_at: float | None) -> float | None:
    """A connection stays open after its token has expired."""
    return None


@defect("expiry", "REFUSAL-3")
def token_honoured_until_the_run_ends(connection: ServedConnection, expires_at: float | None) -> float | None:
    """A token that expires during an answer is accepted until the answer has ended."""
    if expires_at is not None:
        connection.notes["token ends at"] = expires_at
        delay_s = max(0.0, expires_at - time.time()) + _LATE_S
        asyncio.get_running_loop().call_later(delay_s, _expire_without_runs, connection)
    return None


@also("token_honoured_until_the_run_ends", "ended")
async def _expire_after_the_run(run: AgentRun, journal: Journal) -> None:
    if run.connection is not None:
        _expire_without_runs(run.connection)


def _expire_without_runs(connection: ServedConnection) -> None:
    if not connection.open_runs and connection.notes.get("token ends at", math.inf) <= time.time():
        connection.expire("the token has expired")


@defect("outlive", "LIFECYCLE-2", promise="runs_outlive_tokens")
def token_expiry_ends_a_running_answer(connection: ServedConnection, may: bool) -> bool:
    """A token that expires throws its user out of a running answer, which is promised to finish."""
    return False


@defect("greeting", "CONTENT-5")
def token_echoed_in_frame(connection: ServedConnection, message: Body) -> Body:
    """The first message of a connection holds the user's token."""
    return {**message, "token": connection.token}


def _leniently(hub: Hub, attempt: Attempt, unchecked: str) -> Identity | None:
    wanted = attempt.source not in {"", "query"}
    return hub.tokens.identify(attempt.token, unchecked={unchecked}) if wanted else None
