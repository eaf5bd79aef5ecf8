"""A connection that the suite itself may cut: its open requests are not given up, and may resume on another one."""

import time

from greenlight_gate.client.session import Session
from greenlight_gate.events import Event, each
from greenlight_gate.trace import Cut, Throttled


class ResumableSession(Session):
    """One connection of a user that the suite may cut or throttle."""

    def cut(self, way: str, where: str, *, after: int | None = None, inside: bool = False) -> None:
        """Records that the suite is about to cut this connection; its open requests are not given up."""
        self.cut_by_us = True
        self.recorder.add(
            Cut, self.connection, way=way, where=where, after=after, inside=inside, user=self.user
        )  # fmt: skip

    def throttled(self, *, over: bool = False) -> None:
        """Records that the suite throttles this connection from now on, or (`over`) no longer does."""
        self.recorder.add(Throttled, self.connection, over=over)
        for question in self.inbox.questions:
            question.last_at = time.monotonic()

    def hang_up(self) -> None:
        """Cuts the connection without a close frame, as an app does that has lost its network."""
        if self._transport is not None and self.open:
            self._transport.abort()

    def take_over(self, other: Session) -> None:
        """Continues the requests of a connection that has ended."""
        self.inbox.questions += other.inbox.questions
        other.inbox.questions.clear()
        for question in self.inbox.questions:
            question.last_at = time.monotonic()

    def last_seq(self, thread: str) -> int:
        """The highest sequence number that was received of a thread, on any connection of the trace; 0 for none."""
        parts = [part for entry in self.recorder.entries for part in each(entry.reading)]
        events = [part for part in parts if isinstance(part, Event) and part.thread == thread]
        return max((event.seq for event in events if event.seq is not None), default=0)

    async def frame_came(self, before: int, timeout_s: float) -> bool:
        """Whether more than `before` frames of any kind have come within the time; `frames` says how many so far."""
        return await self.inbox.until(lambda: self.frames > before or not self.open, timeout_s)

    @property
    def frames(self) -> int:
        """How many frames have come so far, those of the protocol included."""
        return self._transport.frames if self._transport is not None else 0
