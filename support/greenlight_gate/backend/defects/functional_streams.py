"""Defects of chats by HTTP; over a WebSocket none of them shows."""

import asyncio
from collections.abc import Mapping

from greenlight_gate.backend.bus import Subscriber
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import defect
from greenlight_gate.backend.frames import COMPLETED, INPUT_REQUESTED, Body, Frame, Outgoing
from greenlight_gate.backend.http_stream import StreamConnection
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.runs import AgentRun

Head = tuple[int, Mapping[str, str]]
Parts = list[bytes]
_OK = 200
_COMMENTS, _COMMENT_EVERY_S = 20, 0.2


@defect("frame", "LIFECYCLE-2")
def stream_ends_without_the_end_event(connection: ServedConnection, event: Outgoing, frame: Frame) -> list[Frame]:
    """The stream of an answer ends without agent_completed."""
    return [] if isinstance(connection, StreamConnection) and event.kind == COMPLETED else [frame]


@defect("head", "CONNECTION-1")
def stream_of_another_content_type(connection: StreamConnection, head: Head) -> Head:
    """Streams are sent as text/plain, which browsers do not read as events."""
    status, headers = head
    return (status, {**headers, "Content-Type": "text/plain"}) if headers else head


@defect("head", "CONNECTION-1")
def stream_compressed_unasked(connection: StreamConnection, head: Head) -> Head:
    """Streams claim to be compressed, although the client has asked for none of that."""
    status, headers = head
    return (status, {**headers, "Content-Encoding": "gzip"}) if headers else head


@defect("head", "CONNECTION-1")
def error_page_with_status_200(connection: StreamConnection, head: Head) -> Head:
    """A request that is refused is answered with status 200."""
    return (_OK, head[1])


@defect("body", "TIMELINESS-3")
async def stream_buffered_until_its_end(connection: StreamConnection, data: bytes) -> Parts:
    """A proxy keeps each stream back until it has ended: all events arrive at once."""
    kept: Parts = connection.notes.setdefault("kept", [])
    kept.append(data)
    return [] if data else kept


@defect("body", "CONNECTION-3")
async def stream_open_after_the_end(connection: StreamConnection, data: bytes) -> Parts:
    """A stream stays open after agent_completed."""
    if not data:
        await asyncio.Event().wait()  # until the client goes
    return [data]


@defect("body", "CONNECTION-3")
async def stream_cut_after_its_last_event(connection: StreamConnection, data: bytes) -> Parts:
    """The connection is closed in place of the end of a stream, as by a proxy that gives up."""
    if not data:
        connection.writer.hang_up()
    return [data]


@defect("body", "CONTENT-2")
async def data_lines_without_their_field(connection: StreamConnection, data: bytes) -> Parts:
    """JSON of several lines is sent behind a single data field, so that only its beginning arrives."""
    return [data.replace(b',"payload"', b',\n"payload"')]


@defect("wait", "TIMELINESS-2")
async def only_comments_before_the_answer(run: AgentRun, event: Outgoing) -> None:
    """Before the answer, nothing but comments arrives for four seconds."""
    connection = run.connection
    if event.kind == COMPLETED and isinstance(connection, StreamConnection):
        for _ in range(_COMMENTS):
            connection.writer.write_frame(b": still working\n\n")
            await asyncio.sleep(_COMMENT_EVERY_S)


@defect("replay", "CONTINUITY-1")
def resume_begins_one_event_too_late(connection: ServedConnection, events: list[Outgoing]) -> list[Outgoing]:
    """After Last-Event-ID, the first event that was missed is left out."""
    return events[1:] if isinstance(connection, StreamConnection) else events


@defect("route", "ISOLATION-2", "ISOLATION-1")
def answers_sent_on_the_newest_stream(hub: Hub, event: Outgoing, recipients: list[Subscriber]) -> list[Subscriber]:
    """Of users who ask at the same moment, all answers also go to the stream that was opened last."""
    streams = [each for each in hub.connections.values() if isinstance(each, StreamConnection)]
    return list(dict.fromkeys([*recipients, *streams[-1:]]))


@defect("repeated", "IDENTITY-1")
def retried_post_starts_a_second_run(connection: ServedConnection, message: Body) -> bool:
    """A POST that a proxy sends again starts a second run."""
    return not isinstance(connection, StreamConnection)


@defect("leave", "LIFECYCLE-6")
def closed_stream_stops_its_run(connection: ServedConnection, ends: bool) -> bool:
    """A run is cancelled with the request whose stream was closed, although it is promised to go on."""
    return ends or isinstance(connection, StreamConnection)


@defect("leave", "SCENARIOS", promise="runs_end_with_connection")
def closed_stream_leaves_its_run(connection: ServedConnection, ends: bool) -> bool:
    """A run goes on when its stream is closed, although that is promised to end it."""
    return ends and not isinstance(connection, StreamConnection)


@defect("head", "TIMELINESS-3")
def streams_may_be_buffered(connection: StreamConnection, head: Head) -> Head:
    """Nothing tells reverse proxies not to buffer a stream, so that its events arrive all at once."""
    status, headers = head
    return status, {name: value for name, value in headers.items() if name != "X-Accel-Buffering"}


@defect("wait", "CONNECTION-2")
async def no_heartbeats_while_a_user_is_asked(run: AgentRun, event: Outgoing) -> None:
    """While an answer waits for its user no heartbeats come, so that proxies give the connection up."""
    if event.kind == INPUT_REQUESTED and run.connection is not None:
        run.connection.protocol.stop_keepalive()
