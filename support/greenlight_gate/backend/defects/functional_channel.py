"""Defects of chats over a channel; over a WebSocket, and where each request has a stream, none of them shows."""

import asyncio
import re

from greenlight_gate.backend.bus import Subscriber
from greenlight_gate.backend.channel import ChannelConnection
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import defect
from greenlight_gate.backend.frames import COMPLETED, STARTED, Outgoing
from greenlight_gate.backend.hub import Hub

_NUMBER_OF_ID = re.compile(rb"^(id: .*:)(\d+)$", re.MULTILINE)


@defect("delivery", "LIFECYCLE-1")
def channel_misses_the_first_event(connection: ServedConnection, event: Outgoing) -> list[Outgoing]:
    """What is sent before the POST has been answered does not come on the channel."""
    return [] if isinstance(connection, ChannelConnection) and event.kind == STARTED else [event]


@defect("replay", "CONTINUITY-1")
def channel_resumes_one_event_too_late(connection: ServedConnection, events: list[Outgoing]) -> list[Outgoing]:
    """After Last-Event-ID, the first event that was missed does not come on the channel."""
    return events[1:] if isinstance(connection, ChannelConnection) else events


@defect("body", "CONTINUITY-2")
async def channel_ids_lag_behind(connection: ServedConnection, data: bytes) -> list[bytes]:
    """Each event has the id of the one before, so that the last one comes twice after a reconnect."""
    if not isinstance(connection, ChannelConnection):
        return [data]
    return [_NUMBER_OF_ID.sub(lambda found: b"%b%d" % (found[1], int(found[2]) - 1), data)]


@defect("route", "ISOLATION-2", "ISOLATION-1")
def channel_mixes_users(hub: Hub, event: Outgoing, recipients: list[Subscriber]) -> list[Subscriber]:
    """All answers also go to the channel that was opened last."""
    channels = [each for each in hub.connections.values() if isinstance(each, ChannelConnection)]
    return list(dict.fromkeys([*recipients, *channels[-1:]]))


@defect("delivery", "LIFECYCLE-2", "CONNECTION-3")
def channel_ends_with_an_answer(connection: ServedConnection, event: Outgoing) -> list[Outgoing]:
    """The channel ends with the first answer, in place of its last event, though the user stays."""
    if not isinstance(connection, ChannelConnection) or event.kind != COMPLETED:
        return [event]
    connection.close(1000)
    return []


@defect("taken", "CONNECTION-1")
async def messages_beside_a_channel_unanswered(connection: ServedConnection) -> None:
    """No POST is ever answered, though all that comes of it comes on the channel."""
    del connection
    await asyncio.Event().wait()  # until the backend ends
