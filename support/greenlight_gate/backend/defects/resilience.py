"""Defects in connections, reconnects and restores."""

import asyncio
import struct
import time
from collections import Counter

from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.frames import OPCODE_CLOSE, STARTED, THINKING, Body, CloseFrame, Frame, Outgoing, raw_frame
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.runs import AgentRun
from greenlight_gate.backend.tokens import Attempt, Identity

Events = list[Outgoing]
_NOT_READY_S = 0.15
_NOT_AGAIN_WITHIN_S = 1.0
_LAST_WORDS_S = 0.005


@defect("replay", "CONTINUITY-1")
def events_lost_across_reconnect(connection: ServedConnection, events: Events) -> Events:
    """Events sent while a user is disconnected are never delivered."""
    return []


@defect("replay", "CONTINUITY-1", default=3.0, unit="events")
def replay_buffer_drops_oldest(connection: ServedConnection, events: Events, *, value: float) -> Events:
    """After a reconnect, the oldest missed events are lost."""
    return events[int(value) :]


@defect("replay", "CONTINUITY-1")
def resume_unknown_but_says_ok(connection: ServedConnection, events: Events) -> Events:
    """A conversation is reported as restored, but no more of its events arrive."""
    return []


@also("resume_unknown_but_says_ok", "delivery")
def _not_its_own(connection: ServedConnection, event: Outgoing) -> Events:
    return [event] if event.root_run_id in connection.open_runs else []


@defect("replay", "CONTINUITY-2")
def replay_duplicates(connection: ServedConnection, events: Events) -> Events:
    """After a reconnect, missed events arrive twice."""
    return [event for event in events for _ in range(2)]


@defect("replay", "CONTINUITY-2")
def replay_out_of_order(connection: ServedConnection, events: Events) -> Events:
    """After a reconnect, missed events arrive in reverse order."""
    return events[::-1]


@defect("accepted", "CONNECTION-1")
async def closes_1011_at_start(connection: ServedConnection) -> None:
    """Connections are accepted and closed at once with an internal error (1011)."""
    connection.close(1011, "internal error")


@defect("accepted", "CONNECTION-1")
async def accepted_then_closed_1000(connection: ServedConnection) -> None:
    """Connections are accepted and closed at once as if complete (1000)."""
    connection.close(1000)


@defect("subprotocol", "CONNECTION-1")
def subprotocol_not_chosen(chosen: str | None) -> str | None:
    """No subprotocol is chosen, so that browsers that send the token as one cannot connect."""
    return None


@defect("ping", "CONNECTION-2")
def websocket_pings_unanswered(connection: ServedConnection) -> bool:
    """WebSocket pings are never answered, so that clients and proxies give the connection up."""
    return False


@defect("incoming", "CONNECTION-1", "LIFECYCLE-2")
def events_before_ready_lost(connection: ServedConnection, message: Body) -> Body | None:
    """The backend reports that it is ready too early, and loses questions asked at once."""
    began: float = connection.notes.setdefault("ready at", time.perf_counter() + _NOT_READY_S)
    return None if message.get("type") == "start_agent" and time.perf_counter() < began else message


@also("events_before_ready_lost", "accepted")
async def _note_the_beginning(connection: ServedConnection) -> None:
    connection.notes["ready at"] = time.perf_counter() + _NOT_READY_S


@defect("draft", "LIFECYCLE-2", "CONTINUITY-1")
def dies_mid_run_without_a_word(run: AgentRun, event: Outgoing) -> Events:
    """The connection breaks during an answer, and the run is lost."""
    if run.root.counts[THINKING] and run.connection is not None and "dying" not in run.connection.notes:
        run.connection.notes["dying"] = True
        asyncio.get_running_loop().call_later(_LAST_WORDS_S, run.connection.protocol.abort)
    return _until_the_first_thought(run, event)


@defect("draft", "LIFECYCLE-2", "CONTINUITY-1")
def hangs_mid_run_socket_open(run: AgentRun, event: Outgoing) -> Events:
    """No more events arrive during an answer, and the connection stays open."""
    return _until_the_first_thought(run, event)


@defect("credentials", "CONNECTION-1", default=3.0, unit="connections")
def reconnect_refused_after(hub: Hub, attempt: Attempt, identity: Identity | None, *, value: float) -> Identity | None:
    """After some reconnects, a user is refused."""
    if identity is None:
        return None
    connections: Counter[str] = hub.notes.setdefault("connections so far", Counter())
    connections[identity.user_id] += 1
    return identity if connections[identity.user_id] <= value else None


@defect("credentials", "CONNECTION-1")
def same_token_refused_within_1_s(hub: Hub, attempt: Attempt, identity: Identity | None) -> Identity | None:
    """A user who reconnects at once with the same token is refused."""
    if identity is None:
        return None
    shown: dict[str, float] = hub.notes.setdefault("tokens used at", {})
    before, now = shown.get(identity.token_id), time.perf_counter()
    if before is not None and now - before < _NOT_AGAIN_WITHIN_S:
        return None
    shown[identity.token_id] = now
    return identity


@defect("incoming", "CONTINUITY-1")
def half_open_after_reconnect(connection: ServedConnection, message: Body) -> Body | None:
    """After a reconnect, no more events arrive."""
    if message.get("type") == "session_restore":
        connection.notes["no more frames"] = True
    return None if "no more frames" in connection.notes else message


@also("half_open_after_reconnect", "delivery")
def _says_nothing(connection: ServedConnection, event: Outgoing) -> Events:
    return [] if "no more frames" in connection.notes else [event]


@defect("accepted", "CONNECTION-3", "LIFECYCLE-2", default=2.0, unit="s")
async def idle_cut_after(connection: ServedConnection, *, value: float) -> None:
    """An idle connection is closed without a close code."""
    _wait_for_silence(connection, value)


@also("idle_cut_after", "incoming")
def _hear(connection: ServedConnection, message: Body, *, value: float) -> Body:
    _wait_for_silence(connection, value)
    return message


@also("idle_cut_after", "delivery")
def _speak(connection: ServedConnection, event: Outgoing, *, value: float) -> Events:
    _wait_for_silence(connection, value)
    return [event]


@defect("closing", "CONNECTION-3", default=1006.0, unit="")
def illegal_close_code(connection: ServedConnection, frame: Frame, *, value: float) -> Frame:
    """Connections are closed with a close code that must not be sent."""
    if not isinstance(frame, CloseFrame):
        return frame
    asyncio.get_running_loop().call_later(_LAST_WORDS_S, connection.protocol.hang_up)
    return raw_frame(struct.pack("!H", int(value)) + frame.reason.encode()[:100], OPCODE_CLOSE)


def _until_the_first_thought(run: AgentRun, event: Outgoing) -> Events:
    begun = event.kind == STARTED or (event.kind == THINKING and event.nth == 1 and run.parent is None)
    return [event] if begun else []


def _wait_for_silence(connection: ServedConnection, after_s: float) -> None:
    timer: asyncio.TimerHandle | None = connection.notes.get("idle timer")
    if timer is not None:
        timer.cancel()
    connection.notes["idle timer"] = asyncio.get_running_loop().call_later(after_s, connection.protocol.abort)
