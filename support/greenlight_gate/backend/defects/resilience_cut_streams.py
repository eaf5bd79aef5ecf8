"""Defects of chats by HTTP that show where an answer was cut and its user asks again instead of resuming."""

from greenlight_gate.backend.bus import Subscriber
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.frames import Body, Outgoing
from greenlight_gate.backend.http_stream import StreamConnection
from greenlight_gate.backend.hub import Hub


@defect("leave", "IDENTITY-1")
def rest_of_a_cut_answer_in_the_next(connection: ServedConnection, ends: bool) -> bool:
    """What is left of an answer whose stream was cut comes in the user's next stream."""
    if isinstance(connection, StreamConnection):
        connection.hub.notes.setdefault("cut runs", set()).update(connection.open_runs)
    return ends


@also("rest_of_a_cut_answer_in_the_next", "route")
def _to_the_newest_stream(hub: Hub, event: Outgoing, recipients: list[Subscriber]) -> list[Subscriber]:
    if event.root_run_id not in hub.notes.get("cut runs", ()):
        return recipients
    mine = [connection for connection in hub.connections.values() if connection.user_id == event.user_id]
    return list(dict.fromkeys([*recipients, *mine[-1:]]))


@defect("leave", "LIFECYCLE-1")
def cut_answer_locks_its_conversation(connection: ServedConnection, ends: bool) -> bool:
    """A conversation whose answer was cut takes no question any more, until it is restored."""
    if isinstance(connection, StreamConnection) and isinstance(connection.hub, Hub):
        runs = map(connection.hub.runs.find, connection.open_runs)
        connection.hub.notes.setdefault("locked threads", set()).update(run.thread_id for run in runs if run)
    return ends


@also("cut_answer_locks_its_conversation", "incoming")
def _refused_until_restored(connection: ServedConnection, message: Body) -> Body | None:
    locked: set[str] = connection.hub.notes.get("locked threads", set())
    if message.get("type") == "session_restore":
        locked.discard(str(message.get("thread_id")))
    payload = message.get("payload")
    if not isinstance(payload, dict) or payload.get("thread_id") not in locked:
        return message
    connection.refuse("IN_PROGRESS", "an answer is in progress in this conversation", message.get("request_id"))
    return None
