"""One user's connection that consists of two WebSockets: requests go out on one, and events come on the other."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence
from typing import NamedTuple

from greenlight_gate.transport.interface import (
    Accepted,
    ConnectionEnded,
    ConnectionLimits,
    Ending,
    HttpAnswer,
    NotOpened,
    Post,
    Receiver,
)
from greenlight_gate.transport.upgrade import Upgrade
from greenlight_gate.transport.websocket import WebSocket


class EventsSocket(NamedTuple):
    """The second socket, as it is requested: its address, and what is sent on it first, and last."""

    url: str
    headers: dict[str, str]
    subscribe: Sequence[str | bytes] = ()
    unsubscribe: Sequence[str | bytes] = ()


class TwoSockets:
    """A `Transport` of two WebSockets: `requests` and `events`. What comes on either is handed over alike.

    The socket of events is opened first, so that it misses nothing; both are there, or neither is. Where a refusal is
    expected (`expects_refusal`), the server has to refuse both: the connection is open as soon as one of them is.
    """

    def __init__(
        self, receiver: Receiver, upgrade: Upgrade, events: EventsSocket, *, max_message_bytes: int,
        limits: ConnectionLimits | None = None, compress: bool = False, expects_refusal: bool = False,
    ) -> None:  # fmt: skip
        self.receiver = receiver
        self.expects_refusal = expects_refusal
        self._asked = events
        listener = Upgrade(events.url, headers=events.headers, compress=compress)
        self._events = WebSocket(_OfEvents(self), listener, max_message_bytes=max_message_bytes, limits=limits)
        self._requests = WebSocket(_OfRequests(self), upgrade, max_message_bytes=max_message_bytes, limits=limits)
        self.is_open = False
        # What came on the socket of events before the connection was open.
        self.early: list[Callable[[float], None]] = []
        self.accepted: Accepted | None = None
        self._ended: tuple[Ending, float] | None = None

    async def open(
        self, *, tls: ssl.SSLContext | None = None, via: tuple[str, int] | None = None, source: str = ""
    ) -> None:
        """Opens both sockets, and subscribes. Raises NotOpened, OSError."""
        try:
            await self._open_events(tls, via, source)
            try:
                await self._requests.open(tls=tls, via=via, source=source)
            except NotOpened:
                if not self.expects_refusal or self.accepted is None:
                    raise
                self.opened(self.accepted, asyncio.get_running_loop().time())
        except BaseException:
            self.abort()
            raise

    async def _open_events(self, tls: ssl.SSLContext | None, via: tuple[str, int] | None, source: str) -> None:
        """Opens the socket of events. Where its refusal is expected, the other socket is tried all the same."""
        try:
            await self._events.open(tls=tls, via=via, source=source)
        except NotOpened:
            if not self.expects_refusal:
                raise
        self._send_on_events(self._asked.subscribe)

    def _send_on_events(self, messages: Sequence[str | bytes]) -> None:
        with contextlib.suppress(ConnectionEnded):
            for message in messages if self._events.can_send else ():
                is_text = isinstance(message, str)
                self._events.send(message.encode() if isinstance(message, str) else message, text=is_text)

    # What the sockets report ----------------------------------------------------------------------------------

    def opened(self, accepted: Accepted, at: float) -> None:
        """The connection is open: what came early is handed over."""
        self.receiver.on_open(accepted, at)
        self.is_open = True
        early, self.early = self.early, []
        for hand_over in early:
            hand_over(at)
        if self._ended is not None:
            self.ended(self._ended[0], at)

    def ended(self, ending: Ending, at: float) -> None:
        """One socket has ended, and so has the connection: the other one is closed."""
        if self.is_open:
            self.is_open = False
            self.receiver.on_close(ending, at)
        else:
            self._ended = self._ended or (ending, at)
        self.close()

    def gone(self) -> None:
        """One socket is gone; the connection is once both are."""
        if not self._requests.is_open and not self._events.is_open:
            self.receiver.on_gone()

    # The transport ----------------------------------------------------------------------------------------------

    first_event_id = last_event_id = ""
    multiplexes = False
    one_at_a_time = False

    @property
    def can_send(self) -> bool:
        """Until either side has begun to close."""
        return self._requests.can_send

    @property
    def frames(self) -> int:
        """How many frames have come on both."""
        return self._requests.frames + self._events.frames

    @property
    def pings(self) -> int:
        """How many pings have come on both."""
        return self._requests.pings + self._events.pings

    @property
    def is_full(self) -> bool:
        """Whether more is buffered than the peer reads."""
        return self._requests.is_full

    @property
    def unanswered(self) -> int:
        """How many of our own pings the peer has not answered yet, on both."""
        return self._requests.unanswered + self._events.unanswered

    @property
    def notices_loss(self) -> bool:
        """Whether a lost connection is noticed now."""
        return self._requests.notices_loss

    def send(self, data: bytes, *, text: bool = True, post: Post | None = None) -> None:
        """Sends one message on the socket of requests. Raises ConnectionEnded."""
        self._requests.send(data, text=text, post=post)

    def close_stream(self, label: str) -> bool:
        """There is none of its own for an answer."""
        del label
        return False

    def ping(self) -> None:
        """Pings on both sockets. Raises ConnectionEnded."""
        self._requests.ping()
        self._events.ping()

    async def drained(self) -> None:
        """Waits while the connection is full. Raises ConnectionEnded."""
        await self._requests.drained()

    def close(self) -> None:
        """Unsubscribes, and closes both sockets."""
        self._send_on_events(self._asked.unsubscribe)
        self._events.close()
        self._requests.close()

    async def wait_gone(self, timeout_s: float) -> None:
        """Waits until both are gone, and cuts them after `timeout_s`."""
        await asyncio.gather(self._requests.wait_gone(timeout_s), self._events.wait_gone(timeout_s))

    def give_up(self, reason: str) -> None:
        """Ends the connection because a limit was exceeded."""
        for socket in (self._requests, self._events):
            if socket.is_open:
                socket.give_up(reason)

    def abort(self) -> None:
        """Cuts both sockets without a close frame."""
        self._requests.abort()
        self._events.abort()

    def stop_reading(self) -> None:
        """Reads nothing more on either."""
        self._requests.stop_reading()
        self._events.stop_reading()


class _OfRequests:
    """What comes on the socket of requests."""

    def __init__(self, both: TwoSockets) -> None:
        self.both = both

    def on_open(self, accepted: Accepted, at: float) -> None:
        self.both.opened(accepted, at)

    def on_texts(self, texts: list[bytes], at: float) -> None:
        self._hand_over(lambda at: self.both.receiver.on_texts(texts, at), at)

    def on_binary(self, data: bytes, at: float) -> None:
        self._hand_over(lambda at: self.both.receiver.on_binary(data, at), at)

    def on_other(self, kind: str, data: bytes, at: float) -> None:
        self._hand_over(lambda at: self.both.receiver.on_other(kind, data, at), at)

    def on_read(self, at: float) -> None:
        self._hand_over(self.both.receiver.on_read, at)

    def on_answer(self, answer: HttpAnswer, at: float) -> None:
        """No WebSocket reports it."""

    def on_stream_end(self, label: str, at: float, reset: str = "") -> None:
        """No WebSocket reports it."""

    def on_wait(self, at: float, *, over: bool) -> None:
        """No WebSocket reports it."""

    def on_close(self, ending: Ending, at: float) -> None:
        self.both.ended(ending, at)

    def on_gone(self) -> None:
        self.both.gone()

    def on_writable(self, at: float) -> None:
        if self.both.is_open:
            self.both.receiver.on_writable(at)

    def _hand_over(self, said: Callable[[float], None], at: float) -> None:
        if self.both.is_open:
            said(at)
        else:
            self.both.early.append(said)


class _OfEvents(_OfRequests):
    """What comes on the socket of events."""

    def on_open(self, accepted: Accepted, at: float) -> None:
        self.both.accepted = accepted

    def on_writable(self, at: float) -> None:
        """Nothing waits for it."""
