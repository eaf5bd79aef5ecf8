"""A connection that the suite itself may end: what is under way then is not given up, and may go on in another one."""

import time

from greenlight_gate.client.session import Session
from greenlight_gate.trace import Cut, Throttled


class ResumableSession(Session):
    """One WebSocket of a person, over a line that can be lost."""

    def cut(self, way: str, where: str, *, after: int | None = None, inside: bool = False) -> None:
        """Notes that the suite is about to end this line: what is under way is not given up, since it may go on."""
        self.cut_by_us = True
        self.recorder.add(
            Cut, self.connection, way=way, where=where, after=after, inside=inside, person=self.person
        )  # fmt: skip

    def throttled(self, *, over: bool = False) -> None:
        """Notes that the suite takes hardly anything off this line from now on, or all that comes again."""
        self.recorder.add(Throttled, self.connection, over=over)
        for question in self.heard.questions:
            question.last_at = time.monotonic()

    def hang_up(self) -> None:
        """Lets go of the line without a word, as an app does that has lost its network."""
        if self._transport is not None and self.open:
            self._transport.abort()

    def take_over(self, other: Session) -> None:
        """Goes on with what was asked on a line that has ended."""
        self.heard.questions += other.heard.questions
        other.heard.questions.clear()
        for question in self.heard.questions:
            question.last_at = time.monotonic()

    async def frame_came(self, before: int, timeout_s: float) -> bool:
        """Whether more than `before` frames of any kind have come within the time; `frames` says how many so far."""
        return await self.heard.until(lambda: self.frames > before or not self.open, timeout_s)

    @property
    def frames(self) -> int:
        """How many frames have come so far, those of the protocol included."""
        return self._transport.frames if self._transport is not None else 0

    @property
    def heartbeats(self) -> int:
        """How many pings the backend has sent so far."""
        return self._transport.pings if self._transport is not None else 0
