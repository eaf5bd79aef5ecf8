"""One virtual person: what they ask, and what comes of it."""

from typing import TYPE_CHECKING

from greenlight_gate.events import Control, EventKind
from greenlight_gate.load.checker import expected_of
from greenlight_gate.load.plan import PlannedUser
from greenlight_gate.load.user_connection import UserConnection, monotonic
from greenlight_gate.rules.engine import canary
from greenlight_gate.rules.engine.run_state import Request, RunState
from greenlight_gate.trace import Closed, Received, Sent, encode_record

if TYPE_CHECKING:
    from greenlight_gate.load.shard import Shard

_PLACE = "greenlight-request-place"


class VirtualUser(UserConnection):
    """A guest of a shard, with the one question that they are waiting for."""

    __slots__ = ("_asked_bytes", "_sent_at", "answered_at", "ask", "asked", "intended", "request", "thread")

    def __init__(self, guest: PlannedUser, shard: "Shard", number: int) -> None:
        super().__init__(guest, shard, number)
        self._asked_bytes: tuple[int, str | None, bytes, bytes | None] | None = None
        self.asked = 0
        self.request = ""
        self.ask: Request | None = None
        self.thread: str | None = None
        self.intended: float | None = None
        self._sent_at = 0.0
        self.answered_at = 0.0

    # What is asked, and what comes of it ----------------------------------------------------------------------

    @property
    def is_free(self) -> bool:
        """Whether they can ask."""
        return self.open and self.ask is None and self.ready is None and not self.gone and not self.left

    @property
    def asks_for_canary(self) -> bool:
        """Whether a canary of theirs has to be in one of the answers: the control that its search works."""
        return any(canary.MARKER.decode() in str(q.expect.contains) for q in self.guest.questions)

    def put(self, intended: float | None) -> None:
        """Asks the next question. `intended`: when it was due (monotonic), if it was."""
        guest, shard = self.guest, self.shard
        count, first = len(guest.questions), guest.again_from
        index = self.asked if self.asked < count else first + (self.asked - first) % (count - first)
        question = guest.questions[index]
        self.asked += 1
        self.request = request = f"{self.connection}-{self.asked}"
        known = self._asked_bytes
        if known is None or known[0] != index or known[1] != self.thread:
            text = shard.profile.frame("start", request=_PLACE, prompt=question.text, thread=self.thread)
            # None: not every wire has a place for it.
            before, place, after = text.encode().partition(_PLACE.encode())
            known = self._asked_bytes = (index, self.thread, before, after if place else None)
        self._n += 1
        at = self._sent_at = self.last_at = monotonic()
        self.intended, self.longest_s, self.answered_at = intended, 0.0, 0.0
        self.ask = Request(self._n, at if intended is None else intended, request, self.thread, question.expect)
        self._kept = [(self._n, at, intended, index, self.thread)]
        if self.asked <= count:
            self.checker.search.typed(question.text)
        self.checker.asked(self.ask)
        shard.meters.asked += 1
        _, _, begins, ends = known
        self._send(begins if ends is None else begins + request.encode() + ends)

    def answered(self, run: RunState) -> None:
        """A run has ended: if it is the one that is waited for, they are free again."""
        ask = self.ask
        if ask is None or run.ask is not ask:
            return
        meters = self.shard.meters
        due, shown = expected_of(ask, run)
        meters.expected += due
        meters.arrived += shown
        meters.runs += 1
        self._measure(run)
        expect = ask.expect
        if expect is not None and expect.tools and expect.end is EventKind.COMPLETED:
            meters.five_expected += 1
            if run.started_at is not None and run.thoughts and run.tools_begun and run.tools_done:
                meters.five_shown += 1
        if run.ended_by is EventKind.FAILED and expect is not None and not expect.failing_tool:
            meters.failed += expect.end is not EventKind.FAILED
        at = self.last_at
        meters.whole.record(at - self._sent_at)
        meters.silence.record(self.longest_s)
        self.ask = None
        self.answered_at = at

    def _measure(self, run: RunState) -> None:
        """How long the first sign of life took, from the asking, and from when it was due."""
        if run.started_at is None:
            return
        meters = self.shard.meters
        meters.raw.record(run.started_at - self._sent_at)
        if self.intended is not None:
            meters.corrected.record(run.started_at - self.intended)
        if self.thread is None and self.shard.sends_thread:
            self.thread = run.thread

    def told(self, control: Control, at: float) -> None:
        """A frame of the protocol came: an error may be all that a question is answered with."""
        if control.name == "error" and self.ask is not None and self.ask.over:
            self.lost()
            self.shard.meters.failed += 1
            self.answered_at = at
        elif control.name == "pong":
            self.shard.ponged(self, control, at)

    def on_read(self, at: float) -> None:
        """All messages of one read are judged, and only now whoever was answered by one of them is free.

        What follows the end of an answer may be a finding.
        """
        if self.ready is not None:
            self.maybe_ready(at)
        if self.ask is None and self.answered_at and self.open:
            self.answered_at = 0.0
            self.shard.is_free(self, at)

    def goes_on(self, at: float) -> None:
        """The line takes more again: whoever waited for that asks."""
        if self.is_free:
            self.shard.is_free(self, at)

    def forget(self) -> None:
        """Nothing is under way any more."""
        self.ask = None

    def patience_ends(self, at: float) -> None:
        """Gives up on an answer that nobody would wait for any longer, as a person in a scenario does."""
        ask, patience = self.ask, self.shard.patience
        if ask is None or self.is_slow:
            return
        run = ask.run
        if run is None:
            last_at = ask.at
            over = at > patience.start_ends(last_at)
        else:
            last_at, at_work = run.last_at, [tool.name or "" for tool in run.tools]
            over = at > patience.ends(self._sent_at, last_at, at_work)
        if over:
            self._n += 1
            waited = at - last_at
            if run is not None:
                patience.ended(last_at, at, at_work)
            self.checker.timed_out("start" if run is None else "end", waited, ask.request, at, self._n)
            self.lost()
            if self.is_free:
                self.shard.is_free(self, at)

    def lost(self) -> None:
        """The question under way has come to nothing."""
        ask = self.ask
        if ask is None:
            return
        due, shown = expected_of(ask, ask.run)
        meters = self.shard.meters
        meters.expected += due
        meters.arrived += min(shown, due - 1)
        if ask.run is not None:
            self._measure(ask.run)
        expect = ask.expect
        meters.five_expected += bool(expect is not None and expect.tools and expect.end is EventKind.COMPLETED)
        self.ask = None

    # Evidence -------------------------------------------------------------------------------------------------

    def trace(self) -> bytes:
        """What is still known of the question under way, as lines of a trace."""
        lines = [self.opened_n] if self.opened_n else []
        for kept in self._kept:
            if isinstance(kept, Closed):
                lines.append(encode_record(kept))
            elif len(kept) == 3:
                n, at, frames = kept
                lines += [encode_record(_received(n + i, at, self.connection, f)) for i, f in enumerate(frames)]
            else:
                n, at, intended, index, thread = kept
                question = self.guest.questions[index]
                lines.append(
                    encode_record(
                        Sent(n=n, at=at, connection=self.connection, what="start", text=question.text,
                             request=self.request, thread=thread, expect=question.expect, intended_at=intended)
                    )
                )  # fmt: skip
        return b"".join(lines)


def _received(n: int, at: float, connection: str, frame: bytes) -> Received:
    try:
        return Received(n=n, at=at, connection=connection, text=frame.decode())
    except UnicodeDecodeError:
        return Received(n=n, at=at, connection=connection, data=frame)
