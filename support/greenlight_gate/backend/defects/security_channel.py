"""Defects in the access to channels; over a WebSocket, and where each request has a stream, none of them shows."""

import re
import time

from greenlight_gate.backend.channel import ChannelConnection
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.defects.security_access import bad_signature_accepted
from greenlight_gate.backend.defects.security_requests import renewed
from greenlight_gate.backend.frames import Body, Outgoing
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.runs import AgentRun
from greenlight_gate.backend.tokens import Attempt, Identity

_MESSAGES = re.compile(r"/connections/([^/]+)/messages")


@defect("acting", "REFUSAL-2")
def channel_resumed_by_any_user(connection: ServedConnection, message: Body, user_id: str) -> str:
    """After the id of another user's event as Last-Event-ID, the rest of that user's conversation comes."""
    thread_id = message.get("thread_id")
    # Of a thread that is resumed by an id, the channel knows already how far it has got.
    if not isinstance(connection, ChannelConnection) or thread_id not in connection.positions:
        return user_id
    owner: str | None = connection.hub.notes.get("owners", {}).get(thread_id)
    return user_id if owner is None or message["type"] != "session_restore" else owner


@also("channel_resumed_by_any_user", "draft")
def _note_owner(run: AgentRun, event: Outgoing) -> list[Outgoing]:
    if run.connection is not None:
        run.connection.hub.notes.setdefault("owners", {})[run.thread_id] = run.user_id
    return [event]


@defect("credentials", "REFUSAL-2", "REFUSAL-1")
def channel_address_in_place_of_a_token(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A message to the address of a channel is taken for one of the channel's user, whatever its token is."""
    return _user_of_channel(hub, attempt) or identity


@defect("credentials", "REFUSAL-1")
def question_accepted_without_a_token(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A question that is posted to the address of a channel is answered without a token."""
    return identity if attempt.source else identity or _user_of_channel(hub, attempt)


@defect("credentials", "REFUSAL-1")
def signature_not_checked_of_a_question(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """The signature of the token is not checked where a question is posted to the address of a channel."""
    return bad_signature_accepted(hub, attempt, identity) if _MESSAGES.fullmatch(attempt.path) else identity


@defect("credentials", "REFUSAL-1")
def expired_token_accepted_of_a_question(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """An expired token is accepted where a question is posted to the address of a channel."""
    return renewed(hub, attempt, identity) if _MESSAGES.fullmatch(attempt.path) else identity


def _user_of_channel(hub: Hub, attempt: Attempt) -> Identity | None:
    """The user of the channel to whose address something is posted."""
    found = _MESSAGES.fullmatch(attempt.path)
    channel = hub.connections.get(found[1]) if found is not None else None
    return None if channel is None else Identity(channel.user_id, "", time.time() + hub.settings.token_ttl_s)
