"""One connection of a load: what came on it, judged by the rules, and kept as evidence of the question under way."""

import asyncio
import ssl
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import msgspec

from greenlight_gate.events import Control
from greenlight_gate.load.checker import LoadChecker
from greenlight_gate.load.plan import PlannedUser
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import Closed, Opened, encode_record
from greenlight_gate.transport.interface import Accepted, Ending, NotOpened, Transport
from greenlight_gate.transport.upgrade import Upgrade
from greenlight_gate.transport.websocket import WebSocket

if TYPE_CHECKING:
    from greenlight_gate.load.shard import Shard

monotonic = time.monotonic
# So many records of the question under way are kept, should the rules object to it.
_MOST_KEPT = 64


class UserConnection(ABC):
    """A guest's connection, and the `Receiver` of its transport.

    `ready` is set when they may speak, or never will: then `gone` is true. Kept are only a few numbers, and the frames
    since the last question.
    """

    __slots__ = (
        "_kept", "_n", "_transport", "began_at", "checker", "connection", "gone", "guest", "is_slow", "last_at", "left",
        "longest_s", "open", "opened_n", "ready", "shard",
    )  # fmt: skip

    def __init__(self, guest: PlannedUser, shard: "Shard", number: int) -> None:
        self.guest = guest
        self.shard = shard
        self.connection = f"{shard.prefix}-{number}"
        self.checker = LoadChecker(
            shard.profile, shard.budgets, shard.book, self.connection, person=self, name=guest.person,
            meters=shard.meters, found=shard.offenders.take,
        )  # fmt: skip
        self._transport: Transport | None = None
        self._kept: list[Any] = []
        self._n = 0
        self.opened_n: bytes = b""
        self.began_at = monotonic()
        self.ready: asyncio.Event | None = asyncio.Event()
        self.open = False
        self.gone = False
        self.left = False
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
    def on_read(self, at: float) -> None:
        """All messages of one read have been judged."""

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

    async def connect(self, tls: ssl.SSLContext | None, source: str) -> None:
        """Opens the connection. Raises NotOpened, OSError."""
        self.began_at = monotonic()
        guest, plan = self.guest, self.shard.plan
        # Compression only where it was asked for, since it costs memory.
        upgrade = Upgrade(guest.url, headers=guest.headers, subprotocols=guest.subprotocols, compress=plan.compress)
        self._transport = WebSocket(self, upgrade, max_message_bytes=plan.max_frame_bytes)
        await self._transport.open(tls=tls, source=source)

    def on_open(self, accepted: Accepted, at: float) -> None:
        """The connection is open."""
        self.open = True
        self.shard.present += 1
        self._n += 1
        opened = Opened(
            n=self._n, at=at, connection=self.connection, person=self.guest.person, user=self.guest.user,
            handshake_ms=round((at - self.began_at) * 1e3, 3), subprotocol=accepted.subprotocol,
        )  # fmt: skip
        self.opened_n = encode_record(opened)
        self.checker.opened(self.guest.user, opened.handshake_ms, self._n)
        self.checker.searched(accepted.head, "the handshake", self._n)
        if self.guest.first_message is not None:
            self._send(msgspec.json.encode(self.guest.first_message))

    def refused(self, error: Exception) -> None:
        """The connection did not come about."""
        if self.gone:
            return
        status = error.status if isinstance(error, NotOpened) else None
        self._n += 1
        # The body may hold whatever was sent, tokens included.
        said = f"HTTP {status}" if status is not None else str(error)
        self.checker.refused(status, said, self._n)
        self._is_gone()

    def maybe_ready(self, at: float) -> None:
        """They may speak, as soon as the backend has said what it promises to say first."""
        if self.ready is not None and (self.checker.ready or not self.shard.profile.promises.ready):
            self.shard.meters.connections_made += 1
            self.shard.meters.connect.record(at - self.began_at)
            self.ready.set()
            self.ready = None

    # What comes -----------------------------------------------------------------------------------------------

    def on_texts(self, texts: list[bytes], at: float) -> None:
        """Messages have come."""
        self.longest_s = max(self.longest_s, at - self.last_at)
        self.last_at = at
        n = self._n + 1
        self._n += len(texts)
        self.shard.meters.messages += len(texts)
        kept = self._kept
        kept.append((n, at, texts))
        if len(kept) > _MOST_KEPT:
            del kept[:-_MOST_KEPT]
        checker = self.checker
        # Without their headers: the two bytes of a length may be any letters.
        checker.received_together(b"".join(texts) if len(texts) > 1 else texts[0], texts, at, n)
        stamps = checker.stamps
        if stamps:
            zero = self.shard.meters.stamp_zero
            if zero is not None:
                self.shard.meters.delivery.record_ages(zero + at, stamps)
            stamps.clear()

    def on_binary(self, data: bytes, at: float) -> None:
        """A binary message has come."""
        self._n += 1
        self.shard.meters.messages += 1
        self._kept.append((self._n, at, [data]))
        self.checker.received(data, at, self._n, binary=True)

    def on_other(self, kind: str, data: bytes, at: float) -> None:
        """What is no message has come: it is searched like one."""
        self.checker.searched(data, "part of a message" if kind == "part" else f"a {kind} frame", self._n)

    # Sending --------------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether the line takes nothing more for now."""
        return self._transport is not None and self._transport.is_full

    def _send(self, text: bytes) -> None:
        transport = self._transport
        if transport is not None and transport.can_send:
            transport.send(text)

    def ping(self, nonce: str) -> None:
        """Sends an application ping."""
        self._n += 1
        self.checker.pinged(nonce, self._n)
        self._send(self.shard.profile.frame("ping", nonce=nonce).encode())

    def stop_reading(self) -> None:
        """From now on nothing is taken off the line, as if the network were very slow."""
        self.is_slow = True
        if self._transport is not None:
            self._transport.stop_reading()

    def on_writable(self, at: float) -> None:
        """The line takes more again."""
        self.goes_on(at)

    # Going ----------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Says goodbye; the line ends when the backend has answered."""
        if self.open and not self.left and self._transport is not None:
            self.left = True
            self._transport.close()

    def hang_up(self) -> None:
        """Cuts the line without a word."""
        self.left = True
        if self._transport is not None:
            self._transport.abort()

    def on_close(self, ending: Ending, at: float) -> None:
        """The conversation is over, by a close frame, by none, or because what came cannot be taken."""
        if self.gone:
            return
        self.shard.meters.lines_lost += self.ready is None and not self.left and not self.is_slow
        self._n += 1
        by = "client" if self.left else ending.by
        closed = Closed(n=self._n, at=at, connection=self.connection, by=by, code=ending.code, person="")
        self._kept.append(closed)
        for said in (ending.reason.encode(), ending.unsaid):
            self.checker.searched(said, "the reason of the close", self._n)
        if by == "client" and not self.left:
            self.checker.gave_up(ending.code, ending.reason, self._n)
        else:
            self.checker.closed(by, ending.code, at, self._n)
        self._is_gone()

    def on_gone(self) -> None:
        """Nothing is left of the line."""
        self.shard.present -= bool(self.opened_n)

    def _is_gone(self) -> None:
        self.open, self.gone = False, True
        if not self.left:
            self.lost()
        self.forget()
        if self.ready is not None:
            self.ready.set()
            self.ready = None
