"""Defects between replicas, and in their caches."""

import time
from typing import Any

from greenlight_gate.backend.bus import Subscriber
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.frames import Body, Outgoing
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.runs import AgentRun
from greenlight_gate.backend.tokens import Attempt, Identity


@defect("route", "LIFECYCLE-2", "CONTINUITY-1", "TIMELINESS-2")
def fan_out_to_one_replica(hub: Hub, event: Outgoing, recipients: list[Subscriber]) -> list[Subscriber]:
    """A user connected to another replica than the one that runs the agent receives no more events."""
    return [] if _from_elsewhere(hub, event) else recipients


@defect("replay", "CONTINUITY-1")
def resume_knows_only_its_replica(connection: ServedConnection, events: list[Outgoing]) -> list[Outgoing]:
    """A user who reconnects receives only the missed events of the replica that they reconnect to."""
    here: set[str] = connection.hub.notes.get("runs of this replica", set())
    return [event for event in events if event.run_id in here]


@also("resume_knows_only_its_replica", "draft")
def _note_the_run(run: AgentRun, event: Outgoing) -> list[Outgoing]:
    if run.connection is not None:
        run.connection.hub.notes.setdefault("runs of this replica", set()).add(run.run_id)
    return [event]


@defect("route", "ISOLATION-1", "ISOLATION-2")
def redis_channel_shared_by_all_users(hub: Hub, event: Outgoing, recipients: list[Subscriber]) -> list[Subscriber]:
    """Answers made on one replica arrive at all users of the other replica."""
    everybody = hub.connections.values() if _from_elsewhere(hub, event) else ()
    return list(dict.fromkeys([*recipients, *everybody]))


@defect("acting", "REFUSAL-2")
def session_cache_keyed_by_thread_only(connection: ServedConnection, message: Body, user_id: str) -> str:
    """A user who names another user's recent conversation has that user's access."""
    payload = message.get("payload")
    thread = message.get("thread_id") or (payload.get("thread_id") if isinstance(payload, dict) else None)
    cached: dict[Any, str] = connection.hub.notes.get("sessions", {})
    return cached.get(thread, user_id) if isinstance(thread, str) else user_id


@also("session_cache_keyed_by_thread_only", "draft")
def _cache_the_session(run: AgentRun, event: Outgoing) -> list[Outgoing]:
    if run.connection is not None:
        run.connection.hub.notes.setdefault("sessions", {})[run.thread_id] = run.user_id
    return [event]


@defect("credentials", "REFUSAL-1")
def token_cache_ignores_expiry(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A token that was accepted once is accepted after it has expired."""
    cached: dict[str, Identity] = hub.notes.setdefault("tokens", {})
    if identity is not None:
        cached[attempt.token] = identity
    return identity if attempt.source == "query" else cached.get(attempt.token)


@also("token_cache_ignores_expiry", "expiry")
def _no_end_in_the_past(connection: ServedConnection, expires_at: float | None) -> float | None:
    return None if expires_at is not None and expires_at <= time.time() else expires_at


def _from_elsewhere(hub: Hub, event: Outgoing) -> bool:
    return hub.runs.find(event.root_run_id) is None
