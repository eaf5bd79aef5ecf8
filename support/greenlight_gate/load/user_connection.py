"""One line to the backend, driven byte by byte: from the upgrade to the close, whatever comes in between."""

import asyncio
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import msgspec
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.uri import WebSocketURI

from greenlight_gate.events import Control
from greenlight_gate.load.checker import LoadChecker
from greenlight_gate.load.frame_splitter import cut, end_of_frame
from greenlight_gate.load.plan import PlannedUser
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import Closed, Opened, encode_record

if TYPE_CHECKING:
    from greenlight_gate.load.shard import Shard

monotonic = time.monotonic
# What may come before and between the parts of an upgrade: more is no answer to one.
_LONGEST_HEAD = 65_536
# So many records of the question under way are kept, should the rules object to it.
_MOST_KEPT = 64
_HEAD_ENDS = b"\r\n\r\n"


class UserConnection(asyncio.Protocol, ABC):
    """A guest's connection. `ready` is set when they may speak, or never will: then `gone` is true.

    Plain text frames are cut without the library; all else goes through its Sans-I/O protocol. Kept are only a few
    numbers, and the frames since the last question.
    """

    __slots__ = (
        "_cutting", "_kept", "_n", "_opcode", "_parts", "_protocol", "_rest", "_transport", "began_at",
        "checker", "connection", "gone", "guest", "is_full", "is_slow", "last_at", "left", "longest_s", "open",
        "opened_n", "ready", "shard",
    )  # fmt: skip

    def __init__(self, guest: PlannedUser, shard: "Shard", number: int, uri: WebSocketURI) -> None:
        self.guest = guest
        self.shard = shard
        self.connection = f"{shard.prefix}-{number}"
        self.checker = LoadChecker(
            shard.profile, shard.budgets, shard.book, self.connection, person=self, name=guest.person,
            meters=shard.meters, found=shard.offenders.take,
        )  # fmt: skip
        self._protocol = ClientProtocol(
            uri, extensions=shard.extensions(), subprotocols=list(guest.subprotocols) or None,  # type: ignore[arg-type]
            max_size=shard.plan.max_frame_bytes, logger=shard.quiet,
        )  # fmt: skip
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._cutting = False
        self._parts: bytearray | None = None
        self._opcode = Opcode.TEXT
        self._kept: list[Any] = []
        self._n = 0
        self.opened_n: bytes = b""
        self.began_at = monotonic()
        self.ready: asyncio.Event | None = asyncio.Event()
        self.open = False
        self.gone = False
        self.left = False
        self.is_full = False
        self.is_slow = False
        self.last_at = 0.0
        self.longest_s = 0.0

    # What whoever is on the line makes of it ------------------------------------------------------------------

    @abstractmethod
    def answered(self, run: RunState) -> None:
        """A run has ended; the rules have not forgotten it yet."""

    @abstractmethod
    def told(self, control: Control, at: float) -> None:
        """A frame of the protocol came."""

    @abstractmethod
    def read_over(self, at: float) -> None:
        """All frames of one read have been judged."""

    @abstractmethod
    def goes_on(self, at: float) -> None:
        """The line takes more again."""

    @abstractmethod
    def lost(self) -> None:
        """What was under way has come to nothing."""

    @abstractmethod
    def forget(self) -> None:
        """Nothing is under way any more."""

    @property
    def last_n(self) -> int:
        """The number of the latest record."""
        return self._n

    # Coming ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is there: asks for the upgrade."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        request = self._protocol.connect()
        for name, value in self.guest.headers.items():
            request.headers[name] = value
        request.headers["User-Agent"] = "greenlight"
        self._protocol.send_request(request)
        self._flush()

    def _upgrade(self, data: bytes, at: float) -> None:
        """Reads the answer to the upgrade; what follows its head belongs to nobody but the cutter."""
        head_end = data.find(_HEAD_ENDS)
        if head_end < 0 and len(data) < _LONGEST_HEAD:
            self._rest = data
            return
        head_end = head_end + len(_HEAD_ENDS) if head_end >= 0 else len(data)
        head = data[:head_end]
        switches = head.startswith(b"HTTP/1.1 101")
        self._protocol.receive_data(head if switches else data)
        self._protocol.events_received()
        error = self._protocol.handshake_exc
        if error is not None or not switches:
            if error is None and head_end < _LONGEST_HEAD:
                return  # the body of a refusal is still on its way
            self.refused(error)
            return
        # A parser that begins here does not hold on to the answer to the upgrade, which takes 2 KB.
        self._protocol.parser = self._protocol.parse()
        next(self._protocol.parser)
        self._cutting = self.open = True
        self._n += 1
        opened = Opened(
            n=self._n, at=at, connection=self.connection, person=self.guest.person, user=self.guest.user,
            handshake_ms=round((at - self.began_at) * 1e3, 3), subprotocol=self._protocol.subprotocol,
        )  # fmt: skip
        self.opened_n = encode_record(opened)
        self.checker.opened(self.guest.user, opened.handshake_ms, self._n)
        self.checker.searched(head, "the handshake", self._n)
        if self.guest.first_message is not None:
            self._send(msgspec.json.encode(self.guest.first_message))
        if head_end < len(data):
            self._take(data[head_end:], at)
        self._maybe_ready(at)

    def refused(self, error: BaseException | None) -> None:
        """The connection did not come about."""
        if self.gone:
            return
        status = error.response.status_code if isinstance(error, InvalidStatus) else None
        self._n += 1
        said = f"HTTP {status}" if status is not None else str(error or "no answer to the upgrade")
        self.checker.refused(status, said, self._n)
        self._is_gone()

    def _maybe_ready(self, at: float) -> None:
        if self.ready is not None and (self.checker.ready or not self.shard.profile.promises.ready):
            self.shard.meters.connections_made += 1
            self.shard.meters.connect.record(at - self.began_at)
            self.ready.set()
            self.ready = None

    # What comes -----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes off the wire, stamped at once."""
        at = monotonic()
        if self._rest:
            data, self._rest = self._rest + data, b""
        if self._cutting:
            self._take(data, at)
        elif not self.gone:
            self._upgrade(data, at)

    def _take(self, data: bytes, at: float) -> None:
        start, most = 0, self.shard.plan.max_frame_bytes
        end = len(data)
        while start < end and self._cutting:
            if self._parts is None:
                frames: list[bytes] = []
                start = cut(data, start, most, frames)
                if frames:
                    self._frames(frames, at)
                if start == end:
                    break
            stop = end_of_frame(data, start, most)
            if stop is None:
                self._rest = data[start:]
                break
            self._other(data[start:stop], at)
            start = stop
        if self._cutting:
            # Only now are all frames of the read judged: what follows the end may be a finding.
            self.read_over(at)
        if self.ready is not None:
            self._maybe_ready(at)

    def _frames(self, frames: list[bytes], at: float) -> None:
        self.longest_s = max(self.longest_s, at - self.last_at)
        self.last_at = at
        n = self._n + 1
        self._n += len(frames)
        self.shard.meters.messages += len(frames)
        kept = self._kept
        kept.append((n, at, frames))
        if len(kept) > _MOST_KEPT:
            del kept[:-_MOST_KEPT]
        checker = self.checker
        # Without their headers: the two bytes of a length may be any letters.
        checker.received_together(b"".join(frames) if len(frames) > 1 else frames[0], frames, at, n)
        stamps = checker.stamps
        if stamps:
            zero = self.shard.meters.stamp_zero
            if zero is not None:
                self.shard.meters.delivery.record_ages(zero + at, stamps)
            stamps.clear()

    def _other(self, data: bytes, at: float) -> None:
        """A frame that is no plain text: fragments, compressed, pings, closes, and what is not allowed at all."""
        protocol = self._protocol
        if data[0] & 0x0F == Opcode.CLOSE and len(data) >= 4:
            self.checker.searched(data[4:], "the reason of a close", self._n)
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Frame):
                self._frame(event, at)
        if protocol.parser_exc is not None:
            illegal = data[0] & 0x0F == Opcode.CLOSE and len(data) >= 4
            self._ended("server" if illegal else "client", int.from_bytes(data[2:4]) if illegal else None)
        self._flush()

    def _frame(self, frame: Frame, at: float) -> None:
        if frame.opcode is Opcode.CLOSE:
            close = self._protocol.close_rcvd
            self._ended("server" if not self.left else "client", close.code if close is not None else None)
        elif frame.opcode in (Opcode.PING, Opcode.PONG):
            self.checker.searched(bytes(frame.data), "a control frame", self._n)
        else:
            if frame.opcode is not Opcode.CONT:
                self._opcode = frame.opcode
            if frame.fin and self._parts is None:
                self._message(bytes(frame.data), at)
                return
            self._parts = self._parts if self._parts is not None else bytearray()
            self._parts += frame.data
            if frame.fin:
                whole, self._parts = bytes(self._parts), None
                self._message(whole, at)

    def _message(self, data: bytes, at: float) -> None:
        if self._opcode is Opcode.TEXT:
            self._frames([data], at)
            return
        self._n += 1
        self.shard.meters.messages += 1
        self._kept.append((self._n, at, [data]))
        self.checker.received(data, at, self._n, binary=True)

    # Sending --------------------------------------------------------------------------------------------------

    def _send(self, text: bytes) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.write(self.shard.masks.text_frame(text))

    def _flush(self) -> None:
        transport = self._transport
        if transport is None:
            return
        for data in self._protocol.data_to_send():
            if data and not transport.is_closing():
                transport.write(data)

    def ping(self, nonce: str) -> None:
        """Sends an application ping."""
        self._n += 1
        self.checker.pinged(nonce, self._n)
        self._send(self.shard.profile.frame("ping", nonce=nonce).encode())

    def stop_reading(self) -> None:
        """From now on nothing is taken off the line, as if the network were very slow."""
        self.is_slow = True
        if self._transport is not None:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """The line takes nothing more for now."""
        self.is_full = True

    def resume_writing(self) -> None:
        """The line takes more again."""
        self.is_full = False
        self.goes_on(monotonic())

    # Going ----------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Says goodbye; the line ends when the backend has answered."""
        if self.open and not self.left:
            self.left = True
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()

    def hang_up(self) -> None:
        """Cuts the line without a word."""
        self.left = True
        if self._transport is not None:
            self._transport.abort()

    def _ended(self, by: str, code: int | None) -> None:
        """The conversation is over, by a close frame or because what came cannot be taken."""
        if self.gone:
            return
        self._cutting = False
        self.shard.meters.lines_lost += self.ready is None and not self.left and not self.is_slow
        self._n += 1
        closed = Closed(n=self._n, at=monotonic(), connection=self.connection, by=by, code=code, person="")
        self._kept.append(closed)
        error = self._protocol.parser_exc
        if by == "client" and error is not None:
            self.checker.gave_up(self._protocol.close_code, str(error), self._n)
        else:
            self.checker.closed(by, code, closed.at, self._n)
        self._is_gone()
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone."""
        if not self.open and not self.gone:
            self.refused(exc or ConnectionError("the line broke in the handshake"))
        elif self.open and not self.gone:
            self._ended("client" if self.left else "nobody", None)
        self._transport = None
        self.shard.went(self)

    def eof_received(self) -> bool | None:
        """The backend says nothing more; that is how the body of a refusal may end."""
        if not self._cutting and not self.gone:
            self._protocol.receive_eof()
            self._protocol.events_received()
            self.refused(self._protocol.handshake_exc)
        return None

    def _is_gone(self) -> None:
        self.open, self.gone = False, True
        if not self.left:
            self.lost()
        self.forget()
        if self.ready is not None:
            self.ready.set()
            self.ready = None
        if self._transport is not None and not self._transport.is_closing():
            self._flush()
            self._transport.close()
