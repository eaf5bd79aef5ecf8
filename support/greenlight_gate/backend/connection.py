"""One connection, by WebSocket or HTTP: it sends events in order, and closes when its token expires."""

import asyncio
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Any, Protocol

from greenlight_gate.backend.bus import Bus
from greenlight_gate.backend.clock import iso, now_us
from greenlight_gate.backend.follower import Follower
from greenlight_gate.backend.frames import Body, CloseFrame, Frame, Outgoing, Refusal
from greenlight_gate.backend.hooks import Chain
from greenlight_gate.backend.settings import Settings
from greenlight_gate.backend.tokens import Identity

# A connection with this much unread data is closed (1008), so that a slow reader cannot fill the memory.
_MAX_WAITING_FRAMES = 10_000
_MAX_WAITING_CHARACTERS = 16_000_000


class ConnectionHub(Protocol):
    """The part of the hub that connections and defects use.

    `connections` holds all open ones by id. `notes` is for defects.
    """

    settings: Settings
    chain: Chain
    bus: Bus
    connections: "dict[str, ServedConnection]"
    notes: dict[str, Any]


class ConnectionProtocol(Protocol):
    """What a connection writes to: a WebSocket, or the stream that answers an HTTP request."""

    listener: Any
    parts: Any
    writable: asyncio.Event

    def write_frame(self, frame: Frame) -> None:
        """Send a frame; on a closed connection nothing happens."""

    def fail(self, code: int, reason: str = "") -> None:
        """End the connection."""

    def abort(self) -> None:
        """Cut the connection."""

    def hang_up(self) -> None:
        """End the connection after what was sent before."""

    def start_keepalive(self) -> None:
        """Send heartbeats again."""

    def stop_keepalive(self) -> None:
        """Send no more heartbeats."""


class ServedConnection:
    """Sends to one client. `notes` and `counts` are for defects; a healthy backend leaves them empty.

    `answers_again`: a request that is sent again gets the events of its run once more. Here they come anyway.
    """

    answers_again = False

    def __init__(self, hub: ConnectionHub, protocol: ConnectionProtocol, identity: Identity, token: str) -> None:
        self.hub = hub
        self.protocol = protocol
        self.identity = identity
        self.token = token
        self.connection_id = f"conn-{uuid.uuid4().hex}"
        self.open_runs: set[str] = set()
        self.notes: dict[str, Any] = {}
        self.counts: Counter[str] = Counter()
        self.following: dict[str, Follower] = {}
        self._waiting: deque[Frame] = deque()
        self._waiting_characters = 0
        self._drain: asyncio.Task[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self.has_expired = False
        protocol.listener = self
        self._variation = hub.settings.variation
        protocol.parts = self._variation.parts

    @property
    def user_id(self) -> str:
        """The user of the connection."""
        return self.identity.user_id

    @property
    def runs_here(self) -> Collection[str]:
        """The ids of the open runs that count for the limit, and whose requests may be sent again."""
        return self.open_runs

    def answer_again(self, thread_id: str, request_id: str | int) -> None:
        """Send the events of this request only, where a request that is sent again is answered again."""

    def run_over(self, run_id: str) -> None:
        """Do nothing: the connection outlives its runs."""

    def open(self) -> None:
        """Send connection_established and start the timer for the expiry of the token."""
        self.begin_expiry()
        self.send(self.greeting())

    def begin_expiry(self) -> None:
        """Start the timer for the expiry of the token."""
        expires_at = self.hub.chain.expiry(self, self.identity.expires_at)
        if expires_at is not None:
            # The loop's timers fire up to a few milliseconds early, but the connection must not close so early.
            delay_s = max(0.0, expires_at - time.time()) + 0.01
            self._expiry = asyncio.get_running_loop().call_later(min(delay_s, 3e8), self._token_expired)

    def greeting(self) -> Body:
        """Return connection_established."""
        settings = self.hub.settings
        greeting: Body = {
            "type": "connection_established",
            "connection_id": self.connection_id,
            "user_id": self.user_id,
            "server_time": iso(now_us()),
            "resumable": settings.resume,
            "config": {"heartbeat_interval_s": settings.heartbeat_s, "max_message_bytes": settings.max_message_bytes},
        }
        return self.hub.chain.greeting(self, greeting)

    def detach(self) -> None:
        """Release all resources; the client has disconnected."""
        self.hub.bus.forget(self)
        for follower in self.following.values():
            follower.stop()
        if self._expiry is not None:
            self._expiry.cancel()
        if self._drain is not None:
            self._drain.cancel()
        self._forget_waiting()

    def deliver(self, outgoing: Outgoing) -> None:
        """Send one live event; if its whole thread is followed, in the order of the thread."""
        follower = self.following.get(outgoing.thread_id)
        if follower is not None:
            follower.take(outgoing)
        else:
            self.show(outgoing)

    def show(self, outgoing: Outgoing) -> None:
        """Send one live event now."""
        for event in self.hub.chain.delivery(self, outgoing):
            self.send_event(event)

    def send_event(self, event: Outgoing) -> None:
        """Send one event, live or replayed."""
        for frame in self.hub.chain.frame(self, event, self._variation.event(event.encoded())):
            self.write(frame)

    def send_missed(self, events: list[Outgoing]) -> int:
        """Send events of a restored thread, and return how many."""
        shown = self.hub.chain.replay(self, events)
        for event in shown:
            self.send_event(event)
        return len(shown)

    def send(self, message: Body) -> None:
        """Send a message that is not an event."""
        self.write(self._variation.encoded(message))

    def refuse(
        self, error_code: str, error_message: str, request_id: object = None, close: int | None = None, *,
        send: Callable[[Body], None] | None = None,
    ) -> bool:  # fmt: skip
        """Send an error to the client, and close if it has a close code; return whether it was sent.

        `send`: how, where it does not go on the connection.
        """
        message = {
            "type": "error_message",
            "error_code": error_code,
            "error_message": error_message,
            "request_id": request_id,
        }
        refusal = self.hub.chain.refusal(
            self, Refusal(message, None if close is None else CloseFrame(close, error_message))
        )
        if refusal is None:
            return False
        (send or self.send)(refusal.message)
        if refusal.close is not None:
            self.close(refusal.close.code, refusal.close.reason)
        return True

    def _token_expired(self) -> None:
        self.has_expired = True
        if not (self.open_runs and self.hub.chain.outlive(self, self.hub.settings.runs_outlive_tokens)):
            self.expire("the token has expired")

    def run_ended(self, run_id: str) -> None:
        """Forget a run; the last one that has outlived its token takes the connection with it."""
        self.open_runs.discard(run_id)
        if self.has_expired and not self.open_runs and self.connection_id in self.hub.connections:
            self.expire("the token has expired")

    def expire(self, why: str) -> None:
        """End the connection because its token has ended."""
        self.refuse("UNAUTHENTICATED", f"{why}: sign in again", close=4401)

    def close(self, code: int, reason: str = "") -> None:
        """Close the connection after what was sent before."""
        self.write(self.hub.chain.closing(self, CloseFrame(code, reason)))

    def too_large(self) -> bool:
        """Send the error for a message over the limit; return whether the connection ends."""
        limit = self.hub.settings.max_message_bytes
        return self.refuse("TOO_LARGE", f"a message may have {limit} bytes at most")

    def answers_ping(self) -> bool:
        """Return whether a ping is answered."""
        return self.hub.chain.ping(self)

    def write(self, frame: Frame) -> None:
        """Send a frame now if the network accepts it, else as soon as possible; the order is kept."""
        if not self._waiting and self.protocol.writable.is_set():
            self.protocol.write_frame(frame)
            return
        self._waiting.append(frame)
        self._waiting_characters += _length(frame)
        if len(self._waiting) > _MAX_WAITING_FRAMES or self._waiting_characters > _MAX_WAITING_CHARACTERS:
            self._forget_waiting()
            self.protocol.fail(1008, "too many unread messages")
        elif self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._write_waiting())

    async def _write_waiting(self) -> None:
        while self._waiting:
            await self.protocol.writable.wait()
            if self._waiting:
                frame = self._waiting.popleft()
                self._waiting_characters -= _length(frame)
                self.protocol.write_frame(frame)

    def _forget_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_characters = 0


def _length(frame: Frame) -> int:
    return len(frame) if isinstance(frame, str | bytes) else 0
