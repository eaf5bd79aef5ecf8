"""A connection that the suite itself may cut: its open requests are not given up, and may resume on another one."""

import time

from greenlight_gate.client.request import resuming
from greenlight_gate.client.scenario_session import ScenarioSession
from greenlight_gate.client.session import Session
from greenlight_gate.events import Event, More, each
from greenlight_gate.trace import Cut, Throttled
from greenlight_gate.transport.connection_setup import NOTHING_NAMED, Naming


class ResumableSession(ScenarioSession):
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

    def resuming(self, *, whole: bool = False) -> Naming:
        """What a connection names that goes on with the latest unfinished answer; `whole`: from its beginning.

        Nothing, where the profile does not resume by connecting again, or no answer is unfinished.
        """
        open_ones = [each for each in self.inbox.questions if not each.over and each.thread is not None]
        if not open_ones or self.profile.spec.resume is None or (whole and self.profile.can_send("restore")):
            return NOTHING_NAMED
        latest = open_ones[-1]
        if whole:
            return resuming(latest, 0)
        last_id = self.last_event_id if self._resumes_by_id else ""
        also = {each.thread or "": self.last_seq(each.thread or "") for each in open_ones} if last_id else {}
        also.pop(latest.thread or "", None)
        return resuming(latest, self.last_seq(latest.thread or ""), last_event_id=last_id, also=also)

    @property
    def _resumes_by_id(self) -> bool:
        return self.profile.spec.resumes_by_event_id

    def last_seq(self, thread: str) -> int:
        """The highest sequence number that was received of a thread, on any connection of the trace; 0 for none."""
        parts = [part for entry in self.recorder.entries for part in each(entry.reading)]
        events = [part.event if isinstance(part, More) else part for part in parts if isinstance(part, Event | More)]
        return max((event.seq for event in events if event.thread == thread and event.seq is not None), default=0)

    @property
    def notices_loss(self) -> bool:
        """Whether the client notices by itself that the connection is lost; if not, it is the user who does."""
        return self._transport is not None and self._transport.notices_loss

    async def frame_came(self, before: int, timeout_s: float) -> bool:
        """Whether more than `before` frames of any kind have come within the time; `frames` says how many so far."""
        return await self.inbox.until(lambda: self.frames > before or not self.open, timeout_s)

    @property
    def frames(self) -> int:
        """How many frames have come so far, those of the protocol included."""
        return self._transport.frames if self._transport is not None else 0
