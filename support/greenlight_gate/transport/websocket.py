"""One WebSocket of a client (RFC 6455): the state of the protocol, driven by what asyncio reads and writes.

Plain text frames, nearly all that a server sends, are cut by the fast parser of `frames`; everything else goes through
the Sans-I/O protocol of websockets, which also keeps the state of the close. It is there only while it is needed.
"""

import asyncio
import ssl
import time
from typing import cast

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side, State

from greenlight_gate.transport.frames import cut, end_of_frame, ping_in, pong_frame, text_frame
from greenlight_gate.transport.interface import ConnectionEnded, ConnectionLimits, Ending, NotOpened, Post, Receiver
from greenlight_gate.transport.upgrade import LOGGER, Upgrade

monotonic = time.monotonic
_HANG_UP_S = 1.0
# The beginning of a frame is kept until the rest has come; that of a larger one goes to websockets, without copies.
_MOST_KEPT = 65_536
_CLOSE_HEAD = 0x80 | Opcode.CLOSE
_LONGEST_CONTROL = 125
_PING_BYTES = 8


class WebSocket(asyncio.Protocol):
    """A connection as `interface.Transport` describes it, opened with `upgrade`.

    `max_message_bytes`: the largest message accepted, inflated. The connection has ended with the server's close
    frame, and with the first bytes that are not a WebSocket frame, since nothing after them can be read.
    """

    __slots__ = (
        "_changed", "_close_said", "_hang_up", "_is_plain", "_kind", "_known_protocol", "_limits", "_most", "_opening",
        "_owed", "_parts", "_pings_answered", "_pings_sent", "_received_bytes", "_rest", "_transport", "_upgrade",
        "can_send", "frames", "is_full", "is_open", "pings", "receiver",
    )  # fmt: skip

    first_event_id = last_event_id = ""
    multiplexes = False
    one_at_a_time = False

    def __init__(
        self, receiver: Receiver, upgrade: Upgrade, *, max_message_bytes: int, limits: ConnectionLimits | None = None
    ) -> None:
        self.receiver = receiver
        self.is_open = False
        self.can_send = False
        self.is_full = False
        self.frames = 0
        self.pings = 0
        self._upgrade: Upgrade | None = upgrade
        self._opening: asyncio.Future[None] | None = None
        self._known_protocol: Protocol | None = None
        # Nothing was negotiated that changes what is sent.
        self._is_plain = True
        self._transport: asyncio.Transport | None = None
        self._most = max_message_bytes
        self._limits = limits
        self._received_bytes = 0
        # Bytes that wait for the rest of their frame; how many bytes websockets still needs to the end of its frame.
        self._rest = b""
        self._owed = 0
        self._kind = Opcode.TEXT
        self._parts: bytearray | None = None
        self._close_said = b""
        self._pings_sent = 0
        self._pings_answered = 0
        self._changed: asyncio.Event | None = None
        self._hang_up: asyncio.TimerHandle | None = None

    # Opening --------------------------------------------------------------------------------------------------

    async def open(
        self, *, tls: ssl.SSLContext | None = None, via: tuple[str, int] | None = None, source: str = ""
    ) -> None:
        """Opens the connection; returns after `on_open`. Cancelled, it leaves nothing open. Raises NotOpened, OSError.

        `via`: host and port of a proxy that passes everything on. `source`: the local address.
        """
        upgrade = self._upgrade
        assert upgrade is not None, "a connection is opened once"
        uri = upgrade.uri
        assert not uri.secure or tls is not None, "wss:// is never asked for without TLS"
        loop = asyncio.get_running_loop()
        host, port = via or (uri.host, uri.port)
        opening = self._opening = loop.create_future()
        try:
            await loop.create_connection(
                lambda: self, host, port, ssl=tls if uri.secure else None,
                server_hostname=uri.host if uri.secure else None, local_addr=(source, 0) if source else None,
            )  # fmt: skip
            await opening
        except BaseException:
            if opening.done() and not opening.cancelled():
                opening.exception()  # or asyncio would report it as never retrieved
            self.abort()
            raise
        finally:
            self._opening = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection of the operating system is open: requests the upgrade."""
        assert self._upgrade is not None
        self._transport = cast("asyncio.Transport", transport)  # uvloop's classes are not asyncio's
        self._transport.write(self._upgrade.request)

    def _take_answer(self, upgrade: Upgrade, data: bytes, at: float) -> None:
        rest = upgrade.receive(data)
        if upgrade.error is not None:
            self._fail(upgrade.error)
            return
        opening = self._opening
        if upgrade.accepted is None or opening is None or opening.done():
            return
        self._upgrade = None
        self._is_plain = not upgrade.extensions
        if not self._is_plain:
            self._protocol.extensions = upgrade.extensions
        self.is_open = self.can_send = True
        try:
            self.receiver.on_open(upgrade.accepted, at)
        except Exception as error:  # noqa: BLE001 -- the caller that opens the connection gets it
            self.is_open = self.can_send = False
            opening.set_exception(error)
            return
        opening.set_result(None)
        self._take(rest, at)

    def _fail(self, error: NotOpened) -> None:
        if self._opening is not None and not self._opening.done():
            self._opening.set_exception(error)
        # An invalid response may never end.
        self.abort()

    @property
    def _protocol(self) -> Protocol:
        """The protocol of websockets, with its state between frames."""
        protocol = self._known_protocol
        if protocol is None:
            protocol = self._known_protocol = Protocol(Side.CLIENT, max_size=self._most, logger=LOGGER)
        return protocol

    def _forget_protocol(self) -> None:
        """Most connections never need it again after a ping: it takes a kilobyte, for each of thousands of users."""
        protocol = self._known_protocol
        is_between = self._is_plain and self._parts is None and not self._owed
        if protocol is not None and is_between and protocol.state is State.OPEN and protocol.parser_exc is None:
            self._known_protocol = None

    # What comes -----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes have been read: they are stamped at once."""
        at = monotonic()
        if self.is_open:
            if self._rest:
                data, self._rest = self._rest + data, b""
            elif self._owed:
                data = self._finish_frame(data, at)
            self._take(data, at)
        elif self._upgrade is not None and self._upgrade.error is None:
            self._take_answer(self._upgrade, data, at)

    def _take(self, data: bytes, at: float) -> None:
        start, end, most = 0, len(data), self._most
        while start < end and self.is_open:
            if self._parts is None:
                texts: list[bytes] = []
                start = cut(data, start, most, texts)
                if texts and self._limits is None:
                    self.frames += len(texts)
                    self.receiver.on_texts(texts, at)
                elif texts:
                    self._take_bounded(texts, at)
                if start == end or not self.is_open:
                    break
            stop = end_of_frame(data, start, most)
            if stop is None or (stop > end and end - start <= _MOST_KEPT):
                self._rest = data[start:]
                break
            if stop > end:
                stop, self._owed = end, stop - end
            elif data[start] == _CLOSE_HEAD and data[start + 1] <= _LONGEST_CONTROL:
                # websockets refuses one with an illegal code, and keeps to itself which one it was.
                self._close_said = data[start + 2 : stop]
            self._take_other(data[start:stop], at)
            start = stop
        if self.is_open:
            self.receiver.on_read(at)

    def _take_ping(self, data: bytes, at: float) -> None:
        """A ping while there is no other state: thousands of users get one each few seconds."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.write(pong_frame(data))
        self.pings += 1
        excess = self._excess(len(data))
        if excess:
            self.give_up(excess)
        elif data:
            self.receiver.on_other("ping", data, at)

    def _finish_frame(self, data: bytes, at: float) -> bytes:
        """Gives websockets more of a large frame; returns what follows it."""
        size = min(self._owed, len(data))
        self._owed -= size
        self._take_other(data[:size], at)
        return data[size:]

    def _take_bounded(self, texts: list[bytes], at: float) -> None:
        excess = ""
        for count, text in enumerate(texts):
            excess = self._excess(len(text))
            if excess:
                texts = texts[:count]
                break
        if texts:
            self.receiver.on_texts(texts, at)
        if excess and self.is_open:
            self.give_up(excess)

    def _excess(self, size: int) -> str:
        """Counts a frame of `size` bytes; says which limit it exceeds."""
        self.frames += 1
        self._received_bytes += size
        limits = self._limits
        return "" if limits is None else limits.excess(self.frames, self._received_bytes, "frames")

    def _take_other(self, data: bytes, at: float) -> None:
        """A frame, or part of one, that is not plain text: a fragment, deflated, a control frame, or invalid."""
        ping = ping_in(data) if self._known_protocol is None else None
        if ping is not None:
            self._take_ping(ping, at)
            return
        protocol = self._protocol
        protocol.receive_data(data)
        self._flush()
        for event in protocol.events_received():
            if isinstance(event, Frame):  # of one frame, one at most
                self._take_frame(event, at)
        if protocol.parser_exc is not None:
            self._end(at)
        self._forget_protocol()

    def _take_frame(self, frame: Frame, at: float) -> None:
        kind = frame.opcode
        if kind is Opcode.CLOSE:
            self._end(at)
            return
        self.pings += kind is Opcode.PING
        excess = self._excess(len(frame.data))
        if excess:
            self.give_up(excess)
        elif kind in (Opcode.PING, Opcode.PONG):
            data = bytes(frame.data)
            if data and not (kind is Opcode.PONG and self._answers_ping(data)):
                self.receiver.on_other(kind.name.lower(), data, at)
        else:
            self._take_fragment(frame, at)

    def _take_fragment(self, frame: Frame, at: float) -> None:
        if frame.opcode is not Opcode.CONT:
            self._kind = frame.opcode
        if frame.fin and self._parts is None:
            self._take_message(bytes(frame.data), at)
            return
        parts = self._parts = self._parts if self._parts is not None else bytearray()
        parts += frame.data
        if frame.fin:
            self._parts = None
            self._take_message(bytes(parts), at)

    def _take_message(self, data: bytes, at: float) -> None:
        if self._kind is Opcode.TEXT:
            self.receiver.on_texts([data], at)
        else:
            self.receiver.on_binary(data, at)

    @property
    def unanswered(self) -> int:
        """How many of our own pings the server has not answered yet; the answer to one answers those before."""
        return self._pings_sent - self._pings_answered

    def _answers_ping(self, data: bytes) -> bool:
        """Whether a pong carries the data of a ping of ours: it answers this one and those before (section 5.5.3)."""
        number = int.from_bytes(data)
        is_answer = len(data) == _PING_BYTES and self._pings_answered < number <= self._pings_sent
        if is_answer:
            self._pings_answered = number
        return is_answer

    # Sending --------------------------------------------------------------------------------------------------

    @property
    def notices_loss(self) -> bool:
        """Always: the connection is open."""
        return True

    def send(self, data: bytes, *, text: bool = True, post: Post | None = None) -> None:
        """Sends one message, whatever its bytes are. Raises ConnectionEnded."""
        transport = self._transport
        if transport is None or not self.can_send:
            raise ConnectionEnded
        if text and self._is_plain:
            transport.write(text_frame(data))
            return
        (self._protocol.send_text if text else self._protocol.send_binary)(data)
        self._flush()

    def close_stream(self, label: str) -> bool:
        """There is none of its own for an answer."""
        del label
        return False

    def ping(self) -> None:
        """Sends a ping; its answer is not handed over. Raises ConnectionEnded."""
        if not self.can_send:
            raise ConnectionEnded
        self._pings_sent += 1
        self._protocol.send_ping(self._pings_sent.to_bytes(_PING_BYTES))
        self._flush()
        self._forget_protocol()

    async def drained(self) -> None:
        """Waits while the connection is full. Raises ConnectionEnded."""
        while self.is_full and self._transport is not None:
            await self._change()
        if not self.is_open:
            raise ConnectionEnded

    def _flush(self) -> None:
        transport = self._transport
        for data in self._protocol.data_to_send():
            if data and transport is not None and not transport.is_closing():
                transport.write(data)

    def pause_writing(self) -> None:
        """More is buffered than the peer reads."""
        self.is_full = True

    def resume_writing(self) -> None:
        """The connection takes more again."""
        self.is_full = False
        self._tell_change()
        if self.is_open:
            self.receiver.on_writable(monotonic())

    def stop_reading(self) -> None:
        """Reads nothing more, as if the network were very slow."""
        if self._transport is not None:
            self._transport.pause_reading()

    # Ending ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Sends a close frame (1000); the connection ends when the server has answered."""
        if self.can_send:
            self.can_send = False
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()

    async def wait_gone(self, timeout_s: float) -> None:
        """Waits until the connection of the operating system is gone, and cuts it after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._transport is not None:
                    await self._change()
        except TimeoutError:
            self.abort()
            while self._transport is not None:
                await self._change()

    def give_up(self, reason: str) -> None:
        """Ends the connection (1008), because a limit was exceeded. `reason`: at most 123 bytes."""
        self._protocol.fail(CloseCode.POLICY_VIOLATION, reason)
        self._flush()
        self._end(monotonic())

    def abort(self) -> None:
        """Cuts the connection without a close frame."""
        self.can_send = False
        if self._transport is not None:
            self._transport.abort()

    def _end(self, at: float) -> None:
        if not self.is_open:
            return
        self.is_open = self.can_send = False
        if self._parts:
            self.receiver.on_other("part", bytes(self._parts), at)
        if self._transport is not None:
            # Some backends keep the TCP connection after the close frames, and none may keep it by not reading.
            self._transport.close()
            self._hang_up = asyncio.get_running_loop().call_later(_HANG_UP_S, self.abort)
        ending, self._known_protocol = self._ending(), None
        self.receiver.on_close(ending, at)

    def _ending(self) -> Ending:
        protocol, said = self._protocol, self._close_said[2:]
        theirs, ours = protocol.close_rcvd, protocol.close_sent
        if theirs is not None and (ours is None or protocol.close_rcvd_then_sent):
            return Ending("server", theirs.code, theirs.reason)
        if len(self._close_said) >= 2 and isinstance(protocol.parser_exc, ProtocolError):
            return Ending("server", int.from_bytes(self._close_said[:2]), "", said)
        if ours is not None:
            too_big = isinstance(protocol.parser_exc, PayloadTooBig)
            return Ending("client", ours.code, f"a message too large: {ours.reason}" if too_big else ours.reason, said)
        return Ending("nobody", None, "", said)

    def eof_received(self) -> None:
        """The server sends nothing more; the body of a refusal may end so."""
        self.can_send = False
        if self._upgrade is not None:
            self._upgrade.receive_eof()
            if self._upgrade.error is not None:
                self._fail(self._upgrade.error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection of the operating system is gone."""
        self.eof_received()
        self._transport = None
        self._end(monotonic())
        if self._hang_up is not None:
            self._hang_up.cancel()
        self._tell_change()
        self.receiver.on_gone()

    async def _change(self) -> None:
        """Waits until more can be written, or the connection is gone."""
        changed = self._changed = self._changed or asyncio.Event()
        changed.clear()
        await changed.wait()

    def _tell_change(self) -> None:
        if self._changed is not None:
            self._changed.set()
